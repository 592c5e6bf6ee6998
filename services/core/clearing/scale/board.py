"""A large book and a selection of it as a few flat tables, for compiled code.

A compiled function is handed every array field by field, so tables with named columns are both
quicker to call with and quicker to compile than an array for each attribute. Everything is a
64-bit integer. Supply is fixed before the search: in each pool x period the offers whose ask the
steering price pays. The dearest of these asks is the least price that the cell could need, so a
choice whose limit pays these is supported whatever else is accepted, and no move has to look at
anybody else.
"""

from __future__ import annotations

from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from services.core.clearing.price_search import PRICE_MAX
from services.core.clearing.scale.compiled import compiled
from services.core.clearing.scale.lanes import (
    DATA_GB,
    GB,
    TARIFF,
    data_cost,
    run_cost,
    send,
)
from services.core.clearing.scale.layout import Blocks, Layout, Spreads

AnyArray = npt.NDArray[Any]

# Columns of `Board.demands`. Runs and spreads of a demand are the rows from LOW to below HIGH of
# `Board.runs` and `Board.spreads`; MARGIN is its best surplus per chip-hour at the steering prices,
# HOURS the most chip-hours it could take. ROW is the row it is accepted at, -1 while it is out,
# START the start of an accepted run, CHIPS its chips (the chip-hours of a flow or work).
RUN_LOW, RUN_HIGH, SPREAD_LOW, SPREAD_HIGH = 0, 1, 2, 3
GROUP, PARENT, CHILD_LOW, CHILD_HIGH = 4, 5, 6, 7
MARGIN, HOURS = 8, 9
ROW, START, CHIPS = 10, 11, 12
_DEMAND_COLUMNS = 13

# Columns of `Board.runs` and `Board.spreads`. WORTH is the value of a chip-hour: the limit, and
# less than a tick for rounds waited, so that waiting decides between equals. SENDS is 1 if a run
# sends anything over links, TRAFFIC the GB that every chip-hour of a flow or work sends.
DEMAND, LIMIT, WORTH, FIRST = 0, 1, 2, 3
POOL, COUNT, DURATION, MOST, LEAST, SENDS = 4, 5, 6, 7, 8, 9
_RUN_COLUMNS = 10
LAST, TOTAL, BINDS, POOLS_LOW, WIDTH, CHIPS_LOW, CELLS_LOW, TRAFFIC = 4, 5, 6, 7, 8, 9, 10, 11
_SPREAD_COLUMNS = 12

# Columns of `Board.cells`: chips used, chips of the block offers taken (paid for, used or not),
# and the step of the supply curve that the next chip would come from.
USED, BASE, LEVEL = 0, 1, 2

# An ascent ends near the best prices, not at them, and what few demands want of a pool lies further
# from what the relaxation says than what many want: so offers a little dearer may be needed too, by
# so many thousandths of the price where a pool has one demand, and less by the root where it has
# more.
_REACH_OF_ONE = 226
_REACH_MIN, _REACH_MAX = 7, 60

LOWEST = -(2**62)
"""Below every surplus."""


class Board(NamedTuple):
    """A book and a selection of it.

    Attributes:
        demands: A row for each demand; columns ``RUN_LOW`` to ``CHIPS``.
        runs: A row for each block demand, alternative and pool.
        spreads: A row for each alternative of a flow or work.
        sends: What each of the runs sends; columns as in `services.core.clearing.scale.lanes`.
        pools_of: Pools of the spreads, from ``POOLS_LOW`` on, ``WIDTH`` each.
        lanes_of: Lane of the traffic from each of these pools, -1 if it needs none.
        chips_of: Most chips of each period of a spread, from ``CHIPS_LOW`` on.
        granted: Chips of each cell of a spread (by period, then pool), from ``CELLS_LOW`` on.
        member_ptr: First entry of each exclusive group in ``member``, and the end.
        member: Demands of each group.
        child: Demands linked to each demand, from ``CHILD_LOW`` on.
        room: P x T chips still free.
        cells: P x T x 3; columns ``USED`` to ``LEVEL``.
        links: Links x T GB still free.
        lanes: A row for each lane: tariff, number of links, their positions and weights.
        steering: Prefix sums of the steering prices of pools and lanes.
        least: Prefix sums of the dearest ask that a cell could need, and of tariffs of lanes.
        step_ptr: First step of each pool's supply curve, and the end.
        ask: Ask of each step.
        upto: Steps x T chips of this step and those below it.
    """

    demands: AnyArray
    runs: AnyArray
    spreads: AnyArray
    sends: AnyArray
    pools_of: AnyArray
    lanes_of: AnyArray
    chips_of: AnyArray
    granted: AnyArray
    member_ptr: AnyArray
    member: AnyArray
    child: AnyArray
    room: AnyArray
    cells: AnyArray
    links: AnyArray
    lanes: AnyArray
    steering: AnyArray
    least: AnyArray
    step_ptr: AnyArray
    ask: AnyArray
    upto: AnyArray


