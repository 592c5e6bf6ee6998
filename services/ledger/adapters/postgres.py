"""The ledger's tables in Postgres: load what a batch touches, write it in one transaction."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from pydantic import SecretStr

from services.core.merkle import HASH_BYTES, Frontier
from services.core.postings import Account
from services.kit.kafka import Record
from services.kit.logging import get_logger
from services.kit.postgres import (
    Queries,
    advance_all,
    append_outbox,
    assert_lease,
    claim_positions,
    connect,
)
from services.ledger.adapters import rows
from services.ledger.app import TOPICS
from services.ledger.capacity_state import Capacity
from services.ledger.crash import crash_point
from services.ledger.keys import accounts_behind
from services.ledger.ports import StoreFailedError
from services.ledger.state import View, owner_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from services.kit.kafka import Positions
    from services.kit.postgres import Conn, Pool
    from services.ledger.state import Batch, Keys

JournalRows: TypeAlias = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""Rows of leaves, and of their transfers."""

QUERIES = Queries.load(Path(__file__).parent)
LEASE = "ledger"
# About 450 MB with indexes: what is written to stays in memory, what is old can be moved.
LEAVES_A_PARTITION = 2**20
_TRANSFER = (
    "leaf_idx",
    "amount",
    "occurred_at",
    "expires_at",
    "pending_amount",
    "pending_expires_at",
    "debit_id",
    "credit_id",
    "id",
    "pending_id",
    "reverses",
    "kind",
    "purpose",
    "unit",
    "market_id",
    "round_id",
    "order_id",
)
_LEAF = (
    "idx",
    "recorded_at",
    "debit_version",
    "credit_version",
    "debit_posted",
    "credit_posted",
    "debit_pending",
    "credit_pending",
    "entry",
    "opening",
    "cause",
)

