"""What the desk takes in, and what it knows again after a restart."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas import events
from schemas.market import Market
from schemas.types import OrderState
from services.core.verdicts import Verdict
from services.kit.records import Record
from services.matching.app.desk import Desk
from services.matching.app.intake import Intake
from services.matching.app.rounds import freeze
from services.matching.ports import Loaded
from tests.integration.matching.desk import MARKET, START, demand, hold, offer, order_id, record


def as_read(event: events.Event, topic: str | None = None, offset: int = 0) -> Record:
    """Return an event as it is read from a topic, its own if none is named."""
    out = record(event)
    return Record(topic or out.topic, 0, offset, 0, out.key, out.value, out.headers)


@pytest.fixture
def desk() -> Desk:
    """Return a desk that knows its market."""
    desk = Desk(MARKET.id)
    desk.define(MARKET)
    desk.committed()
    return desk


def test_a_hold_that_the_ledger_s_topic_does_not_carry_opens_no_demand(desk: Desk) -> None:
    intake = Intake(desk, is_stray_keeper=True)
    need = demand("a")
    intake.take(as_read(need), START)

    verdict = intake.take(as_read(hold(need), topic="demand", offset=1), START)

    assert verdict is Verdict.DEAD_LETTER
    assert desk.orders[need.order_id].state is OrderState.ACCEPTED
    letters = [out for out in desk.changes.outbox if out.topic == "dead-letters"]
    assert ("dlq_reason", b"wrong_topic") in letters[0].headers


def test_an_offer_on_the_topic_of_demand_is_not_taken(desk: Desk) -> None:
    verdict = Intake(desk, is_stray_keeper=True).take(as_read(offer("a"), topic="demand"), START)
    assert verdict is Verdict.DEAD_LETTER
    assert desk.orders == {}


def test_a_letter_of_the_largest_record_fits_the_broker(desk: Desk) -> None:
    headers = tuple((f"{number:02}" + "é" * 600, b"r" * 600) for number in range(40))
    random = Record("demand", 0, 0, 0, MARKET.id.encode(), b"v" * 980_000, headers)

    Intake(desk, is_stray_keeper=True).take(random, START)

    (letter,) = desk.changes.outbox
    size = sum(len(name.encode()) + len(raw) for name, raw in letter.headers)
    assert len(letter.key) + len(letter.value) + size < 1_000_000


def test_a_market_defined_before_a_restart_is_held_against_orders_after_it(desk: Desk) -> None:
    Intake(desk, is_stray_keeper=True).take(as_read(offer("a")), START)
    taken = desk.orders[order_id("off", "a")]
    desk.committed()
    sealed = freeze(desk, START, 1, {}, {})
    smaller = MARKET.model_copy(update={"zones": MARKET.zones[1:], "latencies": (), "links": ()})

    again = Desk(MARKET.id)
    again.load(
        Loaded(
            positions={},
            orders=[taken],
            markets=[Market.model_validate(smaller.model_dump())],
            stash=[],
            groups={},
            suspended={},
            last_round=sealed,
            is_sealed=False,
        )
    )
    freeze(again, START + timedelta(minutes=15), 1, {}, {})

    left = again.changes.orders[taken.id]
    assert (left.state, left.why.code) == (OrderState.CANCELLED, "market_changed")


def test_no_more_may_wait_for_a_round_than_memory_has_room_for(desk: Desk) -> None:
    # A record that is no event of an order in the round waits for it whatever its size.
    intake = Intake(desk, is_stray_keeper=True)
    supply = offer("a")
    intake.take(as_read(supply), START)
    desk.committed()
    freeze(desk, START, 1, {}, {})
    poison = f'{{"order_id": "{supply.order_id}"}}'.encode().ljust(1_000_000)
    read = 0
    while not desk.is_full:
        record = Record("offers", 0, 1 + read, 0, MARKET.id.encode(), poison, ())
        assert intake.take(record, START) is None
        read += 1
    assert read < 100

    assert len(desk.take_waiting()) == read
    assert not desk.is_full
