"""While a round is cleared: what it cannot change is judged at once, what it can waits for it.

Either way the log alone tells the same, and so does a process that starts again meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas import events
from schemas.orders import DemandTerms, OfferTerms
from schemas.types import OrderState
from services.core.orders import DemandOrder
from tests.property.market_world import MARKET, instant, order_id
from tests.property.recording_world import RecordingWorld

Act = Callable[[RecordingWorld], None]


def supply(number: int, *, seller: int = 0, **changes: object) -> Act:
    """Return the act of a provider that offers 4 chips for 4 hours, read by matching."""
    terms = {"zone": "bj-1", "chip": "t4", "chips": 4, "ask": 3, "resource_code": "CN.11.0108.BJ01"}
    window = {"start": instant(0), "end": instant(4)}
    event = events.OfferSubmitted(
        order_id=order_id("off", number),
        market_id=MARKET.id,
        participant_id=f"p-{seller}",
        terms=OfferTerms.model_validate(terms | window | changes),
    )

    def act(world: RecordingWorld) -> None:
        world.offers_log.append(event)
        world.matching_reads_offers()

    return act


def wanted(chips: int = 2, limit: int = 9, **changes: object) -> DemandTerms:
    """Return the terms of a demand for some chips for 4 hours."""
    terms = {
        "shape": {"type": "block", "chips": chips, "duration": 4},
        "alternatives": [{"chips_any_of": ["t4"], "limit": limit}],
        "earliest": instant(0),
        "deadline": instant(4),
    }
    return DemandTerms.model_validate(terms | changes)


def _said(event: events.Event) -> Act:
    """Return the act of a demand's record that ledger and matching read, and the answer."""

    def act(world: RecordingWorld) -> None:
        world.demand_log.append(event)
        world.ledger_reads_demand()
        world.matching_reads_demand()
        while world.holds_read < len(world.ledger.holds_log):
            world.matching_reads_holds()

    return act


def need(number: int, chips: int = 2, limit: int = 9, **changes: str) -> Act:
    return _said(
        events.DemandSubmitted(
            order_id=order_id("dem", number),
            market_id=MARKET.id,
            participant_id="e-0",
            terms=wanted(chips, limit, **changes),
        )
    )


def cancel(number: int) -> Act:
    return _said(
        events.DemandCancelled(
            order_id=order_id("dem", number), market_id=MARKET.id, participant_id="e-0"
        )
    )


def amend(number: int, chips: int, **changes: str) -> Act:
    return _said(
        events.DemandAmended(
            order_id=order_id("dem", number),
            market_id=MARKET.id,
            participant_id="e-0",
            expected_version=1,
            terms=wanted(chips).model_copy(update=changes),
        )
    )


def play(before: list[Act], meanwhile: list[Act], *, stops: bool) -> RecordingWorld:
    """Do some acts, seal a round, do others, and stop short of the publication."""
    world = RecordingWorld()
    world.ledger.money = {"e-0": 10_000}
    for act in before:
        act(world)
    world.seal(0)
    for act in meanwhile:
        act(world)
        if stops:
            world.start_again()
    return world


def state(world: RecordingWorld, name: str) -> tuple[str, str] | None:
    """Return state and reason of an order, named like ``dem 3``."""
    side, _, number = name.partition(" ")
    order = world.orders.get(order_id(side, int(number)))
    return None if order is None else (order.state.value, order.why.code)


