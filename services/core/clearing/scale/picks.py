"""Which demand a move brings in and where, and which user of a full cell can best be missed."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from services.core.clearing.scale.board import (
    CELLS_LOW,
    COUNT,
    DEMAND,
    DURATION,
    FIRST,
    LAST,
    LEAST,
    LIMIT,
    MARGIN,
    POOL,
    POOLS_LOW,
    ROW,
    USED,
    WIDTH,
    Board,
    allowed,
    holds_children,
)
from services.core.clearing.scale.compiled import compiled
from services.core.clearing.scale.dice import draw
from services.core.clearing.scale.lanes import (
    DATA_GB,
    DATA_LANE,
    GB,
    LANE,
    data_cost,
    lane_room,
    leads_over,
)
from services.core.clearing.scale.parts import (
    LOSS,
    OUTS,
    SINCE,
    SLOTS,
    UNTIL,
    USERS,
    WHO,
    Part,
)
from services.core.clearing.scale.places import is_paid
from services.core.routes import CROSSING_PERIODS_MAX

AnyArray = npt.NDArray[Any]

# Rows that are out and looked at for a move.
_LOOKED_AT = 4
# Users of a cell of which the one least missed goes, and those of its pool looked through for them.
_COMPARED = 8
_LOOKED_THROUGH = 512


@compiled
def most_promising(board: Board, part: Part, seed: AnyArray, p: int) -> tuple[int, int]:
    """Return a row of a demand that is out and its start: of a few drawn what could gain most.

    The row is -1 if none of them could gain.
    """
    best, best_start, most = -1, -1, 0
    # At times only one is drawn, so that everybody has a turn.
    for _ in range(_LOOKED_AT if draw(seed, 8) else 1):
        r = part.outs[part.run_ptr[p] + draw(seed, part.counts[p, OUTS])]
        if allowed(board, board.runs[r, DEMAND]):
            start, gain = _promise(board, seed, r)
            if gain > most:
                best, best_start, most = r, start, gain
    return best, best_start


@compiled
def _promise(board: Board, seed: AnyArray, r: int) -> tuple[int, int]:
    """Return the start at which a row could gain most, of half of them, and what it could gain.

    It pays the steering prices, save for chips and links that nobody uses.
    """
    p, duration, chips = board.runs[r, POOL], board.runs[r, DURATION], board.runs[r, LEAST]
    first = board.runs[r, FIRST]
    value = board.runs[r, LIMIT] * duration * chips
    start, most, cost, free = -1, chips * 0, chips * 0, 0
    for t in range(first, first + board.runs[r, COUNT] + duration - 1):
        if board.room[p, t] + board.cells[p, t, USED] < chips:
            free, cost = 0, 0 * cost
            continue
        free += 1
        cost += _cost_of_room(board, r, p, t, chips)
        s = t - duration + 1
        if free > duration:
            cost -= _cost_of_room(board, r, p, s - 1, chips)
        if free < duration or value - cost <= most or draw(seed, 2) == 0:
            continue
        gain = value - cost
        if board.sends[r, DATA_GB] > 0:
            gain -= data_cost(board.steering, board.sends, r, s)
        if gain > most and is_paid(board, r, s, chips):
            start, most = s, gain
    return start, most


@compiled
def _cost_of_room(board: Board, r: int, p: int, t: int, chips: int) -> int:
    """Return what a row would have to pay others in a period, of its pool and its links."""
    steering = board.steering
    cost = max(0, chips - board.room[p, t]) * (steering[p, t + 1] - steering[p, t])
    gb, lane = board.sends[r, GB] * chips, board.sends[r, LANE]
    if gb > 0:
        short = max(0, gb - lane_room(board.links, board.lanes, lane, t))
        cost += short * (steering[lane, t + 1] - steering[lane, t])
    return cost  # type: ignore[no-any-return]


@compiled
def least_missed(
    board: Board, part: Part, seed: AnyArray, p: int, link: int, t: int
) -> tuple[int, int]:
    """Return the user of a pool that gains least, of some that were found, and its slot.

    Users are those of the pool's cell in a period, or those that send over a link in it. Demand and
    slot are -1 if none was found; the slot is -1 if the user is a run.

    Args:
        board: The selection.
        part: The part that may move users.
        seed: State of the random numbers.
        p: The pool.
        link: The link; -1 for the cell.
        t: The period.
    """
    everybody = part.counts[p, USERS] + part.counts[p, SLOTS]
    found, found_slot, least, seen = -1, -1, 0, 0
    n = draw(seed, everybody)
    for _ in range(min(_LOOKED_THROUGH, everybody)):
        n = n + 1 if n + 1 < everybody else 0
        if link >= 0:
            d, slot, loss = _sender(board, part, p, n, link, t)
        else:
            d, slot, loss = _user(board, part, p, n, t)
        if d < 0:
            continue
        if (found < 0 or loss < least) and not holds_children(board, d):
            found, found_slot, least = d, slot, loss
        seen += 1
        if seen >= _COMPARED and found >= 0:
            break
    return found, found_slot


@compiled
def _user(board: Board, part: Part, p: int, n: int, t: int) -> tuple[int, int, int]:
    """Return demand, slot and loss of a pool's n-th user; the demand is -1 if not in a period."""
    if n < part.counts[p, USERS]:
        at = part.run_ptr[p] + n
        if part.users[at, SINCE] <= t < part.users[at, UNTIL]:
            return part.users[at, WHO], -1, part.users[at, LOSS]
        return -1, -1, 0
    slot = part.slot_ptr[p] + n - part.counts[p, USERS]
    r = part.slots[slot, 0]
    d = board.spreads[r, DEMAND]
    chips = granted_at(board, part, slot, t) if board.demands[d, ROW] == r else 0
    if chips == 0:
        return -1, -1, 0
    price = board.steering[p, t + 1] - board.steering[p, t]
    return d, slot, (board.spreads[r, LIMIT] - price) * chips


