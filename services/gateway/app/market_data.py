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
    from schemas.market_data import GroupName, IndexView, StatisticView, WindowName
    from services.gateway.ports import Markets

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
    """

    def __init__(self, markets: Markets, history: PriceHistory) -> None:
        self._markets = markets
        self._history = history

    async def windows(
        self, market_id: str, window: WindowName, start: datetime | None, end: datetime | None
    ) -> Windows | None:
        """Return the whole windows that [start, end) touches; by default the latest 168 hours.

        Raises:
            NotFoundError: if there is no such market.
            ValidationError: if they are too many, or none.
        """
        if await self._markets.market(market_id) is None:
            raise not_found("market_id", market_id)
        span = await self._history.span(market_id)
        if span is None and (start is None or end is None):
            return None
        last = period_of(end) if end is not None else span[1] if span else 0
        first = period_of(start) if start is not None else last - _SPAN
        periods, most = _PERIODS[window], _SPAN_MAX[window]
        first, last = first // periods * periods, -(-last // periods) * periods
        if not 0 < last - first <= most:
            raise _bad_span(last - first, most, window)
        return Windows(market_id, periods, first, last)

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


def _bad_span(found: int, most: int, window: str) -> ValidationError:
    allowed = f"after from, and at most {most} hours after it for windows of a {window}"
    return ValidationError(
        "validation.span",
        Message(
            f"to: must be {allowed}, was {found} hours after it",
            f"to：须晚于 from，且相距不超过 {most} 小时，实为 {found} 小时",
        ),
        field="to",
        value=f"{found} hours",
        allowed=allowed,
    )
