"""Calls of prices, awaited; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import AsyncCaller
from suanli.operations import Operation
from suanli.rows import AsyncRows

if TYPE_CHECKING:
    from datetime import datetime

    from suanli.models import BookView, PriceView


class AsyncPricesCalls(AsyncCaller):
    """Calls of prices."""

    def list_prices(
        self,
        *,
        market_id: str,
        pool: str | None = None,
        from_: str | datetime | None = None,
        to: str | datetime | None = None,
    ) -> AsyncRows[PriceView]:
        """List the latest price of each pool and period, with low, high and average (public)."""
        return AsyncRows(
            self,
            Operation(
                "GET",
                "/v1/prices",
                params={"market_id": market_id, "pool": pool, "from": from_, "to": to},
            ),
            "PriceView",
        )

    async def get_book(self, *, market_id: str) -> BookView:
        """Return the open orders in numbers: counts, and depth by pool (public)."""
        reply: BookView = await self.send(
            Operation("GET", "/v1/book", params={"market_id": market_id})
        )
        return reply
