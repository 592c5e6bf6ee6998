"""Worked examples of policies: the event's, and those that the API's page shows."""

from __future__ import annotations

from typing import Any

from schemas import events, policies

POLICY_NEW: dict[str, Any] = {
    "market_id": "jingjinji",
    "policy_id": "prices-h800",
    "version": 1,
    "in_force_from_round": 8,
    "rule": {"kind": "price_limits", "chip": "h800", "floor": 2_000_000, "cap": 20_000_000},
    "reason": "No order takes part in rounds beyond these prices.",
}
SIMULATION_NEW: dict[str, Any] = {
    "market_id": "jingjinji",
    "rule": {"kind": "price_limits", "chip": "h800", "floor": 0, "cap": 15_000_000},
    "day": "2026-11-24",
}
POLICIES: dict[type[events.Event], dict[str, Any]] = {
    policies.MarketPaused: {
        "market_id": "jjj-spot",
        "round_id": "jjj-spot:9",
        "seq": 9,
        "policy_id": "breaker",
        "version": 1,
        "chip": "h800",
        "chip_hours": 640,
        "value": 8_000_000_000,
        "reference": 5_600_000_000,
        "move_bp": 3_000,
        "since": "2026-11-24T08:15:00.000000Z",
        "until": "2026-11-24T08:45:00.000000Z",
    },
    policies.MarketPolicySet: POLICY_NEW | {"market_id": "jjj-spot", "set_by": "regulator"},
}