# What can pass by itself. A broken constraint is not among them: then the rules here and in the
# database disagree, and the process must stop and say so.
PASSING = (
    OSError,
    asyncpg.InterfaceError,
    # A connection that was cut in the middle of an answer; the pool throws it away.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)


class PostgresStore:
    """The store of the one writer that holds the lease.

    Args:
        pool: Pool of the ledger's schema, in the writer's role.
        epoch: Fencing epoch of the lease.
        partition_leaves: Leaves of each partition of the journal.
    """

    def __init__(self, pool: Pool, epoch: int, partition_leaves: int = LEAVES_A_PARTITION) -> None:
        self._pool = pool
        self._epoch = epoch
        self._partition_leaves = partition_leaves
        self._parts: list[tuple[int, int]] = []
        self._accounts: dict[str, Account] = {}
        self._numbers: dict[str, int] = {}
        # The journal's rows of the batch that is committed next, if they could be made ahead.
        self._ready: tuple[Batch, JournalRows] | None = None

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[Conn]:
        try:
            async with self._pool.acquire() as conn:
                yield conn
        except PASSING as error:
            raise StoreFailedError(repr(error)) from error

    def forget(self) -> None:
        """Drop everything cached; what is stored is read again."""
        self._accounts.clear()
        self._numbers.clear()
        self._ready = None

    async def positions(self) -> Positions:
        """Return where the log has been read to, claimed for this writer's epoch."""
        async with self._connection() as conn, conn.transaction():
            await assert_lease(conn, LEASE, self._epoch)
            return await claim_positions(conn, TOPICS, self._epoch)

    async def log_head(self) -> tuple[Frontier, int]:
        """Return the frontier, the last checkpoint's extended by the leaves since, and its size."""
        async with self._connection() as conn:
            row = await conn.fetchrow(QUERIES.load_checkpoint)
            kept = Frontier() if row is None else unpack(row["size"], row["frontier"])
            leaves = await conn.fetch(QUERIES.load_leaves_from, kept.size)
            return kept.extend(leaf["hash"] for leaf in leaves), kept.size

    async def waiting(self) -> list[Record]:
        """Return the records that wait, those of halted markets left out."""
        async with self._connection() as conn:
            found = await conn.fetch(QUERIES.load_waiting)
        return [
            Record(
                row["topic"],
                row["partition"],
                row["log_offset"],
                row["timestamp_ms"],
                row["key"],
                row["value"],
                tuple(zip(row["header_names"], row["header_values"], strict=True)),
            )
            for row in found
        ]

    async def load(self, keys: Keys) -> View:
        """Return what is stored about these keys."""
        async with self._connection() as conn:
            lapsing = list(zip(*keys.lapsing, strict=True)) or [(), ()]
            capacities: list[rows.Row] = []
            if keys.capacities or keys.offers:
                shared = list(zip(*keys.capacities, strict=True)) or [(), (), ()]
                capacities = await conn.fetch(
                    QUERIES.load_capacities, *map(list, shared), list(keys.offers)
                )
            late = await conn.fetch(QUERIES.load_lapsing, *map(list, lapsing))
            ids = keys.allocations | {row["allocation_id"] for row in late}
            if ids or keys.offers:
                chains = await conn.fetch(QUERIES.load_chains, list(ids), list(keys.offers))
                ids |= {row["id"] for row in chains}
            allocations = rows.allocations(await _fetch(conn, "load_allocations", ids))
            resold = [allocations[one] for one in keys.allocations if one in allocations]
            booked = rows.booked(await _fetch(conn, "load_booked", keys.reversed))
            erasable = rows.erasable(await _fetch(conn, "load_erasable", keys.erased))
            behind = accounts_behind(allocations.values(), (*booked.values(), *erasable.values()))
            names = keys.accounts | behind
            await self._load_accounts(conn, names)
            found = {
                name: await _fetch(conn, f"load_{name}", wanted)
                for name, wanted in (
                    ("participants", keys.participants),
                    ("demands", keys.demands | {item.demand_id for item in resold}),
                    ("offers", keys.offers),
                    ("used", keys.offers),
                    ("held", keys.offers),
                    ("asked", keys.offers),
                    ("open", ids),
                    ("passable", keys.offers),
                    ("rounds", keys.rounds),
                    ("last_seq", keys.markets),
                    ("terms", keys.markets),
                    ("halts", keys.markets),
                    ("deliveries", keys.deliveries),
                    ("transfers", keys.transfers),
                    ("money_orders", keys.money_orders),
                    ("exposure", keys.exposed),
                    ("erasures", keys.erasures),
                )
            }
        return View(
            accounts={name: self._accounts[name] for name in names if name in self._accounts},
            participants=rows.participants(found["participants"]),
            demands=rows.demands(found["demands"]),
            offers=rows.offers(found["offers"]),
            used={(r["offer_id"], r["period"]): r["allocated"] for r in found["used"]},
            capacities={
                (r["capacity"], r["period"]): Capacity(r["chips"], r["held"]) for r in capacities
            },
            held={(r["offer_id"], r["period"]): r["chips"] for r in found["held"]},
            asked={r["offer_id"]: r["asked"] for r in found["asked"]},
            allocations=allocations,
            open=rows.open_periods(found["open"]),
            passable={(r["allocation_id"], r["period"]): r["chips"] for r in found["passable"]},
            rounds={r["round_id"]: r["digest"] for r in found["rounds"]},
            last_seq={r["market_id"]: r["seq"] for r in found["last_seq"]},
            halts=rows.halts(found["halts"]),
            deliveries={r["delivery_id"]: r["body_hash"] for r in found["deliveries"]},
            transfers=rows.digests(found["transfers"]),
            terms=rows.terms(found["terms"]),
            money_orders=rows.money_orders(found["money_orders"]),
            booked=booked,
            exposure={r["provider_id"]: r["exposure"] for r in found["exposure"]},
            erasures=rows.erasures(found["erasures"]),
            erasable=erasable,
        )

    async def _load_accounts(self, conn: Conn, names: Iterable[str]) -> None:
        missing = sorted(set(names) - self._accounts.keys())
        if not missing:
            return
        for row in await conn.fetch(QUERIES.load_accounts, missing):
            name = row["name"]
            self._numbers[name] = row["id"]
            self._accounts[name] = Account(
                name,
                row["unit"],
                row["floor_zero"],
                row["debits_pending"],
                row["credits_pending"],
                row["debits_posted"],
                row["credits_posted"],
                row["version"],
            )

    async def _make_room(self, size: int) -> None:
        """See to it that the journal has partitions for this many leaves and one to spare."""
        wanted = size + self._partition_leaves
        if self._parts and wanted <= self._parts[-1][1]:
            return
        async with self._connection() as conn:
            await conn.execute(QUERIES.add_partitions, wanted, self._partition_leaves)
            found = await conn.fetch(QUERIES.load_partitions)
            self._parts = [(row["first_idx"], row["end_idx"]) for row in found]

    def prepare(self, batch: Batch) -> None:
        """Make the journal's rows of a batch while the one before is committed.

        Rows name accounts by numbers, which new ones get when they are written.
        """
        # None beside it is wrong: without them the commit makes the rows itself.
        with contextlib.suppress(KeyError):
            self._ready = (batch, self._journal_rows(batch))

    def _journal_rows(self, batch: Batch) -> JournalRows:
        return rows.leaves(batch), rows.transfers(batch, self._numbers)

    async def commit(self, batch: Batch, before: Positions, after: Positions) -> None:
        """Write a batch and move the positions, in one transaction.

        Raises:
            StaleWriterError: if another writer has taken over.
        """
        if batch.leaves:
            await self._make_room(batch.leaves[-1].place + 1)
        async with self._connection() as conn, conn.transaction():
            await assert_lease(conn, LEASE, self._epoch)
            await advance_all(conn, before, after, self._epoch)
            crash_point("after_positions")
            await self._write_accounts(conn, batch)
            crash_point("after_accounts")
            await self._write_journal(conn, batch)
            crash_point("after_journal")
            await rows.write_market(conn, QUERIES, batch)
            await rows.write_erasures(conn, QUERIES, batch)
            await rows.write_waiting(conn, QUERIES, batch)
            await append_outbox(conn, batch.outbox)
            crash_point("before_commit")
        crash_point("after_commit")
        for account in batch.accounts_new:
            self._accounts[account.id] = account
        for _, account in batch.accounts_moved:
            self._accounts[account.id] = account

    async def _write_accounts(self, conn: Conn, batch: Batch) -> None:
        if batch.participants:
            people = batch.participants
            await conn.execute(
                QUERIES.save_participants,
                [p.id for p in people],
                [p.role for p in people],
                [p.name for p in people],
                [p.resource_code for p in people],
                [p.status for p in people],
            )
        if batch.accounts_new:
            head: int | None = await conn.fetchval(QUERIES.load_account_head)
            assert head is not None
            added = batch.accounts_new
            numbers = {a.id: head + n for n, a in enumerate(added, start=1)}
            self._numbers |= numbers
            await conn.execute(
                QUERIES.add_accounts,
                list(numbers.values()),
                [a.id for a in added],
                [owner_of(a.id) for a in added],
                [a.unit for a in added],
                [a.floor_zero for a in added],
            )

    async def _write_journal(self, conn: Conn, batch: Batch) -> None:
        if batch.leaves:
            # Of each partition, the leaves first: a trigger compares the transfers with them and
            # moves the counters of their accounts.
            ready, self._ready = self._ready, None
            if ready is None or ready[0] is not batch:
                ready = (batch, self._journal_rows(batch))
            leaves, transfers = ready[1]
            start = batch.leaves[0].place
            for first, end in self._parts:
                part = slice(max(0, first - start), max(0, end - start))
                if leaves[part]:
                    await _copy(conn, f"leaf_{first}", _LEAF, leaves[part])
                    await _copy(conn, f"transfer_{first}", _TRANSFER, transfers[part])
        if batch.checkpoint is not None:
            head = batch.checkpoint
            await conn.copy_records_to_table(
                "checkpoint",
                records=[(head.size, head.root, pack(head.frontier), head.note)],
                columns=["size", "root", "frontier", "note"],
            )


async def writer_dsn(dsn: SecretStr, schema: str) -> SecretStr:
    """Return the DSN under which connections act in the schema's writer role.

    The role owns nothing: it adds rows and moves counters. Where the migration could not make
    it, the DSN is returned as it is.
    """
    role = f"{schema}_writer"
    conn = await connect(dsn, schema)
    try:
        may = await conn.fetchval(QUERIES.may_set_role, role)
    finally:
        await conn.close()
    text = dsn.get_secret_value()
    if not may:
        get_logger("ledger").warning("no writer role, acting as the login user", role=role)
        return dsn
    return SecretStr(f"{text}{'&' if '?' in text else '?'}role={role}")


def pack(frontier: Frontier) -> bytes:
    """Return a frontier's nodes as bytes."""
    return b"".join(frontier.nodes)


def unpack(size: int, raw: bytes) -> Frontier:
    """Return the frontier that `pack` wrote."""
    nodes = tuple(raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES))
    return Frontier(size, nodes)


async def _copy(
    conn: Conn, table: str, columns: tuple[str, ...], records: list[tuple[Any, ...]]
) -> None:
    await conn.copy_records_to_table(table, records=records, columns=columns)


async def _fetch(conn: Conn, query: str, ids: frozenset[object]) -> list[rows.Row]:
    if not ids:
        return []
    return list(await conn.fetch(QUERIES[query], list(ids)))