def set_up(layout: Layout, prices: AnyArray, block_offers: tuple[int, ...]) -> Board:
    """Return the selection in which nothing is accepted, and some block offers are taken.

    Args:
        layout: The book.
        prices: P x T whole prices that steer the search, those of links among them, micro-yuan.
        block_offers: Block offers to take, as positions in `Supplies.block_pool`.
    """
    supplies, bonds, lanes = layout.supplies, layout.bonds, layout.lanes
    base, room, dearest = _supply(layout, prices, block_offers)
    pools, periods = room.shape
    dearest = np.concatenate([dearest, lanes.lowest(layout.shape)[pools:]])
    cells = np.zeros((pools, periods, 3), dtype=np.int64)
    cells[:, :, BASE] = base
    cells[:, :, LEVEL] = supplies.step_ptr[:pools, None]
    board = Board(
        demands=_demand_table(layout),
        runs=_run_table(layout),
        spreads=_spread_table(layout),
        sends=layout.blocks.sends,
        pools_of=layout.spreads.pools.astype(np.int64),
        lanes_of=layout.spreads.lanes,
        chips_of=layout.spreads.chips.astype(np.int64),
        granted=np.zeros(int(layout.spreads.cell_ptr[-1]), dtype=np.int64),
        member_ptr=bonds.member_ptr.astype(np.int64),
        member=bonds.member.astype(np.int64),
        child=bonds.child.astype(np.int64),
        room=room,
        cells=cells,
        links=lanes.capacity.copy(),
        lanes=lanes.table,
        steering=prefix_sums(lanes.rows(np.maximum(prices, dearest))),
        least=prefix_sums(lanes.rows(dearest)),
        step_ptr=supplies.step_ptr.astype(np.int64),
        ask=supplies.ask.astype(np.int64),
        upto=supplies.upto.astype(np.int64),
    )
    _judge(board)
    return board


def prefix_sums(rows: AnyArray) -> AnyArray:
    """Return P x (T + 1) prefix sums along the periods."""
    sums = np.zeros((rows.shape[0], rows.shape[1] + 1), dtype=np.int64)
    np.cumsum(rows, axis=1, out=sums[:, 1:])
    return sums


