"""Killing matching at every named point: nothing is lost, nothing happens twice.

``SUANLI_KILL_RUNS`` sets how often: once a point by default; ten times at 200, as `make nightly`
has it, and then at later passes of the point, too.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from schemas import events
from schemas.types import OrderState
from services.core.past_books import sealed_books
from services.core.round_events import set_digest
from services.gateway.adapters.market_log import KafkaMarketLogs
from services.kit.clock import ManualClock
from services.kit.errors import StaleWriterError
from services.kit.run import ServiceContext
from services.matching.crash import POINTS
from services.matching.main import open_matching
from services.matching.settings import MatchingSettings
from tests.conftest import Stack
from tests.integration.logins import login_of
from tests.integration.matching.desk import (
    MARKET,
    START,
    Desk,
    demand,
    hold,
    offer,
    open_process,
    settings_for,
    settled,
)

pytestmark = pytest.mark.integration

# A round every two real seconds.
SPEED = 450
KILLED = 137
RUNS_A_POINT = max(1, int(os.environ.get("SUANLI_KILL_RUNS", "20")) // 20)
PASSES = 3


@asynccontextmanager
async def process(
    settings: MatchingSettings, crash_at: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run matching as a process of its own and end it."""
    names = ("kafka_bootstrap", "topic_prefix", "schema_prefix", "matching_market")
    given = {f"SUANLI_{name.upper()}": str(getattr(settings, name)) for name in names}
    given |= {
        "SUANLI_POSTGRES_DSN": settings.postgres_dsn.get_secret_value(),
        "SUANLI_CLOCK_MARKET_EPOCH": START.isoformat(),
        "SUANLI_CLOCK_REAL_EPOCH": settings.clock_real_epoch.isoformat()
        if settings.clock_real_epoch
        else "",
        "SUANLI_CLOCK_SPEED": str(SPEED),
        "SUANLI_CRASH_AT": crash_at,
        "SUANLI_LOG_LEVEL": "warning",
    }
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.matching.main", env=os.environ | given
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
        await started.wait()


def running(desk: Desk) -> MatchingSettings:
    """Return settings whose market clock shows the start now."""
    return desk.settings.model_copy(
        update={
            "clock_market_epoch": START,
            "clock_real_epoch": datetime.now(UTC),
            "clock_speed": float(SPEED),
        }
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize("run", range(RUNS_A_POINT))
@pytest.mark.parametrize("point", [point for point in POINTS if point != "while_clearing"])
async def test_a_process_killed_at_any_point_goes_on_where_it_was(
    desk: Desk, point: str, run: int
) -> None:
    supply, need, more = offer("a"), demand("a"), demand("b", priority="interruptible")
    await desk.say(supply, need, hold(need))
    # It runs with a login of its own, which owns nothing; the test looks on as the owner.
    own = await login_of("matching", desk.settings)
    settings = running(desk).model_copy(update={"postgres_dsn": own})
    async with process(settings, f"{point}:{1 + run % PASSES}") as first:
        assert await asyncio.wait_for(first.wait(), 20) == KILLED
    await desk.say(more, hold(more))
    async with process(settings):
        await until_filled(desk, more)
        await desk.hear_published()

    await assert_whole(desk, (need, more))


async def until_filled(desk: Desk, need: events.DemandSubmitted) -> None:
    """Wait until a round has filled a demand."""
    query = "SELECT 1 FROM orders WHERE order_id = $1 AND state = 'filled'"
    async with asyncio.timeout(30):
        while not await desk.rows(query, need.order_id):  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.2)


