"""The best responses of a whole book at once, on NumPy, if it is there.

The checker needs the standard library alone; it imports this module only for large books, where
NumPy is installed. Orders are answered here in 64-bit integers once `fits` has shown these to be
wide enough; a book that does not fit, and every alternative whose rooms bind, is left to
`check_bound`. Both give the same numbers, which a test compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from suanli.check_bound import BestResponses, Prices, Supply

if TYPE_CHECKING:
    import numpy.typing as npt

    from suanli.check_formats import Alternative, Book

    Array = npt.NDArray[Any]

# Products of chips, periods and money stay below this, so that no sum leaves 64 bits.
_PRODUCT_MAX = 2**62
_HORIZON_MAX = 168


def fits(book: Book, supply: Supply, *prices: Prices, asks: Iterable[int] = ()) -> bool:
    """Tell whether 64 bits hold every surplus of the book at these prices and asks."""
    alternatives = [item for demand in book.demands for item in demand.alternatives]
    chips = (
        max(map(max, supply.chips.values()), default=0),
        max((item.chips for item in alternatives), default=0),
        max(chain.from_iterable(item.chips_by_period for item in alternatives), default=0),
        max(chain.from_iterable(offer.chips for offer in book.offers), default=0),
    )
    money = (
        max((item.limit for item in alternatives), default=0),
        max((offer.ask for offer in book.offers), default=0),
        max(map(abs, asks), default=0),
        *(max(map(max, curves.values()), default=0) for curves in prices),
    )
    hours = max((item.chip_hours for item in alternatives), default=0)
    return max(chips) * max(money) * _HORIZON_MAX < _PRODUCT_MAX and hours < _PRODUCT_MAX


class Layout:
    """A book as flat arrays; made once, asked at several prices.

    Args:
        book: A book that `fits`.
        supply: Its supply.
    """

    def __init__(self, book: Book, supply: Supply) -> None:
        self._book = book
        self._supply = supply
        self._at = {pool: p for p, pool in enumerate(book.pools)}
        self._room = np.array([supply.chips[pool] for pool in book.pools], dtype=np.int64)
        self._room = self._room.reshape(len(book.pools), book.periods)
        self._blocks: list[tuple[int, Alternative]] = []
        self._divisible: list[tuple[int, Alternative]] = []
        for d, demand in enumerate(book.demands):
            if demand.moves is not None:
                # What sends over links is few, and left to Python.
                continue
            rows = self._blocks if demand.shape == "block" else self._divisible
            rows += [(d, item) for item in demand.alternatives]
        self._lay_blocks()
        self._lay_cells()
        self._lay_offers()

    def demands(self, prices: Prices) -> list[int]:
        """Return the best surplus of every demand at prices, in the book's order."""
        curves = self._curves(prices)
        best = np.zeros(len(self._book.demands), dtype=np.int64)
        if len(self._pool):
            np.maximum.at(best, self._demand, self._best_runs(curves))
        if len(self._option_demand):
            np.maximum.at(best, self._option_demand, self._best_spreads(curves, prices))
        return [int(value) for value in best.tolist()]

    def offers(self, prices: Prices, asks: dict[str, int] | None = None) -> list[int]:
        """Return the best surplus of every offer at prices, in the book's order.

        Args:
            prices: The prices.
            asks: Ask of each offer, where it is not its own.
        """
        least = self._asks
        if asks is not None:
            least = _ints(asks[offer.id] for offer in self._book.offers)
        best = np.zeros(len(self._book.offers), dtype=np.int64)
        if len(self._offer):
            curves = self._curves(prices)
            gains = self._offer_chips * (curves[self._offer_cell] - least[self._offer])
            gains[(gains < 0) & ~self._whole[self._offer]] = 0
            np.add.at(best, self._offer, gains)
        best[self._outside] = 0
        return [int(value) for value in np.maximum(best, 0).tolist()]

    def _curves(self, prices: Prices) -> Array:
        rows = [prices[pool] for pool in self._book.pools]
        return np.array(rows, dtype=np.int64).reshape(-1)

    def _windows(self, rows: list[tuple[int, Alternative]]) -> tuple[Array, Array]:
        windows = _ints(chain.from_iterable(self._supply.window(item) for _, item in rows))
        return windows[0::2], windows[1::2]

    def _pools_of(self, rows: list[tuple[int, Alternative]]) -> tuple[Array, Array]:
        """Return the pools of all alternatives one after another, and how many each has."""
        flat = _ints(map(self._at.__getitem__, chain.from_iterable(i.pools for _, i in rows)))
        return flat, _ints(len(item.pools) for _, item in rows)

    # --- blocks: one row for each alternative and pool --------------------------------------------

    def _lay_blocks(self) -> None:
        rows = self._blocks
        low, high = self._windows(rows)
        pools, counts = self._pools_of(rows)
        # The number of starts; a run that the window cannot hold has none.
        duration = _ints(min(item.duration, _HORIZON_MAX + 1) for _, item in rows)
        starts = high - low - duration + 1
        keep = np.repeat(starts > 0, counts)
        self._pool = pools[keep]

        def spread(values: Array) -> Array:
            return np.repeat(values, counts)[keep]

        self._demand = spread(_ints(d for d, _ in rows))
        self._low, self._starts, self._duration = spread(low), spread(starts), spread(duration)
        self._chips = spread(_ints(item.chips for _, item in rows))
        self._least = spread(_ints(item.chips_min for _, item in rows))
        self._value = spread(_ints(item.limit for _, item in rows)) * self._duration

    def _best_runs(self, curves: Array) -> Array:
        """Return the best surplus of each alternative in each pool."""
        pools, periods = self._room.shape
        sums = np.zeros((pools, periods + 1), dtype=np.int64)
        np.cumsum(curves.reshape(pools, periods), axis=1, out=sums[:, 1:])
        best = np.zeros(len(self._pool), dtype=np.int64)
        order = np.argsort(self._duration, kind="stable")
        cuts = np.flatnonzero(np.diff(self._duration[order])) + 1
        for rows in np.split(order, cuts):
            duration = int(self._duration[rows[0]])
            costs = sums[:, duration:] - sums[:, : periods + 1 - duration]
            rooms = _sliding_min(self._room, duration)
            self._best_of(rows, costs, rooms, best)
        return best

    def _best_of(self, rows: Array, costs: Array, rooms: Array, best: Array) -> None:
        """Fill in the best surplus of rows of one duration."""
        pool, low, starts = self._pool[rows], self._low[rows], self._starts[rows]
        chips, value = self._chips[rows], self._value[rows]
        # Where every start has room for all chips, as nearly always, the cheapest run is best.
        easy = _range_min(rooms, pool, low, starts) >= chips
        best[rows] = chips * (value - _range_min(costs, pool, low, starts))
        hard = np.flatnonzero(~easy)
        if not len(hard):
            return
        counts = starts[hard]
        of, step = _within(counts)
        at = (pool[hard][of], low[hard][of] + step)
        room = rooms[at]
        quantity = np.minimum(room, chips[hard][of])
        gains = quantity * (value[hard][of] - costs[at])
        gains[room < self._least[rows][hard][of]] = 0
        best[rows[hard]] = np.maximum.reduceat(gains, np.cumsum(counts) - counts)

    # --- flow and work: one row for each alternative and period, one cell for each of its pools ---

    def _lay_cells(self) -> None:
        low, high = self._windows(self._divisible)
        inside = high > low
        rows = [row for row, is_in in zip(self._divisible, inside.tolist(), strict=True) if is_in]
        low, high = low[inside], high[inside]
        pools, counts = self._pools_of(rows)
        self._options = rows
        self._option_demand = _ints(d for d, _ in rows)
        self._hours = _ints(item.chip_hours for _, item in rows)
        self._limit = _ints(item.limit for _, item in rows)
        self._row_option, step = _within(high - low)
        period = low[self._row_option] + step
        self._option_start = np.cumsum(high - low) - (high - low)
        shift = self._book.first
        self._caps = _ints(
            chain.from_iterable(
                item.chips_by_period[a + shift - item.earliest : b + shift - item.earliest]
                for (_, item), a, b in zip(rows, low.tolist(), high.tolist(), strict=True)
            )
        )
        row_pools = counts[self._row_option]
        row, step = _within(row_pools)
        first_pool = np.cumsum(counts) - counts
        pool = pools[first_pool[self._row_option][row] + step]
        self._cell = pool * self._book.periods + period[row]
        self._cell_start = np.cumsum(row_pools) - row_pools
        if not rows:
            return
        # With room for all chips in every pool, a period needs its cheapest pool alone.
        tight = np.minimum.reduceat(self._room.reshape(-1)[self._cell], self._cell_start)
        self._easy = ~np.logical_or.reduceat(tight < self._caps, self._option_start)
        self._bound = np.add.reduceat(self._caps, self._option_start) > self._hours

    def _best_spreads(self, curves: Array, prices: Prices) -> Array:
        cheapest = np.minimum.reduceat(curves[self._cell], self._cell_start)
        margin = np.maximum(self._limit[self._row_option] - cheapest, 0)
        taken = self._caps.copy()
        bound = np.flatnonzero(self._bound[self._row_option])
        if len(bound):
            order = bound[np.lexsort((cheapest[bound], self._row_option[bound]))]
            option = self._row_option[order]
            taken[order] = _fill(self._caps[order], option, self._hours[option])
        best: Array = np.add.reduceat(taken * margin, self._option_start)
        plain = BestResponses(self._supply, prices)
        for n in np.flatnonzero(~self._easy).tolist():
            best[n] = plain.divisible(self._options[n][1])
        return best

    # --- offers: one row for each period that lies in the horizon ---------------------------------

    def _lay_offers(self) -> None:
        book = self._book
        lengths = _ints(len(offer.chips) for offer in book.offers)
        start = _ints(offer.start for offer in book.offers) - book.first
        offer, step = _within(lengths)
        period = start[offer] + step
        inside = (period >= 0) & (period < book.periods)
        chips = _ints(chain.from_iterable(offer.chips for offer in book.offers))
        pool = _ints(self._at[offer.pool] for offer in book.offers)
        self._offer, self._offer_chips = offer[inside], chips[inside]
        self._offer_cell = (pool[offer] * book.periods + period)[inside]
        self._asks = _ints(offer.ask for offer in book.offers)
        self._whole = np.array([offer.block for offer in book.offers], dtype=bool)
        # A block offer that reaches beyond the horizon cannot be taken whole in this round.
        self._outside = self._whole & ((start < 0) | (start + lengths > book.periods))


