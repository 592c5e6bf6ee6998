"""Matching stands still past its lease, loses replies to its commits, reads topics again."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

import pytest

from schemas import events
from services.kit.clock import ManualClock
from tests.conftest import Stack
from tests.integration.kit.pg_proxy import PgProxy
from tests.integration.kit.small_disk import on_a_small_disk
from tests.integration.matching.desk import (
    START,
    Desk,
    demand,
    hold,
    offer,
    open_process,
    settled,
)
from tests.integration.matching.test_crashes import assert_whole, process, running, until_filled

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

# What is written of an order and of all rounds, in their tables and in what is told of them.
WRITTEN = """
SELECT
  (SELECT count(*) FROM orders WHERE order_id = $1 AND state = 'filled') AS filled,
  (
    SELECT count(*) FROM outbox
    WHERE headers::text LIKE '%suanli.allocation.made%'
      AND convert_from(value, 'UTF8')::jsonb ->> 'demand_id' = $1
  ) AS allocated,
  (SELECT count(*) FROM round WHERE state = 'PUBLISHED') AS published,
  (SELECT count(*) FROM outbox WHERE headers::text LIKE '%suanli.round.closed%') AS closed
"""


async def migrated(desk: Desk) -> None:
    """Wait until the process has made its tables."""
    async with asyncio.timeout(30):
        while not await desk.rows("SELECT 1 WHERE to_regclass('intake') IS NOT NULL"):  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.1)


async def test_matching_that_stood_still_past_its_lease_writes_nothing_and_ends(
    desk: Desk,
) -> None:
    supply, need, more = offer("a"), demand("a"), demand("b", priority="interruptible")
    await desk.say(supply, need, hold(need))
    settings = running(desk)
    first = settings.model_copy(update={"matching_holder": "old"})
    second = settings.model_copy(update={"matching_holder": "new"})
    async with process(first) as old:
        await migrated(desk)
        await until_filled(desk, need)
        old.send_signal(signal.SIGSTOP)
        await desk.say(more, hold(more))
        async with process(second):
            await until_filled(desk, more)
            old.send_signal(signal.SIGCONT)
            assert await asyncio.wait_for(old.wait(), 30) != 0
            await desk.hear_published()
    await assert_whole(desk, (need, more))
    epochs = [row["epoch"] for row in await desk.rows("SELECT epoch FROM round ORDER BY seq")]
    assert epochs == sorted(epochs)
    assert set(epochs) == {1, 2}


async def test_a_lost_reply_to_a_commit_is_resolved_by_reading_and_not_by_guessing(
    desk: Desk,
) -> None:
    supply, need, more = offer("a"), demand("a"), demand("b", priority="interruptible")
    await desk.say(supply, need, hold(need))
    settings = running(desk)
    async with PgProxy.before(settings.postgres_dsn) as (proxy, dsn):
        behind = settings.model_copy(update={"postgres_dsn": dsn})
        async with process(behind), asyncio.timeout(40):
            await migrated(desk)
            proxy.passes, proxy.cuts = 2, 1
            while not proxy.lost:  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.1)
    await desk.say(more, hold(more))
    async with process(settings):
        await until_filled(desk, more)
        await desk.hear_published()
    await assert_whole(desk, (need, more))


async def test_replies_that_come_five_seconds_late_and_byte_by_byte_change_nothing(
    desk: Desk,
) -> None:
    supply, need, more = offer("a"), demand("a"), demand("b", priority="interruptible")
    await desk.say(supply, need, hold(need))
    settings = running(desk)
    async with PgProxy.before(settings.postgres_dsn) as (proxy, dsn):
        behind = settings.model_copy(update={"postgres_dsn": dsn})
        async with process(behind):
            await migrated(desk)
            proxy.slices, proxy.stalls_s = True, [5.0]
            await until_filled(desk, need)
            await desk.say(more, hold(more))
            await until_filled(desk, more)
            await desk.hear_published()
        assert proxy.stalls_s == []
    await assert_whole(desk, (need, more))


async def test_a_full_disk_leaves_no_half_round_and_once_there_is_room_all_is_done(
    desk: Desk, stack: Stack
) -> None:
    supply, need, more = offer("a"), demand("a"), demand("b", priority="interruptible")
    await desk.say(supply, need, hold(need))
    settings = running(desk)
    schema = settings.schema_of("matching")
    async with process(settings) as first:
        await migrated(desk)
        await until_filled(desk, need)
        async with on_a_small_disk(stack, schema) as disk:
            await disk.fill()
            await desk.say(more, hold(more))
            # It ends or waits. Rows may still fit into pages that are there, so a round may have
            # been written; but a whole one, with all that it says, or none.
            await asyncio.wait([asyncio.create_task(first.wait())], timeout=5)
            (state,) = await desk.rows(WRITTEN, more.order_id)
            assert state["filled"] == state["allocated"]
            assert state["published"] == state["closed"]
            disk.free()
            if first.returncode is None:
                first.kill()
                await first.wait()
            async with process(settings):
                await until_filled(desk, more)
                await desk.hear_published()
            (state,) = await desk.rows(WRITTEN, more.order_id)
            assert (state["filled"], state["allocated"]) == (1, 1)
    await assert_whole(desk, (need, more))


async def test_records_that_come_again_get_their_verdict_and_change_nothing(desk: Desk) -> None:
    supply, need = offer("a"), demand("a")
    told: list[events.Event] = [supply, need, hold(need)]
    await desk.say(*told)
    clock = ManualClock(START)
    async with open_process(desk.settings, clock) as matching:
        await settled(matching, least=3)
        await matching.run_round()
        await desk.say(*reversed(told))
        await settled(matching, least=3)
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await desk.hear(2)
    made = [e for e in desk.distinct("allocations") if isinstance(e, events.AllocationMade)]
    assert len(made) == 1
    verdicts = await desk.rows(
        "SELECT topic, verdict FROM intake WHERE record_offset = 1 ORDER BY topic"
    )
    assert {row["topic"]: row["verdict"] for row in verdicts} == {
        "demand": "duplicate",
        "holds": "closed",
        "offers": "duplicate",
    }


async def test_positions_that_went_back_stop_matching_before_it_judges_twice(desk: Desk) -> None:
    supply = offer("a")
    await desk.say(supply)
    async with open_process(desk.settings, ManualClock(START)) as matching:
        await settled(matching)
    await desk.rows("DELETE FROM consumer_offset")
    with pytest.raises(Exception, match="intake_pkey"):
        async with open_process(desk.settings, ManualClock(START)) as matching:
            await settled(matching)
    verdicts = await desk.rows("SELECT verdict FROM intake WHERE topic = 'offers'")
    assert [row["verdict"] for row in verdicts] == ["open"]
