"""The two sides of a book in groups of pools, added up from its columns at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from schemas.market_data import StepView
from services.core.eligibility import pools_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from schemas.market import Market
    from services.gateway.app.book_columns import Columns

    IntArray = NDArray[np.int64]

_MILLI = 1000


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

    def rows(self, chosen: NDArray[np.bool_] | IntArray) -> Side:
        """Return some of its rows."""
        return Side(*(getattr(self, name)[chosen] for name in Side.__slots__))


@dataclass(frozen=True, slots=True)
class Book:
    """A book as it was last; it never changes.

    Attributes:
        market: The market as it was.
        columns: Its open orders.
    """

    market: Market
    columns: Columns
    _offers: list[tuple[Side, IntArray]] = field(default_factory=list)
    _sides: dict[frozenset[str], tuple[Side, Side]] = field(default_factory=dict)

    def sides(self, group: Group) -> tuple[Side, Side]:
        """Return the offers and the demand in some pools; a demand counts once, at its best."""
        found = self._sides.get(group.pools)
        if found is None:
            found = self._sides[group.pools] = self._offered(group), self._wanted(group)
        return found

    def _inside(self, group: Group) -> NDArray[np.bool_]:
        sets = self.columns.sets
        return np.array([not group.pools.isdisjoint(pools) for pools in sets], dtype=np.bool_)

    def _offered(self, group: Group) -> Side:
        if not self._offers:
            self._offers.append(_runs(self.columns))
        offers, pools = self._offers[0]
        return offers.rows(self._inside(group)[pools])

    def _wanted(self, group: Group) -> Side:
        columns, levels = self.columns, self.columns.levels
        rows = np.flatnonzero(~columns.is_offer[levels.order] & self._inside(group)[levels.pools])
        # The levels of an order stand together, the best one first.
        order = levels.order[rows]
        best = np.append(True, order[1:] != order[:-1])[: len(rows)]
        return _side_of(columns, rows[best])


def _side_of(columns: Columns, rows: IntArray) -> Side:
    """Return levels of demand as a side: what is left of a demand bounds what it may still take."""
    levels = columns.levels
    left = -(-columns.left[levels.order[rows]] * levels.milli[rows] // _MILLI)
    return Side(
        order=levels.order[rows],
        price=levels.price[rows],
        chips=levels.chips[rows],
        cap=np.minimum(levels.hours[rows], left),
        first=levels.first[rows],
        end=levels.end[rows],
    )


def _runs(columns: Columns) -> tuple[Side, IntArray]:
    """Return offers by runs of hours with equal chips, and each run's set of pools."""
    levels, taken = columns.levels, columns.taken
    rows = np.flatnonzero(columns.is_offer[levels.order])
    # An offer has one level, so that its number leads to it.
    row_of = np.full(len(columns.ids), -1, dtype=np.int64)
    row_of[levels.order[rows]] = rows
    at = row_of[taken.order]
    inside = (at >= 0) & (taken.period >= levels.first[at]) & (taken.period < levels.end[at])
    at, period, chips = at[inside], taken.period[inside], taken.chips[inside]
    low = int(levels.first[rows].min()) if len(rows) else 0
    width = int(levels.end[rows].max()) - low + 2 if len(rows) else 1
    places = at * width + (period - low)
    # Runs begin and end where the offer does, and around each hour of which chips are taken.
    points = np.unique(
        np.concatenate(
            (
                rows * width + (levels.first[rows] - low),
                rows * width + (levels.end[rows] - low),
                places,
                places + 1,
            )
        )
    )
    starts, ends = points[:-1], points[1:]
    same = starts // width == ends // width
    starts, ends = starts[same], ends[same]
    by_place = np.argsort(places)
    found = np.searchsorted(places[by_place], starts)
    known = found < len(places)
    hits = np.zeros(len(starts), dtype=np.int64)
    if len(places):
        nearest = by_place[np.where(known, found, 0)]
        hits = np.where(known & (places[nearest] == starts), chips[nearest], 0)
    row = starts // width
    left = np.maximum(levels.chips[row] - hits, 0)
    side = Side(
        order=levels.order[row],
        price=levels.price[row],
        chips=left,
        cap=left * (ends - starts),
        first=starts % width + low,
        end=ends % width + low,
    )
    return side, levels.pools[row]
