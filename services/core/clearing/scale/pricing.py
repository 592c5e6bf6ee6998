"""Clearing prices of a large selection: supporting prices of small regret, in whole ticks.

Total regret at prices that support the selection is D at these prices less the welfare (groups
aside). So the search starts at the certificate's prices, where D is smallest, and follows excess
demand in small steps; after each, prices are raised to the dearest ask used and lowered where an
accepted demand would lose. Lowering never makes another lose, so one pass is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.clearing.caps import price_caps
from services.core.clearing.scale.ascent import Supply, grown
from services.core.clearing.scale.board import (
    BASE,
    CELLS_LOW,
    CHIPS,
    DURATION,
    FIRST,
    LAST,
    LIMIT,
    POOL,
    POOLS_LOW,
    ROW,
    RUN_HIGH,
    RUN_LOW,
    SENDS,
    START,
    TRAFFIC,
    USED,
    WIDTH,
    Board,
)
from services.core.clearing.scale.compiled import allocating, compiled
from services.core.clearing.scale.lanes import DATA_GB, DATA_LANE, GB, HOPS, LANE, LINKS
from services.core.clearing.scale.layout import Layout
from services.core.clearing.scale.respond import Answer, Responder
from services.core.routes import CROSSING_PERIODS_MAX

AnyArray = npt.NDArray[Any]

_STEPS = 12
_MEMORY = 0.8
# Steps start near the goal, so they are smaller than the ascent's own.
_STEP = 0.05
_STEP_FALL = 10


@dataclass(frozen=True, slots=True)
class Prices:
    """Supporting prices of a selection.

    Attributes:
        prices: P x T, micro-yuan, on the tick; those of links, behind them, to the micro-yuan.
        answer: Best responses to them.
        bound: D at them, exact, micro-yuan.
    """

    prices: AnyArray
    answer: Answer
    bound: int


def find_prices(
    layout: Layout, board: Board, responder: Responder, start: AnyArray, taken: tuple[int, ...]
) -> Prices:
    """Return supporting prices, those of least total regret that were seen.

    Args:
        layout: The book.
        board: The selection; every accepted demand can pay the asks it uses.
        responder: Best responses to prices.
        start: P x T whole prices to start from (the certificate's).
        taken: Block offers taken.
    """
    tick = layout.rules.tick
    floor = floors(layout, board, taken)
    idle = idle_prices(layout, floor)
    supply = Supply(layout.supplies)
    capacity = np.maximum(layout.supplies.capacity, 1)
    caps = price_caps(layout.book, layout.shape[0], tick)
    lowest, tops = layout.lanes.lowest(layout.shape), layout.lanes.tops(layout.shape)
    direction = np.zeros(layout.shape)
    prices = start.astype(np.float64)
    best: Prices | None = None
    for step in range(_STEPS):
        whole = np.clip(prices, 0, caps).astype(np.int64) // tick
        whole = np.maximum(whole, floor // tick)
        lead_back(board, whole, floor // tick, tick)
        whole *= tick
        if len(layout.lanes.tariff):
            # Prices of links are whole micro-yuan, at least their tariffs.
            clipped = np.clip(np.rint(prices), lowest, tops).astype(np.int64)
            whole[layout.pools :] = clipped[layout.pools :]
            lead_back_senders(board, whole, floor, tick)
        whole = np.where(idle >= 0, idle, whole)
        answer = responder.answer(whole)
        offered, sold = supply.answer(whole)
        found = Prices(whole, answer, answer.total + offered)
        if best is None or found.bound < best.bound:
            best = found
        excess = np.minimum((answer.load - sold) / capacity, 2.0)
        direction = _MEMORY * direction + (1 - _MEMORY) * excess
        prices = grown(whole.astype(np.float64), _STEP / (1 + step / _STEP_FALL) * direction)
    assert best is not None
    return best


def floors(layout: Layout, board: Board, taken: tuple[int, ...]) -> AnyArray:
    """Return the P x T dearest ask used, 0 where nothing is used, and the tariffs of links."""
    floor = layout.lanes.lowest(layout.shape)
    _dearest_used(board, floor[: layout.pools])
    supplies = layout.supplies
    for b in taken:
        pool = int(supplies.block_pool[b])
        asked = np.where(supplies.block_chips[b] > 0, supplies.block_ask[b], 0)
        floor[pool] = np.maximum(floor[pool], asked)
    return floor


def idle_prices(layout: Layout, floor: AnyArray) -> AnyArray:
    """Return the price of each pool x period that no demand could ever use, -1 elsewhere.

    It is the lowest ask there, 0 where nothing is offered: nobody sells below.
    """
    pools, periods = layout.shape
    blocks, spreads, supplies = layout.blocks, layout.spreads, layout.supplies
    steps = np.zeros((pools, periods + 1), dtype=np.int64)
    np.add.at(steps, (blocks.pool, blocks.first), 1)
    np.add.at(steps, (blocks.pool, blocks.first + blocks.starts - 1 + blocks.duration), -1)
    rows = np.repeat(np.arange(len(spreads.first)), np.diff(spreads.pool_ptr))
    np.add.at(steps, (spreads.pools, spreads.first[rows]), 1)
    np.add.at(steps, (spreads.pools, spreads.last[rows]), -1)
    live = np.cumsum(steps, axis=1)[:, :periods] > 0
    live[layout.pools :] = layout.lanes.used()[:, None]
    for b, pool in enumerate(supplies.block_pool.tolist()):
        # What it would gain is summed over its periods, so their prices are set together.
        live[pool] |= supplies.block_chips[b] > 0
    lowest = np.zeros(layout.shape, dtype=np.int64)
    for p in range(pools):
        for k in range(int(supplies.step_ptr[p + 1]) - 1, int(supplies.step_ptr[p]) - 1, -1):
            lowest[p] = np.where(supplies.chips[k] > 0, supplies.ask[k], lowest[p])
    idle: AnyArray = np.where(live, -1, np.maximum(lowest, floor))
    return idle


@compiled
def _dearest_used(board: Board, floor: AnyArray) -> None:
    pools, periods = floor.shape
    for p in range(pools):
        for t in range(periods):
            used = board.cells[p, t, USED] - board.cells[p, t, BASE]
            below = 0
            for k in range(board.step_ptr[p], board.step_ptr[p + 1]):
                if below >= used:
                    break
                if board.upto[k, t] > below:
                    floor[p, t] = board.ask[k]
                below = board.upto[k, t]


@compiled
def lead_back(board: Board, prices: AnyArray, floor: AnyArray, tick: int) -> None:
    """Lower prices until no accepted demand pays more than its limit, in place.

    Of a run that would, the part of each price above the floor is cut by the same share.

    Args:
        board: The selection.
        prices: P x T whole ticks, at least ``floor``.
        floor: P x T whole ticks, low enough for every accepted demand.
        tick: Micro-yuan.
    """
    for d in range(len(board.demands)):
        r = board.demands[d, ROW]
        if r < 0:
            continue
        if board.demands[d, RUN_LOW] < board.demands[d, RUN_HIGH]:
            p, start = board.runs[r, POOL], board.demands[d, START]
            end = start + board.runs[r, DURATION]
            paid, least = 0, 0
            for t in range(start, end):
                paid += prices[p, t]
                least += floor[p, t]
            over = paid - board.runs[r, LIMIT] * board.runs[r, DURATION] // tick
            above = paid - least
            for t in range(start, end):
                if over <= 0:
                    break
                # The shares of the cells still ahead add up to what is still over.
                mine = prices[p, t] - floor[p, t]
                cut = min(mine, -(-mine * over // above)) if above > 0 else 0
                prices[p, t] -= cut
                above -= mine
                over -= cut
        else:
            limit = board.spreads[r, LIMIT] // tick
            low, width = board.spreads[r, POOLS_LOW], board.spreads[r, WIDTH]
            cell = board.spreads[r, CELLS_LOW]
            for t in range(board.spreads[r, FIRST], board.spreads[r, LAST]):
                for n in range(width):
                    p = board.pools_of[low + n]
                    if board.granted[cell] > 0:
                        prices[p, t] = min(prices[p, t], limit)
                    cell += 1


@allocating
def lead_back_senders(board: Board, prices: AnyArray, floor: AnyArray, tick: int) -> None:
    """Lower prices until no accepted demand pays more than its limit, its links included, in place.

    Args:
        board: The selection.
        prices: Micro-yuan, pools on the tick, then links; at least ``floor``.
        floor: Micro-yuan, low enough for every accepted demand.
        tick: Micro-yuan.
    """
    pools = len(board.room)
    for d in range(len(board.demands)):
        r = board.demands[d, ROW]
        if r < 0:
            continue
        if board.demands[d, RUN_LOW] < board.demands[d, RUN_HIGH]:
            if board.runs[r, SENDS] > 0:
                chips = board.demands[d, CHIPS]
                value = board.runs[r, LIMIT] * board.runs[r, DURATION] * chips
                _cut(prices, floor, _cells_of(board, d), value, pools, tick)
        elif board.spreads[r, TRAFFIC] > 0:
            cell, low = board.spreads[r, CELLS_LOW], board.spreads[r, POOLS_LOW]
            for t in range(board.spreads[r, FIRST], board.spreads[r, LAST]):
                for n in range(low, low + board.spreads[r, WIDTH]):
                    if board.granted[cell] > 0:
                        cells = _cells_of_chip(board, r, n, t)
                        _cut(prices, floor, cells, board.spreads[r, LIMIT], pools, tick)
                    cell += 1


@compiled
def _cut(
    prices: AnyArray, floor: AnyArray, cells: AnyArray, value: int, pools: int, tick: int
) -> None:
    """Cut what prices have above the floor, by one share, until cells cost no more than a value."""
    above, over = value * 0, -value
    for i in range(len(cells)):
        row, t, weight = cells[i, 0], cells[i, 1], cells[i, 2]
        above += weight * (prices[row, t] - floor[row, t])
        over += weight * prices[row, t]
    for whole in range(2):
        for i in range(len(cells)):
            row, t, weight = cells[i, 0], cells[i, 1], cells[i, 2]
            mine = prices[row, t] - floor[row, t]
            if over <= 0 or mine <= 0:
                continue
            # Shares are floats, since the products could leave 64 bits; what rounding leaves over
            # is cut in a second pass.
            cut = mine
            if whole == 0:
                cut = min(mine, np.int64(mine * (over / above)) + 1)
                above -= weight * mine
                if row < pools:
                    cut = min(mine, -(-cut // tick) * tick)
            prices[row, t] -= cut
            over -= weight * cut


@allocating
def _cells_of(board: Board, d: int) -> AnyArray:
    """Return (row of the prices, period, chips or GB) of an accepted run that sends something."""
    r, start, chips = board.demands[d, ROW], board.demands[d, START], board.demands[d, CHIPS]
    duration, hops = board.runs[r, DURATION], board.lanes.shape[1] - LINKS
    cells = np.empty((duration + (duration + CROSSING_PERIODS_MAX) * hops, 3), dtype=np.int64)
    count = 0
    for t in range(start, start + duration):
        cells[count, 0], cells[count, 1], cells[count, 2] = board.runs[r, POOL], t, chips
        count += 1
    gb, data = board.sends[r, GB] * chips, board.sends[r, DATA_GB]
    first = max(0, start - CROSSING_PERIODS_MAX) if data > 0 else start
    each, more = divmod(data, max(1, start - first))
    for t in range(first, start + duration):
        lane, sent = board.sends[r, LANE], gb
        if t < start:
            lane, sent = board.sends[r, DATA_LANE], each + 1 if t < first + more else each
        if sent > 0:
            count = _add_links(board, cells, count, lane, t, sent)
    return cells[:count]


@allocating
def _cells_of_chip(board: Board, r: int, n: int, t: int) -> AnyArray:
    """Return (row of the prices, period, chips or GB) of one chip of a flow or work."""
    cells = np.empty((board.lanes.shape[1] - LINKS + 1, 3), dtype=np.int64)
    cells[0, 0], cells[0, 1], cells[0, 2] = board.pools_of[n], t, 1
    if board.lanes_of[n] < 0:
        return cells[:1]
    return cells[: _add_links(board, cells, 1, board.lanes_of[n], t, board.spreads[r, TRAFFIC])]


@compiled
def _add_links(board: Board, cells: AnyArray, count: int, lane: int, t: int, gb: int) -> int:
    for i in range(LINKS, LINKS + 2 * board.lanes[lane, HOPS], 2):
        cells[count, 0], cells[count, 1] = len(board.room) + board.lanes[lane, i], t
        cells[count, 2] = gb * board.lanes[lane, i + 1]
        count += 1
    return count


@compiled
def _lane_price(board: Board, prices: AnyArray, lane: int, t: int) -> int:
    total = t * 0
    if lane >= 0:
        for i in range(LINKS, LINKS + 2 * board.lanes[lane, HOPS], 2):
            total += board.lanes[lane, i + 1] * prices[len(board.room) + board.lanes[lane, i], t]
    return total


@allocating
def payments(board: Board, prices: AnyArray, paid: AnyArray, value: AnyArray) -> None:
    """Write what each demand pays at the prices, and its limit value, micro-yuan."""
    for d in range(len(board.demands)):
        r = board.demands[d, ROW]
        paid[d] = 0
        value[d] = 0
        if r < 0:
            continue
        chips = board.demands[d, CHIPS]
        if board.demands[d, RUN_LOW] < board.demands[d, RUN_HIGH]:
            p, start = board.runs[r, POOL], board.demands[d, START]
            for t in range(start, start + board.runs[r, DURATION]):
                paid[d] += chips * prices[p, t]
            if board.runs[r, SENDS] > 0:
                cells = _cells_of(board, d)
                paid[d] = 0
                for i in range(len(cells)):
                    paid[d] += cells[i, 2] * prices[cells[i, 0], cells[i, 1]]
            value[d] = board.runs[r, LIMIT] * board.runs[r, DURATION] * chips
        else:
            low, width = board.spreads[r, POOLS_LOW], board.spreads[r, WIDTH]
            cell = board.spreads[r, CELLS_LOW]
            for t in range(board.spreads[r, FIRST], board.spreads[r, LAST]):
                for n in range(width):
                    chips_here = board.granted[cell]
                    paid[d] += chips_here * prices[board.pools_of[low + n], t]
                    if chips_here > 0 and board.spreads[r, TRAFFIC] > 0:
                        gb = chips_here * board.spreads[r, TRAFFIC]
                        paid[d] += gb * _lane_price(board, prices, board.lanes_of[low + n], t)
                    cell += 1
            value[d] = board.spreads[r, LIMIT] * chips
