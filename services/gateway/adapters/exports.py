"""Exports as files: read by cursor, written batch by batch, hashed, kept while there is room."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import shutil
import tempfile
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from services.gateway.adapters.queries import SQL
from services.gateway.app.exports import ExportDay, Made, Wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import date

    import asyncpg

    from schemas.market_data import ExportTable
    from services.kit.postgres import Pool

# Rows of a row group: part of the bytes of a file, so it never changes. Terms of an order take up
# to some kilobytes, so this bounds what is in memory.
_BATCH_ROWS = 10_000
_KEPT_BYTES_MAX = 4 * 1024**3

_INT, _TEXT = pa.int64(), pa.string()
_INSTANT = pa.timestamp("us", tz="UTC")
_COLUMNS: dict[ExportTable, tuple[str, str, str]] = {
    # Texts, whole numbers, instants; the order of columns is that of the query.
    "rounds": (
        "round_id status book_digest rules_digest result_digest file_sha256",
        (
            "seq offers demands demands_filled demands_part_filled allocations chip_hours payment "
            "welfare bound gap_ppm total_regret"
        ),
        "market_time",
    ),
    "prices": ("round_id pool zone chip", "seq price chips offered", "market_time period"),
    "allocations": (
        "allocation_id round_id demand_id enterprise_id offer_id provider_id pool",
        "seq chips price",
        "market_time period",
    ),
    "orders": (
        "order_id side participant_id terms state",
        "log_partition log_offset version chip_hours_allocated chip_hours_left",
        "submitted_at",
    ),
}
_QUERIES: dict[ExportTable, str] = {
    "rounds": SQL.export_rounds,
    "prices": SQL.export_prices,
    "allocations": SQL.export_allocations,
    "orders": SQL.export_orders,
}


class _Writer(Protocol):
    def write_batch(self, batch: Any) -> None:  # noqa: ANN401 - of a library without types
        """Append a batch."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


class ExportFiles:
    """`services.gateway.app.exports.ExportStore` on Postgres and a folder.

    Args:
        pool: Pool that sees whatever happened on a day.
        reader: Pool that reads rows with the caller's eyes.
        parent: In which folder to make one of its own; ``None`` for the system's temporary one.
    """

    def __init__(self, pool: Pool, reader: Pool, parent: Path | None) -> None:
        self._pool = pool
        self._reader = reader
        self._folder = Path(tempfile.mkdtemp(prefix="suanli-exports-", dir=parent))
        # All of it can be made again.
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._kept: OrderedDict[Wanted, Made] = OrderedDict()
        # One at a time: each holds a connection, and a batch in memory.
        self._making = asyncio.Lock()

    async def days(
        self, market_id: str, *, before: date | None, day: date | None, limit: int
    ) -> list[ExportDay]:
        """Return days with a closed round, latest first."""
        found = await self._pool.fetch(SQL.export_days, market_id, before, day, limit)
        return [ExportDay(**row) for row in found]

    async def make(self, wanted: Wanted) -> Made:
        """Return a file; the same bytes each time if it is final."""
        async with self._making:
            kept = self._kept.get(wanted)
            if kept is not None and kept.path.exists():
                self._kept.move_to_end(wanted)
                return kept
            path = self._folder / f"{secrets.token_hex(16)}.{wanted.format}"
            try:
                rows = await self._write(wanted, path)
                sha256, size = await asyncio.to_thread(_digest, path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            made = Made(path, sha256, size, rows, kept=wanted.final)
            if wanted.final:
                self._keep(wanted, made)
            return made

    def _keep(self, wanted: Wanted, made: Made) -> None:
        self._kept[wanted] = made
        while sum(one.bytes for one in self._kept.values()) > _KEPT_BYTES_MAX:
            _, oldest = self._kept.popitem(last=False)
            # Whoever is reading it holds it open; it is gone for others.
            oldest.path.unlink(missing_ok=True)

    async def _write(self, wanted: Wanted, path: Path) -> int:
        schema = _schema(wanted)
        writer = await asyncio.to_thread(_writer, wanted, path, schema)
        rows = 0
        with contextlib.closing(writer):
            async for batch in self._batches(wanted):
                columns = [[row[name] for row in batch] for name in schema.names]
                await asyncio.to_thread(_append, writer, columns, schema)
                rows += len(batch)
        return rows

    async def _batches(self, wanted: Wanted) -> AsyncIterator[list[asyncpg.Record]]:
        query = _QUERIES[wanted.table]
        day = (wanted.market_id, wanted.start, wanted.end, wanted.owner)
        async with (
            self._reader.acquire() as conn,
            conn.transaction(isolation="repeatable_read", readonly=True),
        ):
            cursor = await conn.cursor(query, *day)
            while batch := await cursor.fetch(_BATCH_ROWS):
                yield batch


def _schema(wanted: Wanted) -> Any:  # noqa: ANN401 - of a library without types
    texts, numbers, instants = (names.split() for names in _COLUMNS[wanted.table])
    kinds = dict.fromkeys(texts, _TEXT) | dict.fromkeys(numbers, _INT)
    kinds |= dict.fromkeys(instants, _INSTANT)
    about = {"market": wanted.market_id, "day": wanted.day.isoformat(), "table": wanted.table}
    return pa.schema(list(kinds.items()), metadata=about)


def _writer(wanted: Wanted, path: Path, schema: Any) -> _Writer:  # noqa: ANN401
    made: _Writer
    match wanted.format:
        case "parquet":
            made = pyarrow.parquet.ParquetWriter(path, schema, compression="zstd")
        case "csv":
            made = pyarrow.csv.CSVWriter(path, schema)
        case "arrow":
            made = pa.ipc.new_file(str(path), schema)
    return made


def _append(writer: _Writer, columns: list[list[Any]], schema: Any) -> None:  # noqa: ANN401
    arrays = [
        pa.array(column, type=kind) for column, kind in zip(columns, schema.types, strict=True)
    ]
    writer.write_batch(pa.record_batch(arrays, schema=schema))


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
