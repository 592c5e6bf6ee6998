"""Orders of one moment go in one write and one commit, and each keeps its own outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from schemas import events
from schemas.api import Receipt
from schemas.codec import Envelope
from schemas.types import Side
from services.core.errors import Message, ValidationError
from services.gateway.app.envelopes import derive_order_id, make_envelope
from services.gateway.app.once import Once, make_intent
from services.gateway.errors import TooLargeError, UnavailableError
from services.gateway.ports import Done, Position
from tests.unit.gateway.memory import NOW, MemoryIntents, MemoryLog, MemoryOrders

WHO = ("first", "second", "third", "fourth")


@dataclass
class GatedLog(MemoryLog):
    """A log that counts writes, waits for its gate, and never takes what ``refused`` sent."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    writes: list[int] = field(default_factory=list)
    refused: str = ""

    async def send(self, envelopes: Sequence[Envelope]) -> list[Position]:
        self.writes.append(len(envelopes))
        await self.gate.wait()
        if any(item.participant_id == self.refused for item in envelopes):
            raise TooLargeError("log_refused", Message("too large", "过大"), field="body")
        return await super().send(envelopes)


@dataclass
class CountedIntents(MemoryIntents):
    """Counts commits, and keeps nothing of ``lost``."""

    commits: list[int] = field(default_factory=list)
    lost: str = ""

    async def complete(self, done: Sequence[Done]) -> Sequence[Exception | None]:
        self.commits.append(len(done))
        kept = [one for one in done if one.participant_id != self.lost]
        await super().complete(kept)
        return [None if one in kept else ValueError(one.participant_id) for one in done]


class Asked:
    """A gateway's orders, one of each participant at the same moment."""

    def __init__(self) -> None:
        self.log = GatedLog()
        self.intents = CountedIntents(MemoryOrders())
        self.once = Once(self.log, self.intents, None)

    async def submit(self, who: str, *, market: str = "m1") -> Receipt:
        async def plan() -> Envelope:
            if who == "wrong":
                raise ValidationError("wrong", Message("wrong", "有误"), field="terms")
            order_id = derive_order_id(Side.OFFER, who, "k")
            return make_envelope(
                events.OfferCancelled(order_id=order_id, market_id=market, participant_id=who),
                event_id=order_id,
                participant_id=who,
                correlation_id=order_id,
                occurred_at=NOW,
                traceparent="",
            )

        return await self.once.one(who, make_intent("k", "test", {}), plan)

    async def at_once(self, *who: str) -> list[asyncio.Task[Receipt]]:
        tasks = [asyncio.create_task(self.submit(name)) for name in who]
        async with asyncio.timeout(5):
            while not self.log.writes:  # noqa: ASYNC110 - until all came so far
                await asyncio.sleep(0)
        return tasks


async def test_orders_of_one_moment_share_a_write_and_a_commit_and_get_their_own_receipts() -> None:
    asked = Asked()
    asked.log.gate.set()
    tasks = await asked.at_once(*WHO)
    receipts = await asyncio.gather(*tasks)
    assert (asked.log.writes, asked.intents.commits) == ([4], [4])
    assert [one.order_id for one in receipts] == [
        derive_order_id(Side.OFFER, who, "k") for who in WHO
    ]
    assert [one.offset for one in receipts] == [0, 1, 2, 3]
    again = await asyncio.gather(*(asked.submit(who) for who in WHO))
    assert (again, asked.log.writes) == (receipts, [4])


async def test_who_comes_alone_goes_at_once_and_who_comes_meanwhile_goes_together() -> None:
    asked = Asked()
    tasks = await asked.at_once("alone")
    for count, who, market in ((2, "second", "m1"), (3, "elsewhere", "m2")):
        tasks.append(asyncio.create_task(asked.submit(who, market=market)))
        async with asyncio.timeout(5):
            while len(asked.log.writes) < count:  # noqa: ASYNC110 - until all came so far
                await asyncio.sleep(0)
    # Two are under way to the market's partition by now; what goes elsewhere waits for neither.
    tasks += [asyncio.create_task(asked.submit(who)) for who in ("fifth", "sixth", "seventh")]
    for _ in range(20):
        await asyncio.sleep(0)
    assert asked.log.writes == [1, 1, 1]
    asked.log.gate.set()
    await asyncio.gather(*tasks)
    assert asked.log.writes == [1, 1, 1, 3]


async def test_what_is_refused_beforehand_or_by_the_log_takes_no_other_with_it() -> None:
    asked = Asked()
    asked.log.refused = "second"
    asked.intents.lost = "third"
    asked.log.gate.set()
    tasks = await asked.at_once(*WHO, "wrong")
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [
        Receipt,
        TooLargeError,
        ValueError,
        Receipt,
        ValidationError,
    ]
    assert asked.log.writes == [4, 1, 1, 1, 1]


async def test_a_caller_that_gives_up_takes_no_other_with_it_and_finds_its_order_done() -> None:
    asked = Asked()
    tasks = await asked.at_once(*WHO)
    tasks[1].cancel()
    await asyncio.sleep(0)
    asked.log.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in found] == [Receipt, asyncio.CancelledError, Receipt, Receipt]
    assert (await asked.submit("second")).offset == 1
    assert asked.log.writes == [4]


async def test_a_silent_log_is_told_to_all_and_the_next_try_of_each_succeeds() -> None:
    asked = Asked()
    asked.log.gate.set()
    asked.log.down = True
    tasks = await asked.at_once(*WHO)
    for task in tasks:
        with pytest.raises(UnavailableError):
            await task
    asked.log.down = False
    receipts = await asyncio.gather(*(asked.submit(who) for who in WHO))
    assert [one.offset for one in receipts] == [0, 1, 2, 3]
