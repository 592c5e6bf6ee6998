"""Pools dealt to parts that touch nothing of each other, so that they can be searched side by side.

A demand belongs to one part: where its run stands, or where it is dealt. Exclusive groups and
linked orders belong together; where their members stand in several parts, nobody moves them. Links
and allowances belong to no part: what they have left is dealt to all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from services.core.clearing.scale.board import (
    DURATION,
    HOURS,
    MARGIN,
    POOL,
    POOLS_LOW,
    ROW,
    RUN_HIGH,
    RUN_LOW,
    SPREAD_HIGH,
    SPREAD_LOW,
    START,
    WIDTH,
    Board,
    drop_run,
    put_run,
)
from services.core.clearing.scale.compiled import allocating, compiled
from services.core.clearing.scale.layout import Bonds

AnyArray = npt.NDArray[Any]

# Columns of `Part.counts`: accepted runs, rows that are out, and flow and work rows of a pool.
USERS, OUTS, SLOTS = 0, 1, 2

# Columns of `Part.users`: the demand, its run's first period and the one after its last, and what
# it gains at most at the steering prices.
WHO, SINCE, UNTIL, LOSS = 0, 1, 2, 3


class Part(NamedTuple):
    """What one part looks up. Pool p's entries of the lists begin at ``ptr[p]``, in any order.

    Attributes:
        is_open: Whether each pool belongs to the part.
        pools: The pools that do and that somebody wants.
        counts: P x 3 lengths of the lists of each pool.
        run_ptr: First entry of each pool in ``users`` and ``outs``.
        users: Demands with an accepted run that the part may move; columns ``WHO`` to ``LOSS``.
        place: Where each of them stands in ``users``, -1 if it does not.
        outs: Rows of demands that are out.
        out_place: Where each row stands in ``outs``, -1 if it does not.
        slot_ptr: First entry of each pool in ``slots``.
        slots: Flow and work rows, and the position of the pool among the row's pools.
    """

    is_open: AnyArray
    pools: AnyArray
    counts: AnyArray
    run_ptr: AnyArray
    users: AnyArray
    place: AnyArray
    outs: AnyArray
    out_place: AnyArray
    slot_ptr: AnyArray
    slots: AnyArray


def new_part(board: Board) -> Part:
    """Return an empty part."""
    pools, demands, runs = len(board.room), len(board.demands), len(board.runs)
    return Part(
        is_open=np.zeros(pools, dtype=np.bool_),
        pools=np.zeros(0, dtype=np.int64),
        counts=np.zeros((pools, 3), dtype=np.int64),
        run_ptr=_pointers(np.bincount(board.runs[:, POOL], minlength=pools)),
        users=np.zeros((runs, 4), dtype=np.int64),
        place=np.zeros(demands, dtype=np.int64),
        outs=np.zeros(runs, dtype=np.int64),
        out_place=np.zeros(runs, dtype=np.int64),
        slot_ptr=_pointers(np.bincount(board.pools_of, minlength=pools)),
        slots=np.zeros((len(board.pools_of), 2), dtype=np.int64),
    )


def _pointers(counts: AnyArray) -> AnyArray:
    ptr = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=ptr[1:])
    return ptr


def families_of(bonds: Bonds) -> AnyArray:
    """Return a number for each demand, the same for all that groups and links tie together."""
    family = list(range(len(bonds.parent)))

    def find(d: int) -> int:
        while family[d] != d:
            family[d] = family[family[d]]
            d = family[d]
        return d

    linked = np.flatnonzero(bonds.parent >= 0).tolist()
    pairs = [(d, int(bonds.parent[d])) for d in linked]
    ptr, member = bonds.member_ptr.tolist(), bonds.member.tolist()
    for g in range(len(ptr) - 1):
        pairs += [(member[ptr[g]], other) for other in member[ptr[g] + 1 : ptr[g + 1]]]
    for a, b in pairs:
        low, high = sorted((find(a), find(b)))
        family[high] = low
    if pairs:
        family = [find(d) for d in range(len(family))]
    return np.array(family, dtype=np.int64)


@allocating
def owners(
    board: Board, side: AnyArray, family: AnyArray, picks: AnyArray, owner: AnyArray
) -> None:
    """Write the part of each demand, -1 where its family stands in several.

    Args:
        board: The selection.
        side: Part of each pool.
        family: From `families_of`.
        picks: A random number for each demand; says which of its pools decides while it is out.
        owner: To be written.
    """
    owner_of = np.full(len(family), -2, dtype=np.int64)
    for d in range(len(family)):
        row = board.demands[d, ROW]
        if row >= 0 and board.demands[d, RUN_LOW] < board.demands[d, RUN_HIGH]:
            here, f = side[board.runs[row, POOL]], family[d]
            if owner_of[f] == -2:
                owner_of[f] = here
            elif owner_of[f] != here:
                owner_of[f] = -1
    for d in range(len(family)):
        f = family[d]
        if owner_of[f] != -2:
            continue
        low, high = board.demands[d, RUN_LOW], board.demands[d, RUN_HIGH]
        if low < high:
            owner_of[f] = side[board.runs[low + picks[d] % (high - low), POOL]]
        elif board.demands[d, SPREAD_LOW] < board.demands[d, SPREAD_HIGH]:
            r = board.demands[d, SPREAD_LOW]
            n = board.spreads[r, POOLS_LOW] + picks[d] % board.spreads[r, WIDTH]
            owner_of[f] = side[board.pools_of[n]]
    for d in range(len(family)):
        owner[d] = owner_of[family[d]]


@compiled
def deal(
    board: Board, part: Part, side: AnyArray, owner: AnyArray, number: int, margin_min: AnyArray
) -> None:
    """Set up what a part looks up.

    Args:
        board: The selection.
        part: To be written.
        side: Part of each pool.
        owner: Part of each demand.
        number: Which part this is.
        margin_min: Demands that are out and whose best margin is below this are not tried.
    """
    for p in range(len(side)):
        part.is_open[p] = side[p] == number
    part.counts[:] = 0
    part.place[:] = -1
    part.out_place[:] = -1
    for d in range(len(board.demands)):
        if owner[d] != number:
            continue
        row = board.demands[d, ROW]
        low, high = board.demands[d, RUN_LOW], board.demands[d, RUN_HIGH]
        if low < high and row >= 0:
            if part.is_open[board.runs[row, POOL]]:
                enter(board, part, d)
        elif board.demands[d, MARGIN] >= margin_min[d]:
            for r in range(low, high):
                if part.is_open[board.runs[r, POOL]]:
                    show(board, part, r)
        for r in range(board.demands[d, SPREAD_LOW], board.demands[d, SPREAD_HIGH]):
            for n in range(board.spreads[r, WIDTH]):
                p = board.pools_of[board.spreads[r, POOLS_LOW] + n]
                if part.is_open[p] and row in (-1, r):
                    at = part.slot_ptr[p] + part.counts[p, SLOTS]
                    part.slots[at, 0], part.slots[at, 1] = r, n
                    part.counts[p, SLOTS] += 1


@compiled
def enter(board: Board, part: Part, d: int) -> None:
    """Note an accepted run."""
    p = board.runs[board.demands[d, ROW], POOL]
    at = part.run_ptr[p] + part.counts[p, USERS]
    part.users[at, WHO] = d
    part.users[at, SINCE] = board.demands[d, START]
    part.users[at, UNTIL] = board.demands[d, START] + board.runs[board.demands[d, ROW], DURATION]
    part.users[at, LOSS] = board.demands[d, MARGIN] * board.demands[d, HOURS]
    part.place[d] = at
    part.counts[p, USERS] += 1


@compiled
def show(board: Board, part: Part, r: int) -> None:
    """Note that a row's demand is out."""
    p = board.runs[r, POOL]
    at = part.run_ptr[p] + part.counts[p, OUTS]
    part.outs[at] = r
    part.out_place[r] = at
    part.counts[p, OUTS] += 1


