from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.kit.errors import SendUnknownError
from services.kit.kafka import LogReader, LogWriter, OutRecord, Receipt
from services.kit.postgres import OutboxRelay, append_outbox, prune_outbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.kit.kafka import Record
    from services.kit.postgres import Pool
    from services.kit.settings import KitSettings
    from tests.integration.kit.conftest import MakeTopic

pytestmark = pytest.mark.integration

_CUT_WAITING = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = current_schema() AND wait_event_type = 'Lock'
"""


class CrashError(Exception):
    """The process ends here."""


class CrashAfterAckWriter(LogWriter):
    """The real writer of a process that dies between acknowledgement and mark."""

    async def send_many(
        self, records: Sequence[OutRecord], *, within_s: float | None = None
    ) -> list[Receipt]:
        await super().send_many(records, within_s=within_s)
        raise CrashError


class UnknownOnceWriter(LogWriter):
    """The real writer, whose first acknowledgement gets lost."""

    lost = False

    async def send_many(
        self, records: Sequence[OutRecord], *, within_s: float | None = None
    ) -> list[Receipt]:
        receipts = await super().send_many(records, within_s=within_s)
        if not self.lost:
            self.lost = True
            raise SendUnknownError(records[0].topic, "the acknowledgement got lost")
        return receipts


def rows(count: int, topic: str = "a") -> list[OutRecord]:
    return [
        OutRecord(topic, b"k", b"value %d" % n, (("n", b"%d" % n), ("raw", b"\xff\x00")))
        for n in range(count)
    ]


async def append(pool: Pool, records: Sequence[OutRecord]) -> range:
    async with pool.acquire() as conn, conn.transaction():
        return await append_outbox(conn, records)


async def read_all(settings: KitSettings, count: int, topic: str = "a") -> list[Record]:
    reader = LogReader(settings, [topic])
    await reader.start({})
    found: list[Record] = []
    try:
        while len(found) < count:
            found += await reader.read()
        return found + await reader.read(timeout_ms=100)
    finally:
        await reader.stop()


async def test_numbers_are_gapless_although_a_transaction_rolled_back(pool: Pool) -> None:
    assert await append(pool, rows(3)) == range(1, 4)

    async def crash() -> None:
        async with pool.acquire() as conn, conn.transaction():
            assert await append_outbox(conn, rows(5)) == range(4, 9)
            raise CrashError

    with pytest.raises(CrashError):
        await crash()
    assert await append(pool, rows(2)) == range(4, 6)
    assert await append(pool, []) == range(0)


async def test_numbers_follow_the_order_of_the_commits(pool: Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        first = await append_outbox(conn, rows(1))
        overtaking = asyncio.create_task(append(pool, rows(1)))
        await asyncio.sleep(0.1)
        # A later number must not become visible before an earlier one.
        assert not overtaking.done()
    assert list(first) + list(await overtaking) == [1, 2]


async def test_the_relay_sends_each_row_once_and_in_order(
    pool: Pool, settings: KitSettings, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    sent = rows(600)
    await append(pool, sent)
    relay = OutboxRelay(pool, writer)
    while await relay.relay_once():
        pass
    found = await read_all(settings, 600)
    assert [(r.key, r.value, r.headers) for r in found] == [
        (r.key, r.value, r.headers) for r in sent
    ]
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == 0


async def test_a_crash_between_acknowledgement_and_mark_sends_the_same_bytes_again(
    pool: Pool, settings: KitSettings, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    await append(pool, rows(3))
    crashing = CrashAfterAckWriter(settings)
    await crashing.start()
    with pytest.raises(CrashError):
        await OutboxRelay(pool, crashing).run()
    await crashing.stop()
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == 3

    assert await OutboxRelay(pool, writer).relay_once() == 3
    found = await read_all(settings, 6)
    once, again = found[:3], found[3:]
    assert [(r.key, r.value, r.headers) for r in once] == [
        (r.key, r.value, r.headers) for r in again
    ]
    assert await OutboxRelay(pool, writer).relay_once() == 0


async def test_the_relay_goes_on_after_an_unknown_outcome_and_wakes_on_call(
    pool: Pool, settings: KitSettings, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    losing = UnknownOnceWriter(settings)
    await losing.start()
    relay = OutboxRelay(pool, losing, poll_s=0.05)
    stop = asyncio.Event()
    running = asyncio.create_task(relay.run(stop))
    await append(pool, rows(2))
    relay.wake()
    found = await read_all(settings, 4)
    assert [r.value for r in found] == [b"value 0", b"value 1"] * 2
    stop.set()
    await asyncio.wait_for(running, 2)
    await losing.stop()
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == 0


async def test_pruning_deletes_only_rows_that_were_sent_and_never_reuses_a_number(
    pool: Pool, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    await append(pool, rows(2))
    await OutboxRelay(pool, writer).relay_once()
    await append(pool, rows(1))
    async with pool.acquire() as conn:
        assert await prune_outbox(conn, timedelta(days=1)) == 0
        assert await prune_outbox(conn, timedelta(0)) == 2
    assert await append(pool, rows(1)) == range(4, 5)


async def test_a_relay_outlives_the_connection_that_it_was_using(
    pool: Pool, settings: KitSettings, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    await append(pool, rows(2))
    writer = LogWriter(settings)
    await writer.start()
    stop = asyncio.Event()
    try:
        # The lock makes the relay wait inside a statement, which then is cut off.
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
            relaying = asyncio.create_task(OutboxRelay(pool, writer, poll_s=0.01).run(stop))
            cut = 0
            while not cut:
                await asyncio.sleep(0.01)
                # A transaction sees who is there as it was when it first looked.
                await conn.execute("SELECT pg_stat_clear_snapshot()")
                cut = await conn.fetchval(_CUT_WAITING)
        assert [record.value for record in await read_all(settings, 2)] == [b"value 0", b"value 1"]
        assert not relaying.done()
    finally:
        stop.set()
        await relaying
        await writer.stop()


async def test_a_relay_that_keeps_house_drops_what_was_sent_once_it_has_nothing_to_send(
    pool: Pool, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    await append(pool, rows(2))
    relay = OutboxRelay(pool, writer, keep=timedelta(0))
    assert await relay.relay_once() == 2
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 2
    assert await relay.relay_once() == 0
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0
