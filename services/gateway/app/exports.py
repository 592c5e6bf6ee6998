"""Bulk exports: a market's day as files, each with its checksum and its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from schemas.market_data import ExportView
from services.core.errors import Message
from services.gateway.app.surveillance import day_of
from services.gateway.errors import UnauthenticatedError, not_found

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from schemas.market_data import ExportFormat, ExportTable
    from services.gateway.ports import Markets, Principal

PUBLIC: frozenset[ExportTable] = frozenset({"prices", "rounds"})
_TABLES: tuple[ExportTable, ...] = ("allocations", "orders", "prices", "rounds")
_FORMATS: tuple[ExportFormat, ...] = ("parquet", "csv", "arrow")


@dataclass(frozen=True, slots=True)
class ExportDay:
    """How far a market's day is over.

    Attributes:
        day: The day, UTC.
        has_round: Whether a later round has closed.
        has_status: Whether an order had a later status.
        size: Size of the first head of the log that covers the day, ``None`` if there is none yet.
        root: Its root.
    """

    day: date
    has_round: bool
    has_status: bool
    size: int | None
    root: str | None

    def is_final(self, table: ExportTable) -> bool:
        """Return whether a table of the day is what it will be for good."""
        is_over = self.has_round and self.size is not None
        return is_over and (self.has_status or table != "orders")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which file is wanted.

    Attributes:
        market_id: The market.
        day: Its day, UTC.
        table: What of it.
        format: In which format.
        owner: Whose rows; ``None`` for everybody's.
        final: Whether it is what it will be for good.
    """

    market_id: str
    day: date
    table: ExportTable
    format: ExportFormat
    owner: str | None
    final: bool

    @property
    def start(self) -> datetime:
        """Return the first instant of the day."""
        return datetime.combine(self.day, datetime.min.time(), UTC)

    @property
    def end(self) -> datetime:
        """Return the instant after its last."""
        return self.start + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Made:
    """A file that was made.

    Attributes:
        path: Where it is.
        sha256: Hash of its bytes.
        bytes: Its size.
        rows: Its rows.
        kept: Whether it stays for the next caller; else whoever sent it deletes it.
    """

    path: Path
    sha256: str
    bytes: int
    rows: int
    kept: bool


class ExportStore(Protocol):
    """Days and their files."""

    async def days(
        self, market_id: str, *, before: date | None, day: date | None, limit: int
    ) -> list[ExportDay]:
        """Return days with a closed round, latest first."""
        ...

    async def make(self, wanted: Wanted) -> Made:
        """Return a file; the same bytes each time if it is final."""
        ...


class Exports:
    """Says what there is, and makes it.

    Args:
        markets: Markets.
        store: Days and files.
    """

    def __init__(self, markets: Markets, store: ExportStore) -> None:
        self._markets = markets
        self._store = store

    async def listed(
        self, market_id: str, *, day: str | None, before: str | None, limit: int
    ) -> list[ExportView]:
        """Return the tables of each day, latest first.

        Raises:
            NotFoundError: if there is no such market.
            ValidationError: if the calendar has no such day.
        """
        if await self._markets.market(market_id) is None:
            raise not_found("market_id", market_id)
        asked = None if day is None else day_of(day)
        last, _, table = (before or "").partition("/")
        # Each day has several rows, so the day of the last one may go on.
        until = None if before is None else day_of(last) + timedelta(days=1)
        found = await self._store.days(market_id, before=until, day=asked, limit=limit)
        views = [_view(market_id, one, name) for one in found for name in _TABLES]
        if before is not None:
            views = [view for view in views if view.day < last or view.table > table]
        return views[:limit]

    async def file(
        self,
        principal: Principal | None,
        market_id: str,
        day: str,
        table: ExportTable,
        format_: ExportFormat,
    ) -> tuple[Made, ExportView]:
        """Return a file of a day with what it is.

        Raises:
            UnauthenticatedError: if the table is not public and nobody is known to ask.
            NotFoundError: if there is no such market, or no round closed on that day.
            ValidationError: if the calendar has no such day.
        """
        owner = None
        if table not in PUBLIC:
            if principal is None:
                raise _needs_key(table)
            owner = None if principal.sees_all else principal.participant_id
        if await self._markets.market(market_id) is None:
            raise not_found("market_id", market_id)
        found = await self._store.days(market_id, before=None, day=day_of(day), limit=1)
        if not found:
            raise not_found("day", day)
        view = _view(market_id, found[0], table)
        wanted = Wanted(market_id, found[0].day, table, format_, owner, view.final)
        return await self._store.make(wanted), view


def _view(market_id: str, day: ExportDay, table: ExportTable) -> ExportView:
    final = day.is_final(table)
    return ExportView(
        market_id=market_id,
        day=day.day.isoformat(),
        table=table,
        public=table in PUBLIC,
        final=final,
        checkpoint_size=day.size if final else None,
        checkpoint_root=day.root if final else None,
        paths=tuple(
            f"/v1/exports/{day.day.isoformat()}/{market_id}/{table}.{name}" for name in _FORMATS
        ),
    )


def _needs_key(table: str) -> UnauthenticatedError:
    return UnauthenticatedError(
        "auth.key_missing",
        Message(
            f"Authorization: must be 'Bearer sk_...' to read {table}, was absent",
            f"Authorization：读取 {table} 须提供“Bearer sk_...”形式的密钥，实为缺失",
        ),
        field="Authorization",
        value="absent",
        allowed="Bearer sk_... with a valid key",
    )
