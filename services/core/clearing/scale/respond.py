"""Best responses of all demands to integer prices, exact, in compiled code.

A run costs the difference of two prefix sums; flow and work take the cheapest cells first,
which is best because their caps nest (cell within period within total). Work is cut into a fixed
number of parts, whatever the number of threads, and every sum is of integers, so the answer does
not depend on who computed which part.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.clearing.scale.compiled import allocating, compiled
from services.core.clearing.scale.lanes import (
    DATA_GB,
    GB,
    add_sent,
    data_cost,
    most_chips,
    run_cost,
)
from services.core.clearing.scale.layout import Blocks, Layout, Spreads
from services.core.clearing.scale.windows import smallest_in

AnyArray = npt.NDArray[Any]

# Parts of the demands; a few per core of a large machine keeps the cores busy to the end.
PARTS = 16
# A segment's sort key holds its price above its place; prices stay below 2**34.
_PLACE_BITS = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What every demand would choose at some prices.

    Attributes:
        total: Sum of the best surpluses, an exclusive group counted once, micro-yuan.
        surplus: Best surplus of each demand, micro-yuan, at least 0.
        row: Row of the best choice of each demand (in `Blocks` or `Spreads`), -1 if none pays.
        start: Start of the best run of a block demand.
        load: P x T chips that the counted choices take, and GB of links behind them.
    """

    total: int
    surplus: AnyArray
    row: AnyArray
    start: AnyArray
    load: AnyArray


