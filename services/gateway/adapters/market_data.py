"""Statistics and indices from the prices in the gateway's schema."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from schemas.market_data import IndexView, StatisticView
from schemas.types import period_of, period_start
from services.gateway.adapters import rows
from services.gateway.adapters.queries import SQL, sql_of
from services.gateway.app.market_data import CARRIED_PERIODS_MAX
from services.gateway.app.open_books import Changes, Mark, OpenOrder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    import asyncpg

    from schemas.filters import Filter
    from schemas.orders import DemandTerms, OfferTerms
    from services.gateway.app.market_data import Place, Windows
    from services.kit.postgres import Pool


class PostgresPrices:
    """`services.gateway.app.market_data.PriceHistory` on Postgres."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def span(self, market_id: str) -> tuple[int, int] | None:
        """Return [first, end) of the periods that rounds priced, ``None`` if none did yet."""
        row = await self._pool.fetchrow(SQL.priced_span, market_id)
        if row is None or row["first"] is None:
            return None
        return row["first"], row["end_period"]

    async def statistics(
        self, windows: Windows, group: str, *, after: Place | None, limit: int, where: Filter | None
    ) -> list[tuple[Place, StatisticView]]:
        """Return statistics by group and window."""
        found = await self._pool.fetch(
            SQL.statistics,
            windows.market_id,
            group,
            windows.periods,
            windows.first,
            windows.end,
            *(after or (None, None)),
            limit,
            sql_of(where),
        )
        return [((row["key"], row["start"]), _statistic(row, windows)) for row in found]

    async def indices(
        self, windows: Windows, *, after: Place | None, limit: int, where: Filter | None
    ) -> list[tuple[Place, IndexView]]:
        """Return indices by chip class, region and window."""
        found = await self._pool.fetch(
            SQL.indices,
            windows.market_id,
            windows.periods,
            windows.first,
            windows.end,
            CARRIED_PERIODS_MAX,
            *(after or (None, None)),
            limit,
            sql_of(where),
        )
        return [((row["key"], row["start"]), _index(row, windows)) for row in found]


class PostgresBooks:
    """`services.gateway.app.open_books.OpenBooks` on Postgres.

    Args:
        pool: Pool that sees everybody's orders: sums of them are public.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def changes(self, market_id: str, mark: Mark, limit: int) -> Changes:
        """Return which orders the first ``limit`` events since a mark are about."""
        row = await self._pool.fetchrow(SQL.book_changes, market_id, mark.feed, mark.seq, limit)
        assert row is not None, "the head of the feed must be there, was none"
        ids = None if row["ids"] is None else frozenset(row["ids"])
        return Changes(Mark(row["feed"], row["seq"]), ids, row["is_all"])

    async def head(self) -> Mark:
        """Return how far what is told goes."""
        row = await self._pool.fetchrow(SQL.book_head)
        assert row is not None, "the head of the feed must be there, was none"
        return Mark(row["feed"], row["seq"])

    async def open_book(self, market_id: str, ids: Sequence[str] | None = None) -> list[OpenOrder]:
        """Return the orders that the next round would take, all or those of some ids."""
        if ids is None:
            found = await self._pool.fetch(SQL.open_book, market_id)
        else:
            found = await self._pool.fetch(SQL.open_book_of, market_id, ids)
        return [
            OpenOrder(
                row["terms_id"], row["order_id"], row["side"] == "offer", row["chip_hours_left"]
            )
            for row in found
        ]

    async def taken(
        self, market_id: str, ids: Sequence[str] | None = None
    ) -> Mapping[str, Mapping[int, int]]:
        """Return chips by period that rounds allocated of offers that are open, by order."""
        found: dict[str, dict[int, int]] = {}
        if ids is None:
            rows = await self._pool.fetch(SQL.offers_taken, market_id)
        else:
            rows = await self._pool.fetch(SQL.offers_taken_of, market_id, ids)
        for row in rows:
            found.setdefault(row["offer_id"], {})[period_of(row["start"])] = row["chips"]
        return found

    async def terms(self, ids: Sequence[str]) -> Mapping[str, OfferTerms | DemandTerms]:
        """Return terms by their ids."""
        found = await self._pool.fetch(SQL.terms, list(ids)) if ids else []

        def parse() -> Mapping[str, OfferTerms | DemandTerms]:
            return {row["event_id"]: rows.terms_of(row) for row in found}

        # A large book is seconds of parsing at first: not on the loop that all callers share.
        return await asyncio.to_thread(parse)

    async def kept(self, market_id: str) -> bytes | None:
        """Return a book as it was kept last."""
        found: bytes | None = await self._pool.fetchval(SQL.kept_book, market_id)
        return found

    async def keep(self, market_id: str, body: bytes) -> None:
        """Keep a book in place of what was kept."""
        await self._pool.execute(SQL.keep_book, market_id, body)


def _statistic(row: asyncpg.Record, windows: Windows) -> StatisticView:
    last = row["last_seq"]
    return StatisticView(
        market_id=windows.market_id,
        pool=row["pool"],
        chip=row["chip"],
        region=row["region"],
        start=period_start(row["start"]),
        end=period_start(row["start"] + windows.periods),
        last=_whole(row["last"]),
        last_round_id=None if last is None else f"{windows.market_id}:{last}",
        min=row["low"],
        max=row["high"],
        average=_whole(row["average"]),
        volume=row["volume"],
        value=int(row["value"]),
        tflops_hours=row["tflops_hours"],
    )


def _index(row: asyncpg.Record, windows: Windows) -> IndexView:
    carried = row["carried_from"]
    return IndexView(
        market_id=windows.market_id,
        chip=row["chip"],
        region=row["region"],
        start=period_start(row["start"]),
        end=period_start(row["start"] + windows.periods),
        index=_whole(row["index"]),
        carried_from=None if carried is None else period_start(carried),
        change_ppm=row["change_ppm"],
        per_pflops_hour=_whole(row["per_pflops_hour"]),
        volume=row["volume"],
    )


def _whole(value: Decimal | None) -> int | None:
    # A quotient of 64-bit sums is numeric in Postgres, and whole all the same.
    return None if value is None else int(value)
