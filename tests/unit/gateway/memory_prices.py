"""Prices of a market that has traded nothing yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from schemas.filters import Filter
from schemas.indications import IndicativePriceView, LikelihoodView
from schemas.links import LinkFlowView, LinkPriceView
from schemas.market_data import IndexView, StatisticView
from schemas.orders import DemandTerms, OfferTerms
from services.core.holdings import Held
from services.core.orders import Order
from services.gateway.app.exports import ExportDay, Made, Wanted
from services.gateway.app.market_data import Place, Windows
from services.gateway.app.open_books import Changes, Mark, OpenOrder
from services.gateway.indication_ports import Made as MadeIndication


class MemoryPrices:
    """No prices."""

    async def span(self, market_id: str) -> tuple[int, int] | None:
        return None

    async def days(
        self, market_id: str, *, before: date | None, day: date | None, limit: int
    ) -> list[ExportDay]:
        return []

    async def make(self, wanted: Wanted) -> Made:
        raise AssertionError

    async def changes(self, market_id: str, mark: Mark, limit: int) -> Changes:
        return Changes(mark, None)

    async def head(self) -> Mark:
        return Mark("feed", 0)

    async def open_book(self, market_id: str, ids: Sequence[str] | None = None) -> list[OpenOrder]:
        return []

    async def taken(
        self, market_id: str, ids: Sequence[str] | None = None
    ) -> dict[str, dict[int, int]]:
        return {}

    async def terms(self, ids: Sequence[str]) -> dict[str, OfferTerms | DemandTerms]:
        return {}

    async def kept(self, market_id: str) -> bytes | None:
        return None

    async def keep(self, market_id: str, body: bytes) -> None:
        return None

    async def statistics(
        self, windows: Windows, group: str, *, after: Place | None, limit: int, where: Filter | None
    ) -> list[tuple[Place, StatisticView]]:
        return []

    async def indices(
        self, windows: Windows, *, after: Place | None, limit: int, where: Filter | None
    ) -> list[tuple[Place, IndexView]]:
        return []


class NoLinks:
    """Links of markets that have none."""

    async def prices(
        self, market_id: str, *, first: int, end: int, after: tuple[str, int] | None, limit: int
    ) -> list[LinkPriceView]:
        return []

    async def flows(self, market_id: str, *, first: int, end: int) -> list[LinkFlowView]:
        return []


class NoIndications:
    """Indications of markets that nobody cleared a projected book of."""

    async def orders(self, market_id: str) -> Sequence[Order]:
        return ()

    async def held(self, market_id: str, now: datetime) -> Held:
        return {}

    async def suspended(self) -> dict[str, str]:
        return {}

    async def age_s(self, market_id: str) -> float | None:
        return None

    async def put(self, made: MadeIndication) -> None:
        raise AssertionError

    async def prices(
        self, market_id: str, *, pool: str | None, after: tuple[str, int] | None, limit: int
    ) -> list[IndicativePriceView]:
        return []

    async def likelihood(self, order_id: str) -> LikelihoodView | None:
        return None
