"""Which demands to free together: those that compete for the same pools and periods.

What a demand loses at the steering prices (its best surplus less what it has) tells where
welfare is missing; a neighbourhood grows around such a demand and takes in whoever stands, or
would stand, where it wants to be.
"""

from __future__ import annotations

from random import Random

import numpy as np

from services.core.clearing.presolve import BoolArray, FloatArray
from services.core.clearing.response import Choices, cell_prices, respond, run_surplus
from services.core.clearing.selection import (
    RunChoice,
    Selection,
    choice_stretches,
    choice_use,
    choice_value,
)

# Neighbourhoods start small, where CP-SAT finishes at once; they grow while they are solved to
# the end and shrink when they are not. On 400 demands 8 to 16 did best at small effort.
_DEMANDS_START = 10.0
_DEMANDS_MIN = 6.0
_DEMANDS_MAX = 40.0
_GROW = 1.06
_SHRINK = 0.85
_RUNS_PER_DEMAND = 24
# A cell this share of the limit too dear may still be worth it next to the better ones.
_NEARLY_GOOD = 0.02
# A demand that did not help is asked again less often; this share of its weight remains.
_FADE = 0.5


class Neighbourhoods:
    """Draws neighbourhoods, seeded.

    Args:
        choices: From `flatten`.
        prices: P x T steering prices.
        chance: Source of pseudo-random numbers.
    """

    def __init__(self, choices: Choices, prices: FloatArray, chance: Random) -> None:
        self._choices = choices
        self._problem = choices.problem
        self._prices = prices
        self._chance = chance
        self._demands = _DEMANDS_START
        self._response = respond(choices, prices)
        runs = choices.runs
        self._gain = run_surplus(runs, prices)
        self._good = self._good_runs()
        limit = choices.cells.option_limit[choices.cells.option]
        margin = limit - cell_prices(choices.cells, prices)
        self._good_cells: BoolArray = (
            margin > -0.02 * choices.cells.option_limit[choices.cells.option]
        )
        self._fade = np.ones(len(self._problem.demands))
        self._owner = choices.cells.option_demand[choices.cells.option]
        self._wanted = self._where_wanted()

    def _good_runs(self) -> BoolArray:
        """Return the best few runs of each demand, those that prices could support."""
        runs = self._choices.runs
        good = np.zeros(len(self._gain), dtype=bool)
        for first, count in zip(runs.segment.tolist(), runs.lengths.tolist(), strict=True):
            rows = np.arange(first, first + count)
            rows = rows[runs.supportable[rows]]
            order = rows[np.argsort(-self._gain[rows], kind="stable")]
            good[order[:_RUNS_PER_DEMAND]] = True
        return good

    def _where_wanted(self) -> list[BoolArray]:
        """Return for each demand the flat P x T cells that its good choices touch."""
        pools, periods = self._problem.shape
        runs, cells = self._choices.runs, self._choices.cells
        wanted = []
        run_edges = np.searchsorted(runs.demand, np.arange(len(self._problem.demands) + 1))
        cell_edges = np.searchsorted(self._owner, np.arange(len(self._problem.demands) + 1))
        for d in range(len(self._problem.demands)):
            steps = np.zeros(pools * (periods + 1), dtype=np.int64)
            rows = np.arange(run_edges[d], run_edges[d + 1])
            rows = rows[self._good[rows]]
            np.add.at(steps, runs.low[rows], 1)
            np.subtract.at(steps, runs.high[rows], 1)
            mask = (np.cumsum(steps.reshape(pools, -1), axis=1)[:, :periods] > 0).ravel()
            mine = np.arange(cell_edges[d], cell_edges[d + 1])
            mask[cells.at[mine[self._good_cells[mine]]]] = True
            wanted.append(mask)
        return wanted

    def pick(self, selection: Selection) -> list[int]:
        """Return the demands of the next neighbourhood, ascending; empty if none can gain."""
        losses = self._losses(selection) * self._fade
        total = float(losses.sum())
        if total <= 0:
            return []
        mark = self._chance.random() * total
        centre = int(np.searchsorted(np.cumsum(losses), mark))
        centre = min(centre, len(losses) - 1)
        zone = self._focus(centre)
        overlap = np.array([int((wanted & zone).sum()) for wanted in self._wanted])
        overlap += 2 * np.array([self._standing(d, selection, zone) for d in range(len(overlap))])
        jitter = np.array([self._chance.random() for _ in range(len(overlap))])
        score = np.where(overlap > 0, overlap * (0.5 + jitter), 0.0)
        score[centre] = np.inf
        order = np.argsort(-score, kind="stable")[: int(self._demands)]
        return self._closed([int(d) for d in order if score[d] > 0])

    def _closed(self, picked: list[int]) -> list[int]:
        # Groups and links are decided together.
        free = set(picked)
        for d in picked:
            demand = self._problem.demands[d]
            if demand.group >= 0:
                free.update(self._problem.groups[demand.group])
            if demand.parent >= 0:
                free.add(demand.parent)
            free.update(self._problem.children[d])
        return sorted(free)

    def _losses(self, selection: Selection) -> FloatArray:
        realised = np.array(
            [
                0.0 if choice is None else self._realised(d, selection)
                for d, choice in enumerate(selection.choices)
            ]
        )
        losses: FloatArray = np.maximum(self._response.surplus - realised, 0.0)
        return losses

    def _realised(self, d: int, selection: Selection) -> float:
        choice = selection.choices[d]
        assert choice is not None
        if choice_stretches(self._problem, d, choice):
            flat = self._prices.reshape(-1)
            use = choice_use(self._problem, d, choice)
            cost = sum(count * float(flat[at]) for at, count in use.items())
            return choice_value(self._problem, d, choice) - cost
        demand = self._problem.demands[d]
        if isinstance(choice, RunChoice):
            run = demand.runs[choice.option]
            row = self._prices[run.pool, choice.start : choice.start + run.duration]
            return choice.chips * (run.limit * run.duration - float(row.sum()))
        spread = demand.spreads[choice.option]
        picked = np.array(choice.cells, dtype=np.int64)
        paid = self._prices[spread.at_pool[picked], spread.at_period[picked]]
        return choice_value(self._problem, d, choice) - float((paid * np.array(choice.chips)).sum())

    def _focus(self, centre: int) -> BoolArray:
        """Return the flat cells around one of the good choices of the centre."""
        pools, periods = self._problem.shape
        zone = np.zeros((pools, periods), dtype=bool)
        runs = self._choices.runs
        rows = np.flatnonzero((runs.demand == centre) & self._good)
        if len(rows):
            r = int(rows[int(self._chance.random() ** 2 * len(rows))])
            first, last = int(runs.start[r]), int(runs.start[r] + runs.duration[r])
            zone[int(runs.pool[r]), first:last] = True
            return zone.ravel()
        at = self._choices.cells.at[(self._owner == centre) & self._good_cells]
        if not len(at):
            return self._wanted[centre]
        pool, period = divmod(int(at[int(self._chance.random() * len(at))]), periods)
        zone[pool, max(0, period - 4) : period + 5] = True
        return zone.ravel()

    def _standing(self, d: int, selection: Selection, zone: BoolArray) -> int:
        choice = selection.choices[d]
        if choice is None:
            return 0
        periods = self._problem.shape[1]
        demand = self._problem.demands[d]
        if isinstance(choice, RunChoice):
            run = demand.runs[choice.option]
            first = run.pool * periods + choice.start
            return int(zone[first : first + run.duration].sum())
        spread = demand.spreads[choice.option]
        picked = np.array(choice.cells, dtype=np.int64)
        return int(zone[spread.at_pool[picked] * periods + spread.at_period[picked]].sum())

    def columns(self, selection: Selection, free: list[int]) -> tuple[BoolArray, BoolArray]:
        """Return the runs and cells that the free demands may use: the good and the present."""
        keep = self._good.copy()
        keep_cells = self._good_cells.copy()
        runs, cells = self._choices.runs, self._choices.cells
        for d in free:
            choice = selection.choices[d]
            if isinstance(choice, RunChoice):
                here = (runs.demand == d) & (runs.option == choice.option)
                keep[here & (runs.start == choice.start)] = True
            elif choice is not None:
                option = (cells.option_demand == d) & (cells.option_local == choice.option)
                first = int(np.searchsorted(cells.option, int(np.flatnonzero(option)[0])))
                keep_cells[first + np.array(choice.cells, dtype=np.int64)] = True
        return keep, keep_cells

    def learn(self, free: list[int], *, better: bool, ended: bool) -> None:
        """Note what came of a neighbourhood.

        Args:
            free: Its demands.
            better: Whether it gave a better incumbent.
            ended: Whether it was solved to the end.
        """
        if better:
            self._fade[:] = np.minimum(1.0, self._fade * 1.2)
        else:
            self._fade[free] *= _FADE
        factor = _GROW if ended else _SHRINK
        self._demands = min(_DEMANDS_MAX, max(_DEMANDS_MIN, self._demands * factor))
