"""What indications need of the outside: open orders, a solver far away, a place to keep them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from schemas.indications import IndicativePriceView, LikelihoodView
    from services.core.book import Book
    from services.core.holdings import Held
    from services.core.indication import Indication, Plan
    from services.core.orders import Order


@dataclass(frozen=True, slots=True)
class Made:
    """An indication with what it is of.

    Attributes:
        market_id: The market.
        seq: Number of the round to come.
        as_of: Instant of the market's clock at which its orders were read.
        found: The indication.
        cpu_ms: The processor's milliseconds that it took.
    """

    market_id: str
    seq: int
    as_of: datetime
    found: Indication
    cpu_ms: int


class Projector(Protocol):
    """Clears projected books, elsewhere."""

    async def indicate(self, book: Book, tick: int, plan: Plan) -> tuple[Indication, int] | None:
        """Return an indication and the processor's milliseconds it took, ``None`` if it failed."""
        ...


class Indications(Protocol):
    """Indications, the latest of each market."""

    async def orders(self, market_id: str) -> Sequence[Order]:
        """Return the orders that the next round may take, as the gateway has read them."""
        ...

    async def held(self, market_id: str, now: datetime) -> Held:
        """Return what accounts have of a market, in hours that begin after an instant."""
        ...

    async def suspended(self) -> Mapping[str, str]:
        """Return participants that may not trade."""
        ...

    async def age_s(self, market_id: str) -> float | None:
        """Return how many real seconds ago an indication was made, by whichever gateway."""
        ...

    async def put(self, made: Made) -> None:
        """Keep an indication in place of the one before."""
        ...

    async def prices(
        self,
        market_id: str,
        *,
        pool: str | None,
        after: tuple[str, int] | None,
        limit: int,
    ) -> list[IndicativePriceView]:
        """Return prices by pool and period; none once the round that they are of was sealed."""
        ...

    async def likelihood(self, order_id: str) -> LikelihoodView | None:
        """Return how likely an order is filled; ``None`` if that is not known now."""
        ...
