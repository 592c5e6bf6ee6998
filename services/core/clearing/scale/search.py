"""The search for a large book's selection: insert by surplus, then ruin and recreate.

Work is counted in moves, and pools are dealt to a fixed number of parts, anew in every phase, so
the speed and the threads of a machine change how long it takes and nothing else.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.clearing.scale.board import DEMAND, HOURS, LIMIT, MARGIN, POOL, Board
from services.core.clearing.scale.dice import draw
from services.core.clearing.scale.layout import Layout
from services.core.clearing.scale.moves import anneal, new_desk
from services.core.clearing.scale.parts import Part, deal, families_of, new_part, owners
from services.core.clearing.scale.places import fill

AnyArray = npt.NDArray[Any]

PARTS = 2
"""Parts of the pools; more would keep more cores busy and let fewer orders move between pools."""

# A demand that gains more than this share of its limit is sure to be in; wide ones go first.
_SURE_PERCENT = 10
_EQUAL_PERCENT = 2
# A demand that loses more than this share of its limit at the steering prices is not tried.
_HOPELESS_PERCENT = 10


class Search:
    """Searches a book; keeps its work space and its threads between phases.

    Args:
        layout: The book.
        board: The selection to change.
    """

    def __init__(self, layout: Layout, board: Board) -> None:
        pools = layout.pools
        self._layout = layout
        self.board = board
        self._family = families_of(layout.bonds)
        self._weight = np.bincount(board.runs[:, POOL], minlength=pools)
        self._weight += np.bincount(board.pools_of, minlength=pools)
        self._parts = [new_part(board) for _ in range(PARTS)]
        self._desks = [new_desk(board, layout.rules.seed, n) for n in range(PARTS + 1)]
        self.limit = np.zeros(layout.demands, dtype=np.int64)
        for rows in (board.runs, board.spreads):
            np.maximum.at(self.limit, rows[:, DEMAND], rows[:, LIMIT])
        self._threads = ThreadPoolExecutor(PARTS)

    def insert(self, sure_percent: int = _SURE_PERCENT) -> None:
        """Insert all demands that are out and have a place.

        Args:
            sure_percent: Demands that gain more than this share of their limit go first, the
                widest and longest of them before others; the rest by what a chip-hour gains.
        """
        margin, hours = self.board.demands[:, MARGIN], self.board.demands[:, HOURS]
        sure = margin * 100 > self.limit * sure_percent
        bonds = self._layout.bonds
        # Steering prices are not exact, so margins this near to each other count as equal, and
        # who has waited longer goes first.
        step = np.maximum(self.limit * _EQUAL_PERCENT // 100, 1)
        about = (margin + step // 2) // step
        order = np.lexsort((
            bonds.rank, -margin, -bonds.waited, -about, -hours * sure, ~sure, bonds.parent >= 0,
        ))  # fmt: skip
        fill(self.board, order)

    def anneal(self, moves: int, hot: int, cold: int) -> int:
        """Deal the pools anew and make so many moves in each part; return the welfare gained."""
        dice = self._desks[PARTS].seed
        side = self._sides(dice)
        picks = np.array([draw(dice, 1 << 30) for _ in range(1)], dtype=np.int64)
        picks = np.arange(self._layout.demands, dtype=np.int64) * 0x9E3779B1 + picks[0]
        picks = (picks >> 16) & 0xFFFF
        owner = np.zeros(self._layout.demands, dtype=np.int64)
        owners(self.board, side, self._family, picks, owner)
        margin_min = -(self.limit * _HOPELESS_PERCENT // 100)
        # Links lead to pools of every part, so what they have left is dealt, too.
        boards = [self.board._replace(links=rows) for rows in _shares(self.board.links)]

        def work(n: int) -> int:
            part: Part = self._parts[n]._replace(
                pools=np.flatnonzero((side == n) & (self._weight > 0)).astype(np.int64)
            )
            deal(boards[n], part, side, owner, n, margin_min)
            return int(anneal(boards[n], part, self._desks[n], moves, hot, cold))

        gained = sum(self._threads.map(work, range(PARTS)))
        self.board.links[:] = sum(board.links for board in boards)
        return gained

    def _sides(self, dice: AnyArray) -> AnyArray:
        """Return the part of each pool: a random order dealt to the part with the least to do."""
        keys = [int(draw(dice, 1 << 30)) for _ in range(len(self._weight))]
        side = np.zeros(len(self._weight), dtype=np.int64)
        loads = [0] * PARTS
        for p in sorted(range(len(self._weight)), key=lambda p: (keys[p], p)):
            n = loads.index(min(loads))
            side[p] = n
            loads[n] += int(self._weight[p]) + 1
        return side


def _shares(left: AnyArray) -> list[AnyArray]:
    """Return about equal shares of what links have left, one for each part."""
    return [(left + n) // PARTS for n in range(PARTS)]
