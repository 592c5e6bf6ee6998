"""Positions in the log, kept in the database so that output and position commit together.

Every function takes the caller's connection and is part of the caller's transaction.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from services.kit.errors import StaleWriterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.kit.pgtypes import Conn
    from services.kit.records import Positions

SQL_FOLDER = Path(__file__).parent / "sql"

KIT_TABLES_SQL = "\n".join(
    (SQL_FOLDER / f"{table}.sql").read_text(encoding="utf-8")
    for table in ("consumer_offset", "lease", "outbox")
)
"""DDL that a service's first migration includes word for word."""


async def load_positions(conn: Conn, topics: Iterable[str]) -> Positions:
    """Return the stored positions of these topics; a partition that is absent stands at 0."""
    rows = await conn.fetch(
        "SELECT topic, partition, next_offset FROM consumer_offset WHERE topic = ANY($1)",
        list(topics),
    )
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def claim_positions(conn: Conn, topics: Iterable[str], epoch: int) -> Positions:
    """Return the stored positions after raising their epoch, so that older writers miss them.

    Call it once after a lease was acquired.

    Raises:
        StaleWriterError: if a row already carries a later epoch.
    """
    wanted = list(topics)
    newest = await conn.fetchval(
        "SELECT max(epoch) FROM (SELECT epoch FROM consumer_offset WHERE topic = ANY($1)"
        " ORDER BY topic, partition FOR UPDATE) held",
        wanted,
    )
    if newest is not None and newest > epoch:
        raise StaleWriterError("consumer_offset.epoch", str(newest), f"at most {epoch}")
    await conn.execute("UPDATE consumer_offset SET epoch = $2 WHERE topic = ANY($1)", wanted, epoch)
    return await load_positions(conn, wanted)


async def advance(
    conn: Conn, topic: str, partition: int, from_offset: int, to_offset: int, epoch: int
) -> None:
    """Move a position by compare-and-set; a partition without a row starts at 0.

    Args:
        conn: Connection inside the transaction that writes what the records led to.
        topic: Topic without prefix.
        partition: Partition of it.
        from_offset: Position at which this writer started the batch.
        to_offset: Offset of the next record to read.
        epoch: Fencing epoch of this writer's lease, 0 where there is no lease.

    Raises:
        StaleWriterError: if the position or the epoch is not what this writer believes;
            the transaction must be given up.
    """
    assert 0 <= from_offset <= to_offset, f"{from_offset} -> {to_offset}"
    done = await conn.execute(
        "UPDATE consumer_offset SET next_offset = $4, epoch = $5, updated_at = clock_timestamp()"
        " WHERE topic = $1 AND partition = $2 AND next_offset = $3 AND epoch <= $5",
        topic,
        partition,
        from_offset,
        to_offset,
        epoch,
    )
    if done == "UPDATE 1":
        return
    if from_offset == 0:
        done = await conn.execute(
            "INSERT INTO consumer_offset (topic, partition, next_offset, epoch)"
            " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            topic,
            partition,
            to_offset,
            epoch,
        )
        if done == "INSERT 0 1":
            return
    found = await conn.fetchrow(
        "SELECT next_offset, epoch FROM consumer_offset WHERE topic = $1 AND partition = $2",
        topic,
        partition,
    )
    raise StaleWriterError(
        f"position of {topic}/{partition}",
        f"{found['next_offset']} in epoch {found['epoch']}" if found else "not stored",
        f"{from_offset} in epoch {epoch} or earlier",
    )


async def advance_all(conn: Conn, before: Positions, after: Positions, epoch: int) -> None:
    """Move every position that differs between two snapshots of a reader.

    Args:
        conn: Connection inside the transaction that writes what the records led to.
        before: ``reader.positions()`` before the batch was read.
        after: ``reader.positions()`` after it.
        epoch: Fencing epoch of this writer's lease, 0 where there is no lease.

    Raises:
        StaleWriterError: as `advance`.
    """
    # In one order everywhere, so that two writers cannot wait for each other.
    for (topic, partition), to_offset in sorted(after.items()):
        from_offset = before.get((topic, partition), 0)
        if from_offset != to_offset:
            await advance(conn, topic, partition, from_offset, to_offset, epoch)
