"""What a halt or a pause lets through in a freeze follows from the log, which tells no instant."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.policies import CircuitBreaker, TradingHalt
from services.core.orders import DemandOrder
from tests.property.market_world import START, order_id
from tests.property.recording_world import RecordingWorld
from tests.property.test_in_clearing import amend, cancel, need, supply

HALT = TradingHalt(kind="trading_halt")
IN_FREEZE = START + timedelta(minutes=12)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world() -> RecordingWorld:
    found = RecordingWorld()
    found.ledger.money = {"e-0": 10_000}
    return found


def told(world: RecordingWorld, number: int) -> tuple[str, str]:
    """Return state and reason of a demand."""
    order = world.orders[order_id("dem", number)]
    return order.state.value, order.why.code


def chips(world: RecordingWorld, number: int) -> int:
    order = world.orders[order_id("dem", number)]
    assert isinstance(order, DemandOrder)
    return order.terms.shape.chips  # type: ignore[union-attr]


REFUSED = ("open", "frozen_cancel")
DONE = ("cancelled", "cancelled_by_participant")


def test_what_a_halt_lets_through_between_refusals_follows_from_the_log(
    world: RecordingWorld,
) -> None:
    for number in range(4):
        need(number, limit=1)(world)
    world.now = IN_FREEZE
    cancel(0)(world)
    assert told(world, 0) == REFUSED
    world.rule("halt", HALT)
    amend(1, 1)(world)
    cancel(0)(world)
    assert (told(world, 0), chips(world, 1)) == (DONE, 1)
    world.rule("halt", None)
    amend(3, 1)(world)
    cancel(2)(world)
    assert (told(world, 2), chips(world, 3)) == (REFUSED, 2)
    world.now += 15 * MINUTE
    world.rule("halt", HALT)
    cancel(2)(world)
    assert told(world, 2) == DONE
    world.now += 15 * MINUTE
    amend(3, 1)(world)
    assert chips(world, 3) == 1
    world.rule("halt", None)
    world.round(3)
    world.check_replay()


def test_what_a_pause_lets_through_follows_from_the_log(world: RecordingWorld) -> None:
    world.rule("breaker", CircuitBreaker(kind="circuit_breaker", move_bp=100, pause_s=3_000))
    for number, ask in enumerate((3, 8)):
        supply(number, chips=2, ask=ask)(world)
        need(number)(world)
        if not number:
            world.round(1)
    need(2, limit=1)(world)
    need(3, limit=1)(world)
    world.seal(9)
    # While the round is cleared that brings the pause about, nobody knows of it.
    world.now = IN_FREEZE
    need(4, limit=1)(world)
    cancel(4)(world)
    assert told(world, 4) == REFUSED
    world.publish(0)
    assert world.desk.paused is not None
    cancel(4)(world)
    assert told(world, 4) == DONE
    world.now += 15 * MINUTE
    amend(3, 1)(world)
    assert chips(world, 3) == 1
    # The freeze before the round that ends the pause, at nine.
    world.now = START + 59 * MINUTE
    cancel(2)(world)
    assert told(world, 2) == REFUSED
    world.round(1)
    world.check_replay()