@compiled
def _sender(board: Board, part: Part, p: int, n: int, link: int, t: int) -> tuple[int, int, int]:
    """Return what `_user` does; the demand is -1 if it sends nothing over a link in a period."""
    if n < part.counts[p, USERS]:
        at = part.run_ptr[p] + n
        d, since = part.users[at, WHO], part.users[at, SINCE]
        if since - CROSSING_PERIODS_MAX <= t < part.users[at, UNTIL]:
            column = LANE if t >= since else DATA_LANE
            if leads_over(board.lanes, board.sends[board.demands[d, ROW], column], link):
                return d, -1, part.users[at, LOSS]
        return -1, -1, 0
    slot = part.slot_ptr[p] + n - part.counts[p, USERS]
    r = part.slots[slot, 0]
    d = board.spreads[r, DEMAND]
    lane = board.lanes_of[board.spreads[r, POOLS_LOW] + part.slots[slot, 1]]
    if board.demands[d, ROW] != r or not leads_over(board.lanes, lane, link):
        return -1, -1, 0
    chips = granted_at(board, part, slot, t)
    return (d, slot, board.demands[d, MARGIN] * chips) if chips else (-1, -1, 0)


@compiled
def granted_at(board: Board, part: Part, slot: int, t: int) -> int:
    """Return the chips that a flow or work uses of a pool in a period."""
    r = part.slots[slot, 0]
    if not board.spreads[r, FIRST] <= t < board.spreads[r, LAST]:
        return 0
    return board.granted[cell_of(board, part, slot, t)]  # type: ignore[no-any-return]


@compiled
def cell_of(board: Board, part: Part, slot: int, t: int) -> int:
    """Return the position in ``granted`` of a flow's or work's cell of a pool."""
    r, n = part.slots[slot, 0], part.slots[slot, 1]
    offset = (t - board.spreads[r, FIRST]) * board.spreads[r, WIDTH] + n
    return board.spreads[r, CELLS_LOW] + offset  # type: ignore[no-any-return]
