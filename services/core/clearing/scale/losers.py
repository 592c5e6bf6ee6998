"""Why demands of a large book stayed out, and what would have let them trade, in compiled code.

The same questions as in `services.core.clearing.outcome` and `services.core.clearing.why_not`, with
the same answers (a test compares them): one pass over the starts of every demand that got nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.book import BookDemand
from services.core.clearing.scale.board import prefix_sums
from services.core.clearing.scale.compiled import allocating, compiled
from services.core.clearing.scale.lanes import TARIFF
from services.core.clearing.scale.layout import Blocks, Layout, Spreads
from services.core.clearing.scale.windows import smallest_in, smallest_windows
from services.core.clearing.why_not import NEAR_PERIODS, Hint, Left, Place, rows_of

AnyArray = npt.NDArray[Any]

# Columns of what the scan of hints finds: not firm, score, start, pool, price, firm.
_FOUND_COLUMNS = 5
_NONE = 2**62


def cheapest_places(layout: Layout, prices: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return where each demand would be cheapest, and where supply would be.

    Returns:
        D x 4 (row, -1 if it has none; pool; start; average price) of the place whose price is
        furthest below its limit, or nearest above; and the same of the cheapest supply for the
        block demands that no prices could support anywhere (row -1 for all others).
    """
    places = np.full((layout.demands, 4), -1, dtype=np.int64)
    dear = np.full((layout.demands, 4), -1, dtype=np.int64)
    step_ptr, ask, upto = _all_steps(layout)
    fees, cell_fees = _fees(layout)
    _scan_places(
        layout.blocks, layout.spreads, layout.supplies.room, prefix_sums(prices), step_ptr, ask,
        upto, fees, cell_fees, places, dear,
    )  # fmt: skip
    return places, dear


