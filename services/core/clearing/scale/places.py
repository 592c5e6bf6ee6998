"""Where a demand would go: its best run that has room, or the cheapest cells that have."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.clearing.scale.board import (
    CELLS_LOW,
    CHIPS,
    CHIPS_LOW,
    COUNT,
    DURATION,
    FIRST,
    LAST,
    LEAST,
    LIMIT,
    LOWEST,
    MOST,
    POOL,
    POOLS_LOW,
    ROW,
    RUN_HIGH,
    RUN_LOW,
    SENDS,
    SPREAD_HIGH,
    SPREAD_LOW,
    TOTAL,
    TRAFFIC,
    WIDTH,
    WORTH,
    Board,
    allowed,
    buy,
    give_back,
    put_run,
)
from services.core.clearing.scale.compiled import allocating, compiled
from services.core.clearing.scale.dice import draw
from services.core.clearing.scale.lanes import (
    DATA_GB,
    GB,
    LANE,
    can_cross,
    lane_room,
    sent_cost,
    use_lane,
)

AnyArray = npt.NDArray[Any]

PLACE_BITS = 20
"""A key holds a price above a place; prices stay below 2**34."""


@compiled
def best_run(
    board: Board, is_open: AnyArray, d: int, seed: AnyArray, passed: int
) -> tuple[int, int, int]:
    """Return row, start and chips of the run of largest steering surplus that has room.

    The row is -1 if there is none. A run that loses at the steering prices is still one if the
    demand's limit pays the asks that its cells could need.

    Args:
        board: The selection.
        is_open: Whether each pool may be used.
        d: The demand.
        seed: State of the random numbers.
        passed: Of the runs that would be the best so far, every so many-th is passed over by
            chance; 0 for none.
    """
    best, best_row, best_start, best_chips = LOWEST, -1, 0, 0
    for r in range(board.demands[d, RUN_LOW], board.demands[d, RUN_HIGH]):
        if is_open[board.runs[r, POOL]]:
            gain, start, chips = _best_of_row(board, r, best, seed, passed)
            if chips > 0:
                best, best_row, best_start, best_chips = gain, r, start, chips
    return best_row, best_start, best_chips


@compiled
def _best_of_row(
    board: Board, r: int, known: int, seed: AnyArray, passed: int
) -> tuple[int, int, int]:
    """Return surplus, start and chips of a row's best run above a known one, else no chips."""
    p, duration, least = board.runs[r, POOL], board.runs[r, DURATION], board.runs[r, LEAST]
    value, first = board.runs[r, LIMIT] * duration, board.runs[r, FIRST]
    gb, lane, data = board.sends[r, GB], board.sends[r, LANE], board.sends[r, DATA_GB]
    best, best_start, best_chips = known, 0, least * 0
    free = 0
    for t in range(first, first + board.runs[r, COUNT] + duration - 1):
        free += 1
        if board.room[p, t] < least or (
            gb > 0 and lane_room(board.links, board.lanes, lane, t) < gb * least
        ):
            free = 0
        s = t - duration + 1
        if free < duration or (
            data > 0 and not can_cross(board.links, board.lanes, board.sends, r, s)
        ):
            continue
        chips = board.runs[r, MOST]
        if least < chips:
            chips = most_at(board, r, s)
        gain = (value - (board.steering[p, t + 1] - board.steering[p, s])) * chips
        if board.runs[r, SENDS] > 0:
            gain -= sent_cost(board.steering, board.sends, r, s, duration, chips)
        if gain <= best or (passed > 0 and draw(seed, passed) == 0):
            continue
        if gain >= 0 or is_paid(board, r, s, chips):
            best, best_start, best_chips = gain, s, chips
    return best, best_start, best_chips


@compiled
def is_paid(board: Board, r: int, start: int, chips: int) -> bool:
    """Tell whether the limit of a run pays the asks that its cells could need, and its tariffs."""
    p, duration = board.runs[r, POOL], board.runs[r, DURATION]
    needed = (board.least[p, start + duration] - board.least[p, start]) * chips
    if board.runs[r, SENDS] > 0:
        needed += sent_cost(board.least, board.sends, r, start, duration, chips)
    return needed <= board.runs[r, LIMIT] * duration * chips  # type: ignore[no-any-return]


