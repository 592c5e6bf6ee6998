"""Offers that share capacity in a running matching: answers early and late, and what is freed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas import events
from schemas.capacity import CapacityFreed, CapacityHeld, CapacityRefused, CapacityWanted
from schemas.codec import derive_id
from schemas.orders import FlowShape
from schemas.registry import BY_MODEL
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

pytestmark = pytest.mark.integration
DAILY = {"round_every_s": 86_400, "round_at_s": 29_700, "lead_periods": 15, "horizon_periods": 24}
GATED = MARKET.model_copy(update={"rules": MARKET.rules.model_copy(update=DAILY)})
"""A gate at 08:15 that gives the 24 hours of the next day."""


def held(submitted: events.OfferSubmitted) -> CapacityHeld:
    terms = submitted.terms
    return CapacityHeld(
        order_id=submitted.order_id,
        market_id=submitted.market_id,
        participant_id=submitted.participant_id,
        version=1,
        chips=terms.chips,
        start=terms.start,
        end=terms.end,
    )


def refused(submitted: events.OfferSubmitted) -> CapacityRefused:
    told = held(submitted).model_dump(include={"order_id", "market_id", "participant_id"})
    return CapacityRefused(
        **told, version=1, reason=events.Reason(code="capacity.taken", en="taken", zh="已占用")
    )


def withdrawn(submitted: events.OfferSubmitted) -> events.OfferCancelled:
    told = held(submitted).model_dump(include={"order_id", "market_id", "participant_id"})
    return events.OfferCancelled(**told)


async def test_shared_chips_are_offered_once_held_and_freed_once_not_needed(desk: Desk) -> None:
    window = {"start": hours(16), "end": hours(48), "capacity_chips": 8}
    early, late = offer("early", **window), offer("late", **window)
    no, gone, lower = (offer(name, **window) for name in ("no", "gone", "lower"))
    need = demand("n", earliest=hours(16), deadline=hours(40))
    lowered = events.OfferAmended(
        order_id=lower.order_id,
        market_id="jjj",
        participant_id=lower.participant_id,
        expected_version=1,
        terms=lower.terms.model_copy(update={"chips": 5}),
    )
    clock = ManualClock(START)
    await desk.say(events.MarketDefined(market=GATED))
    async with open_process(desk.settings, clock) as matching:
        await desk.say(held(early))
        await settled(matching)
        await desk.say(refused(no))
        await settled(matching)
    # A restart in between: what came early is not forgotten.
    async with open_process(desk.settings, clock) as matching:
        await desk.say(early, late, no, gone, lower, held(lower), need, hold(need))
        await settled(matching, least=8)
        await desk.say(lowered, withdrawn(gone))
        await settled(matching, least=2)
        await desk.say(held(gone))
        await settled(matching)
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await desk.say(held(late))
        await settled(matching)
        await desk.hear(1)
    states = {
        one.order_id: [(status.state.value, status.reason.code) for status in desk.statuses(one)]
        for one in (early, late, no, gone)
    }
    waiting = ("accepted", "waiting_for_capacity")
    assert states[early.order_id][:2] == [waiting, ("open", "in_the_book")]
    assert states[late.order_id] == [waiting, ("open", "in_the_book")]
    assert states[no.order_id] == [waiting, ("rejected", "capacity.taken")]
    assert [code for _, code in states[gone.order_id]] == [waiting[1], "cancelled_by_participant"]
    (sealed,) = [one for one in desk.distinct("rounds") if isinstance(one, events.RoundSealed)]
    assert sealed.offers == 2, "what is not reserved is in no round"
    freed = [one for one in desk.distinct("allocations") if isinstance(one, CapacityFreed)]
    told = [(one.order_id, one.chips, one.start.isoformat()[:13], one.after_seq) for one in freed]
    day, next_day = "2026-11-25T00", "2026-11-26T00"
    # In either order after the gate, which gave the first day: offers in the order of their ids.
    after = sorted([(early.order_id, 8, next_day, 1), (lower.order_id, 5, next_day, 1)])
    assert told == [(lower.order_id, 5, day, 0), (gone.order_id, 0, day, 0), *after]
    found = list(sealed_books(await KafkaMarketLogs(desk.settings, 10_000).read(MARKET.id)))
    assert [one.digest for one in found] == [one.sealed_digest for one in found]
    assert not found[0].differing


async def test_an_offer_is_raised_while_its_old_terms_trade_on_over_restarts(desk: Desk) -> None:
    window = {"start": hours(2), "end": hours(8), "capacity_chips": 8}
    all_of_it = {"shape": FlowShape(type="flow", chips=4), "earliest": hours(2)}
    one, need = offer("one", chips=4, **window), demand("n", **all_of_it, deadline=hours(8))
    more = one.terms.model_copy(update={"chips": 8})
    about = one.model_dump(include={"order_id", "market_id", "participant_id"})
    clock = ManualClock(START)
    await desk.say(events.MarketDefined(market=MARKET))
    async with open_process(desk.settings, clock) as matching:
        await desk.say(one, held(one), need, hold(need))
        await settled(matching, least=4)
        await desk.say(events.OfferAmended(**about, expected_version=1, terms=more))
        await settled(matching)
    async with open_process(desk.settings, clock) as matching:
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await desk.hear(1)
        (asked,) = (one for one in desk.distinct("allocations") if isinstance(one, CapacityWanted))
        cause = derive_id(BY_MODEL[CapacityWanted].type, one.order_id, "1")
        answer = held(one).model_copy(update={"version": 2, "chips": 8, "start": one.terms.start})
        await desk.say(answer, cause=cause)
        await settled(matching)
    async with open_process(desk.settings, clock) as matching:
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await desk.hear(2)
    assert (asked.chips, asked.version, asked.asked, asked.start) == (8, 2, 1, one.terms.start)
    told = [(status.version, status.reason.code) for status in desk.statuses(one)]
    # It sold out before the answer came, and went on with what was raised.
    raised = [(1, "amend_waiting_for_capacity"), (1, "sold_out_raise_waits"), (2, "amended")]
    assert told[2:5] == raised
    made = [one for one in desk.distinct("allocations") if isinstance(one, events.AllocationMade)]
    assert made[0].offer_version == 1
    found = list(sealed_books(await KafkaMarketLogs(desk.settings, 10_000).read(MARKET.id)))
    assert [book.digest for book in found] == [book.sealed_digest for book in found]
    assert [book.differing for book in found] == [(), ()]
    assert [row.version for book in found for row in book.book.offers] == [1, 2]
