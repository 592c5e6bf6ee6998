"""A batch is decided while another is committed, and the journal goes over a partition's end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import asyncpg
import pytest

from services.core.merkle import Frontier
from services.kit.kafka import Record
from services.kit.postgres import Pool, acquire_lease
from services.ledger.adapters.postgres import LEASE, PostgresStore
from services.ledger.app import Outcome, decode_all, handle
from services.ledger.audit import audit
from services.ledger.keys import keys_of
from services.ledger.pipeline import Pipeline
from services.ledger.ports import StoreFailedError
from services.ledger.settings import LedgerSettings
from tests.unit.ledger import world as w

pytestmark = pytest.mark.integration


@dataclass
class Ahead:
    """Decides batches ahead of their commits."""

    pipeline: Pipeline
    frontier: Frontier = field(default_factory=Frontier)
    committed: int = 0

    async def book(self, records: list[Record]) -> Outcome:
        inputs, _ = decode_all(records)
        view = await self.pipeline.load(keys_of(inputs, ()))
        outcome = handle(view, inputs, (), {}, self.frontier, w.NOW)
        await self.pipeline.commit(outcome.batch, {}, {}, self._done)
        self.frontier = outcome.frontier
        return outcome

    def _done(self) -> None:
        self.committed += 1


async def start(pool: Pool, leaves: int = 2**20) -> Ahead:
    epoch = await acquire_lease(pool, LEASE, "test", 60)
    assert epoch is not None
    return Ahead(Pipeline(PostgresStore(pool, epoch, leaves)))


async def test_what_is_about_to_be_committed_counts_for_the_next_batch(
    pool: Pool, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    ahead, topics = await start(pool), w.Topics()
    transaction = owner.transaction()
    await transaction.start()
    # Holds every commit at its first step, but nobody who reads.
    await owner.execute("SELECT FROM lease FOR UPDATE")
    await ahead.book(topics.put(w.registered("lab"), w.deposited("lab", 100 * w.YUAN)))
    deposits = topics.put(w.deposited("lab", 5 * w.YUAN))
    await_all = asyncio.create_task(ahead.book(deposits))
    done, _ = await asyncio.wait([await_all], timeout=0.5)
    # It was decided on what is not committed, and now waits to be committed itself.
    assert not done
    assert ahead.committed == 0
    await transaction.rollback()
    outcome = await await_all
    assert [entry.postings[1].balance_after for entry in outcome.batch.entries] == [-105 * w.YUAN]
    # The same deposit once more is no other one, though its first is not committed yet.
    again = await ahead.book(deposits)
    assert not again.batch.entries
    await ahead.pipeline.drain()
    assert ahead.committed == 3
    report = await audit(settings.postgres_dsn, schema)
    assert report.ok, "\n".join(report.lines())


async def test_what_was_decided_on_a_commit_that_failed_is_not_committed(
    pool: Pool, owner: asyncpg.Connection
) -> None:
    ahead, topics = await start(pool), w.Topics()
    await ahead.book(topics.put(w.registered("lab")))
    await ahead.pipeline.drain()
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("SELECT FROM lease FOR UPDATE")
    await ahead.book(topics.put(w.deposited("lab", w.YUAN)))
    second = asyncio.create_task(ahead.book(topics.put(w.deposited("lab", w.YUAN))))
    for _ in range(400):
        # A transaction sees who is there as it was when it first looked.
        await owner.execute("SELECT pg_stat_clear_snapshot()")
        if await owner.fetchval(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        ):
            break
        await asyncio.sleep(0.05)
    with pytest.raises(StoreFailedError):
        await second
    await transaction.rollback()
    await ahead.pipeline.forget()
    assert ahead.committed == 1
    assert await owner.fetchval("SELECT count(*) FROM leaf") == 0


async def test_a_batch_that_crosses_the_end_of_a_partition_is_one_commit(
    pool: Pool, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    ahead, topics = await start(pool, leaves=4), w.Topics()
    # Nothing is in them yet; the next are small.
    await owner.execute(
        "DROP TABLE leaf_0, transfer_0 CASCADE;"
        "ALTER TABLE journal_partition DISABLE TRIGGER ALL; DELETE FROM journal_partition"
    )
    await ahead.book(topics.put(w.registered("lab"), w.registered("cloud")))
    for first, stop in ((1, 4), (4, 11), (11, 12), (12, 17)):
        await ahead.book(topics.put(*[w.deposited("lab", n) for n in range(first, stop)]))
    await ahead.pipeline.drain()
    parts = await owner.fetch("SELECT first_idx, end_idx FROM journal_partition ORDER BY 1")
    assert [tuple(row) for row in parts] == [(at, at + 4) for at in range(0, 20, 4)]
    counts = [await owner.fetchval(f"SELECT count(*) FROM leaf_{at}") for at in (0, 4, 8, 12, 16)]  # noqa: S608
    assert counts == [4, 4, 4, 4, 0]
    report = await audit(settings.postgres_dsn, schema)
    assert report.ok, "\n".join(report.lines())
    assert report.size == 16
