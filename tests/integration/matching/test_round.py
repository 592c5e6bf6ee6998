"""A whole round on a real broker and a real database."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from schemas import events
from schemas.links import LinkCharged
from schemas.types import OrderState
from services.core.round_events import set_digest
from services.core.round_file import join_file
from services.kit.clock import ManualClock
from suanli.checker import verify
from tests.integration.matching.desk import (
    MARKET,
    START,
    Desk,
    demand,
    hold,
    kinds,
    offer,
    open_process,
    settled,
)

pytestmark = pytest.mark.integration


async def test_a_round_allocates_what_is_held_and_tells_everyone(desk: Desk) -> None:
    supply, need, poor = offer("a"), demand("a"), demand("b")
    await desk.say(supply, need, poor, hold(need))
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await settled(matching, least=4)
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await desk.hear()

    assert [status.state for status in desk.statuses(need)] == [
        OrderState.ACCEPTED,
        OrderState.OPEN,
        OrderState.FILLED,
    ]
    assert [status.state for status in desk.statuses(poor)] == [OrderState.ACCEPTED]
    made, adjusted, closed = desk.distinct("allocations")
    assert isinstance(made, events.AllocationMade)
    assert isinstance(adjusted, events.HoldAdjusted)
    assert isinstance(closed, events.RoundClosed)
    assert made.demand_id == need.order_id
    assert made.payment == sum(period.chips * period.price for period in made.periods)
    assert (adjusted.demand_id, adjusted.keep) == (need.order_id, 0)
    values = [item.value or b"" for item in desk.records if item.topic == "allocations"]
    assert closed.count == 2
    assert closed.digest == set_digest(values[:2])
    assert [(item.topic, item.start, item.end) for item in closed.offers_through] == [
        ("offers", 0, 1)
    ]


async def test_the_round_file_passes_the_independent_checker(desk: Desk) -> None:
    supply, need = offer("a"), demand("a")
    await desk.say(supply, need, hold(need))
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await settled(matching, least=3)
        await matching.run_round()
        await desk.hear()

    found = desk.distinct("rounds")
    assert kinds(found)[:2] == ["RoundSealed", "RoundCleared"]
    parts = [event for event in found if isinstance(event, events.RoundFilePart)]
    file = json.loads(join_file(parts, 10**8))
    report = verify(file["book"], file["rules"], file["result"])
    assert report.ok, report.problems
    sealed, cleared = found[0], found[1]
    assert isinstance(sealed, events.RoundSealed)
    assert isinstance(cleared, events.RoundCleared)
    assert sealed.book_digest == file["result"]["book_digest"]
    assert cleared.welfare == report.welfare
    assert cleared.status == "optimal"
    read = {(item.topic, item.start, item.end) for item in sealed.manifest}
    assert read == {("policies", 0, 1), ("offers", 0, 1), ("demand", 0, 1), ("holds", 0, 1)}


async def test_a_flow_that_is_part_filled_goes_on_with_what_its_budget_left(desk: Desk) -> None:
    shape = {"type": "flow", "chips": 8}
    need = demand(
        "a", shape=shape, earliest="2026-11-24T09:00:00Z", deadline="2026-11-24T13:00:00Z"
    )
    small = offer("small", chips=3)
    await desk.say(small, need, hold(need))
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await settled(matching, least=3)
        await matching.run_round()
        await desk.say(offer("more", chips=20))
        await settled(matching)
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await desk.hear(2)

    statuses = desk.statuses(need)
    assert [status.state for status in statuses[-2:]] == [OrderState.PART_FILLED, OrderState.FILLED]
    assert [status.chip_hours_allocated for status in statuses[-2:]] == [12, 32]
    adjusted = [e for e in desk.distinct("allocations") if isinstance(e, events.HoldAdjusted)]
    assert [event.keep for event in adjusted] == [20 * 2_000_000, 0]


async def test_a_cancelled_demand_whose_hold_came_late_is_told_to_be_released(desk: Desk) -> None:
    need = demand("a")
    gone = events.DemandCancelled(
        order_id=need.order_id, market_id=MARKET.id, participant_id=need.participant_id
    )
    await desk.say(need, gone, hold(need))
    async with open_process(desk.settings, ManualClock(START)) as matching:
        await settled(matching, least=3)
        await matching.run_round()
        await desk.hear()

    (adjusted, closed) = desk.distinct("allocations")
    assert isinstance(adjusted, events.HoldAdjusted)
    assert (adjusted.demand_id, adjusted.keep, kinds([closed])) == (
        need.order_id,
        0,
        ["RoundClosed"],
    )
    assert not await desk.rows("SELECT 1 FROM orders WHERE hold_news")


async def test_later_round_finds_of_a_link_what_those_before_left_even_after_a_restart(
    desk: Desk,
) -> None:
    traffic = {"user_zone": "bj-1", "traffic_gb_per_chip_hour": 15, "latency_ms_max": None}
    shape = {"type": "flow", "chips": 4}
    window = {"earliest": "2026-11-24T09:00:00Z", "deadline": "2026-11-24T10:00:00Z"}
    first, second = (demand(name, shape=shape, **window, **traffic) for name in "ab")
    await desk.say(offer("a", zone="he-1"), first, hold(first))
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await settled(matching, least=3)
        await matching.run_round()
    await desk.say(second, hold(second))
    async with open_process(desk.settings, clock) as matching:
        await settled(matching, least=2)
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await desk.hear(2)

    charges = [event for event in desk.distinct("allocations") if isinstance(event, LinkCharged)]
    assert [event.demand_id for event in charges] == [first.order_id, second.order_id]
    # 100 GB an hour: 4 chips take 60, of the 40 that are left 2 more chips can use 30.
    assert [[(at.gb, at.price) for at in event.periods] for event in charges[:1]] == [[(60, 500)]]
    assert [at.gb for at in charges[1].periods] == [30]
    assert [status.state for status in desk.statuses(second)][-1] is OrderState.PART_FILLED
    sent = await desk.rows("SELECT link, gb FROM link_sent")
    assert [tuple(row) for row in sent] == [("he-1>bj-1", 90)]
