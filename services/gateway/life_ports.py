"""What reading the past needs of the world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from services.core.market_log import MarketLog
    from services.core.order_life import Happening


class Lives(Protocol):
    """What happened to orders."""

    async def owner(self, order_id: str) -> str | None:
        """Return whose order it is, refused ones too."""
        ...

    async def happenings(self, order_id: str, limit: int) -> list[Happening]:
        """Return all that happened to an order, at most so many of each kind."""
        ...


class MarketLogs(Protocol):
    """The log of a market, whole."""

    async def read(self, market_id: str) -> MarketLog:
        """Return what the log has of a market now.

        Raises:
            TooLargeError: if that is more than this instance reads.
            UnavailableError: if the broker does not answer.
        """
        ...