async def assert_whole(desk: Desk, filled: tuple[events.DemandSubmitted, ...]) -> None:
    """Assert that every record had one verdict and every demand one allocation."""
    verdicts = await desk.rows("SELECT topic, count(*) AS n FROM intake GROUP BY topic")
    assert {row["topic"]: row["n"] for row in verdicts} == {
        "policies": 1,
        "offers": 1,
        "demand": 2,
        "holds": 2,
    }
    made = [e for e in desk.distinct("allocations") if isinstance(e, events.AllocationMade)]
    assert sorted(e.demand_id for e in made) == sorted(need.order_id for need in filled)
    assert len({e.allocation_id for e in made}) == len(made)
    for need in filled:
        states = [status.state for status in desk.statuses(need)]
        assert states == [OrderState.ACCEPTED, OrderState.OPEN, OrderState.FILLED]
    for closed in desk.closed():
        assert isinstance(closed, events.RoundClosed)
        whole = {
            e.index: e.model_dump_json().encode()
            for e in desk.distinct("allocations")
            if isinstance(e, events.AllocationMade | events.HoldAdjusted)
            and e.round_id == closed.round_id
        }
        assert sorted(whole) == list(range(closed.count))
        assert set_digest(whole[index] for index in sorted(whole)) == closed.digest
    numbers = [row["seq"] for row in await desk.rows("SELECT seq FROM outbox ORDER BY seq")]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_zombie_that_lost_its_lease_writes_nothing(
    stack: Stack, topics: str, schema_prefix: str, desk: Desk
) -> None:
    need = demand("a")
    await desk.say(offer("a"), need, hold(need))
    old = settings_for(stack, topics, schema_prefix, matching_holder="old", matching_lease_s=1.0)
    new = settings_for(stack, topics, schema_prefix, matching_holder="new")
    zombie = ServiceContext("matching", old)
    zombie.clock = ManualClock(START)
    stopped = await open_matching(zombie)
    assert stopped is not None
    assert await stopped.start(zombie.stop_event)
    await settled(stopped, least=3)
    # As a process that is stopped by the kernel: its lease runs out while it does nothing.
    for task in zombie._tasks:
        task.cancel()
    async with open_process(new, ManualClock(START + timedelta(minutes=15))) as matching:
        await matching.run_round()
        with pytest.raises(StaleWriterError):
            await stopped.run_round()
        await desk.say(offer("late"))
        with pytest.raises(StaleWriterError):
            await settled(stopped)
        await matching.run_round()
        await desk.hear(2)
    await zombie._close()
    rounds = await desk.rows("SELECT seq, epoch FROM round ORDER BY seq")
    assert [(row["seq"], row["epoch"]) for row in rounds] == [(1, 2), (2, 2)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("run", range(RUNS_A_POINT))
async def test_what_came_while_a_round_was_cleared_is_judged_once_though_the_process_dies(
    desk: Desk, run: int
) -> None:
    needs = [demand(f"n{number}", priority="interruptible") for number in range(150)]
    said: list[events.Event] = [offer("a", chips=800)]
    await desk.say(*said)
    settings = running(desk)
    async with process(settings, f"while_clearing:{1 + run % PASSES}") as first:
        # Each withdraws one that may be in the round that is being cleared.
        for number, need in enumerate(needs):
            step = [need, hold(need), *([withdrawn(needs[number - 3])] if number % 5 == 3 else [])]
            said += step
            await desk.say(*step)
            if first.returncode is not None:
                break
            await asyncio.sleep(0.05)
        assert await asyncio.wait_for(first.wait(), 20) == KILLED
    async with process(settings):
        query = """SELECT (SELECT count(*) FROM intake) - (SELECT count(*) FROM orders
            WHERE state IN ('accepted', 'open', 'part-filled') AND side = 'demand') AS done"""
        async with asyncio.timeout(40):
            while (await desk.rows(query))[0]["done"] <= len(said):  # noqa: ASYNC110 - a table is awaited
                await asyncio.sleep(0.2)
        await desk.hear_published()
    assert len(await desk.rows("SELECT 1 FROM intake")) == 1 + len(said)
    assert await desk.rows("SELECT 1 FROM waiting_record") == []
    log = await KafkaMarketLogs(desk.settings, 10_000).read(MARKET.id)
    books = list(sealed_books(log))
    assert [one.digest for one in books] == [one.sealed_digest for one in books]
    assert not books[-1].differing


def withdrawn(submitted: events.DemandSubmitted) -> events.DemandCancelled:
    return events.DemandCancelled(
        order_id=submitted.order_id,
        market_id=submitted.market_id,
        participant_id=submitted.participant_id,
    )
