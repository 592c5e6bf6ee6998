"""The log on a real broker gives back every book that matching sealed."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from schemas import events
from services.core.codec import book_to_dict
from services.core.past_books import book_at, book_of_round, sealed_books
from services.core.round_file import join_file
from services.gateway.adapters.market_log import KafkaMarketLogs
from services.gateway.errors import TooLargeError
from services.kit.clock import ManualClock
from services.kit.kafka import OutRecord
from tests.integration.matching.desk import (
    MARKET,
    START,
    Desk,
    demand,
    hold,
    hours,
    offer,
    open_process,
    record,
    settled,
)

pytestmark = pytest.mark.integration


def cancelled(submitted: events.DemandSubmitted) -> events.DemandCancelled:
    return events.DemandCancelled(
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


async def test_every_sealed_book_is_rebuilt_from_the_log_alone(desk: Desk) -> None:
    supply, small, dear = offer("a"), offer("b", chips=3), offer("c", ask=9_000_000)
    flow = demand("f", shape={"type": "flow", "chips": 12}, deadline=hours(13))
    need, gone, poor = demand("n"), demand("g"), demand("p")
    chip = MARKET.chips[0].model_copy(update={"id": "t4", "lot": 4})
    wider = MARKET.model_copy(update={"chips": (*MARKET.chips, chip)})
    other = MARKET.model_copy(update={"id": "gba"})
    steps: list[list[events.Event]] = [
        [supply, small, flow, hold(flow), need, poor, supply],
        [hold(need), dear, gone, offer("early", chip="t4"), events.MarketDefined(market=other)],
        [cancelled(gone), hold(gone), amended(dear, ask=1_500_000)],
        [events.MarketDefined(market=wider), offer("late", chip="t4"), offer("d", chips=40)],
        [cancelled(poor), offer("last", start=hours(2))],
    ]
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        for step in steps:
            await desk.say(*step)
            await desk.writer.send(OutRecord("offers", MARKET.id.encode(), b"poison"))
            await settled(matching, least=len(step) + 1)
            clock.advance(timedelta(minutes=15))
            await matching.run_round()
        await desk.say(offer("waiting"))
        await settled(matching)
        await desk.hear(len(steps))

    log = await KafkaMarketLogs(desk.settings, 10_000).read(MARKET.id)
    found = list(sealed_books(log))
    assert [one.seq for one in found] == [1, 2, 3, 4, 5]
    assert [one.digest for one in found] == [one.sealed_digest for one in found]
    assert not found[-1].differing
    for one in found:
        parts = [
            part
            for part in desk.distinct("rounds")
            if isinstance(part, events.RoundFilePart) and part.round_id == one.book.round_id
        ]
        assert book_to_dict(one.book) == json.loads(join_file(parts, 10**8))["book"]
    assert sum(len(one.book.offers) + len(one.book.demands) for one in found) > 10

    now = book_at(log, clock.now())
    assert now is not None
    assert {order.id for order in now.orders} == {
        row["order_id"]
        for row in await desk.rows(
            "SELECT order_id FROM orders WHERE state IN ('accepted', 'open', 'part-filled')"
        )
    }
    before = book_at(log, START + timedelta(minutes=40))
    assert before is not None
    assert before.seq == 3
    assert {order.id for order in before.orders} != {order.id for order in now.orders}
    assert book_at(log, START - timedelta(hours=1)) is None
    assert book_of_round(log, 6) is None


async def test_a_log_that_does_not_agree_with_itself_is_told(desk: Desk) -> None:
    supply = offer("a")
    await desk.say(supply)
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await settled(matching, least=1)
        await matching.run_round()
        await desk.hear()
    (sealed,) = [e for e in desk.distinct("rounds") if isinstance(e, events.RoundSealed)]
    # A second seal, of a round whose book has one order less than the log says.
    forged = sealed.model_copy(update={"seq": 2, "round_id": "jjj:2", "book_digest": "0" * 64})
    await desk.writer.send(record(forged))
    log = await KafkaMarketLogs(desk.settings, 10_000).read(MARKET.id)
    then = book_at(log, clock.now())
    assert then is not None
    assert then.differing == ("jjj:2",)


async def test_a_log_longer_than_is_read_is_refused_in_words(desk: Desk) -> None:
    await desk.say(*(offer(f"o{number}") for number in range(5)))
    with pytest.raises(TooLargeError) as refused:
        await KafkaMarketLogs(desk.settings, 3).read(MARKET.id)
    assert refused.value.allowed == "at most 3 records"
