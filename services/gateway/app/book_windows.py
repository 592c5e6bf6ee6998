"""The open orders of a market by delivery window: what is on offer, what is wanted, nobody named.

An offer counts with the chips that rounds have not allocated yet. A demand counts in every window
and pool that could serve it, with the most that it could take there: what it gets in one window it
no longer needs in another, so windows must not be added up.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import numpy as np

from schemas.market_data import (
    LEVELS_MAX,
    BookCurvesView,
    CurveStep,
    StepView,
    WindowDepthView,
    WindowView,
)
from schemas.types import period_start
from services.gateway.app.book_sides import groups_of
from services.gateway.app.open_books import KeptBooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from schemas.market import Market
    from services.gateway.app.book_sides import Book, Group, Side
    from services.gateway.app.open_books import OpenBooks

_KEEP_EVERY_S = 2.0


class BookWindows:
    """Adds up books by delivery window.

    Args:
        books: Where the open orders are.
    """

    def __init__(self, books: OpenBooks) -> None:
        self._kept = KeptBooks(books)

    async def keep(
        self,
        markets: Callable[[], Awaitable[Sequence[Market]]],
        stop: asyncio.Event,
        store_errors: tuple[type[Exception], ...],
    ) -> None:
        """Keep books at hand until ``stop`` is set, so that the first one who asks need not wait.

        Args:
            markets: Returns the markets.
            stop: Ends it.
            store_errors: What a lost database raises; it is tried again.
        """
        while not stop.is_set():
            with contextlib.suppress(*store_errors):
                await self._kept.keep(await markets())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_KEEP_EVERY_S):
                    await stop.wait()
        with contextlib.suppress(*store_errors):
            await self._kept.save()

    async def windows(self, market: Market, first: int, end: int, periods: int) -> list[WindowView]:
        """Return every window of each chip class and region with an offer or a demand."""
        known = await self._kept.book(market)
        return await asyncio.to_thread(_windows, known, range(first, end, periods))

    async def depth(
        self, market: Market, group: Group, first: int, end: int, levels: int
    ) -> WindowDepthView:
        """Return both sides of some pools in one window, level by level."""
        known = await self._kept.book(market)
        offers, demands = await asyncio.to_thread(known.sides, group)
        supply = offers.steps(first, end, dearest_first=False)
        demand = demands.steps(first, end, dearest_first=True)
        return WindowDepthView(
            market_id=market.id,
            chip=group.chip,
            region=group.region,
            pool=group.pool,
            start=period_start(first),
            end=period_start(end),
            supply=supply[:levels],
            demand=demand[:levels],
            is_whole=max(len(supply), len(demand)) <= levels,
        )

    async def curves(
        self, market: Market, groups: Sequence[Group], first: int, end: int
    ) -> list[BookCurvesView]:
        """Return the aggregated curves of each group of `groups_of` in one window."""
        known = await self._kept.book(market)

        def make() -> list[BookCurvesView]:
            return [_curves(market, group, known.sides(group), first, end) for group in groups]

        return await asyncio.to_thread(make)


def _windows(book: Book, starts: range) -> list[WindowView]:
    rows, market = [], book.market
    for group in groups_of(market):
        offers, demands = book.sides(group)
        for start in starts:
            end = start + starts.step
            offered, wanted = offers.amounts(start, end), demands.amounts(start, end)
            if not (offered.any() or wanted.any()):
                continue
            rows.append(
                WindowView(
                    market_id=market.id,
                    chip=str(group.chip),
                    region=str(group.region),
                    start=period_start(start),
                    end=period_start(end),
                    offers=len(np.unique(offers.order[offered > 0])),
                    offered_chips=max(
                        int(offers.amounts(at, at + 1).sum()) for at in range(start, end)
                    ),
                    offered_chip_hours=int(offered.sum()),
                    ask_min=int(offers.price[offered > 0].min()) if offered.any() else None,
                    demands=int(np.count_nonzero(wanted)),
                    wanted_chip_hours=int(wanted.sum()),
                    limit_max=int(demands.price[wanted > 0].max()) if wanted.any() else None,
                )
            )
    return rows


def _curves(
    market: Market, group: Group, sides: tuple[Side, Side], first: int, end: int
) -> BookCurvesView:
    supply = sides[0].steps(first, end, dearest_first=False)
    demand = sides[1].steps(first, end, dearest_first=True)
    return BookCurvesView(
        market_id=market.id,
        chip=str(group.chip),
        region=str(group.region),
        start=period_start(first),
        end=period_start(end),
        supply=_thinned(supply),
        demand=_thinned(demand),
        crossing=_crossing(supply, demand),
        is_whole=max(len(supply), len(demand)) <= LEVELS_MAX,
    )


def _thinned(steps: Sequence[StepView]) -> tuple[CurveStep, ...]:
    # What is left out lies between two steps that stay, each with its exact sum.
    count = min(len(steps), LEVELS_MAX)
    kept = [steps[(at + 1) * len(steps) // count - 1] for at in range(count)]
    return tuple(CurveStep(price=step.price, chip_hours=step.cumulative) for step in kept)


def _crossing(supply: Sequence[StepView], demand: Sequence[StepView]) -> int | None:
    at = len(demand)
    for step in supply:
        while at and demand[at - 1].price < step.price:
            at -= 1
        if at == 0:
            return None
        if step.cumulative >= demand[at - 1].cumulative:
            return step.price
    return None
