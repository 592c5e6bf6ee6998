"""Calls of streams; generated from the contract by `make gen`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suanli.calling import Caller
from suanli.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from suanli.streams import StreamEvent


class StreamsCalls(Caller):
    """Calls of streams."""

    def stream_orders(
        self, *, after: str | None = None, market_id: str | None = None, order_id: str | None = None
    ) -> Iterator[StreamEvent]:
        """Listen to what happens to your orders.

        Tell states and fills of your orders as they happen; the regulator and the operator hear
        everybody's. Whoever connects again with the last id misses nothing and hears nothing
        twice.
        """
        return self.events(
            Operation(
                "GET",
                "/v1/streams/orders",
                params={"after": after, "market_id": market_id, "order_id": order_id},
            )
        )

    def stream_rounds(
        self, *, after: str | None = None, market_id: str | None = None
    ) -> Iterator[StreamEvent]:
        """Listen to rounds.

        Tell when rounds are sealed, cleared and closed (public).
        """
        return self.events(
            Operation("GET", "/v1/streams/rounds", params={"after": after, "market_id": market_id})
        )

    def stream_prices(
        self, *, after: str | None = None, market_id: str | None = None, pool: str | None = None
    ) -> Iterator[StreamEvent]:
        """Listen to prices.

        Tell the prices of each round, pool by pool (public).
        """
        return self.events(
            Operation(
                "GET",
                "/v1/streams/prices",
                params={"after": after, "market_id": market_id, "pool": pool},
            )
        )
