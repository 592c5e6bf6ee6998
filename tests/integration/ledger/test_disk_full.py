"""The database's disk is full while the ledger books: no half round, and all of it afterwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from schemas.types import Role
from tests.integration.kit.small_disk import on_a_small_disk
from tests.integration.ledger.conftest import record_of
from tests.integration.ledger.test_faults import kill
from tests.integration.ledger.test_pipeline import ROUND, check, free
from tests.integration.ledger.test_stopped_and_cut import start, until
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    from services.kit.kafka import LogWriter
    from services.ledger.settings import LedgerSettings
    from tests.conftest import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
BOOKED = "SELECT count(*) FROM round_booked"


async def test_a_full_disk_leaves_no_half_round_and_once_there_is_room_all_is_booked(
    stack: Stack,
    owner: asyncpg.Connection,
    settings: LedgerSettings,
    schema: str,
    sender: LogWriter,
) -> None:
    people = [
        w.registered("lab"),
        w.registered("cloud", Role.PROVIDER),
        w.deposited("lab", 100 * w.YUAN),
        w.offered("o1", "cloud", chips=10),
        w.demanded("d1", "lab", chips=10),
    ]
    await sender.send_many([record_of(body) for body in people])
    first = await start(settings, "first")
    second: asyncio.subprocess.Process | None = None
    try:
        await until(owner, "SELECT count(*) FROM demand_hold", 1)
        size = await owner.fetchval("SELECT count(*) FROM leaf")
        async with on_a_small_disk(stack, schema) as disk:
            await disk.fill()
            await sender.send_many([record_of(body) for body in ROUND])
            # It ends or waits; whichever it does, nothing of the round is there.
            await asyncio.wait([asyncio.create_task(first.wait())], timeout=5)
            assert await owner.fetchval(BOOKED) == 0
            assert await owner.fetchval("SELECT count(*) FROM leaf") == size
            disk.free()
            await kill(first)
            second = await start(settings, "second")
            await until(owner, BOOKED, 1)
    finally:
        for process in (first, second):
            if process is not None:
                await kill(process)
    assert await free(owner, schema, "lab") == 83_500_000
    await check(settings, schema)
