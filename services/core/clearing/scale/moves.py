"""Ruin and recreate: the moves of the search.

A move takes an order that is out, makes room for it where it would gain most, and lets what had
to go, and a few neighbours, find other places; it stays if welfare rises, or falls by less than
the temperature allows (Schrimpf et al., "Record Breaking Optimization Results Using the Ruin and
Recreate Principle", 2000; threshold accepting after Dueck and Scheuer, 1990).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from services.core.clearing.scale.board import (
    BASE,
    BINDS,
    CHIPS,
    COUNT,
    DEMAND,
    DURATION,
    FIRST,
    HOURS,
    LEAST,
    MARGIN,
    POOL,
    ROW,
    SENDS,
    START,
    USED,
    Board,
    allowed,
    holds_children,
)
from services.core.clearing.scale.compiled import compiled
from services.core.clearing.scale.dice import draw
from services.core.clearing.scale.lanes import DATA_GB, DATA_LANE, GB, LANE, full_link
from services.core.clearing.scale.parts import (
    OUTS,
    SINCE,
    SLOTS,
    UNTIL,
    USERS,
    WHO,
    Part,
    accept,
    reject,
)
from services.core.clearing.scale.picks import (
    cell_of,
    least_missed,
    most_promising,
)
from services.core.clearing.scale.places import (
    best_run,
    fill_spread,
    grant,
    most_at,
    take_back,
    undo_grants,
)
from services.core.routes import CROSSING_PERIODS_MAX

AnyArray = npt.NDArray[Any]

# Most runs that a move ejects, and most cells of flows and works that it frees or fills.
_RUNS_MAX = 32
_CELLS_MAX = 256
_INVITED = 6
_MORE = 4
# Pools whose users are looked through for one that can leave a full link.
_POOLS_ASKED = 3
# Every so many-th move drops a few runs instead of bringing one in.
_TEARS = 6
# Steering prices rank places that welfare does not tell apart; so that runs do not always go back
# to where they were, every so many-th of the best places is passed over.
_PASSED = 3

# Columns of `Desk.counts`, and of the statistics.
_EJECTED, _FREED, _GRANTED, _TODO = 0, 1, 2, 3
ROSE, FELL, UNDONE, FAILED = 0, 1, 2, 3


class Desk(NamedTuple):
    """Work space of one part: what the current move did, so that it can be undone.

    Attributes:
        ejected: Runs that had to go: demand, row, start, chips.
        freed: Chips of flows and works that had to go, as in `fill_spread`.
        granted: Chips that were added since.
        todo: Demands to be inserted, and their keys.
        keys: Work space of `fill_spread`.
        counts: Number of entries of the first four.
        stats: Moves that rose, fell or stayed level, were undone, or came to nothing.
        seed: State of the random numbers.
    """

    ejected: AnyArray
    freed: AnyArray
    granted: AnyArray
    todo: AnyArray
    keys: AnyArray
    counts: AnyArray
    stats: AnyArray
    seed: AnyArray


def new_desk(board: Board, seed: int, stream: int) -> Desk:
    """Return work space with a stream of random numbers of its own."""
    # Odd multipliers keep streams apart; a state of xorshift must not be zero.
    state = (seed * 0x9E3779B97F4A7C15 + (stream + 1) * 0xD1B54A32D192ED03) % 2**64
    return Desk(
        np.zeros((_RUNS_MAX, 4), dtype=np.int64),
        np.zeros((_CELLS_MAX, 6), dtype=np.int64),
        np.zeros((_CELLS_MAX, 6), dtype=np.int64),
        np.zeros((_RUNS_MAX + _INVITED, 2), dtype=np.int64),
        np.zeros(board.room.size, dtype=np.int64),
        np.zeros(4, dtype=np.int64),
        np.zeros(4, dtype=np.int64),
        np.array([state or 1], dtype=np.uint64),
    )


@compiled
def anneal(board: Board, part: Part, desk: Desk, moves: int, hot: int, cold: int) -> int:
    """Make so many moves in one part, the temperature falling from ``hot`` to ``cold``.

    Returns:
        The welfare gained.
    """
    total = moves * 0
    if len(part.pools) == 0:
        return total
    for move in range(moves):
        desk.counts[:] = 0
        p = part.pools[draw(desk.seed, len(part.pools))]
        row, start = -1, -1
        if draw(desk.seed, _TEARS) > 0 and part.counts[p, OUTS] > 0:
            row, start = most_promising(board, part, desk.seed, p)
            if row < 0:
                desk.stats[FAILED] += 1
                continue
        if row >= 0:
            ok, gain = _make_room(board, part, desk, row, start)
            low, high = start, start + board.runs[row, DURATION]
            if not ok:
                _undo(board, part, desk, -1)
                desk.stats[FAILED] += 1
                continue
        else:
            low, high, gain = _tear_down(board, part, desk, p)
        _invite(board, part, desk, p, low, high)
        gain += _recreate(board, part, desk, p, low, high)
        temperature = hot - (hot - cold) * move // moves
        fell = gain < 0 and -gain > temperature * draw(desk.seed, 1024) // 1024
        # The one that it is linked to may have had to make room, and have found no other place.
        alone = row >= 0 and not allowed(board, board.runs[row, DEMAND])
        if fell or alone or not _backed(board, p) or not _others_backed(board, desk, p):
            _undo(board, part, desk, board.runs[row, DEMAND] if row >= 0 else -1)
            desk.stats[UNDONE] += 1
        else:
            total += gain
            desk.stats[ROSE if gain > 0 else FELL] += 1
    return total


@compiled
def _make_room(board: Board, part: Part, desk: Desk, r: int, start: int) -> tuple[bool, int]:
    """Free chips for a run of a row, and put it there.

    Returns:
        Whether it could, and the welfare gained (less than nothing, as a rule).
    """
    p, duration, chips = board.runs[r, POOL], board.runs[r, DURATION], board.runs[r, LEAST]
    gain = chips * 0
    for t in range(start, start + duration):
        while board.room[p, t] < chips:
            found, lost = _eject_at(board, part, desk, p, t)
            gain -= lost
            if not found:
                return False, gain
    if board.runs[r, SENDS] > 0:
        found, lost = _clear_lanes(board, part, desk, r, start)
        gain -= lost
        if not found:
            return False, gain
    gain += accept(board, part, board.runs[r, DEMAND], r, start, most_at(board, r, start))
    return True, gain


@compiled
def _clear_lanes(board: Board, part: Part, desk: Desk, r: int, start: int) -> tuple[bool, int]:
    """Free what a run sends on its lanes, or its allowances, at the cost of others.

    Returns:
        Whether it could, and the welfare lost.
    """
    duration, lost = board.runs[r, DURATION], start * 0
    gb = board.sends[r, GB] * board.runs[r, LEAST]
    first = max(0, start - CROSSING_PERIODS_MAX) if board.sends[r, DATA_GB] > 0 else start
    if first == start and board.sends[r, DATA_GB] > 0:
        return False, lost
    each, more = divmod(board.sends[r, DATA_GB], max(1, start - first))
    for t in range(first, start + duration):
        lane, needed = board.sends[r, LANE], gb
        if t < start:
            lane, needed = board.sends[r, DATA_LANE], each + 1 if t < first + more else each
        link = full_link(board.links, board.lanes, lane, t, needed) if needed > 0 else -1
        while link >= 0:
            found, more_lost = _eject_sender(board, part, desk, link, board.runs[r, POOL], t)
            lost += more_lost
            if not found:
                return False, lost
            link = full_link(board.links, board.lanes, lane, t, needed)
    return True, lost


@compiled
def _eject_sender(
    board: Board, part: Part, desk: Desk, link: int, p: int, t: int
) -> tuple[bool, int]:
    """Free what somebody sends over a link in a period: a user of a pool, else of some others."""
    for _ in range(_POOLS_ASKED):
        d, slot = least_missed(board, part, desk.seed, p, link, t)
        if slot >= 0:
            return _free_cell(board, part, desk, slot, p, t)
        if d >= 0:
            return _eject_run(board, part, desk, d)
        p = part.pools[draw(desk.seed, len(part.pools))]
    return False, 0


@compiled
def _eject_at(board: Board, part: Part, desk: Desk, p: int, t: int) -> tuple[bool, int]:
    """Free chips of a cell at the cost of the user that can best be missed.

    Returns:
        Whether one was found, and the welfare lost.
    """
    d, slot = least_missed(board, part, desk.seed, p, -1, t)
    if slot >= 0:
        return _free_cell(board, part, desk, slot, p, t)
    return _eject_run(board, part, desk, d) if d >= 0 else (False, 0)


@compiled
def _eject_run(board: Board, part: Part, desk: Desk, d: int) -> tuple[bool, int]:
    n = desk.counts[_EJECTED]
    if n >= _RUNS_MAX:
        return False, 0
    desk.ejected[n, 0], desk.ejected[n, 1] = d, board.demands[d, ROW]
    desk.ejected[n, 2], desk.ejected[n, 3] = board.demands[d, START], board.demands[d, CHIPS]
    desk.counts[_EJECTED] = n + 1
    desk.todo[desk.counts[_TODO], 0] = d
    desk.counts[_TODO] += 1
    return True, reject(board, part, d)


@compiled
def _free_cell(board: Board, part: Part, desk: Desk, slot: int, p: int, t: int) -> tuple[bool, int]:
    n = desk.counts[_FREED]
    if n >= _CELLS_MAX:
        return False, 0
    r, cell = part.slots[slot, 0], cell_of(board, part, slot, t)
    d, chips = board.spreads[r, DEMAND], board.granted[cell]
    desk.freed[n, 0], desk.freed[n, 1], desk.freed[n, 2] = d, r, cell
    desk.freed[n, 3], desk.freed[n, 4], desk.freed[n, 5] = p, t, chips
    desk.counts[_FREED] = n + 1
    return True, take_back(board, d, r, cell, p, t, chips)


@compiled
def _tear_down(board: Board, part: Part, desk: Desk, p: int) -> tuple[int, int, int]:
    """Drop a few runs that meet in a stretch of a pool.

    Returns:
        The stretch, and the welfare gained (less than nothing).
    """
    low = draw(desk.seed, board.room.shape[1])
    high = min(board.room.shape[1], low + 1 + draw(desk.seed, 24))
    want = 1 + draw(desk.seed, 8)
    gain = want * 0
    for _ in range(8 * want):
        if desk.counts[_EJECTED] >= want or part.counts[p, USERS] == 0:
            break
        at = part.run_ptr[p] + draw(desk.seed, part.counts[p, USERS])
        meets = part.users[at, SINCE] < high and part.users[at, UNTIL] > low
        if meets and not holds_children(board, part.users[at, WHO]):
            gain -= _eject_run(board, part, desk, part.users[at, WHO])[1]
    return low, high, gain


@compiled
def _invite(board: Board, part: Part, desk: Desk, p: int, low: int, high: int) -> None:
    """Let a few demands that are out, and could use a stretch of a pool, try for it too."""
    for _ in range(_INVITED):
        if part.counts[p, OUTS] == 0:
            break
        r = part.outs[part.run_ptr[p] + draw(desk.seed, part.counts[p, OUTS])]
        first = board.runs[r, FIRST]
        end = first + board.runs[r, COUNT] - 1 + board.runs[r, DURATION]
        known = first >= high or end <= low
        for n in range(desk.counts[_TODO]):
            known = known or desk.todo[n, 0] == board.runs[r, DEMAND]
        if not known:
            desk.todo[desk.counts[_TODO], 0] = board.runs[r, DEMAND]
            desk.counts[_TODO] += 1


@compiled
def _recreate(board: Board, part: Part, desk: Desk, p: int, low: int, high: int) -> int:
    """Insert what is to be done, in one of three orders; return the welfare gained."""
    _sort_todo(board, desk)
    gain = p * 0
    # Flows and works fit anywhere, so they mostly come last; where they gain more, first.
    spreads_first = part.counts[p, SLOTS] > 0 and draw(desk.seed, 3) == 0
    if spreads_first:
        gain += _refill(board, part, desk, p, low, high)
    for n in range(desk.counts[_TODO]):
        d = desk.todo[n, 0]
        if allowed(board, d):
            r, start, chips = best_run(board, part.is_open, d, desk.seed, _PASSED)
            if r >= 0:
                gain += accept(board, part, d, r, start, chips)
    if not spreads_first:
        gain += _refill(board, part, desk, p, low, high)
    return gain


@compiled
def _refill(board: Board, part: Part, desk: Desk, p: int, low: int, high: int) -> int:
    """Give chips to flows and works: those that had to give some, then a few more of the pool."""
    slots, count = part.counts[p, SLOTS], desk.counts[_GRANTED]
    gain = p * 0
    for n in range(desk.counts[_FREED] + (_MORE if slots else 0)):
        first, last = low, high
        if n < desk.counts[_FREED]:
            r = desk.freed[n, 1]
            if board.spreads[r, BINDS]:
                first, last = 0, board.room.shape[1]
        else:
            r = part.slots[part.slot_ptr[p] + draw(desk.seed, slots), 0]
        d = board.spreads[r, DEMAND]
        if allowed(board, d) and board.demands[d, ROW] in (-1, r):
            more, count = fill_spread(
                board, part.is_open, d, r, first, last, desk.keys, desk.granted, count
            )
            gain += more
    desk.counts[_GRANTED] = count
    return gain


@compiled
def _sort_todo(board: Board, desk: Desk) -> None:
    mode = draw(desk.seed, 3)
    for n in range(desk.counts[_TODO]):
        d = desk.todo[n, 0]
        key = board.demands[d, HOURS]
        if mode == 0:
            key = board.demands[d, MARGIN]
        elif mode == 1:
            key *= board.demands[d, MARGIN]
        i = n
        while i > 0 and desk.todo[i - 1, 1] < key:
            desk.todo[i, 0], desk.todo[i, 1] = desk.todo[i - 1, 0], desk.todo[i - 1, 1]
            i -= 1
        desk.todo[i, 0], desk.todo[i, 1] = d, key


@compiled
def _undo(board: Board, part: Part, desk: Desk, picked: int) -> None:
    """Put everything back as it was before the move that put a demand in (-1: none)."""
    undo_grants(board, desk.granted, desk.counts[_GRANTED])
    for n in range(desk.counts[_TODO]):
        if board.demands[desk.todo[n, 0], ROW] >= 0:
            reject(board, part, desk.todo[n, 0])
    if picked >= 0:
        reject(board, part, picked)
    for n in range(desk.counts[_EJECTED]):
        row = desk.ejected[n]
        accept(board, part, row[0], row[1], row[2], row[3])
    for n in range(desk.counts[_FREED] - 1, -1, -1):
        row = desk.freed[n]
        grant(board, row[0], row[1], row[2], row[3], row[4], row[5])


@compiled
def _backed(board: Board, p: int) -> bool:
    """Tell whether the block offers taken of a pool are used whole."""
    for t in range(board.room.shape[1]):
        if board.cells[p, t, USED] < board.cells[p, t, BASE]:
            return False
    return True


@compiled
def _others_backed(board: Board, desk: Desk, p: int) -> bool:
    """Tell whether other pools that a move took from use their block offers whole."""
    for n in range(desk.counts[_EJECTED]):
        other = board.runs[desk.ejected[n, 1], POOL]
        if other != p and not _backed(board, other):
            return False
    for n in range(desk.counts[_FREED]):
        if desk.freed[n, 3] != p and not _backed(board, desk.freed[n, 3]):
            return False
    return True
