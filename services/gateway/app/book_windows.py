"""The open orders of a market by delivery window: what is on offer, what is wanted, nobody named.

An offer counts with the chips that rounds have not allocated yet. A demand counts in every window
and pool that could serve it, with the most that it could take there: what it gets in one window it
no longer needs in another, so windows must not be added up.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from schemas.market_data import (
    LEVELS_MAX,
    BookCurvesView,
    CurveStep,
    StepView,
    WindowDepthView,
    WindowView,
)
from schemas.orders import OfferTerms
from schemas.types import period_of, period_start, pool_key
from services.core.eligibility import pools_of, resolve_alternatives

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from schemas.market import Market
    from schemas.orders import DemandTerms

    IntArray = NDArray[np.int64]

_MILLI = 1000
# Many callers look at one book. A large one takes seconds to read, and is kept for four times that.
_FRESH_S = 1.0
_KEPT_TIMES = 4


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order of the book.

    Attributes:
        terms_id: Event that brought its terms.
        order_id: The order.
        is_offer: Which side it stands on.
        chip_hours_left: What is left of a demand.
    """

    terms_id: str
    order_id: str
    is_offer: bool
    chip_hours_left: int


class OpenBooks(Protocol):
    """The open orders as the gateway has read them."""

    async def open_book(self, market_id: str) -> list[OpenOrder]:
        """Return the orders that the next round would take."""
        ...

    async def taken(self, market_id: str) -> Mapping[str, Mapping[int, int]]:
        """Return chips by period that rounds allocated of offers that are open, by order."""
        ...

    async def terms(self, ids: Sequence[str]) -> Mapping[str, OfferTerms | DemandTerms]:
        """Return terms by their ids."""
        ...


@dataclass(frozen=True, slots=True)
class Level:
    """What an order offers or wants in one pool.

    Attributes:
        pool: The pool.
        price: Ask or limit.
        chips: Most at once.
        chip_hours: Most in all, of these chips.
        milli: Chips that stand for 1,000 of the demand.
    """

    pool: str
    price: int
    chips: int
    chip_hours: int
    milli: int = _MILLI


@dataclass(frozen=True, slots=True)
class Piece:
    """An open order, ready to be added up.

    Attributes:
        is_offer: Which side it stands on.
        first: First period.
        end: Period after the last.
        levels: Pools that it is in or may use, dearest first.
        left: Chip-hours left of a demand; 0 for an offer.
        taken: Chips by period that are allocated of an offer.
    """

    is_offer: bool
    first: int
    end: int
    levels: tuple[Level, ...]
    left: int
    taken: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Group:
    """Pools that are added up, and how they are called."""

    pools: frozenset[str]
    chip: str | None = None
    region: str | None = None
    pool: str | None = None


def groups_of(market: Market) -> list[Group]:
    """Return each chip class in each region of a market, by name."""
    pools: dict[tuple[str, str], set[str]] = {}
    for pool in pools_of(market):
        pools.setdefault((pool.chip, pool.region), set()).add(pool.key)
    return [
        Group(frozenset(keys), chip=chip, region=region)
        for (chip, region), keys in sorted(pools.items())
    ]


