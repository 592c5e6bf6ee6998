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
    START,
    USED,
    WIDTH,
    Board,
)
from services.core.clearing.scale.compiled import compiled
from services.core.clearing.scale.layout import Layout
from services.core.clearing.scale.respond import Answer, Responder

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
        prices: P x T, micro-yuan, on the tick.
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
    direction = np.zeros(layout.shape)
    prices = start.astype(np.float64)
    best: Prices | None = None
    for step in range(_STEPS):
        whole = np.clip(prices, 0, caps).astype(np.int64) // tick
        whole = np.maximum(whole, floor // tick)
        lead_back(board, whole, floor // tick, tick)
        whole = np.where(idle >= 0, idle, whole * tick)
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
    """Return the P x T dearest ask used, 0 where nothing is used."""
    floor = np.zeros(layout.shape, dtype=np.int64)
    _dearest_used(board, floor)
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


@compiled
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
            value[d] = board.runs[r, LIMIT] * board.runs[r, DURATION] * chips
        else:
            low, width = board.spreads[r, POOLS_LOW], board.spreads[r, WIDTH]
            cell = board.spreads[r, CELLS_LOW]
            for t in range(board.spreads[r, FIRST], board.spreads[r, LAST]):
                for n in range(width):
                    paid[d] += board.granted[cell] * prices[board.pools_of[low + n], t]
                    cell += 1
            value[d] = board.spreads[r, LIMIT] * chips
