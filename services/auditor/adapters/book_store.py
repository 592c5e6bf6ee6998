"""What the comparison of books keeps, in the auditor's own schema."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import schemas
import services
import suanli
from services.auditor.adapters.queries import QUERIES
from services.auditor.crash import crash_point
from services.kit.postgres import assert_lease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from services.auditor.book_parts import Difference, Row
    from services.kit.postgres import Pool
    from services.kit.records import Positions

_ROWS_A_STATEMENT = 5_000


def code_version() -> str:
    """Return a digest of all code that has a part in what is kept: a release begins anew."""
    found = hashlib.sha256(version("pydantic").encode())
    for package in (schemas, services, suanli):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


class PostgresPartStore:
    """`services.auditor.book_keeper.PartStore` on Postgres.

    Args:
        pool: Pool of the auditor's schema.
        lease: Name of the lease.
        epoch: Fencing epoch with which this process holds it.
    """

    def __init__(self, pool: Pool, *, lease: str, epoch: int) -> None:
        self._pool = pool
        self._lease = lease
        self._epoch = epoch

    async def checkpoint(self) -> tuple[str, Positions, int, bytes, datetime] | None:
        """Return (version, positions, parts, digest, when the log was read from its beginning)."""
        row = await self._pool.fetchrow(QUERIES.book_checkpoint)
        if row is None:
            return None
        positions = {(topic, part): at for topic, part, at in json.loads(row["positions"])}
        return row["version"], positions, row["parts"], row["digest"], row["read_from"]

    async def parts(self) -> AsyncIterator[Sequence[Row]]:
        """Yield the parts, some at a time."""
        async with self._pool.acquire() as conn, conn.transaction():
            found = await conn.cursor(QUERIES.book_parts)
            while rows := await found.fetch(_ROWS_A_STATEMENT):
                yield [(row["market_id"], row["name"], row["key"], row["body"]) for row in rows]

    async def over(self, market_id: str, name: str, keys: Sequence[str]) -> list[tuple[Row, bytes]]:
        """Return those of some parts that were let go, each with its digest."""
        rows = await self._pool.fetch(QUERIES.book_parts_over, market_id, name, list(keys))
        return [((market_id, name, row["key"], row["body"]), row["over"]) for row in rows]

    async def keep(
        self,
        version: str,
        positions: Positions,
        changed: Difference,
        times: tuple[datetime, datetime],
        *,
        is_first: bool,
    ) -> None:
        """Write what changed with the positions, in one transaction; the first drops the rest.

        Raises:
            StaleWriterError: if another process has taken over.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, self._lease, self._epoch)
            if is_first:
                await conn.execute(QUERIES.drop_all_book_parts)
            for rows in _some(changed.dropped):
                await conn.execute(QUERIES.drop_book_parts, *map(list, zip(*rows, strict=True)))
            for rows in _some(changed.put):
                await conn.execute(QUERIES.put_book_parts, *map(list, zip(*rows, strict=True)))
            for let_go in _some(changed.over):
                columns = map(list, zip(*let_go, strict=True))
                await conn.execute(QUERIES.let_book_parts_go, *columns)
            await conn.execute(
                QUERIES.put_book_checkpoint,
                version,
                json.dumps([[topic, part, at] for (topic, part), at in positions.items()]),
                changed.count,
                changed.digest,
                *times,
            )
            crash_point("books_before_commit")
        crash_point("books_after_commit")


def _some(rows: Sequence[tuple[Any, ...]]) -> list[Sequence[tuple[Any, ...]]]:
    return [rows[at : at + _ROWS_A_STATEMENT] for at in range(0, len(rows), _ROWS_A_STATEMENT)]