class Responder:
    """Computes best responses; keeps its work space and its threads between calls."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        demands, (rows_of_room, periods) = layout.demands, layout.supplies.room.shape
        # Parts of about equal numbers of rows: the work of a demand grows with its rows.
        rows = layout.blocks.ptr + layout.spreads.ptr + np.arange(demands + 1)
        self._edges = np.searchsorted(rows, np.linspace(0, rows[-1], PARTS + 1)).tolist()
        self._edges[-1] = demands
        self._diff = np.zeros((PARTS, rows_of_room, periods + 1), dtype=np.int64)
        self._grouped = bool((layout.bonds.group >= 0).any())
        self._pool = ThreadPoolExecutor(2)

    def answer(self, prices: AnyArray) -> Answer:
        """Return the best responses to P x T integer prices, those of links among them."""
        layout = self._layout
        demands, periods = layout.demands, layout.book.periods
        prices = layout.lanes.rows(prices)
        sums = np.zeros((len(prices), periods + 1), dtype=np.int64)
        np.cumsum(prices, axis=1, out=sums[:, 1:])
        surplus = np.zeros(demands, dtype=np.int64)
        row = np.full(demands, -1, dtype=np.int64)
        start = np.zeros(demands, dtype=np.int64)
        self._diff[:] = 0

        def part(n: int) -> None:
            _respond_part(
                layout.blocks, layout.spreads, layout.supplies.room, layout.supplies.smallest,
                layout.bonds.group, prices, sums, self._edges[n], self._edges[n + 1],
                surplus, row, start, self._diff[n],
            )  # fmt: skip

        list(self._pool.map(part, range(PARTS)))
        total = int(surplus.sum())
        if self._grouped:
            total -= _count_groups(
                layout.blocks, layout.spreads, layout.supplies.room, layout.supplies.smallest,
                layout.bonds.member_ptr, layout.bonds.member, prices, surplus, row, start,
                self._diff[0],
            )  # fmt: skip
        load = layout.lanes.load(np.cumsum(self._diff.sum(axis=0), axis=1)[:, :periods])
        return Answer(total, surplus, row, start, load)


@allocating
def _respond_part(
    blocks: Blocks,
    spreads: Spreads,
    capacity: AnyArray,
    smallest: AnyArray,
    group: AnyArray,
    prices: AnyArray,
    sums: AnyArray,
    low: int,
    high: int,
    surplus: AnyArray,
    row: AnyArray,
    start: AnyArray,
    diff: AnyArray,
) -> None:
    segments = np.empty((prices.size + 1, 2), dtype=np.int64)
    for d in range(low, high):
        for r in range(blocks.ptr[d], blocks.ptr[d + 1]):
            if blocks.sends[r, GB] > 0 or blocks.sends[r, DATA_GB] > 0:
                gain, at = best_sending(blocks, smallest, sums, r, surplus[d])
            elif blocks.whole[r]:
                gain, at = best_whole(
                    sums, blocks.pool[r], blocks.first[r], blocks.starts[r], blocks.duration[r],
                    blocks.limit[r], blocks.chips[r], surplus[d],
                )  # fmt: skip
            else:
                gain, at = best_start(blocks, smallest, sums, r, surplus[d])
            if gain > surplus[d]:
                surplus[d] = gain
                row[d] = r
                start[d] = at
        for r in range(spreads.ptr[d], spreads.ptr[d + 1]):
            gain = spread_best(spreads, capacity, prices, r, segments, diff, 0)
            if gain > surplus[d]:
                surplus[d] = gain
                row[d] = r
        if row[d] >= 0 and group[d] < 0:
            add_load(blocks, spreads, capacity, smallest, prices, d, row, start, segments, diff)


@allocating
def _count_groups(
    blocks: Blocks,
    spreads: Spreads,
    capacity: AnyArray,
    smallest: AnyArray,
    member_ptr: AnyArray,
    member: AnyArray,
    prices: AnyArray,
    surplus: AnyArray,
    row: AnyArray,
    start: AnyArray,
    diff: AnyArray,
) -> int:
    """Add the load of the best member of each group; return the surplus that counts too often."""
    segments = np.empty((prices.size + 1, 2), dtype=np.int64)
    twice = 0
    for g in range(len(member_ptr) - 1):
        best = -1
        for n in range(member_ptr[g], member_ptr[g + 1]):
            d = member[n]
            twice += surplus[d]
            if row[d] >= 0 and (best < 0 or surplus[d] > surplus[best]):
                best = d
        if best >= 0:
            twice -= surplus[best]
            add_load(blocks, spreads, capacity, smallest, prices, best, row, start, segments, diff)
    return twice


@compiled
def best_whole(
    sums: AnyArray,
    pool: int,
    low: int,
    starts: int,
    duration: int,
    limit: int,
    chips: int,
    known: int,
) -> tuple[int, int]:
    """Return what `best_start` does, of a row whose every start holds all chips."""
    least = sums[pool, low + duration] - sums[pool, low]
    for t in range(low + 1, low + starts):
        least = min(least, sums[pool, t + duration] - sums[pool, t])
    gain = (limit * duration - least) * chips
    if gain > known:
        for t in range(low, low + starts):
            if sums[pool, t + duration] - sums[pool, t] == least:
                return gain, t
    return gain, -1


@compiled
def best_start(
    blocks: Blocks, smallest: AnyArray, sums: AnyArray, r: int, known: int
) -> tuple[int, int]:
    """Return the best surplus of a row that is above ``known``, and its start."""
    pool, duration, low = blocks.pool[r], blocks.duration[r], blocks.first[r]
    high = low + blocks.starts[r]
    value = blocks.limit[r] * duration
    curve = sums[pool]
    best, at = known, -1
    for t in range(low, high):
        margin = value - (curve[t + duration] - curve[t])
        if margin <= 0:
            continue
        chips = min(smallest_in(smallest, pool, t, duration), blocks.chips[r])
        if chips >= blocks.least[r] and margin * chips > best:
            best, at = margin * chips, t
    return best, at


@compiled
def best_sending(
    blocks: Blocks, smallest: AnyArray, sums: AnyArray, r: int, known: int
) -> tuple[int, int]:
    """Return what `best_start` does, of a row that sends something."""
    pool, duration, low = blocks.pool[r], blocks.duration[r], blocks.first[r]
    value, most = blocks.limit[r] * duration, blocks.chips[r]
    best, at = known, -1
    for t in range(low, low + blocks.starts[r]):
        margin = value - (sums[pool, t + duration] - sums[pool, t])
        margin -= run_cost(sums, blocks.sends, r, t, duration)
        if margin <= 0:
            continue
        chips = most
        if not blocks.whole[r]:
            chips = most_chips(smallest, blocks.sends, r, pool, t, duration, most)
            if chips < blocks.least[r]:
                continue
        gain = margin * chips - data_cost(sums, blocks.sends, r, t)
        if gain > best:
            best, at = gain, t
    return best, at


@compiled
def add_load(
    blocks: Blocks,
    spreads: Spreads,
    capacity: AnyArray,
    smallest: AnyArray,
    prices: AnyArray,
    d: int,
    row: AnyArray,
    start: AnyArray,
    segments: AnyArray,
    diff: AnyArray,
) -> None:
    """Add the chips of a demand's best choice to the differences of the load."""
    r = row[d]
    if blocks.ptr[d] < blocks.ptr[d + 1]:
        at = start[d]
        pool, duration = blocks.pool[r], blocks.duration[r]
        chips = blocks.chips[r]
        if not blocks.whole[r]:
            chips = most_chips(smallest, blocks.sends, r, pool, at, duration, blocks.chips[r])
        diff[pool, at] += chips
        diff[pool, at + duration] -= chips
        if blocks.sends[r, GB] > 0 or blocks.sends[r, DATA_GB] > 0:
            add_sent(diff, blocks.sends, r, at, duration, chips)
    else:
        spread_best(spreads, capacity, prices, r, segments, diff, 1)