@compiled
def most_at(board: Board, r: int, start: int) -> int:
    """Return how many chips of a run have room, its allowances included; not so its data."""
    p, chips, gb = board.runs[r, POOL], board.runs[r, MOST], board.sends[r, GB]
    for t in range(start, start + board.runs[r, DURATION]):
        chips = min(chips, board.room[p, t])
        if gb > 0:
            chips = min(chips, lane_room(board.links, board.lanes, board.sends[r, LANE], t) // gb)
    return chips  # type: ignore[no-any-return]


@allocating
def fill_spread(
    board: Board,
    is_open: AnyArray,
    d: int,
    r: int,
    low: int,
    high: int,
    keys: AnyArray,
    log: AnyArray,
    logged: int,
) -> tuple[int, int]:
    """Add chips of a flow or work row in periods ``low`` to ``high``, the cheapest cells first.

    Cells that have no room, or whose steering price is above its limit, stay as they are. What
    was added is written to ``log`` from ``logged`` on, as (demand, row, cell, pool, period,
    chips); it ends when the log is full. ``keys`` is work space, one entry per cell of the row.

    Returns:
        The welfare added, and the new end of the log.
    """
    limit, width = board.spreads[r, LIMIT], board.spreads[r, WIDTH]
    first, pools = board.spreads[r, FIRST], board.spreads[r, POOLS_LOW]
    left, gb = board.spreads[r, TOTAL], board.spreads[r, TRAFFIC]
    if board.demands[d, ROW] >= 0:
        left -= board.demands[d, CHIPS]
    gain = limit * 0
    count = 0
    if left > 0:
        for t in range(max(low, first), min(high, board.spreads[r, LAST])):
            for n in range(width):
                p = board.pools_of[pools + n]
                price = board.steering[p, t + 1] - board.steering[p, t]
                lane = board.lanes_of[pools + n]
                if lane >= 0:
                    price += gb * (board.steering[lane, t + 1] - board.steering[lane, t])
                if price <= limit and is_open[p] and board.room[p, t] > 0:
                    keys[count] = (price << PLACE_BITS) | ((t - first) * width + n)
                    count += 1
        keys[:count].sort()
    for i in range(count):
        if left <= 0 or logged >= len(log):
            break
        place = keys[i] & ((1 << PLACE_BITS) - 1)
        t, n = first + place // width, place % width
        p = board.pools_of[pools + n]
        at = board.spreads[r, CELLS_LOW] + place - n
        chips = board.chips_of[board.spreads[r, CHIPS_LOW] + t - first]
        for other in range(width):
            chips -= board.granted[at + other]
        chips = min(chips, board.room[p, t], left)
        lane = board.lanes_of[pools + n]
        if lane >= 0:
            chips = min(chips, lane_room(board.links, board.lanes, lane, t) // gb)
        if chips <= 0:
            continue
        gain += board.spreads[r, WORTH] * chips
        gain -= grant(board, d, r, at + n, p, t, chips)
        log[logged, 0], log[logged, 1], log[logged, 2] = d, r, at + n
        log[logged, 3], log[logged, 4], log[logged, 5] = p, t, chips
        logged += 1
        left -= chips
    return gain, logged


@compiled
def grant(board: Board, d: int, r: int, cell: int, p: int, t: int, chips: int) -> int:
    """Use chips of a cell for a flow or work; return what they cost."""
    board.granted[cell] += chips
    if board.demands[d, ROW] < 0:
        board.demands[d, ROW] = r
        board.demands[d, CHIPS] = 0
    board.demands[d, CHIPS] += chips
    cost = buy(board, p, t, chips)
    return cost + carry(board, r, cell, t, chips, 1) if board.spreads[r, TRAFFIC] > 0 else cost


@compiled
def carry(board: Board, r: int, cell: int, t: int, chips: int, sign: int) -> int:
    """Take the traffic of chips of a flow or work from what links have left (or give it back).

    Returns:
        Its tariffs.
    """
    place = (cell - board.spreads[r, CELLS_LOW]) % board.spreads[r, WIDTH]
    lane = board.lanes_of[board.spreads[r, POOLS_LOW] + place]
    gb = board.spreads[r, TRAFFIC] * chips
    return use_lane(board.links, board.lanes, lane, t, gb, sign) if lane >= 0 else 0 * gb


@compiled
def take_back(board: Board, d: int, r: int, cell: int, p: int, t: int, chips: int) -> int:
    """Free chips of a cell of a flow or work; return the welfare lost."""
    board.granted[cell] -= chips
    board.demands[d, CHIPS] -= chips
    if board.demands[d, CHIPS] == 0:
        board.demands[d, ROW] = -1
    saved = give_back(board, p, t, chips)
    if board.spreads[r, TRAFFIC] > 0:
        saved += carry(board, r, cell, t, chips, -1)
    return board.spreads[r, WORTH] * chips - saved  # type: ignore[no-any-return]


@compiled
def undo_grants(board: Board, log: AnyArray, count: int) -> None:
    """Take back what a log says was added, the last first."""
    for i in range(count - 1, -1, -1):
        take_back(board, log[i, 0], log[i, 1], log[i, 2], log[i, 3], log[i, 4], log[i, 5])


@allocating
def fill(board: Board, order: AnyArray) -> None:
    """Insert the demands of an order that have a place, one by one."""
    pools, periods = board.room.shape
    is_open = np.ones(pools, dtype=np.bool_)
    seed = np.ones(1, dtype=np.uint64)
    keys = np.empty(pools * periods, dtype=np.int64)
    log = np.empty((pools * periods, 6), dtype=np.int64)
    for d in order:
        row = board.demands[d, ROW]
        if not allowed(board, d):
            continue
        if board.demands[d, RUN_LOW] < board.demands[d, RUN_HIGH]:
            if row < 0:
                r, s, chips = best_run(board, is_open, d, seed, 0)
                if r >= 0:
                    put_run(board, d, r, s, chips)
            continue
        best = 0
        low, high = board.demands[d, SPREAD_LOW], board.demands[d, SPREAD_HIGH]
        if row < 0 and high - low > 1:
            # Try every alternative, keep the best.
            for r in range(low, high):
                gain, count = fill_spread(board, is_open, d, r, 0, periods, keys, log, 0)
                undo_grants(board, log, count)
                if gain > best:
                    best, row = gain, r
        elif row < 0 and high > low:
            row = low
        if row >= 0:
            fill_spread(board, is_open, d, row, 0, periods, keys, log, 0)
