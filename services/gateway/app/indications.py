"""Indications of the rounds to come: made again and again within a share of a core, and read."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.codec import book_digest
from services.core.indication import plan_of, projected_book
from services.core.phases import schedule_of
from services.core.policies import rows_of
from services.core.policy_rows import largest_shares
from services.gateway.app.rights import require_sight
from services.gateway.errors import not_found
from services.gateway.indication_ports import Made

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.indications import IndicativePriceView, LikelihoodView
    from schemas.market import Market
    from services.core.book import Book
    from services.core.holdings import Held
    from services.core.indication import Plan
    from services.gateway.indication_ports import Indications, Projector
    from services.gateway.ports import MarketClock, Markets, Orders, Principal, Reports

_MARKETS_MAX = 50
# Nothing that is made within so short a time before the cut would be read before it.
_LEAD_S_MIN = 5.0
_FAILED_S = 60.0
_CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often indications are made.

    Attributes:
        every_s: Seconds between two of a market at least.
        share: Share of a core that they may take in the long run.
        speed: Market seconds per real second.
    """

    every_s: float
    share: float
    speed: float


class Indicator:
    """Makes indications.

    Args:
        store: Where orders are read and indications kept.
        projector: Clears books.
        markets: Markets and policies.
        reports: Rounds.
        clock: The market's clock.
        pace: How often.
        monotonic: A steady clock, seconds.
    """

    def __init__(
        self,
        store: Indications,
        projector: Projector,
        markets: Markets,
        reports: Reports,
        clock: MarketClock,
        pace: Pace,
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._projector = projector
        self._markets = markets
        self._reports = reports
        self._clock = clock
        self._pace = pace
        self._monotonic = monotonic
        # Market id -> what was cleared last, which need not be cleared again.
        self._known: dict[str, tuple[str, Plan]] = {}
        self._due: dict[str, float] = {}

    async def run(self, stop: asyncio.Event, store_errors: tuple[type[Exception], ...]) -> None:
        """Make indications until ``stop`` is set; a lost store is tried again."""
        while not stop.is_set():
            with contextlib.suppress(*store_errors):
                for view in await self._markets.markets(after=None, limit=_MARKETS_MAX):
                    if not stop.is_set():
                        await self.make(view.market)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(1.0, self._pace.every_s)):
                    await stop.wait()

    async def make(self, market: Market) -> Made | None:
        """Make the indication of a market, if it is due and would be another than the last."""
        if self._monotonic() < self._due.get(market.id, 0.0):
            return None
        now = self._clock.now()
        left_s = (schedule_of(market.rules, now).cut_at - now).total_seconds() / self._pace.speed
        rounds = await self._reports.rounds(market_id=market.id, before=None, limit=1)
        if left_s < _LEAD_S_MIN or (rounds and rounds[0].state != _CLOSED):
            return None
        age_s = await self._store.age_s(market.id)
        if age_s is not None and age_s < self._pace.every_s:
            # Another gateway of this database made it.
            return None
        seq = rounds[0].seq + 1 if rounds else 1
        policies, _ = await self._markets.all_policies(market.id)
        orders = await self._store.orders(market.id)
        suspended = await self._store.suspended()
        held: Held = {}
        if largest_shares(rows_of(policies, seq)):
            held = await self._store.held(market.id, now)
        self._due[market.id] = self._monotonic() + self._pace.every_s

        def project() -> tuple[Book, str, Plan]:
            book = projected_book(market, orders, policies, seq, now, suspended, held)
            return book, book_digest(book), plan_of(book, market, now)

        # A large book takes seconds to build: not on the loop that all callers share.
        book, digest, plan = await asyncio.to_thread(project)
        if self._known.get(market.id) == (digest, plan):
            return None
        told = await self._projector.indicate(book, market.rules.tick, plan)
        if told is None:
            self._due[market.id] = self._monotonic() + _FAILED_S
            return None
        found, cpu_ms = told
        rest_s = cpu_ms / 1000 / self._pace.share
        self._due[market.id] = self._monotonic() + max(self._pace.every_s, rest_s)
        made = Made(market.id, seq, now, found, cpu_ms)
        await self._store.put(made)
        self._known[market.id] = digest, plan
        return made


class IndicationReading:
    """What anybody, and what the owner of an order, reads of indications.

    Args:
        store: Indications, read with the caller's eyes.
        markets: Markets.
        orders: Orders, read with the caller's eyes.
    """

    def __init__(self, store: Indications, markets: Markets, orders: Orders) -> None:
        self._store = store
        self._markets = markets
        self._orders = orders

    async def prices(
        self, market_id: str, *, pool: str | None, after: tuple[str, int] | None, limit: int
    ) -> list[IndicativePriceView]:
        """Return indicative prices by pool and period; none while nothing is known.

        Raises:
            NotFoundError: if there is no such market.
        """
        if await self._markets.market(market_id) is None:
            raise not_found("market_id", market_id)
        return await self._store.prices(market_id, pool=pool, after=after, limit=limit)

    async def likelihood(self, principal: Principal, order_id: str) -> LikelihoodView:
        """Return how likely the next round fills an order.

        Raises:
            NotFoundError: if the caller has no such order, or nothing is known of it now.
        """
        view = await self._orders.order(order_id)
        if view is None:
            raise not_found("order_id", order_id)
        require_sight(principal, view.participant_id, "order_id", order_id)
        found = await self._store.likelihood(order_id)
        if found is None:
            raise not_found(
                "order_id",
                f"{order_id}, of which no indication is known now",
                f"{order_id}，目前没有关于它的试算",
            )
        return found