@compiled
def accept(board: Board, part: Part, d: int, r: int, start: int, chips: int) -> int:
    """Put a run, and keep the lists; return the welfare added."""
    for n in range(board.demands[d, RUN_LOW], board.demands[d, RUN_HIGH]):
        hole = part.out_place[n]
        if hole < 0:
            continue
        # The last of the list takes the place.
        p = board.runs[n, POOL]
        part.counts[p, OUTS] -= 1
        moved = part.outs[part.run_ptr[p] + part.counts[p, OUTS]]
        part.outs[hole] = moved
        part.out_place[moved] = hole
        part.out_place[n] = -1
    gain = put_run(board, d, r, start, chips)
    enter(board, part, d)
    return gain


@compiled
def reject(board: Board, part: Part, d: int) -> int:
    """Drop a run, and keep the lists; return the welfare lost."""
    p = board.runs[board.demands[d, ROW], POOL]
    hole = part.place[d]
    part.counts[p, USERS] -= 1
    last = part.run_ptr[p] + part.counts[p, USERS]
    # Column by column: a row at once would be copied to an array of its own.
    for column in range(part.users.shape[1]):
        part.users[hole, column] = part.users[last, column]
    part.place[part.users[hole, WHO]] = hole
    part.place[d] = -1
    for n in range(board.demands[d, RUN_LOW], board.demands[d, RUN_HIGH]):
        if part.is_open[board.runs[n, POOL]]:
            show(board, part, n)
    return drop_run(board, d)