LINKED: dict[str, Any] = {"linked_to": order_id("dem", 0)}
GROUPED: dict[str, Any] = {"exclusive_group": "g"}
# What happened before the seal, what while the round is cleared; then an order, what is told of it
# before the round is published, and after.
CASES: dict[str, tuple[list[Act], list[Act], str, tuple[str, str] | None, tuple[str, str]]] = {
    "a new offer is in the book at once": (
        [need(0)],
        [supply(0)],
        "off 0",
        ("open", "in_the_book"),
        ("open", "in_the_book"),
    ),
    "a new demand is in the book at once, with its hold": (
        [supply(0), need(0)],
        [need(1)],
        "dem 1",
        ("open", "in_the_book"),
        ("open", "in_the_book"),
    ),
    "a new demand may be withdrawn at once": (
        [supply(0), need(0)],
        [need(1), cancel(1)],
        "dem 1",
        ("cancelled", "cancelled_by_participant"),
        ("cancelled", "cancelled_by_participant"),
    ),
    "a withdrawal of what is in the round comes too late if it is filled": (
        [supply(0), need(0)],
        [cancel(0)],
        "dem 0",
        ("open", "in_the_book"),
        ("filled", "filled"),
    ),
    "a withdrawal of what is in the round is done if it is not": (
        [supply(0), need(0, limit=1)],
        [cancel(0)],
        "dem 0",
        ("open", "in_the_book"),
        ("cancelled", "cancelled_by_participant"),
    ),
    "one of a group waits for what becomes of another": (
        [supply(0), need(0, **GROUPED)],
        [need(1, **GROUPED)],
        "dem 1",
        None,
        ("rejected", "exclusive_group"),
    ),
    "one that joins a group waits for what becomes of another": (
        [supply(0), need(0, **GROUPED)],
        [need(1), amend(1, 2, **GROUPED)],
        "dem 1",
        ("open", "in_the_book"),
        ("open", "exclusive_group"),
    ),
    "what hangs on an order in the round waits, and what hangs on that": (
        [supply(0), need(0)],
        [need(1, **LINKED), need(2, linked_to=order_id("dem", 1))],
        "dem 2",
        None,
        ("open", "in_the_book"),
    ),
    "a second block offer waits for what becomes of the first": (
        [supply(0, block=True), need(0, chips=4)],
        [supply(1, block=True)],
        "off 1",
        None,
        ("open", "in_the_book"),
    ),
    "a third block offer waits behind the second": (
        [supply(0, block=True), need(0, chips=4)],
        [supply(1, block=True), supply(2, block=True)],
        "off 2",
        None,
        ("rejected", "one_block_offer"),
    ),
}


@pytest.mark.parametrize("stops", [False, True], ids=["", "started again"])
@pytest.mark.parametrize("name", CASES)
def test_while_a_round_is_cleared(name: str, stops: bool) -> None:
    before, meanwhile, order, told, becomes = CASES[name]
    world = play(before, meanwhile, stops=stops)
    assert state(world, order) == told
    world.publish(0)
    while world.holds_read < len(world.ledger.holds_log):
        world.matching_reads_holds()
    assert state(world, order) == becomes
    assert not world.waiting
    world.round(15)
    world.check_replay()


@pytest.mark.parametrize("stops", [False, True], ids=["", "started again"])
def test_the_ledger_is_told_of_a_withdrawal_by_the_round_that_read_it(
    stops: bool,
) -> None:
    world = play([supply(0), need(0)], [need(1), cancel(1)], stops=stops)
    world.publish(0)
    adjusted = [e for e in world.allocations_log if isinstance(e, events.HoldAdjusted)]
    assert [event.demand_id for event in adjusted] == [order_id("dem", 0)]
    world.round(15)
    adjusted = [e for e in world.allocations_log if isinstance(e, events.HoldAdjusted)]
    assert [event.demand_id for event in adjusted][1:] == [order_id("dem", 1)]
    order = world.orders[order_id("dem", 1)]
    assert isinstance(order, DemandOrder)
    assert (order.state, order.hold) == (OrderState.CANCELLED, 0)
    world.check_replay()


# The second record of each tells no status, and the last one is judged before both.
REPEATS: dict[str, list[Act]] = {
    "a withdrawal": [cancel(0), cancel(0), need(1)],
    "an amendment": [amend(0, 3), amend(0, 3), need(1)],
    "an amendment after a withdrawal": [cancel(0), amend(0, 3), need(1)],
}


@pytest.mark.parametrize("stops", [False, True], ids=["", "started again"])
@pytest.mark.parametrize("name", REPEATS)
def test_what_repeats_a_record_that_waits_is_judged_after_it_in_a_replay_too(
    name: str, stops: bool
) -> None:
    world = play([supply(0), need(0, limit=1)], REPEATS[name], stops=stops)
    world.publish(0)
    while world.holds_read < len(world.ledger.holds_log):
        world.matching_reads_holds()
    world.round(15)
    world.check_replay()


def test_what_repeats_a_record_comes_before_the_next_of_its_order_in_a_replay() -> None:
    # An answer to a question that nobody has asked, and then the question, judged at once.
    world = play([supply(0), need(0, limit=1)], [cancel(1), cancel(0), need(1)], stops=False)
    world.publish(0)
    world.round(15)
    world.check_replay()


def test_what_waits_and_what_does_not_are_judged_in_an_order_that_the_log_tells() -> None:
    # The withdrawal is read first and told about last; in between are an hour and a freeze.
    before = [supply(0), need(0, limit=1)]
    world = play(before, [cancel(0), need(1), need(2)], stops=False)
    world.publish(60)
    _, *_, last = world.told
    assert last.cause == "demand 1"
    assert last.at > world.told[-2].at
    world.round(15)
    world.check_replay()