def _supply(
    layout: Layout, prices: AnyArray, block_offers: tuple[int, ...]
) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Return P x T chips of the block offers, chips in all, and the dearest ask among them."""
    supplies = layout.supplies
    reach = prices + prices * _reach_permille(layout) // 1000
    base = np.zeros((layout.pools, layout.shape[1]), dtype=np.int64)
    dearest = np.zeros_like(base)
    for b in block_offers:
        pool, chips = int(supplies.block_pool[b]), supplies.block_chips[b]
        base[pool] += chips
        asked = np.where(chips > 0, supplies.block_ask[b], 0)
        dearest[pool] = np.maximum(dearest[pool], asked)
    top = base.copy()
    for p in range(layout.pools):
        for k in range(int(supplies.step_ptr[p]), int(supplies.step_ptr[p + 1])):
            taken = (supplies.ask[k] <= reach[p]) & (supplies.chips[k] > 0)
            top[p] += np.where(taken, supplies.chips[k], 0)
            dearest[p] = np.where(taken, np.maximum(dearest[p], supplies.ask[k]), dearest[p])
    return base, top, dearest


def _reach_permille(layout: Layout) -> int:
    """Return how much dearer than the price an offer may ask and still be used."""
    reach = isqrt(_REACH_OF_ONE**2 * layout.pools // max(1, layout.demands))
    return min(_REACH_MAX, max(_REACH_MIN, reach))


def _demand_table(layout: Layout) -> AnyArray:
    blocks, spreads, bonds = layout.blocks, layout.spreads, layout.bonds
    table = np.zeros((layout.demands, _DEMAND_COLUMNS), dtype=np.int64)
    for low, high, ptr in (
        (RUN_LOW, RUN_HIGH, blocks.ptr),
        (SPREAD_LOW, SPREAD_HIGH, spreads.ptr),
        (CHILD_LOW, CHILD_HIGH, bonds.child_ptr),
    ):
        table[:, low], table[:, high] = ptr[:-1], ptr[1:]
    table[:, GROUP], table[:, PARENT] = bonds.group, bonds.parent
    table[:, ROW] = -1
    return table


def _run_table(layout: Layout) -> AnyArray:
    blocks = layout.blocks
    table = np.zeros((len(blocks.demand), _RUN_COLUMNS), dtype=np.int64)
    for column, values in (
        (DEMAND, blocks.demand), (LIMIT, blocks.limit), (FIRST, blocks.first), (POOL, blocks.pool),
        (COUNT, blocks.starts), (DURATION, blocks.duration), (MOST, blocks.chips),
        (LEAST, blocks.least),
        (SENDS, (blocks.sends[:, GB] > 0) | (blocks.sends[:, DATA_GB] > 0)),
    ):  # fmt: skip
        table[:, column] = values
    table[:, WORTH] = blocks.limit + _bonus(layout, blocks)
    return table


def _spread_table(layout: Layout) -> AnyArray:
    spreads = layout.spreads
    table = np.zeros((len(spreads.demand), _SPREAD_COLUMNS), dtype=np.int64)
    for column, values in (
        (DEMAND, spreads.demand), (LIMIT, spreads.limit), (FIRST, spreads.first),
        (LAST, spreads.last), (TOTAL, spreads.hours), (BINDS, spreads.binds),
        (POOLS_LOW, spreads.pool_ptr[:-1]), (WIDTH, np.diff(spreads.pool_ptr)),
        (CHIPS_LOW, spreads.chip_ptr[:-1]), (CELLS_LOW, spreads.cell_ptr[:-1]),
        (TRAFFIC, spreads.gb),
    ):  # fmt: skip
        table[:, column] = values
    table[:, WORTH] = spreads.limit + _bonus(layout, spreads)
    return table


def _bonus(layout: Layout, rows: Blocks | Spreads) -> AnyArray:
    bonus: AnyArray = np.minimum(layout.bonds.waited, layout.rules.tick - 1)[rows.demand]
    return bonus


@compiled
def _judge(board: Board) -> None:
    """Write each demand's best margin at the steering prices, and its hours."""
    steering = board.steering
    for d in range(len(board.demands)):
        best, hours = LOWEST, 0
        for r in range(board.demands[d, RUN_LOW], board.demands[d, RUN_HIGH]):
            p, duration = board.runs[r, POOL], board.runs[r, DURATION]
            first = board.runs[r, FIRST]
            for s in range(first, first + board.runs[r, COUNT]):
                cost = steering[p, s + duration] - steering[p, s]
                if board.runs[r, SENDS] > 0:
                    cost += run_cost(steering, board.sends, r, s, duration)
                    # Of a run with data, of one fixed size, every chip pays its share.
                    cost += -(-data_cost(steering, board.sends, r, s) // board.runs[r, MOST])
                best = max(best, (board.runs[r, LIMIT] * duration - cost) // duration)
            hours = max(hours, duration * board.runs[r, MOST])
        for r in range(board.demands[d, SPREAD_LOW], board.demands[d, SPREAD_HIGH]):
            low = board.spreads[r, POOLS_LOW]
            for n in range(low, low + board.spreads[r, WIDTH]):
                p = board.pools_of[n]
                for t in range(board.spreads[r, FIRST], board.spreads[r, LAST]):
                    cost = steering[p, t + 1] - steering[p, t]
                    lane = board.lanes_of[n]
                    if lane >= 0:
                        gb = board.spreads[r, TRAFFIC]
                        cost += gb * (steering[lane, t + 1] - steering[lane, t])
                    best = max(best, board.spreads[r, LIMIT] - cost)
            hours = max(hours, board.spreads[r, TOTAL])
        # Links can make a loss so large that its product with hours would leave 64 bits.
        board.demands[d, MARGIN] = max(best, -PRICE_MAX) if hours > 0 else best
        board.demands[d, HOURS] = hours


@compiled
def buy(board: Board, p: int, t: int, chips: int) -> int:
    """Use chips of a cell that has room; return what they cost in merit order."""
    used, base = board.cells[p, t, USED], board.cells[p, t, BASE]
    board.cells[p, t, USED] = used + chips
    board.room[p, t] -= chips
    low, high = max(0, used - base), max(0, used + chips - base)
    k = board.cells[p, t, LEVEL]
    cost = chips * 0
    while low < high:
        upto = board.upto[k, t]
        if upto > low:
            taken = min(upto, high) - low
            cost += taken * board.ask[k]
            low += taken
        if low < high:
            k += 1
    board.cells[p, t, LEVEL] = k
    return cost


@compiled
def give_back(board: Board, p: int, t: int, chips: int) -> int:
    """Free chips of a cell, the dearest first; return what they had cost."""
    used, base = board.cells[p, t, USED], board.cells[p, t, BASE]
    board.cells[p, t, USED] = used - chips
    board.room[p, t] += chips
    low, high = max(0, used - chips - base), max(0, used - base)
    k, first = board.cells[p, t, LEVEL], board.step_ptr[p]
    saved = chips * 0
    while high > low:
        below = board.upto[k - 1, t] if k > first else 0
        if below < high:
            freed = high - max(below, low)
            saved += freed * board.ask[k]
            high -= freed
        if high > low:
            k -= 1
    board.cells[p, t, LEVEL] = k
    return saved


@compiled
def put_run(board: Board, d: int, r: int, start: int, chips: int) -> int:
    """Accept a block demand at a run that has room; return the welfare added."""
    p, duration = board.runs[r, POOL], board.runs[r, DURATION]
    gain = board.runs[r, WORTH] * duration * chips
    for t in range(start, start + duration):
        gain -= buy(board, p, t, chips)
    if board.runs[r, SENDS] > 0:
        gain -= send(board.links, board.lanes, board.sends, r, start, duration, chips, 1)
    board.demands[d, ROW] = r
    board.demands[d, START] = start
    board.demands[d, CHIPS] = chips
    return gain  # type: ignore[no-any-return]


@compiled
def drop_run(board: Board, d: int) -> int:
    """Take an accepted block demand out; return the welfare lost."""
    r, chips = board.demands[d, ROW], board.demands[d, CHIPS]
    p, duration = board.runs[r, POOL], board.runs[r, DURATION]
    start = board.demands[d, START]
    lost = board.runs[r, WORTH] * duration * chips
    for t in range(start, start + duration):
        lost -= give_back(board, p, t, chips)
    if board.runs[r, SENDS] > 0:
        lost -= send(board.links, board.lanes, board.sends, r, start, duration, chips, -1)
    board.demands[d, ROW] = -1
    return lost  # type: ignore[no-any-return]


@compiled
def value_of(board: Board, plain: bool) -> int:  # noqa: FBT001 - compiled code has no keywords
    """Return limit values (or ``WORTH``) less the asks of the divisible offers and the tariffs."""
    total = 0
    value = LIMIT if plain else WORTH
    for d in range(len(board.demands)):
        r = board.demands[d, ROW]
        if r < 0:
            continue
        chips = board.demands[d, CHIPS]
        if board.demands[d, RUN_LOW] < board.demands[d, RUN_HIGH]:
            total += board.runs[r, value] * board.runs[r, DURATION] * chips
            if board.runs[r, SENDS] > 0:
                start, duration = board.demands[d, START], board.runs[r, DURATION]
                total -= send(board.links, board.lanes, board.sends, r, start, duration, chips, 0)
        else:
            total += board.spreads[r, value] * chips
            if board.spreads[r, TRAFFIC] > 0:
                total -= _traffic_tariffs(board, r)
    pools, periods = board.room.shape
    for p in range(pools):
        for t in range(periods):
            left = max(0, board.cells[p, t, USED] - board.cells[p, t, BASE])
            below = 0
            for k in range(board.step_ptr[p], board.step_ptr[p + 1]):
                taken = min(left, board.upto[k, t] - below)
                total -= taken * board.ask[k]
                left -= taken
                below = board.upto[k, t]
    return total


@compiled
def _traffic_tariffs(board: Board, r: int) -> int:
    """Return the tariffs of the traffic of an accepted flow or work."""
    width, pools = board.spreads[r, WIDTH], board.spreads[r, POOLS_LOW]
    total = width * 0
    for i in range(width * (board.spreads[r, LAST] - board.spreads[r, FIRST])):
        chips = board.granted[board.spreads[r, CELLS_LOW] + i]
        lane = board.lanes_of[pools + i % width]
        if chips > 0 and lane >= 0:
            total += chips * board.spreads[r, TRAFFIC] * board.lanes[lane, TARIFF]
    return total  # type: ignore[no-any-return]


@compiled
def allowed(board: Board, d: int) -> bool:
    """Tell whether group and link let a demand in now."""
    parent, g = board.demands[d, PARENT], board.demands[d, GROUP]
    if parent >= 0 and board.demands[parent, ROW] < 0:
        return False
    if g >= 0:
        for n in range(board.member_ptr[g], board.member_ptr[g + 1]):
            other = board.member[n]
            if other != d and board.demands[other, ROW] >= 0:
                return False
    return True


@compiled
def holds_children(board: Board, d: int) -> bool:
    """Tell whether an accepted demand is linked to this one."""
    for n in range(board.demands[d, CHILD_LOW], board.demands[d, CHILD_HIGH]):
        if board.demands[board.child[n], ROW] >= 0:
            return True
    return False
