"""The two sides of a book in groups of pools, as columns that are added up at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from schemas.market_data import StepView
from schemas.orders import OfferTerms
from schemas.types import period_of, pool_key
from services.core.eligibility import pools_of, resolve_alternatives

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from schemas.market import Market
    from schemas.orders import DemandTerms

    IntArray = NDArray[np.int64]

_MILLI = 1000


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


class GroupedBook:
    """A book's rows by group, so that an order that changes costs only the groups that it is in.

    Args:
        groups: Pools that are added up.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._place: dict[str, list[int]] = {}
        for at, group in enumerate(groups):
            for pool in group.pools:
                self._place.setdefault(pool, []).append(at)
        # Of each group: the rows of its offers and of its demands, by order.
        self._rows: list[tuple[dict[str, list[Row]], dict[str, list[Row]]]] = [
            ({}, {}) for _ in groups
        ]
        self._sides = [(_side(()), _side(()))] * len(groups)
        self._groups_of: dict[str, tuple[bool, list[int]]] = {}
        self._changed: set[int] = set()
        self._number = 0

    def put(self, order_id: str, piece: Piece | None) -> None:
        """Take an order in place of what it was; ``None`` if it is in the book no more.

        A demand counts once in each group, at its best.
        """
        is_offer, groups = self._groups_of.pop(order_id, (False, []))
        for at in groups:
            del self._rows[at][0 if is_offer else 1][order_id]
        self._changed.update(groups)
        if piece is None:
            return
        self._number += 1
        seen: list[int] = []
        for level in piece.levels:
            for at in self._place.get(level.pool, ()):
                if at not in seen:
                    seen.append(at)
                    found = _rows(self._number, piece, level)
                    self._rows[at][0 if piece.is_offer else 1][order_id] = found
        self._groups_of[order_id] = (piece.is_offer, seen)
        self._changed.update(seen)

    def sides(self) -> list[tuple[Side, Side]]:
        """Return the offers and the demand of each group."""
        for at in self._changed:
            offers, demands = self._rows[at]
            self._sides[at] = (
                _side([row for rows in offers.values() for row in rows]),
                _side([row for rows in demands.values() for row in rows]),
            )
        self._changed.clear()
        return list(self._sides)


def sides_of(pieces: Iterable[Piece], group: Group) -> tuple[Side, Side]:
    """Return the offers and the demand of one group."""
    book = GroupedBook([group])
    for number, piece in enumerate(pieces):
        book.put(str(number), piece)
    ((offers, demands),) = book.sides()
    return offers, demands


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
