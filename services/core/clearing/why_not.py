"""What would have let an order trade: the nearest changes, at the prices that the round found.

The question is asked of what a clearing leaves: in every pool and period the price at which a
further chip is to be had, and how many there are. Where the clearing price still has unused
offers at or below it, that price is it; else it is the next ask, and the answer an estimate,
since trading there would raise the price for others. All orders are answered together, on flat
arrays, one pass over their possible starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.core.book import Book, BookDemand, BookOffer
from services.core.clearing.presolve import IntArray

BoolArray = npt.NDArray[np.bool_]

NEAR_PERIODS = 24
"""How far from its window a start may be that is proposed: a day."""

NOT_TO_BE_HAD = 2**40
"""Stands for a price where nothing is left; a run over it costs more than any limit."""
# Starts that are looked at in one go: about 100 MB of intermediates.
_STARTS_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Left:
    """What a clearing leaves in each pool (rows) and period (columns).

    Attributes:
        book: The book that was cleared.
        prices: Price at which a further chip is to be had, micro-yuan.
        chips: How many at that price.
        firm: Whether that is the clearing price itself.
    """

    book: Book
    prices: IntArray
    chips: IntArray
    firm: BoolArray


@dataclass(frozen=True, slots=True)
class Place:
    """Where a demand would clear.

    Attributes:
        pool: Key of the pool.
        start: Absolute first period.
        price: Average price per chip-hour, rounded up, micro-yuan.
        firm: Whether it is the clearing price; else an estimate.
    """

    pool: str
    start: int
    price: int
    firm: bool


@dataclass(frozen=True, slots=True)
class Hint:
    """Changes of one demand, each of which would do alone; ``None`` where none was found.

    Attributes:
        limit: Place inside its window that a higher limit would pay, the cheapest.
        chips: Most chips, fewer than it asks for at least, that its limit pays inside its window.
        moved: Nearest place within a day outside its window, in a pool that it accepts.
        elsewhere: Cheapest place inside its window in another pool of the same chip class.
    """

    limit: Place | None = None
    chips: int | None = None
    moved: Place | None = None
    elsewhere: Place | None = None

    def params(self, tick: int) -> dict[str, int | str]:
        """Return what of it a reason carries; a limit is raised to the tick."""
        told: dict[str, int | str] = {}
        if self.limit is not None:
            told["limit_needed"] = -(-self.limit.price // tick) * tick
        if self.chips is not None:
            told["chips_would"] = self.chips
        for name, place in (("moved", self.moved), ("other", self.elsewhere)):
            if place is not None:
                told |= {f"{name}_pool": place.pool, f"{name}_start": place.start}
        if any(place and not place.firm for place in (self.limit, self.moved, self.elsewhere)):
            told["estimate"] = 1
        return told


def left_of(book: Book, prices: IntArray, given: Sequence[IntArray]) -> Left:
    """Return what a clearing leaves.

    Args:
        book: The book.
        prices: P x T clearing prices, micro-yuan.
        given: Chips that each offer of the book gives in each period of the horizon.
    """
    shape = prices.shape
    at = {pool.key: p for p, pool in enumerate(book.pools)}
    unused = [offer_row(book, offer) - given[o] for o, offer in
              enumerate(book.offers)]  # fmt: skip
    rows = [at[offer.pool] for offer in book.offers]
    # A block offer is taken whole or not at all: nothing of it is left for somebody else.
    divisible = [o for o, offer in enumerate(book.offers) if not offer.block]
    below = np.zeros(shape, dtype=np.int64)
    dearer = np.full(shape, NOT_TO_BE_HAD, dtype=np.int64)
    for o in divisible:
        ask, p = book.offers[o].ask, rows[o]
        has = unused[o] > 0
        cheap = ask <= prices[p]
        below[p] += np.where(cheap, unused[o], 0)
        dearer[p] = np.where(has & ~cheap, np.minimum(dearer[p], ask), dearer[p])
    firm = below > 0
    asked = np.where(firm, prices, dearer)
    chips = below.copy()
    for o in divisible:
        ask, p = book.offers[o].ask, rows[o]
        chips[p] += np.where(~firm[p] & (asked[p] == ask), unused[o], 0)
    return Left(book, asked, chips, firm)


def hints(left: Left, demands: Sequence[BookDemand]) -> list[Hint]:
    """Return for each demand, which got nothing, what would have let it trade."""
    rows = rows_of(left.book, demands)
    own = _Found(len(demands))
    near = _Found(len(demands))
    other = _Found(len(demands))
    fewer = np.zeros(len(demands), dtype=np.int64)
    for run in _by_duration(left, rows):
        for part in run.starts(run.rows.low, run.rows.high):
            holds = part.room >= part.least
            own.cheapest(run, part, holds & (part.cost > part.limit))
            pays = part.cost <= part.limit
            np.maximum.at(fewer, part.demand[pays], part.room[pays])
        near.nearest(run)
        others = run.in_other_pools()
        for part in others.starts(others.rows.low, others.rows.high):
            other.cheapest(others, part, (part.room >= part.least) & (part.cost <= part.limit))
    places = [found.places(left) for found in (own, near, other)]
    counts: list[int | None] = [count or None for count in fewer.tolist()]
    return [Hint(*row) for row in zip(places[0], counts, places[1], places[2], strict=True)]


def offer_row(book: Book, offer: BookOffer) -> IntArray:
    """Return the chips that an offer has in each period of the horizon."""
    row = np.zeros(book.periods, dtype=np.int64)
    first = offer.start - book.first_period
    low, high = max(0, first), min(book.periods, first + len(offer.chips))
    if low < high:
        row[low:high] = offer.chips[low - first : high - first]
    return row


@dataclass(frozen=True, slots=True)
class Rows:
    """One row for each demand, alternative and pool: starts ``low`` to ``high`` (exclusive).

    A flow or work is looked at as a run of one chip for one period: the least that it takes.
    """

    demand: IntArray
    pool: IntArray
    low: IntArray
    high: IntArray
    duration: IntArray
    least: IntArray
    limit: IntArray

    def take(self, which: IntArray | BoolArray) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.demand[which],
            self.pool[which],
            self.low[which],
            self.high[which],
            self.duration[which],
            self.least[which],
            self.limit[which],
        )


def rows_of(book: Book, demands: Sequence[BookDemand]) -> Rows:
    """Return the rows of some demands, demand by demand."""
    at = {pool.key: p for p, pool in enumerate(book.pools)}
    flat: list[tuple[int, int, int, int, int, int, int]] = []
    for d, demand in enumerate(demands):
        for item in demand.alternatives:
            duration = item.duration or 1
            low = max(0, item.earliest - book.first_period)
            high = min(book.periods, item.deadline - book.first_period) - duration + 1
            least = item.chips_min or 1
            flat += [(d, at[key], low, high, duration, least, item.limit) for key in item.pools]
    table = np.array(flat, dtype=np.int64).reshape(-1, 7).T
    rows = Rows(*table)
    return rows.take(rows.duration <= book.periods)


@dataclass(frozen=True, slots=True)
class _Part:
    """Starts of some rows, flat: what a run there costs per chip, and what room it has."""

    row: IntArray
    start: IntArray
    demand: IntArray
    cost: IntArray
    room: IntArray
    least: IntArray
    limit: IntArray


@dataclass(frozen=True, slots=True)
class _Runs:
    """The rows of one duration, with cost and room of every run of it."""

    left: Left
    rows: Rows
    duration: int
    costs: IntArray
    rooms: IntArray
    firm: BoolArray

    def starts(self, low: IntArray, high: IntArray) -> Iterator[_Part]:
        """Yield the starts from ``low`` to ``high`` of each row, in parts of bounded size."""
        counts = np.clip(high - low, 0, None)
        ends = np.cumsum(counts)
        first = 0
        while first < len(counts):
            before = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, before + _STARTS_MAX, side="right")))
            yield self._part(np.arange(first, last), low[first:last], counts[first:last])
            first = last

    def _part(self, rows: IntArray, low: IntArray, counts: IntArray) -> _Part:
        row = np.repeat(rows, counts)
        step = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        start = np.repeat(low, counts) + step
        pool = self.rows.pool[row]
        return _Part(
            row,
            start,
            self.rows.demand[row],
            self.costs[pool, start],
            self.rooms[pool, start],
            self.rows.least[row],
            self.rows.limit[row] * self.duration,
        )

    def in_other_pools(self) -> _Runs:
        """Return the same rows in every pool of the same chip class that the demand left out."""
        pools = self.left.book.pools
        peers = [[q for q, other in enumerate(pools) if other.chip == pool.chip] for pool in pools]
        # One row stands for all pools of a chip class that an alternative accepts.
        rows = self.rows
        chip = np.array([min(group) for group in peers], dtype=np.int64)[rows.pool]
        key = np.stack([rows.demand, chip, rows.low, rows.high, rows.least, rows.limit])
        _, kept = np.unique(key, axis=1, return_index=True)
        some = rows.take(np.sort(kept))
        counts = np.array([len(peers[p]) for p in some.pool.tolist()], dtype=np.int64)
        wide = some.take(np.repeat(np.arange(len(counts)), counts))
        flat = [q for p in some.pool.tolist() for q in peers[p]]
        pool = np.array(flat, dtype=np.int64)
        accepted = set(zip(rows.demand.tolist(), rows.pool.tolist(), strict=True))
        new = np.array(
            [pair not in accepted for pair in zip(wide.demand.tolist(), flat, strict=True)],
            dtype=bool,
        )
        moved = Rows(
            wide.demand, pool, wide.low, wide.high, wide.duration, wide.least, wide.limit
        ).take(new)
        return _Runs(self.left, moved, self.duration, self.costs, self.rooms, self.firm)


def _by_duration(left: Left, rows: Rows) -> Iterator[_Runs]:
    sums = np.zeros((left.prices.shape[0], left.prices.shape[1] + 1), dtype=np.int64)
    np.cumsum(left.prices, axis=1, out=sums[:, 1:])
    for duration in np.unique(rows.duration).tolist():
        windows = np.lib.stride_tricks.sliding_window_view
        yield _Runs(
            left,
            rows.take(rows.duration == duration),
            duration,
            sums[:, duration:] - sums[:, :-duration],
            windows(left.chips, duration, axis=1).min(axis=2),
            np.asarray(windows(left.firm, duration, axis=1).all(axis=2)),
        )


class _Found:
    """The best place of each demand so far."""

    def __init__(self, demands: int) -> None:
        self._best: list[tuple[tuple[int, ...], int, int, int, bool] | None] = [None] * demands

    def cheapest(self, runs: _Runs, part: _Part, fits: BoolArray) -> None:
        """Keep the cheapest start per chip-hour, firm ones first, then the earliest."""
        self._keep(runs, part, fits, part.cost // runs.duration)

    def nearest(self, runs: _Runs) -> None:
        """Keep the start nearest to the window that the demand's own limit pays."""
        rows = runs.rows
        most = runs.costs.shape[1]
        sides = (
            (np.maximum(0, rows.low - NEAR_PERIODS), np.minimum(rows.low, most)),
            (np.clip(rows.high, 0, most), np.minimum(rows.high + NEAR_PERIODS, most)),
        )
        for low, high in sides:
            for part in runs.starts(low, high):
                fits = (part.room >= part.least) & (part.cost <= part.limit)
                before = rows.low[part.row] - part.start
                after = part.start - rows.high[part.row] + 1
                self._keep(runs, part, fits, np.maximum(before, after))

    def _keep(self, runs: _Runs, part: _Part, fits: BoolArray, score: IntArray) -> None:
        at = np.flatnonzero(fits)
        if not len(at):
            return
        pool = runs.rows.pool[part.row[at]]
        firm = runs.firm[pool, part.start[at]]
        order = np.lexsort((pool, part.start[at], score[at], ~firm, part.demand[at]))
        demand = part.demand[at][order]
        first = order[np.flatnonzero(np.concatenate(([True], demand[1:] != demand[:-1])))]
        for n in first.tolist():
            i, p = int(at[n]), int(pool[n])
            start, is_firm = int(part.start[i]), bool(firm[n])
            rank = (int(not is_firm), int(score[i]), start, p)
            price = -(-int(part.cost[i]) // runs.duration)
            d = int(part.demand[i])
            known = self._best[d]
            if known is None or rank < known[0]:
                self._best[d] = (rank, p, start, price, is_firm)

    def places(self, left: Left) -> list[Place | None]:
        """Return what was found, demand by demand."""
        book = left.book
        return [
            None
            if best is None
            else Place(book.pools[best[1]].key, book.first_period + best[2], best[3], best[4])
            for best in self._best
        ]
