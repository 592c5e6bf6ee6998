"""The ledger while its database connections break and its process is killed: nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest

from schemas import events
from schemas.types import Role
from services.kit.kafka import partition_of
from services.ledger.audit import audit
from services.ledger.settings import LedgerSettings
from tests.integration.ledger.conftest import Ledger, record_of
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    from services.kit.kafka import LogWriter

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(240)]

LABS = [f"lab-{n}" for n in range(5)]
DEMANDS = 240
ROUNDS = 6


def day() -> list[list[events.Event]]:
    """Return a day's records in steps: admission, then demand and a round over it, six times."""
    people = [w.registered(lab) for lab in LABS] + [w.registered("cloud", Role.PROVIDER)]
    money = [w.deposited(lab, 10_000 * w.YUAN) for lab in LABS]
    steps: list[list[events.Event]] = [[*people, *money, w.offered("o1", "cloud", chips=1000)]]
    each = DEMANDS // ROUNDS
    for seq in range(1, ROUNDS + 1):
        names = [(f"d{seq}-{n}", LABS[n % len(LABS)]) for n in range(each)]
        steps.append([w.demanded(name, lab, chips=10) for name, lab in names])
        bodies: list[events.AllocationMade | events.HoldAdjusted] = []
        for name, lab in names:
            bodies.append(w.allocated(seq, name, lab, "o1", "cloud", [(0, 3, 900_000)]))
            bodies.append(w.kept(seq, name, lab, 5 * w.YUAN))
        # As matching does: a round tells how far it had read, and the ledger reads so far first.
        partition = partition_of(w.MARKET.encode(), 4)
        steps.append(
            w.round_bodies(seq, bodies, offers_end=1, demand_end=seq * each, partition=partition)
        )
        made = [body for body in bodies if isinstance(body, events.AllocationMade)]
        steps.append([w.delivered(body, [(0, 3)]) for body in made[::2]])
    return steps


async def check_day(owner: asyncpg.Connection, settings: LedgerSettings, schema: str) -> None:
    report = await audit(settings.postgres_dsn, schema)
    assert report.ok, "\n".join(report.lines())
    assert await owner.fetchval("SELECT count(*) FROM demand_hold") == DEMANDS
    assert await owner.fetchval("SELECT count(*) FROM round_booked") == ROUNDS
    assert await owner.fetchval("SELECT count(*) FROM waiting_record") == 0
    assert report.captured == DEMANDS * 2_700_000
    assert report.paid == DEMANDS // 2 * 2_700_000


async def test_broken_connections_lose_nothing_and_double_nothing(
    ledger: Ledger,
    owner: asyncpg.Connection,
    settings: LedgerSettings,
    schema: str,
    stack_conn: asyncpg.Connection,
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(ledger.writer.run(stop))
    draw = random.Random(7)
    kills = 0
    for step in day():
        await ledger.send(*step)
        await asyncio.sleep(draw.random() * 0.2)
        kills += await stack_conn.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name = $1 AND pid <> $2 AND pid <> $3",
            schema,
            stack_conn.get_server_pid(),
            owner.get_server_pid(),
        )
    assert kills
    await caught_up(ledger, running)
    stop.set()
    await running
    await check_day(owner, settings, schema)


async def caught_up(ledger: Ledger, running: asyncio.Task[None]) -> None:
    async with asyncio.timeout(30):
        for reader in ledger.readers:
            for place, end in (await reader.end_offsets()).items():
                while ledger.writer.positions().get(place, 0) < end:
                    if running.done():
                        running.result()
                    await asyncio.sleep(0.05)


async def test_a_killed_process_goes_on_and_loses_nothing(
    owner: asyncpg.Connection, settings: LedgerSettings, schema: str, sender: LogWriter
) -> None:
    draw = random.Random(int(os.environ.get("SUANLI_FAULT_SEED", "1")))
    steps = day()
    process = await start(settings)
    try:
        for number, step in enumerate(steps, start=1):
            await sender.send_many([record_of(body) for body in step])
            await asyncio.sleep(draw.random() * 0.3)
            if number % 5 == 0:
                await kill(process)
                process = await start(settings)
        async with asyncio.timeout(75):
            while await progress(owner) < ROUNDS + DEMANDS // 2:  # noqa: ASYNC110 - polls a process
                await asyncio.sleep(0.1)
    finally:
        await kill(process)
    await check_day(owner, settings, schema)


async def progress(owner: asyncpg.Connection) -> int:
    return int(
        await owner.fetchval(
            "SELECT (SELECT count(*) FROM round_booked) + (SELECT count(*) FROM settlement)"
        )
    )


async def start(settings: LedgerSettings, crash_at: str = "") -> asyncio.subprocess.Process:
    environment = os.environ | {
        "SUANLI_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "SUANLI_POSTGRES_DSN": settings.postgres_dsn.get_secret_value(),
        "SUANLI_TOPIC_PREFIX": settings.topic_prefix,
        "SUANLI_SCHEMA_PREFIX": settings.schema_prefix,
        # Small batches, so that a kill falls between the parts of a round.
        "SUANLI_LEDGER_BATCH_RECORDS_MAX": "17",
        "SUANLI_CRASH_AT": crash_at,
        "SUANLI_LOG_LEVEL": "error",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.ledger.main", env=environment
    )


async def kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    await process.wait()
