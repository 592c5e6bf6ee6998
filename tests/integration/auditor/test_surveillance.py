"""The market watch on a real broker and database: a ring trades, and the case is told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from schemas import events
from schemas.codec import decode
from schemas.surveillance import ParticipantOwned, SurveillanceCaseRaised
from schemas.types import Role
from services.auditor.main import run
from services.kit.clock import ManualClock
from services.kit.kafka import LogReader
from services.kit.run import ServiceContext
from tests.integration.auditor.test_findings import settings_for
from tests.integration.matching.conftest import desk  # noqa: F401 - a fixture
from tests.integration.matching.desk import START, Desk, demand, hold, offer, open_process, settled

pytestmark = pytest.mark.integration
DAY = timedelta(days=1)
ROOM = {"chips": 64, "ask": 1_000_000}
NEED = {"shape": {"type": "flow", "chips": 64}}


def owned(participant_id: str, role: Role, owner: str) -> ParticipantOwned:
    """Return the admission of a participant with its owner."""
    return ParticipantOwned(
        participant_id=participant_id, role=role, name=participant_id, beneficial_owner=owner
    )


@asynccontextmanager
async def watching(desk: Desk) -> AsyncIterator[LogReader]:  # noqa: F811
    """Run the auditor with its market watch; give a reader of the cases from the beginning."""
    context = ServiceContext("auditor", settings_for(desk))
    reader = LogReader(desk.settings, ["surveillance-cases"])
    await reader.start({})
    running = asyncio.create_task(context.serve(run))
    try:
        yield reader
    finally:
        context.stop_event.set()
        assert await running == 0
        await reader.stop()


async def cases(reader: LogReader, count: int) -> list[SurveillanceCaseRaised]:
    """Return the next cases."""
    found: list[SurveillanceCaseRaised] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            for record in await reader.read(100, 100):
                event = decode(record.value, record.headers).data
                assert isinstance(event, SurveillanceCaseRaised)
                found.append(event)
    return found


async def ring(desk: Desk, clock: ManualClock) -> None:  # noqa: F811
    """Let one owner sell 512 chip-hours to another, and buy the same hours back in a round."""
    for name, owner in (("a", "alpha"), ("b", "beta")):
        await desk.say(owned(f"p-{name}", Role.PROVIDER, owner))
        await desk.say(owned(f"e-{name}", Role.ENTERPRISE, owner))
    async with open_process(desk.settings, clock) as matching:
        for rounds, (seller, buyer) in enumerate((("a", "b"), ("b", "a")), 1):
            need = demand(buyer, **NEED)
            await desk.say(offer(seller, **ROOM), need, hold(need))
            await settled(matching, least=3)
            await matching.run_round()
            await desk.hear(rounds)
            clock.advance(timedelta(minutes=15))


async def next_day(desk: Desk, clock: ManualClock) -> None:  # noqa: F811
    """Run a round of the next day, which closes the day before."""
    clock.advance(DAY)
    async with open_process(desk.settings, clock) as matching:
        await matching.run_round()
        await desk.hear(3)


async def stored_tape(desk: Desk) -> list[str]:  # noqa: F811
    """Return the subjects that the watch keeps."""
    conn = await asyncpg.connect(desk.settings.postgres_dsn.get_secret_value())
    try:
        schema = desk.settings.schema_of("surveillance")
        rows = await conn.fetch(f'SELECT subject FROM "{schema}".tape_event ORDER BY seq')  # noqa: S608
    finally:
        await conn.close()
    return [row["subject"] for row in rows]


async def until_forgotten(desk: Desk, subject: str) -> None:  # noqa: F811
    """Wait until the watch has let go of something."""
    async with asyncio.timeout(30):
        while subject in await stored_tape(desk):  # noqa: ASYNC110 - a table cannot be awaited
            await asyncio.sleep(0.05)


async def test_a_ring_is_told_once_whatever_is_read_again(desk: Desk) -> None:  # noqa: F811
    clock = ManualClock(START)
    await ring(desk, clock)
    made = [one for one in desk.distinct("allocations") if isinstance(one, events.AllocationMade)]
    assert sum(chips.chips for one in made for chips in one.periods) == 1024
    async with watching(desk) as reader:
        (case,) = await cases(reader, 1)
        # Everything of the rounds comes a second time.
        await desk.say(*desk.distinct("rounds"), *desk.distinct("allocations"))
    assert (case.kind, case.severity, case.day) == ("wash", "high", "2026-11-24")
    assert (case.revision, case.is_final) == (1, False)
    assert case.participants == ("e-a", "e-b", "p-a", "p-b")
    assert set(case.evidence) == {one.allocation_id for one in made}
    figures = {"pool": "bj-1/a910b", "owners": 2, "chip_hours": 1024, "net_chip_hours": 0}
    assert case.figures == figures
    assert "1024" in case.summary.zh

    # A restart reads its tape back, and the end of the day finds no more than that it is over.
    await next_day(desk, clock)
    ended = case.model_copy(update={"revision": 2, "is_final": True})
    async with watching(desk) as reader:
        assert await cases(reader, 2) == [case, ended]
        await until_forgotten(desk, "round:jjj:1")
        assert not await reader.read(10, 300)
    # The rounds and what ended in them are let go; the market and its participants stay.
    kept = {one.partition(":")[0] for one in await stored_tape(desk)}
    assert kept == {"market", "participant", "round"}
