"""One worked example of every event: golden vectors, AsyncAPI and the docs read these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import direct, erasures, events, links, money, standing, surveillance, transparency
from schemas.further_examples import FURTHER
from schemas.registry import BY_MODEL

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARKET = "jjj-spot"
_ROUND = f"{_MARKET}:7"
_OFFER = "off_" + "p" * 26
_DEMAND = "dem_" + "e" * 26
_ALLOCATION = "al_" + "a" * 26
_DIGEST = "5f" * 32
_MORNING = "2026-11-24T08:00:00Z"
_POOL = "bj-yizhuang/ascend-910b"
_OF_A_ROUND = {"round_id": _ROUND, "market_id": _MARKET, "demand_id": _DEMAND} | {
    "enterprise_id": "haidian-lab"
}
_REASON = {
    "code": "filled",
    "en": "All 64 chips run from 08:00 for 2 hours.",
    "zh": "64 张卡自 08:00 起运行 2 小时,全部成交。",
    "params": {"chips": 64},
}
_OFFER_TERMS = {
    "zone": "bj-yizhuang",
    "chip": "ascend-910b",
    "chips": 512,
    "start": _MORNING,
    "end": "2026-11-24T20:00:00Z",
    "ask": 8_500_000,
    "block": False,
    "mobilisable": True,
    "mobilisation_price": 9_000_000,
    "resource_code": "CN.11.0115.YZ01-A910B",
}
_DEMAND_TERMS = {
    "shape": {"type": "block", "chips": 64, "chips_min": 32, "duration": 2},
    "alternatives": [
        {"chips_any_of": ["ascend-910b"], "regions": ["beijing"], "limit": 12_000_000},
        {
            "requirement": {"memory_gb_min": 64, "domestic": True},
            "zones": ["he-zhangjiakou"],
            "limit": 9_000_000,
            "equivalence_milli": 1600,
        },
    ],
    "earliest": _MORNING,
    "deadline": "2026-11-24T18:00:00Z",
    "priority": "interruptible",
    "budget": 2_000_000_000,
    "user_zone": "bj-yizhuang",
    "latency_ms_max": 10,
    "notice_periods": 1,
    "exclusive_group": "nightly-training",
    "linked_to": "dem_" + "d" * 26,
    "resource_code": "CN.11.0108.HD-LAB-7",
    "expires_at": "2026-11-24T12:00:00Z",
}
_MARKET_BODY = {
    "id": _MARKET,
    "name_en": "Beijing-Tianjin-Hebei spot",
    "name_zh": "京津冀现货",
    "zones": [
        {
            "id": "bj-yizhuang",
            "region": "beijing",
            "name_en": "Yizhuang",
            "name_zh": "亦庄",
            "cloud": "north-cloud",
        },
        {
            "id": "he-zhangjiakou",
            "region": "hebei",
            "name_en": "Zhangjiakou",
            "name_zh": "张家口",
            "cloud": "green-cloud",
        },
    ],
    "latencies": [{"a": "bj-yizhuang", "b": "he-zhangjiakou", "ms": 5}],
    "links": [
        {
            "source": "bj-yizhuang",
            "destination": "he-zhangjiakou",
            "capacity_gb_per_period": 45_000,
            "tariff": 20_000,
        }
    ],
    "chips": [
        {
            "id": "ascend-910b",
            "name": "Ascend 910B",
            "vendor": "Huawei",
            "domestic": True,
            "memory_gb": 64,
            "tflops": 320,
            "lot": 8,
        }
    ],
}
_ORDER = {"market_id": _MARKET, "participant_id": "haidian-lab"}
_OFFER_HEAD = {"market_id": _MARKET, "participant_id": "north-cloud", "order_id": _OFFER}
_HOLD = {**_ORDER, "order_id": _DEMAND, "hold_id": "hold-1"}
_CURVE = {"pool": _POOL, "prices": [8_500_000, 8_600_000], "chips": [64, 64]}
_RANGE = {"topic": "demand", "partition": 1, "start": 120, "end": 160}

_BODIES: dict[type[events.Event], dict[str, object]] = {
    events.ParticipantRegistered: {
        "participant_id": "haidian-lab",
        "role": "enterprise",
        "name": "海淀智算实验室",
        "resource_code": "CN.11.0108.HD-LAB-7",
        "status": "active",
    },
    events.DepositRecorded: {
        "deposit_id": "dep_" + "a" * 26,
        "participant_id": "haidian-lab",
        "amount": 5_000_000_000,
        "reference": "bank slip 2026-11-23/118",
    },
    money.WithdrawalOrdered: {
        "withdrawal_id": "wdr_" + "a" * 26,
        "participant_id": "north-cloud",
        "amount": 1_000_000_000,
        "reference": "payout 2026-11-25/7",
    },
    money.CollateralOrdered: {
        "collateral_id": "col_" + "a" * 26,
        "participant_id": "north-cloud",
        "direction": "in",
        "amount": 500_000_000,
    },
    money.ReversalOrdered: {
        "reversal_id": "rev_" + "a" * 26,
        "entry_id": "31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab",
        "participant_id": "operator",
        "reason": "deposit was booked to the wrong participant",
    },
    money.SettlementTermsSet: {
        "market_id": _MARKET,
        "version": 1,
        "in_force_from_round": 8,
        "provider_fee_ppm": 5_000,
        "enterprise_fee_ppm": 2_000,
        "penalty_ppm": 200_000,
        "compensation_ppm": 500_000,
        "report_within_periods": 24,
        "reason": "fees of 2027",
    },
    money.AllocationSettled: {
        "settlement_id": "dlv_" + "a" * 26,
        "allocation_id": _ALLOCATION,
        "market_id": _MARKET,
        "round_id": _ROUND,
        "demand_id": _DEMAND,
        "enterprise_id": "haidian-lab",
        "provider_id": "north-cloud",
        "lapsed": False,
        "terms_version": 1,
        "periods": [{"start": _MORNING, "chips": 64, "delivered": 60, "price": 9_000_000}],
        "paid": 540_000_000,
        "provider_fee": 2_700_000,
        "enterprise_fee": 1_080_000,
        "refund": 36_000_000,
        "penalty": 7_200_000,
        "compensation": 3_600_000,
        "provider_owes": 0,
        "enterprise_owes": 0,
    },
    money.MoneyRefused: {
        "order_ref": "wdr_" + "a" * 26,
        "participant_id": "north-cloud",
        "amount": 1_000_000_000,
        "free": 900_000_000,
        "reason": _REASON,
    },
    erasures.ErasureOrdered: {
        "erasure_id": "era_" + "a" * 26,
        "entry_id": "31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab",
        "leaf_hash": "59" * 32,
        "participant_id": "operator",
        "reason": "request of the person concerned, case 2026-118",
    },
    erasures.ErasureRefused: {
        "erasure_id": "era_" + "a" * 26,
        "entry_id": "31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab",
        "participant_id": "operator",
        "reason": {
            "code": "erasure.needed",
            "en": "entry_id: must be no entry of a round, was hold_captured",
            "zh": "entry_id：不得为轮次的条目，实为 hold_captured",
        },
    },
    erasures.JournalEntryErased: {
        "commitment": _DIGEST,
        "entry_id": "31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab",
        "erased_at": "2026-11-26T09:30:00Z",
        "erasure_id": "era_" + "a" * 26,
        "leaf_index": 41,
        "occurred_at": "2026-11-24T08:15:00Z",
    },
    events.MarketDefined: {"market": _MARKET_BODY},
    events.PolicySet: {
        "policy_id": "domestic-beijing",
        "market_id": _MARKET,
        "kind": "domestic_share",
        "version": 1,
        "in_force_from_round": 8,
        "parameters": {"region": "beijing", "theta_ppm": 400_000},
        "reason": "Share of domestic chips in Beijing",
    },
    events.OfferSubmitted: {**_OFFER_HEAD, "terms": _OFFER_TERMS},
    events.OfferAmended: {**_OFFER_HEAD, "expected_version": 1, "terms": _OFFER_TERMS},
    events.OfferCancelled: {**_OFFER_HEAD},
    events.DemandSubmitted: {**_ORDER, "order_id": _DEMAND, "terms": _DEMAND_TERMS},
    events.DemandAmended: {
        **_ORDER,
        "order_id": _DEMAND,
        "expected_version": 1,
        "terms": _DEMAND_TERMS
        | {"shape": {"type": "work", "chip_hours": 128, "chips_max": 64}, "earliest": _MORNING},
    },
    events.DemandCancelled: {**_ORDER, "order_id": _DEMAND},
    events.HoldPlaced: {**_HOLD, "version": 1, "amount": 1_536_000_000},
    events.HoldRefused: {
        **_ORDER,
        "order_id": _DEMAND,
        "version": 1,
        "needed": 1_536_000_000,
        "free": 900_000_000,
        "reason": {
            "code": "hold.insufficient_funds",
            "en": "The demand needs 1536.00 yuan, 900.00 yuan are free.",
            "zh": "该需求需冻结 1536.00 元,可用余额 900.00 元。",
            "params": {"needed": 1_536_000_000, "free": 900_000_000},
        },
    },
    events.HoldCaptured: {
        **_HOLD,
        "round_id": _ROUND,
        "captured": 1_094_400_000,
        "kept": 0,
        "refunded": 441_600_000,
    },
    events.HoldReleased: {**_HOLD, "round_id": _ROUND, "released": 441_600_000, "kept": 0},
    events.OrderStatusChanged: {
        **_ORDER,
        "order_id": _DEMAND,
        "side": "demand",
        "version": 1,
        "state": "filled",
        "reason": _REASON,
        "sequence": 3,
        "round_id": _ROUND,
        "chip_hours_allocated": 128,
        "chip_hours_left": 0,
    },
    events.RoundSealed: {
        "round_id": _ROUND,
        "market_id": _MARKET,
        "seq": 7,
        "epoch": 1,
        "market_time": "2026-11-24T07:30:00Z",
        "manifest": [_RANGE],
        "book_digest": _DIGEST,
        "rules_digest": _DIGEST,
        "offers": 40,
        "demands": 120,
    },
    events.RoundCleared: {
        "round_id": _ROUND,
        "market_id": _MARKET,
        "seq": 7,
        "market_time": "2026-11-24T07:30:00Z",
        "status": "optimal",
        "welfare": 441_600_000,
        "bound": 446_000_000,
        "gap_ppm": 9_865,
        "total_regret": 4_400_000,
        "payment": 1_094_400_000,
        "chip_hours": 128,
        "chip_hours_domestic": 128,
        "tflops_hours": 40_960,
        "tflops_hours_domestic": 40_960,
        "offers": 40,
        "demands": 120,
        "demands_filled": 80,
        "demands_part_filled": 4,
        "paradoxically_rejected": 1,
        "allocations": 1,
        "result_digest": _DIGEST,
        "solve_ms": 850,
    },
    events.RoundPrices: {
        "round_id": _ROUND,
        "market_id": _MARKET,
        "first_period": _MORNING,
        "part": 0,
        "parts": 1,
        "pools": [_CURVE | {"offered": [512, 512]}],
    },
    events.RoundFilePart: {
        "round_id": _ROUND,
        "market_id": _MARKET,
        "part": 0,
        "parts": 1,
        "sha256": _DIGEST,
        "data": "eJyrBgABFgCJ",
    },
    events.AllocationMade: {
        "allocation_id": _ALLOCATION,
        "round_id": _ROUND,
        "market_id": _MARKET,
        "index": 0,
        "demand_id": _DEMAND,
        "enterprise_id": "haidian-lab",
        "demand_version": 1,
        "offer_id": _OFFER,
        "provider_id": "north-cloud",
        "offer_version": 1,
        "pool": _POOL,
        "alternative": 0,
        "periods": [
            {"start": _MORNING, "chips": 64, "price": 8_500_000},
            {"start": "2026-11-24T09:00:00Z", "chips": 64, "price": 8_600_000},
        ],
        "payment": 1_094_400_000,
    },
    links.LinkCharged: _OF_A_ROUND
    | {"index": 1, "source": "beijing-yizhuang", "destination": "zhangjiakou", "tariff": 30_000}
    | {"periods": [{"start": _MORNING, "gb": 5_000, "price": 42_000}], "payment": 210_000_000},
    events.HoldAdjusted: _OF_A_ROUND | {"index": 1, "keep": 0, "reason": _REASON},
    events.RoundClosed: {
        "round_id": _ROUND,
        "market_id": _MARKET,
        "seq": 7,
        "count": 2,
        "digest": _DIGEST,
        "market_time": "2026-11-24T07:30:00Z",
        "fee_ppm": 5_000,
        "offers_through": [_RANGE | {"topic": "offers"}],
    },
    events.DeliveryReported: {
        "delivery_id": "dlv_" + "a" * 26,
        "allocation_id": _ALLOCATION,
        "market_id": _MARKET,
        "provider_id": "north-cloud",
        "periods": [{"start": _MORNING, "chips": 64}],
    },
    events.JournalEntryRecorded: {
        "entry_id": "hold-1",
        "kind": "hold",
        "purpose": "demand_hold",
        "market_id": _MARKET,
        "round_id": None,
        "order_id": _DEMAND,
        "unit": "CNY-micro",
        "amount": 1_536_000_000,
        "postings": [
            {
                "account": "cny:haidian-lab",
                "layer": "pending",
                "amount": 1_536_000_000,
                "balance_after": 3_464_000_000,
            },
            {
                "account": "escrow:jjj-spot",
                "layer": "pending",
                "amount": -1_536_000_000,
                "balance_after": 0,
            },
        ],
        "leaf_index": 12,
    },
    events.CheckpointPublished: {"origin": "suanli-exchange", "size": 13, "root": _DIGEST},
    events.FindingRaised: {
        "finding_id": f"{_ROUND}/round_verified",
        "market_id": _MARKET,
        "round_id": _ROUND,
        "kind": "round_verified",
        "ok": True,
        "summary": {
            "code": "round_verified",
            "en": "All checks of the round hold.",
            "zh": "该轮次全部检查通过。",
            "params": {"checks": 12},
        },
        "problems": [],
    },
}
_NOTE = (
    "suanli-exchange/ledger\n13\nX19fX19fX19fX19fX19fX19fX19fX19fX19fX19fX18=\n\n"
    "\u2014 suanli-exchange/ledger 16+QRmtJKSa/9cCU0kP1Ij\n"
)
_HEAD = {"origin": "suanli-exchange/ledger", "size": 13, "root": _DIGEST}
_BODIES |= {
    transparency.JournalEntrySalted: _BODIES[events.JournalEntryRecorded] | {"salt": "5a" * 32},
    transparency.CheckpointSigned: _HEAD | {"note": _NOTE},
    transparency.CheckpointCosigned: _HEAD
    | {
        "witness": "regulator.example/witness",
        "line": "\u2014 regulator.example/witness 16+QRmtJKSa/9cCU0kP1Ij=\n",
    },
    transparency.AuditProgressed: {
        "market_id": "exchange",
        "rounds_verified": 7,
        "rounds_refuted": 0,
        "rounds_booked": 6,
        "entries_checked": 20,
        "entries_published": 20,
        "head_size": 13,
        "head_root": _DIGEST,
        "head_told_at": "2026-11-24T08:15:00Z",
        "cosignatures": 1,
        "findings": 0,
    },
}
_CASE = {"case_id": "sc_" + "a" * 26, "market_id": _MARKET}
_BODIES |= {
    surveillance.ParticipantOwned: _BODIES[events.ParticipantRegistered]
    | {"beneficial_owner": "haidian-group"},
    surveillance.SurveillanceCaseRaised: _CASE
    | {
        "day": "2026-11-24",
        "revision": 1,
        "is_final": False,
        "kind": "wash",
        "severity": "high",
        "participants": ["haidian-lab", "north-cloud"],
        "participants_total": 2,
        "evidence": ["al_" + "a" * 26],
        "evidence_total": 1,
        "figures": {"chip_hours": 640, "net_chip_hours": 0, "owners": 1, "pool": _POOL},
        "summary": {
            "code": "wash",
            "en": "640 chip-hours went from one owner to itself.",
            "zh": "640 卡时由同一实际控制人自成交。",
            "params": {"chip_hours": 640},
        },
    },
    surveillance.SurveillanceCaseStateChanged: _CASE
    | {
        "version": 1,
        "state": "under-review",
        "reason": "asked both for their contracts",
        "changed_by": "regulator-1",
    },
}
_DIRECT = {
    "market_id": _MARKET,
    "idempotency_key": "day-2026-11-24-row-1",
    "issued_at": "2026-11-24T07:30:00Z",
    "expires_at": "2026-11-24T07:35:00Z",
}
_BODIES |= FURTHER
_BODIES |= {
    standing.ParticipantStandingSet: {**_ORDER, "status": "active", "reason": "Settled."},
    direct.DirectOffer: _DIRECT
    | {"participant_id": "north-cloud", "topic": "offers.direct", "terms": _OFFER_TERMS},
    direct.DirectDemand: _DIRECT
    | {"participant_id": "haidian-lab", "topic": "demand.direct", "terms": _DEMAND_TERMS},
    direct.DirectAnswered: {
        "participant_id": "north-cloud",
        "idempotency_key": "day-2026-11-24-row-1",
        "topic": "offers.direct",
        "partition": 2,
        "offset": 41,
        "outcome": "accepted",
        "receipt": {
            "order_id": _OFFER,
            "event_id": "5f" * 16,
            "topic": "offers",
            "partition": 2,
            "offset": 977,
            "sha256": _DIGEST,
            "recorded_at": "2026-11-24T07:30:01Z",
            "market_id": _MARKET,
        },
    },
}


def examples() -> Iterable[events.Event]:
    """Yield one event of every registered model, in the registry's order."""
    yield from (model.model_validate(_BODIES[model]) for model in BY_MODEL)
