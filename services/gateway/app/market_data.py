"""Public statistics and indices of a market."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from schemas.types import HORIZON_PERIODS_MAX, period_of
from services.core.errors import Message, ValidationError
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.filters import Filter
    from schemas.market import Market
    from schemas.market_data import GroupName, IndexView, StatisticView, WindowName
    from services.gateway.app.book_windows import BookWindows
    from services.gateway.app.indications import IndicationReading
    from services.gateway.app.phases import Phases
    from services.gateway.link_ports import Links
    from services.gateway.ports import MarketClock, Markets

CARRIED_PERIODS_MAX = HORIZON_PERIODS_MAX
"""An index older than the longest book says nothing of the market of now."""

_PERIODS = {"hour": 1, "day": 24}
# A year of days, a month of hours: one request must not add up a market's whole past.
_SPAN_MAX = {"hour": 31 * 24, "day": 366 * 24}
_SPAN = HORIZON_PERIODS_MAX


@dataclass(frozen=True, slots=True)
class Windows:
    """Whole windows of a market.

    Attributes:
        market_id: The market.
        periods: Periods of a window.
        first: First period.
        end: Period after the last.
    """

    market_id: str
    periods: int
    first: int
    end: int


Place = tuple[str, int]
"""Where an item stands in a list: its key, and its first period."""


class PriceHistory(Protocol):
    """Prices and trades by pool and period."""

    async def span(self, market_id: str) -> tuple[int, int] | None:
        """Return [first, end) of the periods that rounds priced, ``None`` if none did yet."""
        ...

    async def statistics(
        self, windows: Windows, group: str, *, after: Place | None, limit: int, where: Filter | None
    ) -> list[tuple[Place, StatisticView]]:
        """Return statistics by group and window."""
        ...

    async def indices(
        self, windows: Windows, *, after: Place | None, limit: int, where: Filter | None
    ) -> list[tuple[Place, IndexView]]:
        """Return indices by chip class, region and window."""
        ...


class MarketData:
    """Adds up what rounds traded.

    Args:
        markets: Markets.
        history: Prices.
        book: The open orders by delivery window.
        links: Links between zones.
        phases: Where markets stand between two rounds.
        indications: What the next rounds would do.
        clock: The market's clock.
    """

    def __init__(
        self,
        markets: Markets,
        history: PriceHistory,
        book: BookWindows,
        links: Links,
        phases: Phases,
        indications: IndicationReading,
        clock: MarketClock,
    ) -> None:
        self.now = clock.now
        self._markets = markets
        self._history = history
        self.book = book
        self.links = links
        self.phases = phases
        self.indications = indications

    async def market(self, market_id: str) -> Market:
        """Return a market.

        Raises:
            NotFoundError: if there is none.
        """
        view = await self._markets.market(market_id)
        if view is None:
            raise not_found("market_id", market_id)
        return view.market

    async def windows(
        self, market_id: str, window: WindowName, start: datetime | None, end: datetime | None
    ) -> Windows | None:
        """Return the whole windows that [start, end) touches; by default the latest 168 hours.

        Raises:
            NotFoundError: if there is no such market.
            ValidationError: if they are too many, or none.
        """
        await self.market(market_id)
        span = await self._history.span(market_id)
        if span is None and (start is None or end is None):
            return None
        last = period_of(end) if end is not None else span[1] if span else 0
        first = period_of(start) if start is not None else last - _SPAN
        periods, most = _PERIODS[window], _SPAN_MAX[window]
        first, last = first // periods * periods, -(-last // periods) * periods
        _check_span(last - first, most, window)
        return Windows(market_id, periods, first, last)

    @staticmethod
    def book_windows(
        market_id: str,
        window: WindowName,
        now: datetime,
        start: datetime | None,
        end: datetime | None,
    ) -> Windows:
        """Return whole windows of the book; by default the 168 hours after the running one.

        Raises:
            ValidationError: if they are more than a book may span, or none.
        """
        periods = _PERIODS[window]
        first = period_of(now) + 1 if start is None else period_of(start)
        last = first + _SPAN if end is None else period_of(end)
        first, last = first // periods * periods, -(-last // periods) * periods
        _check_span(last - first, _SPAN + 24, window)
        return Windows(market_id, periods, first, last)

    @staticmethod
    def book_window(start: datetime, end: datetime) -> tuple[int, int]:
        """Return the periods of one delivery window, [first, end).

        Raises:
            ValidationError: if it is longer than a book may span, or empty.
        """
        first, last = period_of(start), period_of(end)
        _check_span(last - first, _SPAN, "hour")
        return first, last

    async def statistics(
        self,
        windows: Windows,
        group: GroupName,
        *,
        after: Place | None,
        limit: int,
        where: Filter | None,
    ) -> list[tuple[Place, StatisticView]]:
        """Return last, min, max, average and volume by group and window."""
        return await self._history.statistics(windows, group, after=after, limit=limit, where=where)

    async def indices(
        self, windows: Windows, *, after: Place | None, limit: int, where: Filter | None
    ) -> list[tuple[Place, IndexView]]:
        """Return the index of each chip class that was traded in a region, window by window."""
        return await self._history.indices(windows, after=after, limit=limit, where=where)


def _check_span(found: int, most: int, window: str) -> None:
    if 0 < found <= most:
        return
    allowed = f"after from, and at most {most} hours after it for windows of a {window}"
    raise ValidationError(
        "validation.span",
        Message(
            f"to: must be {allowed}, was {found} hours after it",
            f"to：须晚于 from，且相距不超过 {most} 小时，实为 {found} 小时",
        ),
        field="to",
        value=f"{found} hours",
        allowed=allowed,
    )
