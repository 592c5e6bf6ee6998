"""The ledger's writer against its peers, in one run on one machine, with a durable database.

(1) our writer: decisions, postings, leaves and every constraint of the schema; (2) a lock
per transfer, as most ledgers do, once statement by statement and once in one trip; (3) pgbench's
TPC-B as the floor; (4) raw COPY of the rows of (1) into bare tables as the ceiling. Accounts are
drawn by Zipf's law with exponents 1.0 and 2.0: the larger, the more hot accounts.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import itertools
import os
import random
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from pydantic import SecretStr

from infra.local.stack import LocalStack
from loadtests.ledger_peers import RAW_TABLES, SQL, Cpu, Move, Rows, Speed, locking, raw_copy, tpc_b
from schemas.codec import Envelope
from schemas.events import DepositRecorded
from services.core.merkle import Frontier
from services.core.postings import TransferKind, derive_uuid
from services.kit.postgres import LeaseKeeper, create_pool, migrate
from services.ledger.adapters.postgres import LEASE, PostgresStore, writer_dsn
from services.ledger.app import finish
from services.ledger.books import Books
from services.ledger.main import MIGRATIONS
from services.ledger.pipeline import Pipeline, tune_interpreter
from services.ledger.settings import LedgerSettings
from services.ledger.state import BANK, Keys, cny_account

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from services.ledger.app import Outcome
    from services.ledger.state import View

NamedMove = tuple[str, str, int]
"""Name of the account debited, of the one credited, amount."""

ACCOUNTS = 100_000
BATCH = int(
    os.environ.get("SUANLI_LOADTEST_BATCH")
    or LedgerSettings.model_fields["ledger_batch_records_max"].default
)
"""As the service does unless it is told otherwise."""
TRANSFERS = int(os.environ.get("SUANLI_LOADTEST_TRANSFERS", "50000"))
RUNS = int(os.environ.get("SUANLI_LOADTEST_RUNS", "5"))
PEER_S = 5.0
TRIED_S = 2.0
CONNECTIONS = (2, 4, 8, 16)
"""Of these the peers get the number with which they are fastest where accounts are hottest."""
EXPONENTS = (1.0, 2.0)
KEPT = ("leaf", "transfer", "transfer_key", "transfer_done")
_NAMES = ("ours, all constraints", "lock per transfer", "lock per transfer, one trip")
_RICH = 10**12
_SEED = 20_261_126


def zipf(exponent: float, count: int, seed: int = _SEED) -> Iterator[int]:
    """Yield account numbers, low ones most often."""
    weights = list(itertools.accumulate(1 / (n**exponent) for n in range(1, count + 1)))
    chance = random.Random(seed)
    while True:
        yield bisect.bisect(weights, chance.random() * weights[-1])


def moves_of(exponent: float, wanted: int, seed: int = _SEED) -> list[Move]:
    """Return transfers between different accounts."""
    drawn, chance = zipf(exponent, ACCOUNTS, seed), random.Random(seed)
    found: list[Move] = []
    while len(found) < wanted:
        debit, credit = next(drawn), next(drawn)
        if debit != credit:
            found.append((debit, credit, chance.randint(1, 1000)))
    return found


@dataclass
class Bench:
    """Our writer's parts on one database.

    Attributes:
        pipeline: The database, in the writer's role, one commit ahead.
        frontier: The log's.
        made: Transfers so far, which number the ids.
        waits_ms: From the beginning of each decision until its commit.
    """

    pipeline: Pipeline
    frontier: Frontier = field(default_factory=Frontier)
    made: int = 0
    waits_ms: list[float] = field(default_factory=list)

    async def book(self, moves: Sequence[NamedMove]) -> None:
        """Decide one batch and begin to commit it, as the writer does after decoding."""
        began = time.perf_counter()
        names = frozenset(name for move in moves for name in move[:2])
        view = await self.pipeline.load(Keys(accounts=names))
        outcome = await asyncio.to_thread(_decided, view, moves, self.made, self.frontier)

        def done() -> None:
            self.waits_ms.append((time.perf_counter() - began) * 1000)

        await self.pipeline.commit(outcome.batch, {}, {}, done)
        self.made += len(moves)
        self.frontier = outcome.frontier

    async def book_all(self, moves: Sequence[NamedMove]) -> Speed:
        """Book batch after batch and wait for the last commit."""
        self.waits_ms = []
        began = time.perf_counter()
        for first in range(0, len(moves), BATCH):
            await self.book(moves[first : first + BATCH])
        await self.pipeline.drain()
        return Speed(len(moves), time.perf_counter() - began, tuple(self.waits_ms))


def _decided(view: View, moves: Sequence[NamedMove], made: int, frontier: Frontier) -> Outcome:
    books = Books(view, datetime.now(UTC))
    envelope = _cause()
    for number, (debit, credit, amount) in enumerate(moves, start=made + 1):
        place = (derive_uuid("loadtest", str(number)), debit, credit)
        books.transfer(TransferKind.SINGLE, place, amount, envelope, "deposit")
    return finish(books, [], ((), []), frontier)


def _cause() -> Envelope:
    now = datetime.now(UTC)
    body = DepositRecorded(
        deposit_id="dep_" + "a" * 26, participant_id="p", amount=1, reference="load test"
    )
    return Envelope("cause", "/suanli/loadtest", now, now, "p", "load", "", "", body)


@contextlib.asynccontextmanager
async def funded(dsn: str, schema: str) -> AsyncIterator[Bench]:
    """Make a ledger in which every account has money."""
    tune_interpreter()
    await migrate(SecretStr(dsn), schema, MIGRATIONS)
    pool = await create_pool(await writer_dsn(SecretStr(dsn), schema), schema, min_size=0)
    epoch = await LeaseKeeper(pool, LEASE, "loadtest").acquire()
    assert epoch is not None
    bench = Bench(Pipeline(PostgresStore(pool, epoch)))
    async with pool.acquire() as conn:
        await conn.execute(SQL.admit, ACCOUNTS - 1)
    await bench.book_all([(BANK, cny_account(str(n)), _RICH) for n in range(ACCOUNTS)])
    yield bench
    await pool.close()


def _named(moves: Iterable[Move]) -> list[NamedMove]:
    return [(cny_account(str(d)), cny_account(str(c)), a) for d, c, a in moves]


async def grow(dsn: str, folder: Path, millions: int) -> AsyncIterator[str]:
    """Yield speed and size per million transfers, Zipf 1.0, in one ledger that grows."""
    schema = "load_grow"
    async with funded(dsn, schema) as bench:
        for number in range(1, millions + 1):
            moves = _named(moves_of(1.0, 1_000_000, seed=_SEED + number))
            conn = await asyncpg.connect(dsn, server_settings={"search_path": schema})
            worked, before = await conn.fetchrow(SQL.database_work), Cpu.now(folder)
            speed = await bench.book_all(moves)
            used = Cpu.now(folder).since(before, len(moves))
            done = await conn.fetchrow(SQL.database_work)
            kept = sum(row["bytes"] for row in await conn.fetch(SQL.sizes) if row["name"] in KEPT)
            await conn.close()
            assert worked is not None
            assert done is not None
            work = {name: done[name] - worked[name] for name in done.keys()}  # noqa: SIM118
            yield (
                f"million {number}: {speed.per_s:,.0f} a second, p50 {speed.at(0.5):.0f} ms, "
                f"p99 {speed.at(0.99):.0f} ms; {kept / bench.made:.0f} bytes a transfer, "
                f"{kept / 1e9:.1f} GB; {used}; {_worked(work, len(moves))}; "
                f"load {os.getloadavg()[0]:.1f}"
            )


def _worked(work: dict[str, int], moved: int) -> str:
    return (
        f"log {work['wal'] / moved:.0f} bytes a transfer, {work['images']:,} whole pages in it, "
        f"{work['checkpoints']} checkpoints, {work['reads']:,} blocks read ({work['key_reads']:,} "
        f"of the index over ids), {work['writes']:,} pages written by the writer itself"
    )


@dataclass
class Series:
    """What came of the same work, done several times.

    Attributes:
        name: What did it.
        runs: The speed of each time.
    """

    name: str
    runs: list[Speed] = field(default_factory=list)

    def told(self, exponent: float) -> str:
        """Return rates and waits: the median, and from the least to the most."""
        rates = [run.per_s for run in self.runs]
        return (
            f"Zipf {exponent}: {self.name}: {_spread(rates)} a second, "
            f"p50 {statistics.median(run.at(0.5) for run in self.runs):.0f} ms, "
            f"p99 {_spread([run.at(0.99) for run in self.runs])} ms"
        )

    def times(self, other: Series) -> str:
        """Return how many times as fast it was as another, each time beside it."""
        pairs = zip(self.runs, other.runs, strict=True)
        ratios = [one.per_s / two.per_s for one, two in pairs]
        return f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}) times"


def _spread(found: Sequence[float]) -> str:
    return f"{statistics.median(found):,.0f} ({min(found):,.0f} to {max(found):,.0f})"


async def compare(dsn: str, folder: Path) -> AsyncIterator[str]:
    """Yield the lines of the comparison."""
    yield (
        f"load before: {os.getloadavg()[0]:.1f}; {RUNS} times {TRANSFERS:,} transfers, batches of "
        f"{BATCH:,}; peers {PEER_S:.0f} s each time, in turn with ours"
    )
    for exponent in EXPONENTS:
        schema = f"load_{int(exponent * 10)}"
        async with funded(dsn, schema) as bench, peers(dsn) as connections:
            yield f"connections with which a lock per transfer is fastest here: {connections}"
            mine, slow, fast = (Series(name) for name in _NAMES)
            for turn in range(RUNS):
                moves = _named(moves_of(exponent, TRANSFERS, _SEED + turn))
                before = Cpu.now(folder)
                mine.runs.append(await bench.book_all(moves))
                used = Cpu.now(folder).since(before, len(moves))
                yield f"{mine.runs[-1].per_s:,.0f} a second; {used}; {os.getloadavg()[0]:.1f} load"
                for series, one_trip in ((slow, False), (fast, True)):
                    theirs = moves_of(exponent, 100_000, _SEED + turn)
                    run = await locking(dsn, theirs, PEER_S, connections, one_trip=one_trip)
                    series.runs.append(run)
        yield mine.told(exponent)
        for series in (slow, fast):
            yield f"{series.told(exponent)}; ours is {mine.times(series)} that"
        yield f"growth: the last fifth of the batches took {growth(mine.runs):.2f} of the first"
        yield await _bytes(dsn, schema)
        raw = await raw_copy(dsn, schema, await _rows(dsn, schema), TRANSFERS)
        yield Series("raw COPY of the same", [raw]).told(exponent)
    yield f"pgbench TPC-B, scale 10, 8 clients: {tpc_b(dsn, 8):,.0f} a second"
    yield f"load after: {os.getloadavg()[0]:.1f}"


@contextlib.asynccontextmanager
async def peers(dsn: str) -> AsyncIterator[int]:
    """Make the peers' tables; give the number of connections with which a lock is fastest."""
    conn = await asyncpg.connect(dsn)
    await conn.execute(SQL.make_peer)
    await conn.execute(SQL.fill_peer, ACCOUNTS - 1)
    rates = {}
    for connections in CONNECTIONS:
        moves = moves_of(EXPONENTS[-1], 20_000)
        tried = await locking(dsn, moves, TRIED_S, connections, one_trip=False)
        rates[tried.per_s] = connections
    yield rates[max(rates)]
    await conn.execute("DROP SCHEMA peer CASCADE")
    await conn.close()


