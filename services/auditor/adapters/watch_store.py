"""The store of the market watch: the tape's events, the cases told, positions and outbox."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

from services.auditor.surveillance import TOPICS, Kept, Told
from services.kit.outbox import headers_from_json, headers_to_json
from services.kit.postgres import (
    Queries,
    advance_all,
    append_outbox,
    assert_lease,
    claim_positions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.auditor.surveillance import WatchChanges
    from services.kit.postgres import Pool
    from services.kit.records import Positions

MIGRATIONS = Path(__file__).parents[3] / "infra" / "postgres" / "migrations" / "surveillance"

_QUERIES = Queries.load(Path(__file__).parent / "watch_sql")


class PostgresWatchStore:
    """`services.auditor.surveillance.WatchStore` on Postgres.

    Args:
        pool: Pool of the watch's schema.
        lease: Name of the lease.
        epoch: Fencing epoch with which this process holds it.
    """

    def __init__(self, pool: Pool, *, lease: str, epoch: int) -> None:
        self._pool = pool
        self._lease = lease
        self._epoch = epoch

    async def load(self) -> tuple[Positions, list[Kept]]:
        """Claim the positions; return them and the events of the tape, as they came."""
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            positions = await claim_positions(conn, TOPICS, self._epoch)
            rows = await conn.fetch(_QUERIES.kept)
        return positions, [
            Kept(
                row["event_id"],
                row["subject"],
                row["value"],
                headers_from_json(row["headers"]),
            )
            for row in rows
        ]

    async def told(self, case_ids: Iterable[str]) -> dict[str, Told]:
        """Return the latest revision of those cases that were published."""
        rows = await self._pool.fetch(_QUERIES.told, list(case_ids))
        return {row["case_id"]: Told(**dict(row)) for row in rows}

    async def told_of(self, market_id: str, day: int) -> list[Told]:
        """Return the latest revision of every case of a day that was published."""
        rows = await self._pool.fetch(_QUERIES.told_of, market_id, day)
        return [Told(**dict(row)) for row in rows]

    async def commit(self, before: Positions, after: Positions, changes: WatchChanges) -> None:
        """Move the positions and write events, cases and records, in one transaction.

        Raises:
            StaleWriterError: if another process has taken over.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            await advance_all(conn, before, after, self._epoch)
            replaced = [item.subject for item in changes.kept if item.lasting]
            if replaced:
                await conn.execute(_QUERIES.forget, replaced)
            if changes.kept:
                await conn.execute(_QUERIES.keep, *_columns(changes.kept))
            if changes.forgotten:
                await conn.execute(_QUERIES.forget, changes.forgotten)
            for told in changes.told:
                await conn.execute(_QUERIES.tell, *astuple(told))
            await append_outbox(conn, changes.outbox)


def _columns(kept: Sequence[Kept]) -> tuple[list[str], list[str], list[bytes], list[str]]:
    return (
        [item.event_id for item in kept],
        [item.subject for item in kept],
        [item.value for item in kept],
        [headers_to_json(item.headers) for item in kept],
    )
