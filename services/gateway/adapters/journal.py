"""The journal in the gateway's schema, for those who look through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.audit import JournalEntryView
from services.gateway.adapters.queries import SQL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from services.kit.postgres import Pool


class PostgresEntries:
    """`services.gateway.app.journal.Entries` on the gateway's schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def latest(self, *, before: int | None, limit: int) -> list[JournalEntryView]:
        """Return entries, latest first."""
        return _views(await self._pool.fetch(SQL.journal_before, before, limit))

    async def of_accounts(
        self, accounts: Sequence[str], *, before: int | None, limit: int
    ) -> list[JournalEntryView]:
        """Return entries that touch one of these accounts, latest first."""
        found = await self._pool.fetch(SQL.journal_of_accounts, before, limit, list(accounts))
        return _views(found)

    async def of_order(
        self, order_id: str, *, before: int | None, limit: int
    ) -> list[JournalEntryView]:
        """Return entries of an order, latest first."""
        return _views(await self._pool.fetch(SQL.journal_of_order, before, limit, order_id))

    async def one(self, leaf_index: int) -> JournalEntryView | None:
        """Return the entry at a place."""
        row = await self._pool.fetchrow(SQL.journal_one, leaf_index)
        return None if row is None else _views([row])[0]

    async def place_of(self, entry_id: str) -> int | None:
        """Return the place of an entry."""
        found: int | None = await self._pool.fetchval(SQL.leaf_of_entry, entry_id)
        return found


def _views(rows: Sequence[asyncpg.Record]) -> list[JournalEntryView]:
    return [JournalEntryView(leaf_index=row["leaf_index"], entry=row["entry"]) for row in rows]