def piece_of(
    terms: OfferTerms | DemandTerms, market: Market, left: int, taken: Mapping[int, int]
) -> Piece:
    """Return an order ready to be added up."""
    if isinstance(terms, OfferTerms):
        first, end = period_of(terms.start), period_of(terms.end)
        level = Level(pool_key(terms.zone, terms.chip), terms.ask, terms.chips, 0)
        return Piece(is_offer=True, first=first, end=end, levels=(level,), left=0, taken=taken)
    levels = []
    for item in resolve_alternatives(terms, market):
        chips = item.chips or max(item.chips_by_period)
        hours = item.chips * item.duration or item.chip_hours
        milli = terms.alternatives[item.index].equivalence_milli
        levels += [Level(pool, item.limit, chips, hours, milli) for pool in item.pools]
    levels.sort(key=lambda level: (-level.price, -level.chip_hours, level.pool))
    return Piece(
        is_offer=False,
        first=period_of(terms.earliest),
        end=period_of(terms.deadline),
        levels=tuple(levels),
        left=left,
        taken={},
    )


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the book in some pools, as columns: a book of 100,000 orders is added up at once.

    Attributes:
        order: Number of the order; one with allocated chips has a row for each run of equal chips.
        price: Ask or limit.
        chips: Most at once.
        cap: Most chip-hours in all.
        first: First period.
        end: Period after the last.
    """

    order: IntArray
    price: IntArray
    chips: IntArray
    cap: IntArray
    first: IntArray
    end: IntArray

    def amounts(self, first: int, end: int) -> IntArray:
        """Return the chip-hours of each row in periods [first, end)."""
        hours = np.minimum(self.end, end) - np.maximum(self.first, first)
        found: IntArray = np.minimum(self.chips * np.maximum(hours, 0), self.cap)
        return found

    def steps(self, first: int, end: int, *, dearest_first: bool) -> tuple[StepView, ...]:
        """Return chip-hours by price in periods [first, end), the best price first."""
        amounts = self.amounts(first, end)
        there = amounts > 0
        prices, at = np.unique(self.price[there], return_inverse=True)
        sums = np.zeros(len(prices), dtype=np.int64)
        np.add.at(sums, at, amounts[there])
        if dearest_first:
            prices, sums = prices[::-1], sums[::-1]
        totals = np.cumsum(sums)
        return tuple(
            StepView(price=int(price), chip_hours=int(amount), cumulative=int(total))
            for price, amount, total in zip(prices, sums, totals, strict=True)
        )


def sides_of(pieces: Sequence[Piece], groups: Sequence[Group]) -> list[tuple[Side, Side]]:
    """Return the offers and the demand of each group; a demand counts once in each, at its best."""
    place: dict[str, list[int]] = {}
    for at, group in enumerate(groups):
        for pool in group.pools:
            place.setdefault(pool, []).append(at)
    rows: list[tuple[list[Row], list[Row]]] = [([], []) for _ in groups]
    for number, piece in enumerate(pieces):
        seen: set[int] = set()
        for level in piece.levels:
            for at in place.get(level.pool, ()):
                if at not in seen:
                    seen.add(at)
                    rows[at][0 if piece.is_offer else 1].extend(_rows(number, piece, level))
    return [(_side(offers), _side(demands)) for offers, demands in rows]


Row = tuple[int, int, int, int, int, int]


def _rows(number: int, piece: Piece, level: Level) -> list[Row]:
    if not piece.is_offer:
        left = -(-piece.left * level.milli // _MILLI)
        cap = min(level.chip_hours, left)
        return [(number, level.price, level.chips, cap, piece.first, piece.end)]
    runs: list[Row] = []
    start = piece.first
    ends = sorted({at + step for at in piece.taken for step in (0, 1)} | {piece.end})
    for end in ends:
        if start < end <= piece.end:
            chips = max(0, level.chips - piece.taken.get(start, 0))
            runs.append((number, level.price, chips, chips * (end - start), start, end))
            start = end
    return runs


def _side(rows: Sequence[Row]) -> Side:
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 6)
    return Side(*(np.ascontiguousarray(column) for column in table.T))


class BookWindows:
    """Adds up books by delivery window; a book is read at most once a second.

    Args:
        books: Where the open orders are.
    """

    def __init__(self, books: OpenBooks) -> None:
        self._books = books
        # Market id -> (when it is read again, the market as it was, its orders by their terms,
        # its sides by chip class and region).
        self._known: dict[str, Known] = {}
        self._reading = asyncio.Lock()

    async def windows(self, market: Market, first: int, end: int, periods: int) -> list[WindowView]:
        """Return every window of each chip class and region with an offer or a demand."""
        known = await self._book(market)
        return await asyncio.to_thread(_windows, market, known.sides, range(first, end, periods))

    async def depth(
        self, market: Market, group: Group, first: int, end: int, levels: int
    ) -> WindowDepthView:
        """Return both sides of some pools in one window, level by level."""
        known = await self._book(market)
        ((offers, demands),) = await asyncio.to_thread(
            sides_of, list(known.pieces.values()), [group]
        )
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
        known = await self._book(market)
        sides = dict(zip(groups_of(market), known.sides, strict=True))

        def make() -> list[BookCurvesView]:
            return [_curves(market, group, sides[group], first, end) for group in groups]

        return await asyncio.to_thread(make)

    async def _book(self, market: Market) -> Known:
        async with self._reading:
            known = self._known.get(market.id)
            if known is None or known.market != market or known.until <= time.monotonic():
                began = time.monotonic()
                before = known.pieces if known is not None and known.market == market else {}
                pieces = await self._read(market, before)
                sides = await asyncio.to_thread(sides_of, list(pieces.values()), groups_of(market))
                now = time.monotonic()
                until = now + max(_FRESH_S, _KEPT_TIMES * (now - began))
                known = Known(until, market, pieces, sides)
                self._known[market.id] = known
        return known

    async def _read(self, market: Market, known: Mapping[str, Piece]) -> dict[str, Piece]:
        found = await self._books.open_book(market.id)
        taken = await self._books.taken(market.id)
        none: dict[int, int] = {}
        fresh = [
            order.terms_id
            for order in found
            if order.terms_id not in known
            or known[order.terms_id].left != (0 if order.is_offer else order.chip_hours_left)
            or known[order.terms_id].taken != taken.get(order.order_id, none)
        ]
        terms = await self._books.terms(fresh)
        # Not on the loop that all callers share: a large book is many seconds of work at first.
        return await asyncio.to_thread(_kept, market, found, taken, terms, known)


def _kept(
    market: Market,
    found: Sequence[OpenOrder],
    taken: Mapping[str, Mapping[int, int]],
    terms: Mapping[str, OfferTerms | DemandTerms],
    known: Mapping[str, Piece],
) -> dict[str, Piece]:
    # Only what is open is kept, so that the memory is bounded by the book.
    pieces: dict[str, Piece] = {}
    for order in found:
        told = terms.get(order.terms_id)
        if told is not None:
            left = 0 if order.is_offer else order.chip_hours_left
            pieces[order.terms_id] = piece_of(told, market, left, taken.get(order.order_id, {}))
        elif order.terms_id in known:
            pieces[order.terms_id] = known[order.terms_id]
    return pieces


@dataclass(frozen=True, slots=True)
class Known:
    """A book as it was read last."""

    until: float
    market: Market
    pieces: dict[str, Piece]
    sides: list[tuple[Side, Side]]


def _windows(market: Market, sides: Sequence[tuple[Side, Side]], starts: range) -> list[WindowView]:
    rows = []
    for group, (offers, demands) in zip(groups_of(market), sides, strict=True):
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
