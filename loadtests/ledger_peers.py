"""What the ledger's writer is compared with: a lock per transfer, TPC-B, raw COPY."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg

from infra.local import postgres
from services.kit.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL = Queries.load(Path(__file__).parent / "sql")
_TPS = re.compile(r"tps = ([0-9.]+)")
RAW_TABLES = ("leaf", "transfer", "transfer_key")

Rows = dict[str, list[tuple[Any, ...]]]
"""Rows of a batch, by table."""

Move = tuple[int, int, int]
"""Account debited, account credited, amount."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What was moved in which time.

    Attributes:
        moved: Transfers.
        took_s: Seconds.
        waits_ms: How long each transfer, or batch, took until it was committed.
    """

    moved: int
    took_s: float
    waits_ms: tuple[float, ...]

    @property
    def per_s(self) -> float:
        """Return transfers per second."""
        return self.moved / self.took_s

    def at(self, share: float) -> float:
        """Return the wait within which this share of them was committed, milliseconds."""
        ordered = sorted(self.waits_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor time of this process and of the servers below a folder, which run there.

    Attributes:
        client_s: Seconds of this process.
        server_s: Seconds of the servers; 0 where there is no ``/proc``.
    """

    client_s: float
    server_s: float

    @classmethod
    def now(cls, folder: Path) -> Cpu:
        """Return what was used so far."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*"):
            # A process may end while it is looked at, and others are not ours to look at.
            with contextlib.suppress(OSError):
                if (path / "cwd").readlink().is_relative_to(folder):
                    words = (path / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
                    ticks += int(words[11]) + int(words[12])
        return cls(time.process_time(), ticks / os.sysconf("SC_CLK_TCK"))

    def since(self, before: Cpu, moved: int) -> str:
        """Return what a transfer took in between, microseconds."""
        client = (self.client_s - before.client_s) / moved * 1e6
        server = (self.server_s - before.server_s) / moved * 1e6
        return f"processor time a transfer: client {client:.0f} us, server {server:.0f} us"


async def locking(
    dsn: str, moves: Sequence[Move], within_s: float, connections: int, *, one_trip: bool
) -> Speed:
    """Move with both rows locked for every transfer, over several connections.

    Args:
        dsn: The database.
        moves: What to move, as far as the time goes.
        within_s: Seconds after which to stop.
        connections: How many move at once.
        one_trip: A function of the database does it all; else the client, statement by statement.
    """
    waits: list[float] = []
    todo = iter(moves)
    end_s = time.perf_counter() + within_s

    async def work(conn: asyncpg.Connection[Any]) -> None:
        for move in todo:
            began = time.perf_counter()
            if began > end_s:
                return
            if one_trip:
                await conn.fetchval(SQL.move, *move)
            else:
                await _by_statements(conn, move)
            waits.append((time.perf_counter() - began) * 1000)

    conns = [await asyncpg.connect(dsn) for _ in range(connections)]
    began = time.perf_counter()
    await asyncio.gather(*(work(conn) for conn in conns))
    took = time.perf_counter() - began
    assert await conns[0].fetchval(SQL.peer_is_whole), "nothing is lost, nothing is made"
    for conn in conns:
        await conn.close()
    return Speed(len(waits), took, tuple(waits))


async def _by_statements(conn: asyncpg.Connection[Any], move: Move) -> None:
    debit, credit, amount = move
    async with conn.transaction():
        await conn.execute(SQL.lock_both, debit, credit)
        gave = await conn.fetchrow(SQL.take, debit, amount)
        got = await conn.fetchrow(SQL.give, credit, amount)
        made = await conn.fetchval(SQL.add_transfer, debit, credit, amount)
        assert gave is not None
        assert got is not None
        await conn.execute(SQL.add_postings, made, debit, amount, *gave, credit, *got)


async def raw_copy(dsn: str, schema: str, batches: Sequence[Rows], moved: int) -> Speed:
    """Copy rows that the writer wrote into tables without any rule, a transaction per batch."""
    conn = await asyncpg.connect(dsn, server_settings={"search_path": schema})
    await conn.execute(SQL.make_raw)
    waits = []
    began = time.perf_counter()
    for batch in batches:
        since = time.perf_counter()
        async with conn.transaction():
            for table, rows in batch.items():
                await conn.copy_records_to_table(table, schema_name="raw", records=rows)
        waits.append((time.perf_counter() - since) * 1000)
    took = time.perf_counter() - began
    await conn.execute("DROP SCHEMA raw CASCADE")
    await conn.close()
    return Speed(moved, took, tuple(waits))


def tpc_b(dsn: str, seconds: int) -> float:
    """Return transactions per second of pgbench's TPC-B-like script, scale 10."""
    where = urlsplit(dsn)
    program = str(postgres.binary("pgbench"))
    address = ["-h", str(where.hostname), "-p", str(where.port), "-U", str(where.username)]
    environment = {"PGPASSWORD": where.password or ""}
    database = where.path.lstrip("/")
    subprocess.run(
        [program, *address, "-q", "-i", "-s", "10", database],
        env=environment,
        check=True,
        capture_output=True,
    )
    done = subprocess.run(
        [program, *address, "-c", "8", "-j", "2", "-T", str(seconds), database],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    found = _TPS.search(done.stdout)
    assert found is not None, done.stdout
    return float(found[1])