def _ints(values: Iterable[int]) -> Array:
    return np.fromiter(values, dtype=np.int64)


def _within(counts: Array) -> tuple[Array, Array]:
    """Return for each of so many elements a group its group, and its place in the group."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - (np.cumsum(counts) - counts)[group]


def _sliding_min(rows: Array, width: int) -> Array:
    """Return the least of each run of `width` neighbours of a row, by doubling."""
    least, done = rows, 1
    while done < width:
        step = min(done, width - done)
        least = np.minimum(least[:, : least.shape[1] - step], least[:, step:])
        done += step
    return least


def _range_min(rows: Array, row: Array, low: Array, counts: Array) -> Array:
    """Return the least of `counts` neighbours from `low` on in a row, for many at once.

    Two overlapping stretches of a power of two cover any stretch (a sparse table).
    """
    least = np.zeros(len(row), dtype=np.int64)
    table, width = rows, 1
    todo = int(counts.max(initial=0))
    while width <= todo:
        here = np.flatnonzero((counts >= width) & (counts < 2 * width))
        first, last = low[here], low[here] + counts[here] - width
        least[here] = np.minimum(table[row[here], first], table[row[here], last])
        if 2 * width <= todo:
            table = np.minimum(table[:, : table.shape[1] - width], table[:, width:])
        width *= 2
    return least


def _fill(wanted: Array, key: Array, most: Array) -> Array:
    """Return what each row gets if the rows of a key, which are neighbours, share its most."""
    total = np.cumsum(wanted)
    first = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    lengths = np.diff(np.concatenate((first, [len(key)])))
    before = total - wanted - np.repeat(total[first] - wanted[first], lengths)
    taken: Array = np.clip(most - before, 0, wanted)
    return taken