def _fees(layout: Layout) -> tuple[AnyArray, AnyArray]:
    """Return the tariffs of a chip of each run, and of each pool of a flow or work."""
    blocks, spreads, lanes = layout.blocks, layout.spreads, layout.lanes
    # A row without a lane sends no GB, and pays no tariff of any lane.
    tariff = np.append(lanes.table[:, TARIFF], 0)
    data_gb, data_lane, gb, lane = blocks.sends.T
    data, traffic = data_gb * tariff[data_lane], gb * tariff[lane]
    fees = traffic * blocks.duration - (-data // blocks.least)
    widths = np.diff(spreads.pool_ptr)
    cell_fees = np.repeat(spreads.gb, widths) * tariff[spreads.lanes]
    return fees, cell_fees


def _all_steps(layout: Layout) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Return the supply curves with block offers in them: pointers, asks, chips up to each."""
    supplies = layout.supplies
    ptr, asks, chips = [0], [], []
    for p in range(layout.pools):
        steps = [
            (int(supplies.ask[k]), supplies.chips[k])
            for k in range(int(supplies.step_ptr[p]), int(supplies.step_ptr[p + 1]))
        ]
        steps += [
            (int(supplies.block_ask[b]), supplies.block_chips[b])
            for b in np.flatnonzero(supplies.block_pool == p).tolist()
        ]
        steps.sort(key=lambda step: step[0])
        asks += [step[0] for step in steps]
        if steps:
            chips.append(np.cumsum([step[1] for step in steps], axis=0))
        ptr.append(len(asks))
    empty = np.zeros((0, layout.shape[1]), dtype=np.int64)
    return (
        np.array(ptr, dtype=np.int64),
        np.array(asks, dtype=np.int64),
        np.concatenate([empty, *chips]).astype(np.int64),
    )


@allocating
def _scan_places(
    blocks: Blocks,
    spreads: Spreads,
    capacity: AnyArray,
    sums: AnyArray,
    step_ptr: AnyArray,
    ask: AnyArray,
    upto: AnyArray,
    fees: AnyArray,
    cell_fees: AnyArray,
    places: AnyArray,
    dear: AnyArray,
) -> None:
    needed = np.zeros(capacity.shape[1] + 1, dtype=np.int64)
    for d in range(len(places)):
        limit = 0
        for r in range(blocks.ptr[d], blocks.ptr[d + 1]):
            price, at = _cheapest_start(blocks, sums[blocks.pool[r]], r, fees[r])
            if _closer(price, blocks.limit[r], places[d, 3], limit, places[d, 0] < 0):
                places[d, 0], places[d, 1] = r, blocks.pool[r]
                places[d, 2], places[d, 3] = at, price
                limit = blocks.limit[r]
        for r in range(spreads.ptr[d], spreads.ptr[d + 1]):
            price, where, at = _cheapest_cell(spreads, capacity, sums, r, cell_fees)
            if _closer(price, spreads.limit[r], places[d, 3], limit, places[d, 0] < 0):
                places[d, 0], places[d, 1], places[d, 2], places[d, 3] = r, where, at, price
                limit = spreads.limit[r]
        for r in range(blocks.ptr[d], blocks.ptr[d + 1]):
            _least_supply(blocks, r, step_ptr, ask, upto, needed)
            price, at = _cheapest_start(blocks, needed, r, fees[r])
            if price <= blocks.limit[r]:
                dear[d, 0] = -1
                break
            known = dear[d, 0]
            if known < 0 or price - blocks.limit[r] < dear[d, 3] - blocks.limit[known]:
                dear[d, 0], dear[d, 1], dear[d, 2], dear[d, 3] = r, blocks.pool[r], at, price


@compiled
def _cheapest_start(blocks: Blocks, sums: AnyArray, r: int, fee: int) -> tuple[int, int]:
    """Return the least average price of a run of a row, rounded up, and its start."""
    duration, first = blocks.duration[r], blocks.first[r]
    best, at = _NONE, -1
    for s in range(first, first + blocks.starts[r]):
        cost = sums[s + duration] - sums[s]
        if cost < best:
            best, at = cost, s
    return -(-(best + fee) // duration), at


@compiled
def _cheapest_cell(
    spreads: Spreads, capacity: AnyArray, sums: AnyArray, r: int, fees: AnyArray
) -> tuple[int, int, int]:
    """Return the least price of a cell that a flow or work could use, its pool and period."""
    best, where, at = _NONE, -1, -1
    for t in range(spreads.first[r], spreads.last[r]):
        if spreads.chips[spreads.chip_ptr[r] + t - spreads.first[r]] == 0:
            continue
        for n in range(spreads.pool_ptr[r], spreads.pool_ptr[r + 1]):
            p = spreads.pools[n]
            price, room = sums[p, t + 1] - sums[p, t] + fees[n], capacity[p, t]
            if spreads.gb[r] > 0 and spreads.lanes[n] >= 0:
                room = min(room, capacity[spreads.lanes[n], t] // spreads.gb[r])
            if price < best and room > 0:
                best, where, at = price, p, t
    return best, where, at


@compiled
def _least_supply(
    blocks: Blocks, r: int, step_ptr: AnyArray, ask: AnyArray, upto: AnyArray, needed: AnyArray
) -> None:
    """Write prefix sums of the ask of the q-th cheapest chip over the periods of a row."""
    first, last = step_ptr[blocks.pool[r]], step_ptr[blocks.pool[r] + 1]
    start = blocks.first[r]
    needed[start] = 0
    for t in range(start, start + blocks.starts[r] - 1 + blocks.duration[r]):
        k = first
        while k < last - 1 and upto[k, t] < blocks.least[r]:
            k += 1
        # A pool may hold only a block offer that reaches past the horizon: nothing to ask for.
        needed[t + 1] = needed[t] + (ask[k] if first < last else 0)


@compiled
def _closer(price: int, limit: int, known: int, known_limit: int, first: bool) -> bool:  # noqa: FBT001
    """Tell whether price / limit is below known / known_limit (a limit of 0 is infinitely far)."""
    if first or limit == 0 or known_limit == 0:
        return first or (limit > 0 and known_limit == 0)
    # In floats, since the products could leave 64 bits; a rounded tie keeps the first.
    return price / limit < known / known_limit


def hints_of(left: Left, demands: Sequence[BookDemand]) -> list[Hint]:
    """Return what `services.core.clearing.why_not.hints` does."""
    book = left.book
    rows = rows_of(book, demands)
    table = np.stack(
        [rows.demand, rows.pool, rows.low, rows.high, rows.duration, rows.least, rows.limit], axis=1
    )
    chips = sorted({pool.chip for pool in book.pools})
    chip_of = np.array([chips.index(pool.chip) for pool in book.pools], dtype=np.int64)
    found = np.full((len(demands), 3, _FOUND_COLUMNS), _NONE, dtype=np.int64)
    fewer = np.zeros(len(demands), dtype=np.int64)
    ends = np.searchsorted(table[:, 0], np.arange(len(demands) + 1))
    _scan_hints(
        table, ends, prefix_sums(left.prices), prefix_sums(left.firm.astype(np.int64)),
        smallest_windows(left.chips), chip_of, NEAR_PERIODS, found, fewer,
    )  # fmt: skip
    hints = []
    keys = [pool.key for pool in book.pools]
    for places, count in zip(found.tolist(), fewer.tolist(), strict=True):
        own, near, other = (
            None
            if far == _NONE
            else Place(keys[pool], book.first_period + start, price, firm=not far)
            for far, _, start, pool, price in places
        )
        hints.append(Hint(own, count or None, near, other))
    return hints


@compiled
def _scan_hints(
    rows: AnyArray,
    ends: AnyArray,
    sums: AnyArray,
    firm: AnyArray,
    room: AnyArray,
    chip_of: AnyArray,
    near: int,
    found: AnyArray,
    fewer: AnyArray,
) -> None:
    for d in range(len(ends) - 1):
        for r in range(ends[d], ends[d + 1]):
            p, low, high, duration = rows[r, 1], rows[r, 2], rows[r, 3], rows[r, 4]
            most, paid = firm.shape[1] - duration, rows[r, 6] * duration
            for s in range(max(0, low - near), min(most, high + near)):
                cost = sums[p, s + duration] - sums[p, s]
                chips = smallest_in(room, p, s, duration)
                inside, pays = low <= s < high, cost <= paid
                if inside and pays:
                    fewer[d] = max(fewer[d], chips)
                if chips < rows[r, 5] or inside == pays:
                    continue
                score = cost // duration if inside else max(low - s, s - high + 1)
                sure = firm[p, s + duration] - firm[p, s] == duration
                kind = 0 if inside else 1
                _keep(found, d, kind, sure, score, s, p, -(-cost // duration))
            if not _seen(rows, ends[d], r, chip_of):
                _scan_others(rows, ends, d, r, sums, firm, room, chip_of, found)


@compiled
def _scan_others(
    rows: AnyArray,
    ends: AnyArray,
    d: int,
    r: int,
    sums: AnyArray,
    firm: AnyArray,
    room: AnyArray,
    chip_of: AnyArray,
    found: AnyArray,
) -> None:
    """Look at the pools of the same chip class that the demand left out."""
    duration, paid = rows[r, 4], rows[r, 6] * rows[r, 4]
    for q in range(len(chip_of)):
        if chip_of[q] != chip_of[rows[r, 1]] or _accepts(rows, ends[d], ends[d + 1], r, q):
            continue
        for s in range(rows[r, 2], min(firm.shape[1] - duration, rows[r, 3])):
            cost = sums[q, s + duration] - sums[q, s]
            if cost <= paid and smallest_in(room, q, s, duration) >= rows[r, 5]:
                sure = firm[q, s + duration] - firm[q, s] == duration
                _keep(found, d, 2, sure, cost // duration, s, q, -(-cost // duration))


@compiled
def _seen(rows: AnyArray, begin: int, r: int, chip_of: AnyArray) -> bool:
    """Tell whether an earlier row asks the same of the same chip class."""
    for n in range(begin, r):
        same = chip_of[rows[n, 1]] == chip_of[rows[r, 1]]
        for column in range(2, 7):
            same = same and rows[n, column] == rows[r, column]
        if same:
            return True
    return False


@compiled
def _accepts(rows: AnyArray, begin: int, end: int, r: int, pool: int) -> bool:
    """Tell whether a demand accepts a pool for a run as long as that of a row."""
    for n in range(begin, end):  # noqa: SIM110 - the compiler knows no generators
        if rows[n, 1] == pool and rows[n, 4] == rows[r, 4]:
            return True
    return False


@compiled
def _keep(
    found: AnyArray,
    d: int,
    kind: int,
    sure: bool,  # noqa: FBT001 - compiled code has no keywords
    score: int,
    start: int,
    pool: int,
    price: int,
) -> None:
    """Keep a place if it is firm and the known one is not, or of a lower score, start or pool."""
    known = found[d, kind]
    far = 0 if sure else 1
    better = far < known[0]
    if far == known[0]:
        better = score < known[1]
        if score == known[1]:
            better = start < known[2] or (start == known[2] and pool < known[3])
    if better:
        known[0], known[1], known[2], known[3], known[4] = far, score, start, pool, price
