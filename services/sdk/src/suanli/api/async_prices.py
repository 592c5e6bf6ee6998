"""Calls of prices, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Literal

    from suanli.models import (
        BookCurvesView,
        BookView,
        IndexView,
        IndicativePriceView,
        LinkPriceView,
        PriceView,
        QuoteView,
        StatisticView,
        WindowDepthView,
        WindowView,
    )


class AsyncPricesCalls(AsyncCaller):
    """Calls of prices."""

    def list_prices(
        self,
        *,
        market_id: str,
        pool: str | None = None,
        from_: str | datetime | None = None,
        to: str | datetime | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[PriceView]:
        """List the latest price of each pool and period, with low, high and average (public)."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/prices",
                params={
                    "market_id": market_id,
                    "pool": pool,
                    "from": from_,
                    "to": to,
                    "filter": filter_,
                },
            ),
            "PriceView",
        )

    async def get_book(self, *, market_id: str) -> BookView:
        """Return the open orders in numbers: counts, and depth by pool (public)."""
        reply: BookView = await self.send(
            Operation("GET", "/v1/book", params={"market_id": market_id})
        )
        return reply

    def list_indicative_prices(
        self, *, market_id: str, pool: str | None = None
    ) -> AsyncRows[IndicativePriceView]:
        """List Indicative Prices.

        List what a chip-hour would cost if the next round took the book as it was, by pool and
        hour (public). It promises nothing; none are listed while nothing is known.
        """
        return AsyncRows(
            self,
            Operation(
                "GET", "/v1/indicative-prices", params={"market_id": market_id, "pool": pool}
            ),
            "IndicativePriceView",
        )

    def list_links(
        self,
        *,
        market_id: str,
        from_: str | datetime | None = None,
        to: str | datetime | None = None,
    ) -> AsyncRows[LinkPriceView]:
        """List links between zones by hour: price, congestion, GB given away and left (public)."""
        return AsyncRows(
            self,
            Operation("GET", "/v1/links", params={"market_id": market_id, "from": from_, "to": to}),
            "LinkPriceView",
        )

    def list_statistics(
        self,
        *,
        market_id: str,
        group: Literal["market", "region", "chip", "chip-region", "pool"] | None = None,
        window: Literal["hour", "day"] | None = None,
        from_: str | datetime | None = None,
        to: str | datetime | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[StatisticView]:
        """Return last, min, max, average and volume of trades by window of delivery (public)."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/statistics",
                params={
                    "market_id": market_id,
                    "group": group,
                    "window": window,
                    "from": from_,
                    "to": to,
                    "filter": filter_,
                },
            ),
            "StatisticView",
        )

    def list_indices(
        self,
        *,
        market_id: str,
        window: Literal["hour", "day"] | None = None,
        from_: str | datetime | None = None,
        to: str | datetime | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[IndexView]:
        """List Indices.

        Return the index of each chip class and region by window of delivery (public): the
        average of its trades weighted by chips; without a trade carried for at most 168 hours,
        then null.
        """
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/indices",
                params={
                    "market_id": market_id,
                    "window": window,
                    "from": from_,
                    "to": to,
                    "filter": filter_,
                },
            ),
            "IndexView",
        )

    def list_windows(
        self,
        *,
        market_id: str,
        window: Literal["hour", "day"] | None = None,
        from_: str | datetime | None = None,
        to: str | datetime | None = None,
        filter_: str | None = None,
    ) -> AsyncRows[WindowView]:
        """Return what is on offer and wanted by chip class, region and delivery window (public).

        Only windows with an offer or a demand; by default the 168 hours after the running one.
        """
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/book/windows",
                params={
                    "market_id": market_id,
                    "window": window,
                    "from": from_,
                    "to": to,
                    "filter": filter_,
                },
            ),
            "WindowView",
        )

    async def get_window_depth(
        self,
        *,
        market_id: str,
        from_: str | datetime,
        to: str | datetime,
        chip: str | None = None,
        region: str | None = None,
        pool: str | None = None,
        levels: int | None = None,
    ) -> WindowDepthView:
        """Get Window Depth.

        Return the asks and limits of one delivery window, level by level; nobody is named
        (public). An ask counts with the chip-hours that are left of it there, a demand with the
        most that it could take there.
        """
        reply: WindowDepthView = await self.send(
            Operation(
                "GET",
                "/v1/book/depth",
                params={
                    "market_id": market_id,
                    "from": from_,
                    "to": to,
                    "chip": chip,
                    "region": region,
                    "pool": pool,
                    "levels": levels,
                },
            )
        )
        return reply

    def list_curves(
        self,
        *,
        market_id: str,
        from_: str | datetime,
        to: str | datetime,
        chip: str | None = None,
        region: str | None = None,
    ) -> AsyncRows[BookCurvesView]:
        """List Curves.

        Return the aggregated supply and demand of each chip class and region in one delivery
        window, and where they cross; nobody is named (public).
        """
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/book/curves",
                params={
                    "market_id": market_id,
                    "from": from_,
                    "to": to,
                    "chip": chip,
                    "region": region,
                },
            ),
            "BookCurvesView",
        )

    async def get_window_quote(
        self,
        *,
        market_id: str,
        chip: str,
        chips: int,
        from_: str | datetime,
        to: str | datetime,
        region: str | None = None,
    ) -> QuoteView:
        """Get Window Quote.

        Return what chips for a whole delivery window would cost by the last round; nothing is
        placed (any participant). `POST /v1/demand:quote` answers for any demand.
        """
        reply: QuoteView = await self.send(
            Operation(
                "GET",
                "/v1/book/quote",
                params={
                    "market_id": market_id,
                    "chip": chip,
                    "chips": chips,
                    "from": from_,
                    "to": to,
                    "region": region,
                },
            )
        )
        return reply