def growth(runs: Sequence[Speed]) -> float:
    """Return how much longer the last fifth of the waits was than the first, by their medians."""
    waits = [wait for run in runs for wait in run.waits_ms]
    fifth = max(1, len(waits) // 5)
    return statistics.median(waits[-fifth:]) / statistics.median(waits[:fifth])


async def _bytes(dsn: str, schema: str) -> str:
    conn = await asyncpg.connect(dsn, server_settings={"search_path": schema})
    transfers = await conn.fetchval(SQL.count_transfers)
    sizes = {row["name"]: (row["bytes"], row["index_bytes"]) for row in await conn.fetch(SQL.sizes)}
    await conn.close()
    kept = sum(whole for name, (whole, _) in sizes.items() if name in KEPT)
    parts = ", ".join(
        f"{name} {whole / transfers:.0f} (indexes {index / transfers:.0f})"
        for name, (whole, index) in sorted(sizes.items())
    )
    return f"bytes a transfer: {kept / transfers:.0f} kept; {parts}"


async def _rows(dsn: str, schema: str) -> list[Rows]:
    """Return the rows that our writer wrote last, by batch."""
    conn = await asyncpg.connect(dsn, server_settings={"search_path": schema})
    await conn.execute(f'SET ROLE "{schema}_writer"')
    first = await conn.fetchval(SQL.first_of_last, TRANSFERS)
    batches: list[Rows] = []
    for start in range(first, first + TRANSFERS, BATCH):
        batch: Rows = {}
        for table in RAW_TABLES:
            found = await conn.fetch(SQL[f"last_{table}"], start, start + BATCH)
            batch[table] = [tuple(row) for row in found]
        batches.append(batch)
    await conn.close()
    return batches


def main(*millions: str) -> Iterator[str]:
    """Run the comparison on a database of its own; with a number, grow to so many millions."""
    folder = Path(tempfile.mkdtemp(prefix="suanli-load-"))
    folder.chmod(0o711)
    stack = LocalStack(folder / "s")
    loop = asyncio.new_event_loop()
    try:
        stack.start(quiet=True)
        dsn = stack.postgres_dsn
        told = grow(dsn, folder, int(millions[0])) if millions else compare(dsn, folder)
        while line := loop.run_until_complete(anext(told, "")):
            yield line
    finally:
        loop.close()
        stack.wipe()
        shutil.rmtree(folder, ignore_errors=True)
