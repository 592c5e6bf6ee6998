"""The life of an order: causes before effects, statuses by number, what was left after each."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from schemas.events import Reason
from schemas.types import OrderState
from services.core.order_life import Happening, life_of

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def at(ms: int, kind: str, event_id: str = "", cause: str = "", **facts: object) -> Happening:
    instant = NOW + timedelta(milliseconds=ms)
    stamps = {"occurred_at": instant, "recorded_at": instant}
    return Happening(kind=kind, event_id=event_id, cause=cause, **(stamps | facts))  # type: ignore[arg-type]


def status(ms: int, number: int, state: str, cause: str = "", **facts: object) -> Happening:
    known = {"offset": number, "state": OrderState(state), "chip_hours_left": 8}
    return at(ms, "status", f"s{number}", cause, **(known | facts))


def because(code: str) -> Reason:
    return Reason(code=code, en="because", zh="因为")


LIFE = [
    at(0, "submitted", "sub"),
    status(5, 1, "accepted", "sub"),
    at(9, "hold_placed", "hold", "sub", amount=16, held=16),
    at(9, "booked", cause="sub", entry_id="e-1", leaf_index=4, amount=16),
    status(12, 2, "open", "hold"),
    at(20, "allocated", "al", chip_hours=3, amount=6),
    status(21, 3, "part-filled", round_id="m:1", chip_hours_allocated=3, chip_hours_left=5),
    at(30, "hold_captured", "cap", amount=6, held=10),
    at(40, "amended", "amd", version=2),
    status(44, 4, "part-filled", "amd", version=2, chip_hours_allocated=3, chip_hours_left=5),
    at(50, "cancel_requested", "can"),
    status(
        55,
        5,
        "cancelled",
        "can",
        version=2,
        chip_hours_allocated=3,
        chip_hours_left=0,
        reason=because("cancelled_by_participant"),
    ),
    at(60, "hold_released", "rel", amount=10, held=0),
]


def test_each_step_tells_where_the_order_stood_after_it() -> None:
    steps = life_of(LIFE)
    assert [(step.happening.kind, step.code) for step in steps if step.code] == [
        ("submitted", "NEWO"),
        ("status", "PARF"),
        ("status", "REME"),
        ("status", "CAME"),
    ]
    assert [step.left for step in steps] == [None, 8, 8, 8, 8, 5, 5, 5, 5, 5, 5, 0, 0]
    assert [step.allocated for step in steps][4:7] == [0, 3, 3]
    assert [step.held for step in steps] == [0, 0, 16, 16, 16, 16, 16, 10, 10, 10, 10, 10, 0]
    assert (steps[-1].state, steps[-1].version) == (OrderState.CANCELLED, 2)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_in_which_topics_were_read_does_not_matter(seed: int) -> None:
    shuffled = list(LIFE)
    random.Random(seed).shuffle(shuffled)
    assert life_of(shuffled) == life_of(LIFE)


def test_an_effect_follows_its_cause_although_its_writers_clock_is_behind() -> None:
    late = [
        at(0, "submitted", "sub"),
        at(-40, "hold_placed", "hold", "sub", held=1),
        status(-90, 2, "open", "hold"),
        status(-80, 1, "accepted", "sub"),
    ]
    assert [step.happening.event_id for step in life_of(late)] == ["sub", "s1", "hold", "s2"]


def test_causes_in_a_circle_end_where_it_closes() -> None:
    circle = [at(0, "status", "a", "b", offset=1), at(1, "status", "b", "a", offset=2)]
    assert len(life_of(circle)) == 2


@pytest.mark.parametrize(
    ("state", "reason", "code"),
    [
        ("rejected", "hold_refused", "REMO"),
        ("expired", "expired", "EXPI"),
        ("cancelled", "market_changed", "CAMO"),
    ],
)
def test_an_end_that_the_owner_did_not_ask_for_has_a_code_of_its_own(
    state: str, reason: str, code: str
) -> None:
    steps = life_of([at(0, "submitted", "sub"), status(1, 1, state, reason=because(reason))])
    assert steps[-1].code == code


def test_a_new_reason_in_the_same_state_is_no_fill() -> None:
    fill = status(1, 1, "part-filled", round_id="m:1", chip_hours_allocated=3)
    again = status(2, 2, "part-filled", round_id="m:2", chip_hours_allocated=3)
    assert [step.code for step in life_of([fill, again])] == ["PARF", None]
