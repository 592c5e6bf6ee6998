"""In the freeze a running market takes what improves it, and the log alone tells the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from schemas import events
from services.core.past_books import sealed_books
from services.gateway.adapters.market_log import KafkaMarketLogs
from services.kit.clock import ManualClock
from tests.integration.matching.desk import (
    MARKET,
    START,
    Desk,
    demand,
    hold,
    hours,
    offer,
    open_process,
    settled,
)
from tests.integration.matching.test_policies import policy

pytestmark = pytest.mark.integration
FREEZING = MARKET.model_copy(update={"rules": MARKET.rules.model_copy(update={"freeze_s": 300})})


def withdrawn(submitted: events.OfferSubmitted) -> events.OfferCancelled:
    return events.OfferCancelled(
        order_id=submitted.order_id,
        market_id=submitted.market_id,
        participant_id=submitted.participant_id,
    )


def amended(submitted: events.OfferSubmitted, **changes: object) -> events.OfferAmended:
    return events.OfferAmended(
        order_id=submitted.order_id,
        market_id=submitted.market_id,
        participant_id=submitted.participant_id,
        expected_version=1,
        terms=submitted.terms.model_copy(update=changes),
    )


async def test_in_the_freeze_orders_only_improve_and_a_replay_says_the_same(desk: Desk) -> None:
    kept, better, late, gone = offer("kept"), offer("better"), offer("late"), offer("gone")
    need = demand("n")
    clock = ManualClock(START)
    await desk.say(events.MarketDefined(market=FREEZING))
    async with open_process(desk.settings, clock) as matching:
        await desk.say(kept, better, gone, need, hold(need))
        await settled(matching, least=5)
        clock.advance(timedelta(minutes=10))
        await desk.say(withdrawn(kept), amended(better, ask=900_000), late)
        await settled(matching, least=3)
        await desk.say(policy({"kind": "trading_halt"}, "halt"))
        await settled(matching, least=1)
    # A halt is known over a restart; while it is in force nothing is frozen.
    async with open_process(desk.settings, clock) as matching:
        await desk.say(withdrawn(gone))
        await settled(matching, least=1)
        await desk.say(policy(None, "halt", version=2))
        await settled(matching, least=1)
        # Read while the round is due, but of the round that it is due for.
        clock.advance(timedelta(minutes=5))
        cut_at = clock.now()
        await desk.say(amended(late, chips=4))
        assert await matching.take_in(5000, cut_at) == 1
        await matching.run_round()
        await desk.say(amended(kept, ask=1_100_000), withdrawn(late))
        await settled(matching, least=2)
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await desk.hear(2)

    def told(order: events.OfferSubmitted) -> list[tuple[int, str]]:
        by_a_record = [one for one in desk.statuses(order) if one.round_id is None]
        return [(status.version, status.reason.code) for status in by_a_record]

    assert told(kept) == [(1, "in_the_book"), (1, "frozen_cancel"), (2, "amended")]
    assert told(better) == [(1, "in_the_book"), (2, "amended")]
    assert told(gone) == [(1, "in_the_book"), (1, "cancelled_by_participant")]
    assert told(late) == [
        (1, "in_the_book"), (1, "frozen_worse"), (1, "cancelled_by_participant"),
    ]  # fmt: skip
    refusal = next(one.reason for one in desk.statuses(late) if one.reason.code == "frozen_worse")
    assert refusal.params["opens_at"] == "2026-11-24T08:15:00Z"
    log = await KafkaMarketLogs(desk.settings, 10_000).read(MARKET.id)
    books = list(sealed_books(log))
    assert [one.digest for one in books] == [one.sealed_digest for one in books]
    assert not books[-1].differing
    assert [len(one.book.offers) for one in books] == [3, 2]


async def test_a_day_ahead_round_gives_the_next_day_and_a_replay_rebuilds_its_book(
    desk: Desk,
) -> None:
    # A gate at 09:00 for the hours from 21:00 on; the clock of the test is at 08:00.
    gate = {"round_every_s": 86_400, "round_at_s": 9 * 3600, "lead_periods": 11}
    rules = MARKET.rules.model_copy(update=gate)
    await desk.say(events.MarketDefined(market=MARKET.model_copy(update={"rules": rules})))
    supply = offer("whole", start=hours(1), end=hours(24))
    today = offer("today", start=hours(1), end=hours(13))
    need = demand("night", earliest=hours(1), deadline=hours(20))
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await desk.say(supply, today, need, hold(need))
        await settled(matching, least=4)
        clock.advance(timedelta(hours=1))
        await matching.run_round()
        await desk.hear()
    (refused,) = desk.statuses(today)
    assert refused.reason.code == "validation.window_past"
    (made,) = [e for e in desk.distinct("allocations") if isinstance(e, events.AllocationMade)]
    assert made.periods[0].start >= START + timedelta(hours=13)
    log = await KafkaMarketLogs(desk.settings, 10_000).read(MARKET.id)
    (book,) = sealed_books(log)
    assert book.digest == book.sealed_digest
    assert not book.differing
    assert (book.book.periods, len(book.book.offers[0].chips)) == (24, 11)


async def test_a_shorter_cadence_brings_the_next_round_forward_at_once(desk: Desk) -> None:
    clock, stop = ManualClock(START), asyncio.Event()
    daily = MARKET.rules.model_copy(update={"round_every_s": 86_400})
    every = "SELECT (body -> 'rules' ->> 'round_every_s')::int AS s FROM market"
    await desk.say(events.MarketDefined(market=MARKET.model_copy(update={"rules": daily})))
    async with open_process(desk.settings, clock) as matching:
        running = asyncio.create_task(matching.run(stop))
        await desk.say(events.MarketDefined(market=MARKET))
        async with asyncio.timeout(20):
            while (await desk.rows(every))[0]["s"] == 86_400:  # noqa: ASYNC110 - a table is awaited
                await asyncio.sleep(0.02)
        clock.advance(timedelta(seconds=MARKET.rules.round_every_s))
        await desk.hear(1, 20.0)
        stop.set()
        await running
    (sealed,) = [one for one in desk.distinct("rounds") if isinstance(one, events.RoundSealed)]
    assert sealed.market_time == START + timedelta(seconds=MARKET.rules.round_every_s)
