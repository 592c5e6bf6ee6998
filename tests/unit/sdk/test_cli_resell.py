"""`suanli offers resell`: the terms that it makes of an allocation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from suanli.cli.terms import resold

HOURS = ("2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z", "2026-11-24T10:00:00Z")
ALLOCATION: dict[str, Any] = {
    "allocation_id": "al_" + "a" * 26,
    "pool": "bj-1/h800",
    "periods": [
        {"start": start, "chips": chips, "price": 100}
        for start, chips in zip(HOURS, (8, 6, 7), strict=True)
    ],
}


def test_the_hours_to_come_are_offered_with_what_each_of_them_has() -> None:
    found = resold(ALLOCATION, datetime(2026, 11, 24, 8, 30, tzinfo=UTC))
    assert found == {
        "zone": "bj-1",
        "chip": "h800",
        "chips": 6,
        "start": HOURS[1],
        "end": "2026-11-24T11:00:00Z",
        "resale_of": ALLOCATION["allocation_id"],
    }


def test_of_an_allocation_that_has_ended_the_exchange_says_why_it_is_not_sold_on() -> None:
    found = resold(ALLOCATION, datetime(2026, 11, 25, tzinfo=UTC))
    assert (found["start"], found["end"]) == (HOURS[0], "2026-11-24T11:00:00Z")
