"""Worked examples of events about domestic shares."""

from __future__ import annotations

from typing import Any

from schemas import events, shares

_ALLOCATION = "al_" + "b" * 26
_MARKET = {"round_id": "jjj-spot:7", "market_id": "jjj-spot"}
SHARES: dict[type[events.Event], dict[str, Any]] = {
    shares.RoundShares: _MARKET
    | {
        "seq": 7,
        "market_time": "2026-11-24T07:30:00Z",
        "shares": [
            {
                "policy_id": "domestic-beijing",
                "version": 1,
                "region": "beijing",
                "share_bp": 6_000,
                "premium_max": 40_000,
                "premium": 2_500,
                "premium_certified": 2_500,
                "split_bp": 6_250,
                "tflops_hours": 40_960_000,
                "tflops_hours_domestic": 25_600_000,
                "shortfall": 0,
                "account": 120_000,
                "charges": 24_000_000_000,
                "credits": 23_999_999_998,
            }
        ],
    },
    shares.PremiumAssigned: _MARKET
    | {
        "index": 1,
        "allocation_id": _ALLOCATION,
        "provider_id": "north-cloud",
        "periods": [{"start": "2026-11-24T08:00:00Z", "amount": -1_500_000}],
        "amount": -1_500_000,
    },
    shares.PremiumSettled: _MARKET
    | {
        "settlement_id": "dlv_" + "a" * 26,
        "allocation_id": _ALLOCATION,
        "enterprise_id": "haidian-lab",
        "provider_id": "north-cloud",
        "credit": 0,
        "charge": 1_125_000,
        "charge_missed": 375_000,
        "owes": 0,
    },
}
