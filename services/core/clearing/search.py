"""Improve an incumbent: CP-SAT on the whole book if it is small, else on neighbourhoods.

The incumbent is held here and never in the solver. Every solve takes from one budget of
deterministic time, so the result does not depend on the speed of the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from services.core.clearing.certificate import bound
from services.core.clearing.greedy import fill, ranks, state_of
from services.core.clearing.model import Model, Scope
from services.core.clearing.model_supply import UnsuitableError
from services.core.clearing.neighbourhood import Neighbourhoods
from services.core.clearing.presolve import BoolArray, FloatArray, Problem
from services.core.clearing.response import Choices, cell_prices, exact, respond, run_surplus
from services.core.clearing.selection import (
    RunChoice,
    Selection,
    Worth,
    supply,
    unsupported,
    use_of,
    value_of,
)
from services.core.clearing.share_aim import Aim, judged

# Beyond this many columns CP-SAT does not find the optimum of a whole book in seconds.
_WHOLE_COLUMNS_MAX = 3000
# Cuts are exact, so their number is finite; this only bounds one book's share of the effort.
_CUT_ROUNDS_MAX = 200
_NEIGHBOURHOOD_CUTS_MAX = 3
# Deterministic time of one neighbourhood, and the least that any solve is charged: a solve of
# nothing would otherwise be free and the loop endless.
_NEIGHBOURHOOD_EFFORT = 0.06
_EFFORT_MIN = 0.003
# One unit of effort is meant to be about a second of one core of 2024; CP-SAT's deterministic
# unit took 8 to 10 seconds on our models, and making a model 0.1 s per 1,500 columns.
_SOLVER_SHARE = 0.11
_COLUMN_EFFORT = 6e-6


@dataclass(frozen=True, slots=True)
class Found:
    """What the search ended with.

    Attributes:
        selection: A valid selection, never worse than the incumbent.
        proven: Whether no price-supported selection has more welfare.
        refused: Highest welfare of a selection met that no prices support, ``None`` if none was.
    """

    selection: Selection
    proven: bool
    refused: int | None


@dataclass(slots=True)
class _Incumbent:
    problem: Problem
    aim: Aim | None
    selection: Selection
    worth: Worth
    refused: int | None = None

    def take(self, selection: Selection) -> bool:
        """Keep a selection if it is valid and better."""
        worth = judged(self.problem, selection, self.aim)
        if worth is None or worth <= self.worth:
            return False
        self.selection = selection
        self.worth = worth
        return True

    def refuse(self, welfare: int) -> None:
        """Note a selection that no prices support."""
        self.refused = welfare if self.refused is None else max(self.refused, welfare)


@dataclass(slots=True)
class _Budget:
    left: float

    def spend(self, effort: float) -> None:
        self.left -= effort + _EFFORT_MIN

    def spend_on_model(self, scope: Scope) -> None:
        columns = sum(len(rows) for rows in scope.runs) + sum(len(rows) for rows in scope.cells)
        self.left -= _COLUMN_EFFORT * columns


def improve(
    choices: Choices,
    incumbent: Selection,
    prices: FloatArray,
    effort: float,
    aim: Aim | None = None,
) -> Found:
    """Return a better selection if the effort suffices to find one.

    Args:
        choices: From `flatten`.
        incumbent: A valid selection.
        prices: P x T steering prices.
        effort: `Rules.effort`.
        aim: What selections are judged by, if not by the asks they are cleared at; the incumbent
            keeps its shares.
    """
    start = judged(choices.problem, incumbent, aim)
    assert start is not None
    held = _Incumbent(choices.problem, aim, incumbent, start)
    budget = _Budget(effort * _SOLVER_SHARE)
    scope = _whole_scope(choices, held, prices)
    columns = sum(len(rows) for rows in scope.runs) + sum(len(rows) for rows in scope.cells)
    try:
        if columns <= _WHOLE_COLUMNS_MAX and _search_whole(choices, held, scope, prices, budget):
            return Found(held.selection, proven=True, refused=held.refused)
        _search_neighbourhoods(choices, held, prices, budget)
    except UnsuitableError:
        pass
    return Found(held.selection, proven=False, refused=held.refused)


def _whole_scope(choices: Choices, held: _Incumbent, prices: FloatArray) -> Scope:
    """Return all columns that can be in a selection as good as the incumbent.

    At any prices D less what a demand gives up against its best choice bounds the welfare of
    all selections that hold the choice, so those below the incumbent can be left out.
    """
    problem = choices.problem
    whole = np.rint(np.maximum(prices, 0)).astype(np.int64)
    slack = bound(choices, whole) - held.worth.welfare + (held.aim.most if held.aim else 0)
    wide = exact(whole, problem)
    response = respond(choices, wide)
    best = response.surplus.copy()
    for members in problem.groups:
        best[list(members)] = max(response.surplus[d] for d in members)
    runs = choices.runs
    # Rounded up: what data pays once does not divide by the chips.
    margin = -(-run_surplus(runs, wide) // np.maximum(runs.chips, 1))
    gain = np.where(margin > 0, margin * runs.chips, margin * runs.chips_min)
    keep = runs.supportable & (best[runs.demand] - gain <= slack)
    cells = choices.cells
    loss = np.maximum(cell_prices(cells, wide) - cells.option_limit[cells.option], 0)
    keep_cells = loss <= slack
    return _scope(choices, held.selection, range(len(problem.demands)), keep, keep_cells)


def _scope(
    choices: Choices,
    base: Selection,
    free: range | list[int],
    keep: BoolArray,
    keep_cells: BoolArray,
) -> Scope:
    owner = choices.cells.option_demand[choices.cells.option]
    runs, cells = [], []
    kept_runs, kept_cells = np.flatnonzero(keep), np.flatnonzero(keep_cells)
    run_edges = np.searchsorted(choices.runs.demand[kept_runs], np.arange(len(base.choices) + 1))
    cell_edges = np.searchsorted(owner[kept_cells], np.arange(len(base.choices) + 1))
    for d in free:
        runs.append(kept_runs[run_edges[d] : run_edges[d + 1]])
        cells.append(kept_cells[cell_edges[d] : cell_edges[d + 1]])
    return Scope(base, tuple(free), tuple(runs), tuple(cells))


def _search_whole(
    choices: Choices, held: _Incumbent, scope: Scope, prices: FloatArray, budget: _Budget
) -> bool:
    """Search the whole book; return whether the incumbent is proven best."""
    problem = choices.problem
    budget.spend_on_model(scope)
    model = Model(choices, scope, ties=True, aim=held.aim)
    model.hint(held.selection)
    for _ in range(_CUT_ROUNDS_MAX):
        if budget.left <= 0:
            return False
        solved = model.solve(budget.left)
        budget.spend(solved.effort)
        if solved.selection is None:
            return False
        supplied = supply(problem, use_of(problem, solved.selection), solved.selection.block_offers)
        assert supplied.feasible
        lost = unsupported(problem, solved.selection, supplied.floor)
        if not lost:
            held.take(solved.selection)
            return solved.optimal and model.exact
        held.refuse(value_of(problem, solved.selection) - supplied.cost)
        for d in lost:
            choice = solved.selection.choices[d]
            assert choice is not None
            model.cut(d, choice, supplied.floor)
        repaired = repair(choices, solved.selection, prices)
        held.take(repaired)
        model.hint(held.selection)
    return False


def _search_neighbourhoods(
    choices: Choices, held: _Incumbent, prices: FloatArray, budget: _Budget
) -> None:
    around = Neighbourhoods(choices, prices, Random(choices.problem.rules.seed))  # noqa: S311
    # Each solve is charged at least _EFFORT_MIN, so the number of rounds is bounded.
    while budget.left > 0:
        free = around.pick(held.selection)
        if not free:
            return
        keep, keep_cells = around.columns(held.selection, free)
        scope = _scope(choices, held.selection, free, keep, keep_cells)
        better, ended = _search_scope(choices, held, scope, prices, budget)
        around.learn(free, better=better, ended=ended)


def _search_scope(
    choices: Choices, held: _Incumbent, scope: Scope, prices: FloatArray, budget: _Budget
) -> tuple[bool, bool]:
    """Search a neighbourhood; return whether it gave a better incumbent, and was solved whole."""
    problem = choices.problem
    budget.spend_on_model(scope)
    model = Model(choices, scope, ties=False, aim=held.aim)
    model.hint(held.selection)
    for _ in range(_NEIGHBOURHOOD_CUTS_MAX):
        solved = model.solve(min(budget.left, _NEIGHBOURHOOD_EFFORT))
        budget.spend(solved.effort)
        if solved.selection is None:
            return False, False
        supplied = supply(problem, use_of(problem, solved.selection), solved.selection.block_offers)
        lost = unsupported(problem, solved.selection, supplied.floor)
        if not lost:
            better = held.take(solved.selection)
            return better, solved.optimal
        if supplied.feasible:
            held.refuse(value_of(problem, solved.selection) - supplied.cost)
        repaired = repair(choices, solved.selection, prices)
        better = held.take(repaired)
        if better or budget.left <= 0:
            return better, solved.optimal
        for d in lost:
            choice = solved.selection.choices[d]
            assert choice is not None
            model.cut(d, choice, supplied.floor)
    return False, True


def repair(choices: Choices, selection: Selection, prices: FloatArray) -> Selection:
    """Return a supported selection: drop demands that no prices support, fill the room.

    Block offers that lose their demand make the repair fail; it then returns the selection
    without those demands, which `welfare` judges.
    """
    problem = choices.problem
    state = state_of(problem, prices, selection)
    # Every pass drops at least one demand, so there are at most as many as demands.
    while True:
        now = Selection(tuple(state.choices), selection.block_offers)
        supplied = supply(problem, state.used, selection.block_offers)
        lost = unsupported(problem, now, supplied.floor)
        if not lost:
            break
        # The smallest claim on money goes first: it costs the least welfare.
        state.drop(min(lost, key=lambda d: (_weight(choices, now, d), d)))
    order = ranks(choices, prices)[0]
    fill(state, order)
    state.opportunity = problem.floor.astype(np.float64)
    fill(state, order)
    return Selection(tuple(state.choices), selection.block_offers)


def _weight(choices: Choices, selection: Selection, d: int) -> int:
    choice = selection.choices[d]
    assert choice is not None
    demand = choices.problem.demands[d]
    if isinstance(choice, RunChoice):
        run = demand.runs[choice.option]
        return run.limit * run.duration * choice.chips
    return demand.spreads[choice.option].limit * sum(choice.chips)
