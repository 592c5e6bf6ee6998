"""An example of each event of a mobilisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas import mobilisation

if TYPE_CHECKING:
    from schemas import events

MOBILISATION_ID = "mob_" + "m" * 26
TERMS: dict[str, Any] = {
    "regions": ["beijing"],
    "chips": ["ascend-910b"],
    "participants": ["haidian-lab"],
    "price_cap": 15_000_000,
    "rank": 1,
    "start": "2026-11-24T09:00:00Z",
    "end": "2026-11-24T21:00:00Z",
    "reason": "Flood forecast for the Yongding river",
}
_ONE = {"mobilisation_id": MOBILISATION_ID, "market_id": "jjj-spot"}
BODIES: dict[type[events.Event], dict[str, Any]] = {
    mobilisation.MobilisationProposed: {**_ONE, "terms": TERMS, "proposed_by": "operator-1"},
    mobilisation.MobilisationDeclared: {
        **_ONE,
        "terms": TERMS,
        "proposed_by": "operator-1",
        "declared_by": "regulator-1",
    },
    mobilisation.MobilisationEnded: {
        **_ONE,
        "ended_by": "regulator-1",
        "reason": "The river has fallen.",
    },
    mobilisation.MobilisationServed: {
        **_ONE,
        "round_id": "jjj-spot:7",
        "market_time": "2026-11-24T08:45:00Z",
        "price_cap": 15_000_000,
        "demands": 1,
        "demands_served": 1,
        "chip_hours": 768,
        "reserve_chip_hours": 256,
        "payment": 8_448_000_000,
        "price_max": 11_000_000,
    },
    mobilisation.MobilisationDisplaced: {
        "market_id": "jjj-spot",
        "round_id": "jjj-spot:8",
        "market_time": "2026-11-24T08:45:00Z",
        "urgent_rounds": ["jjj-spot:7"],
        "mobilisations": [MOBILISATION_ID],
        "status": "optimal",
        "welfare": 5_120_000_000,
        "welfare_without": 5_904_000_000,
        "book_digest": "5f" * 32,
        "result_digest": "6e" * 32,
        "demands": 1,
        "chip_hours": 192,
        "value": 1_920_000_000,
        "displaced": [{"demand_id": "dem_" + "e" * 26, "chip_hours": 192, "value": 1_920_000_000}],
    },
}
