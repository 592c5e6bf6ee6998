"""The ledger stands still past its lease, loses replies to its commits, reads topics again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest

from schemas.types import Role
from services.kit.postgres import create_pool
from services.ledger.adapters.postgres import writer_dsn
from tests.integration.kit.pg_proxy import PgProxy
from tests.integration.ledger.conftest import Ledger, record_of
from tests.integration.ledger.test_faults import caught_up, kill
from tests.integration.ledger.test_pipeline import ROUND, check, free, open_market
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    from services.kit.kafka import LogWriter
    from services.ledger.settings import LedgerSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


async def start(settings: LedgerSettings, holder: str) -> asyncio.subprocess.Process:
    environment = os.environ | {
        "SUANLI_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "SUANLI_POSTGRES_DSN": settings.postgres_dsn.get_secret_value(),
        "SUANLI_TOPIC_PREFIX": settings.topic_prefix,
        "SUANLI_SCHEMA_PREFIX": settings.schema_prefix,
        "SUANLI_LEDGER_HOLDER": holder,
        "SUANLI_LEDGER_LEASE_S": "1.5",
        "SUANLI_LOG_LEVEL": "error",
    }
    if not settings.ledger_migrates:
        # It has no credential of the owner then.
        environment["SUANLI_LEDGER_MIGRATES"] = "false"
    elif settings.ledger_owner_dsn is not None:
        environment["SUANLI_LEDGER_OWNER_DSN"] = settings.ledger_owner_dsn.get_secret_value()
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.ledger.main", env=environment
    )


async def until(owner: asyncpg.Connection, query: str, wanted: object) -> None:
    async with asyncio.timeout(40):
        while await owner.fetchval(query) != wanted:  # noqa: ASYNC110 - polls a process
            await asyncio.sleep(0.1)


async def test_a_ledger_that_stood_still_past_its_lease_writes_nothing_and_ends(
    owner: asyncpg.Connection, settings: LedgerSettings, schema: str, sender: LogWriter
) -> None:
    people = [w.registered("lab"), w.deposited("lab", 100 * w.YUAN)]
    await sender.send_many([record_of(body) for body in people])
    old = await start(settings, "old")
    new: asyncio.subprocess.Process | None = None
    try:
        await until(owner, "SELECT count(*) FROM participant", 1)
        old.send_signal(signal.SIGSTOP)
        more = [w.demanded(f"d{number}", "lab", chips=1) for number in range(20)]
        await sender.send_many([record_of(body) for body in more])
        new = await start(settings, "new")
        await until(owner, "SELECT count(*) FROM demand_hold", 20)
        old.send_signal(signal.SIGCONT)
        await sender.send_many([record_of(w.deposited("lab", 7 * w.YUAN))])
        assert await asyncio.wait_for(old.wait(), 30) != 0
        await until(owner, "SELECT count(*) FROM leaf", 22)
        assert await owner.fetchval("SELECT epoch FROM lease") == 2
    finally:
        for process in (old, new):
            if process is not None:
                await kill(process)
    await check(settings, schema)


async def test_a_lost_reply_to_a_commit_is_resolved_by_reading_and_not_by_guessing(
    owner: asyncpg.Connection, settings: LedgerSettings, schema: str, sender: LogWriter
) -> None:
    async with PgProxy.before(settings.postgres_dsn) as (proxy, dsn):
        pool = await create_pool(await writer_dsn(dsn, schema), schema, min_size=0)
        ledger = await Ledger.start(settings, pool, sender)
        stop = asyncio.Event()
        running = asyncio.create_task(ledger.writer.run(stop))
        steps = (
            [w.registered("lab"), w.registered("cloud", Role.PROVIDER)],
            [w.deposited("lab", 100 * w.YUAN), w.offered("o1", "cloud", chips=10)],
            [w.demanded("d1", "lab", chips=10)],
            [*ROUND],
        )
        for step in steps:
            proxy.cuts = 1
            await ledger.send(*step)
            await caught_up(ledger, running)
        stop.set()
        await running
        await ledger.stop()
        await pool.close()
        assert proxy.lost == len(steps)
    assert await free(owner, schema, "lab") == 83_500_000
    await check(settings, schema)


async def test_replies_that_come_five_seconds_late_and_byte_by_byte_change_nothing(
    owner: asyncpg.Connection, settings: LedgerSettings, schema: str, sender: LogWriter
) -> None:
    async with PgProxy.before(settings.postgres_dsn) as (proxy, dsn):
        proxy.slices = True
        pool = await create_pool(await writer_dsn(dsn, schema), schema, min_size=0)
        ledger = await Ledger.start(settings, pool, sender)
        stop = asyncio.Event()
        running = asyncio.create_task(ledger.writer.run(stop))
        people = [w.registered("lab"), w.registered("cloud", Role.PROVIDER)]
        await ledger.send(*people, w.deposited("lab", 100 * w.YUAN))
        await ledger.send(w.offered("o1", "cloud", chips=10), w.demanded("d1", "lab", chips=10))
        await caught_up(ledger, running)
        proxy.stalls_s = [5.0]
        await ledger.send(*ROUND)
        await caught_up(ledger, running)
        stop.set()
        await running
        await ledger.stop()
        await pool.close()
        assert proxy.stalls_s == []
    assert await free(owner, schema, "lab") == 83_500_000
    await check(settings, schema)


async def test_topics_that_are_read_from_their_beginning_again_book_nothing_new(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    told = [w.demanded("d1", "lab", chips=10), w.deposited("lab", 3 * w.YUAN)]
    await open_market(ledger)
    await ledger.send(*told)
    await ledger.settle()
    await ledger.send(*ROUND)
    await ledger.settle()
    size = await owner.fetchval("SELECT count(*) FROM leaf")
    # All of it once more, in another order of topics.
    await ledger.send(*reversed(told), *ROUND)
    await ledger.settle()
    await ledger.stop()
    # As if the positions were lost: the owner may do that, the ledger's own role may not.
    await owner.execute("DELETE FROM consumer_offset")
    again = await Ledger.start(settings, ledger.pool, ledger.sender)
    await again.settle()
    await again.stop()
    assert await owner.fetchval("SELECT count(*) FROM leaf") == size
    assert await owner.fetchval("SELECT count(*) FROM round_booked") == 1
    assert await owner.fetchval("SELECT count(*) FROM market_halt") == 0
    await check(settings, schema)
