"""Examples of the main requests, shown on the API's page and sent as they are in the tests."""

from typing import Any

from fastapi import Body

OFFER_TERMS: dict[str, Any] = {
    "zone": "bj-1",
    "chip": "ascend-910b",
    "chips": 64,
    "start": "2026-11-25T00:00:00Z",
    "end": "2026-11-26T00:00:00Z",
    "ask": 9_500_000,
    "resource_code": "CN.11.0108.BJ01-A910B",
}
DEMAND_TERMS: dict[str, Any] = {
    "shape": {"type": "block", "chips": 32, "chips_min": 16, "duration": 4},
    "alternatives": [
        {"chips_any_of": ["ascend-910b"], "regions": ["beijing"], "limit": 12_000_000},
        {"requirement": {"memory_gb_min": 80}, "limit": 15_000_000, "equivalence_milli": 700},
    ],
    "earliest": "2026-11-25T00:00:00Z",
    "deadline": "2026-11-25T12:00:00Z",
    "budget": 2_000_000_000,
}
MARKET: dict[str, Any] = {
    "id": "jingjinji",
    "name_en": "Beijing-Tianjin-Hebei",
    "name_zh": "京津冀",
    "zones": [
        {
            "id": "bj-1",
            "region": "beijing",
            "name_en": "Beijing Haidian",
            "name_zh": "北京海淀",
            "cloud": "cloud-a",
        },
        {
            "id": "zjk-1",
            "region": "hebei",
            "name_en": "Zhangjiakou",
            "name_zh": "张家口",
            "cloud": "cloud-b",
        },
    ],
    "latencies": [{"a": "bj-1", "b": "zjk-1", "ms": 6}],
    "chips": [
        {
            "id": "ascend-910b",
            "name": "Ascend 910B",
            "vendor": "Huawei",
            "domestic": True,
            "memory_gb": 64,
            "tflops": 320,
            "lot": 8,
        },
        {
            "id": "h800",
            "name": "H800",
            "vendor": "NVIDIA",
            "domestic": False,
            "memory_gb": 80,
            "tflops": 989,
            "lot": 8,
        },
    ],
}
PARTICIPANT: dict[str, Any] = {
    "participant_id": "provider-1",
    "role": "provider",
    "name": "Haidian Computing",
    "resource_code": "CN.11.0108.BJ01-A910B",
}
DEPOSIT: dict[str, Any] = {"amount": 5_000_000_000_000, "reference": "bank transfer 4711"}
SETTLEMENT_TERMS: dict[str, Any] = {
    "market_id": "jingjinji",
    "version": 1,
    "in_force_from_round": 1,
    "provider_fee_ppm": 5_000,
    "enterprise_fee_ppm": 1_000,
    "penalty_ppm": 100_000,
    "compensation_ppm": 500_000,
    "report_within_periods": 72,
    "reason": "Fees and penalty as agreed with the participants.",
}

KEY: dict[str, Any] = {
    "label": "bidding script",
    "scopes": ["read", "trade"],
    "expires_in_days": 90,
}

OFFER: dict[str, Any] = {"market_id": "jingjinji", "terms": OFFER_TERMS}
DEMAND: dict[str, Any] = {"market_id": "jingjinji", "terms": DEMAND_TERMS}
OFFER_NEW = Body(examples=[OFFER])
DEMAND_NEW = Body(examples=[DEMAND])
OFFER_AMEND = Body(examples=[{"expected_version": 1, "terms": OFFER_TERMS | {"ask": 9_000_000}}])
DEMAND_AMEND = Body(
    examples=[{"expected_version": 1, "terms": DEMAND_TERMS | {"budget": 2_400_000_000}}]
)
DELIVERY_NEW = Body(
    examples=[
        {
            "allocation_id": "al_" + "a" * 26,
            "periods": [{"start": "2026-11-25T00:00:00Z", "chips": 32}],
        }
    ]
)
MARKET_NEW = Body(examples=[MARKET])
KEY_NEW = Body(examples=[KEY])
SIGNING_KEY_NEW = Body(
    examples=[
        {
            "public_key": "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=",
            # Of provider-1, by the key whose seed is the bytes from 0 to 31.
            "proof": "G78wveMLr6xOPCWZInz0HsOpyMPh1KwGcvrGnF5WU4Rv"
            "9+5KXCzAx3macQ+QEGVcgh+5AkHkG9YlQEBCNwR/AA==",
        }
    ]
)
DIRECT_ACCESS_SET = Body(examples=[{"access": "allowed"}])
STANDING_NEW = Body(
    examples=[{"status": "suspended", "reason": "Deliveries are under investigation."}]
)
PARTICIPANT_NEW = Body(examples=[PARTICIPANT])
DEPOSIT_NEW = Body(examples=[DEPOSIT])
WITHDRAWAL_NEW = Body(examples=[{"amount": 1_000_000_000, "reference": "payout 2026-11"}])
COLLATERAL_NEW = Body(examples=[{"direction": "in", "amount": 2_000_000_000}])
REVERSAL_NEW = Body(
    examples=[
        {
            "entry_id": "31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab",
            "reason": "The transfer was another participant's.",
        }
    ]
)
ERASURE_NEW = Body(
    examples=[
        {
            "entry_id": "31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab",
            "confirm": "59459a5fbe6ed53c4927919246bae6d0f698ef75d813af22f0569ff423ca2d9a",
            "reason": "Request of the person concerned, case 2026-118.",
        }
    ]
)
SETTLEMENT_TERMS_NEW = Body(examples=[SETTLEMENT_TERMS])
CASE_STATE_NEW = Body(
    examples=[
        {
            "state": "closed",
            "reason": "Both sides showed the contract behind it.",
            "expected_version": 1,
        }
    ]
)