@compiled
def spread_best(
    spreads: Spreads,
    capacity: AnyArray,
    prices: AnyArray,
    r: int,
    segments: AnyArray,
    diff: AnyArray,
    add: int,
) -> int:
    """Return the best surplus of a flow or work row; add its chips to ``diff`` if asked to."""
    first, last, limit = spreads.first[r], spreads.last[r], spreads.limit[r]
    low = spreads.pool_ptr[r]
    caps = spreads.chip_ptr[r] - first
    gain = 0
    count = 0
    for t in range(first, last):
        left = spreads.chips[caps + t]
        price, place = -1, -1
        while left > 0:
            best, where, most = _cheapest_after(spreads, capacity, prices, r, t, price, place)
            if where < 0:
                break
            price, place = best, where
            chips = min(left, most)
            left -= chips
            if spreads.binds[r]:
                # Pools of a row ascend, so their positions sort as they do.
                at = (where - low) * prices.shape[1] + t
                segments[count, 0], segments[count, 1] = (price << _PLACE_BITS) | at, chips
                count += 1
            else:
                gain += chips * (limit - price)
                if add:
                    _add_cell(spreads, diff, r, where, t, chips)
    if not spreads.binds[r]:
        return gain
    sort_segments(segments, count)
    hours = spreads.hours[r]
    for n in range(count):
        chips = min(segments[n, 1], hours)
        if chips <= 0:
            break
        hours -= chips
        gain += chips * (limit - (segments[n, 0] >> _PLACE_BITS))
        if add:
            where, t = divmod(segments[n, 0] & ((1 << _PLACE_BITS) - 1), prices.shape[1])
            _add_cell(spreads, diff, r, low + where, t, chips)
    return gain


@compiled
def _cheapest_after(
    spreads: Spreads,
    capacity: AnyArray,
    prices: AnyArray,
    r: int,
    t: int,
    price: int,
    place: int,
) -> tuple[int, int, int]:
    """Return what the cheapest pool of a row after the last one taken asks, where, and its room.

    Of equals the one with the lower key is first. There is none (-1) below the row's limit if all
    are taken.
    """
    gb = spreads.gb[r]
    best, where, most = spreads.limit[r], -1, gb * 0
    for n in range(spreads.pool_ptr[r], spreads.pool_ptr[r + 1]):
        p, lane = spreads.pools[n], spreads.lanes[n]
        paid = prices[p, t]
        if lane >= 0:
            paid += gb * prices[lane, t]
        after = paid > price or (paid == price and n > place)
        if after and paid < best:
            room = capacity[p, t]
            if lane >= 0:
                room = min(room, capacity[lane, t] // gb)
            if room > 0:
                best, where, most = paid, n, room
    return best, where, most


@compiled
def _add_cell(spreads: Spreads, diff: AnyArray, r: int, n: int, t: int, chips: int) -> None:
    """Add chips of a cell, and their traffic, to the differences of the load."""
    p, lane = spreads.pools[n], spreads.lanes[n]
    diff[p, t] += chips
    diff[p, t + 1] -= chips
    if lane >= 0:
        diff[lane, t] += spreads.gb[r] * chips
        diff[lane, t + 1] -= spreads.gb[r] * chips


@compiled
def sort_segments(segments: AnyArray, count: int) -> None:
    """Sort the first rows by their key, in place (Shell's method with Ciura's gaps)."""
    for gap in (701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, count):
            key, chips = segments[i, 0], segments[i, 1]
            j = i
            while j >= gap and segments[j - gap, 0] > key:
                segments[j, 0] = segments[j - gap, 0]
                segments[j, 1] = segments[j - gap, 1]
                j -= gap
            segments[j, 0] = key
            segments[j, 1] = chips
