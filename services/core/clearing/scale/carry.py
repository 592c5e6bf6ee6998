"""Take a selection over to a board whose asks have moved."""

from __future__ import annotations

from services.core.clearing.scale.board import (
    CELLS_LOW,
    CHIPS,
    DURATION,
    FIRST,
    LAST,
    LEAST,
    LIMIT,
    POOLS_LOW,
    ROW,
    RUN_HIGH,
    RUN_LOW,
    SENDS,
    START,
    TRAFFIC,
    WIDTH,
    Board,
    allowed,
    put_run,
)
from services.core.clearing.scale.compiled import compiled
from services.core.clearing.scale.lanes import DATA_GB, GB, LANE, can_cross, lane_room
from services.core.clearing.scale.places import grant, is_paid, most_at


def carry(old: Board, new: Board) -> None:
    """Accept again what still has room and whose limit pays the asks that it could need.

    Args:
        old: A selection.
        new: Of the same book with other asks; nothing is accepted.
    """
    # Twice, so that who is linked to a demand that comes later has its turn after it.
    for _ in range(2):
        _carry(old, new)


@compiled
def _carry(old: Board, new: Board) -> None:
    for d in range(len(old.demands)):
        r = old.demands[d, ROW]
        if r < 0 or new.demands[d, ROW] >= 0 or not allowed(new, d):
            continue
        if old.demands[d, RUN_LOW] < old.demands[d, RUN_HIGH]:
            _carry_run(old, new, d, r)
        else:
            _carry_cells(old, new, d, r)


@compiled
def _carry_run(old: Board, new: Board, d: int, r: int) -> None:
    start, duration = old.demands[d, START], new.runs[r, DURATION]
    chips = min(old.demands[d, CHIPS], most_at(new, r, start))
    if chips < new.runs[r, LEAST] or not is_paid(new, r, start, chips):
        return
    if new.runs[r, SENDS] > 0:
        data, gb, lane = new.sends[r, DATA_GB], new.sends[r, GB], new.sends[r, LANE]
        if data > 0 and not can_cross(new.links, new.lanes, new.sends, r, start):
            return
        for t in range(start, start + duration):
            if gb > 0 and lane_room(new.links, new.lanes, lane, t) < gb * chips:
                return
    put_run(new, d, r, start, chips)


@compiled
def _carry_cells(old: Board, new: Board, d: int, r: int) -> None:
    limit, width, gb = new.spreads[r, LIMIT], new.spreads[r, WIDTH], new.spreads[r, TRAFFIC]
    pools, first = new.spreads[r, POOLS_LOW], new.spreads[r, FIRST]
    for t in range(first, new.spreads[r, LAST]):
        for n in range(width):
            cell = new.spreads[r, CELLS_LOW] + (t - first) * width + n
            p, lane = new.pools_of[pools + n], new.lanes_of[pools + n]
            needed = new.least[p, t + 1] - new.least[p, t]
            chips = min(old.granted[cell], new.room[p, t])
            if lane >= 0:
                needed += gb * (new.least[lane, t + 1] - new.least[lane, t])
                chips = min(chips, lane_room(new.links, new.lanes, lane, t) // gb)
            if chips > 0 and needed <= limit:
                grant(new, d, r, cell, p, t, chips)
