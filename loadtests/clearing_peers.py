"""The peers of the clearing: first come first fit, and the whole model given to one solver.

The solvers maximise the same welfare under the same capacity and shape rules, but need not find
prices that support the result, so they may do better than any valid clearing.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import highspy
import numpy as np
import numpy.typing as npt
from ortools.linear_solver import pywraplp
from ortools.linear_solver.linear_solver_pb2 import MPModelProto

from services.core.book import Book, Rules
from services.core.clearing.greedy import State, fill
from services.core.clearing.presolve import presolve, tie_hash
from services.core.clearing.response import Choices, flatten
from services.core.clearing.selection import Selection, welfare


@dataclass(frozen=True, slots=True)
class Peer:
    """What a peer reached.

    Attributes:
        name: Which one.
        welfare: Welfare found, micro-yuan, ``None`` if it found nothing.
        bound: Bound proved, micro-yuan, ``None`` if it proves none.
        seconds: Wall time.
    """

    name: str
    welfare: int | None
    bound: int | None
    seconds: float


def first_come_first_fit(book: Book) -> Peer:
    """Serve the demands one by one as they come, each at its cheapest place that still fits."""
    began = time.perf_counter()
    problem = presolve(book, Rules())
    # The queue's order stands for the order of arrival, which a book does not know.
    order = sorted(
        range(len(problem.book.demands)),
        key=lambda d: tie_hash("arrival", problem.book.demands[d].id),
    )
    state = State(problem, problem.floor.astype(np.float64), frozenset())
    fill(state, order)
    total = welfare(problem, Selection(tuple(state.choices)))
    return Peer("first come first fit", total, None, time.perf_counter() - began)


AnyArray = npt.NDArray[Any]

# Name -> how OR-Tools calls it, and whether it takes whole numbers or relaxes them.
_ORTOOLS = {"CP-SAT": ("SAT", True), "GLOP": ("GLOP", False), "PDLP": ("PDLP", False)}
SOLVERS = ("HiGHS", *_ORTOOLS)


class _Model:
    """Variables and rows ``sum of weight x variable <= most``, in arrays until they are built."""

    def __init__(self) -> None:
        self._most: list[AnyArray] = []
        self._gain: list[AnyArray] = []
        self._variables = 0
        self._row_most: list[AnyArray] = []
        self._rows = 0
        self._terms: list[tuple[AnyArray, AnyArray, AnyArray]] = []

    def variables(self, most: AnyArray, gain: AnyArray) -> AnyArray:
        """Add whole variables from 0 to ``most``; return their numbers."""
        self._most.append(most.astype(np.float64))
        self._gain.append(gain.astype(np.float64))
        self._variables += len(most)
        return np.arange(self._variables - len(most), self._variables)

    def rows(self, most: AnyArray) -> AnyArray:
        """Add rows without terms; return their numbers."""
        self._row_most.append(most.astype(np.float64))
        self._rows += len(most)
        return np.arange(self._rows - len(most), self._rows)

    def put(self, row: AnyArray, variable: AnyArray, weight: AnyArray | int) -> None:
        """Add one term for each entry."""
        self._terms.append((row, variable, np.broadcast_to(weight, row.shape)))

    def columns(self) -> tuple[AnyArray, AnyArray]:
        """Return the most and the gain (yuan) of each variable."""
        return np.concatenate(self._most), np.concatenate(self._gain) / 1e6

    def matrix(self) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
        """Return the most of each row, and starts, variables and weights of its terms."""
        row, variable, weight = (np.concatenate(part) for part in zip(*self._terms, strict=True))
        order = np.argsort(row, kind="stable")
        starts = np.searchsorted(row[order], np.arange(self._rows + 1))
        most = np.concatenate(self._row_most)
        return most, starts, variable[order], weight[order].astype(np.float64)


class _Found(NamedTuple):
    value: float | None
    bound: float | None


def _by_highs(model: _Model, seconds: float) -> _Found:
    # Not through OR-Tools, which loses what HiGHS found when the time is up.
    most, gain = model.columns()
    row_most, starts, variable, weight = model.matrix()
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(most), len(row_most)
    program.sense_ = highspy.ObjSense.kMaximize
    program.col_cost_, program.col_lower_, program.col_upper_ = gain, np.zeros(len(most)), most
    program.row_lower_ = np.full(len(row_most), -highspy.kHighsInf)
    program.row_upper_ = row_most
    program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    program.a_matrix_.start_, program.a_matrix_.index_ = starts, variable
    program.a_matrix_.value_ = weight
    program.integrality_ = [highspy.HighsVarType.kInteger] * len(most)
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, value in (("output_flag", False), ("threads", 1), ("time_limit", seconds)):
        solver.setOptionValue(option, value)
    solver.passModel(program)
    solver.run()
    info = solver.getInfo()
    feasible = info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
    bound = info.mip_dual_bound if math.isfinite(info.mip_dual_bound) else None
    return _Found(info.objective_function_value if feasible else None, bound)


def _by_ortools(model: _Model, name: str, seconds: float) -> _Found:
    called, whole = _ORTOOLS[name]
    proto = MPModelProto(maximize=True)
    for most, gain in zip(*(column.tolist() for column in model.columns()), strict=True):
        proto.variable.add(
            lower_bound=0, upper_bound=most, objective_coefficient=gain, is_integer=whole
        )
    row_most, starts, variable, weight = model.matrix()
    for r, most in enumerate(row_most.tolist()):
        part = slice(starts[r], starts[r + 1])
        proto.constraint.add(
            upper_bound=most,
            var_index=variable[part].tolist(),
            coefficient=weight[part].tolist(),
        )
    solver = pywraplp.Solver.CreateSolver(called)
    solver.LoadModelFromProto(proto)
    solver.SetTimeLimit(int(seconds * 1000))
    status = solver.Solve()
    if status not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
        return _Found(None, None)
    objective = solver.Objective()
    if whole:
        return _Found(objective.Value(), objective.BestBound())
    return _Found(None, objective.Value() if status == pywraplp.Solver.OPTIMAL else None)


def whole_model(book: Book, name: str, seconds: float) -> Peer:
    """Give the whole book to one solver, without steps, cuts or a start.

    Args:
        book: What to clear.
        name: One of `SOLVERS`; GLOP and PDLP solve the relaxation, whose optimum is a bound.
        seconds: Time for the solver, after the model was built.
    """
    began = time.perf_counter()
    choices = flatten(presolve(book, Rules()))
    model = _Model()
    in_demand = model.rows(np.ones(len(choices.problem.demands)))
    at_cell = model.rows(np.zeros(choices.problem.shape[0] * choices.problem.shape[1]))
    _add_runs(choices, model, in_demand, at_cell)
    _add_cells(choices, model, in_demand, at_cell)
    _add_supply(choices, model, at_cell)
    found = _by_highs(model, seconds) if name == "HiGHS" else _by_ortools(model, name, seconds)
    spent = time.perf_counter() - began
    value, bound = (None if part is None else round(part * 1e6) for part in found)
    return Peer(f"{name}, {seconds:.0f} s", value, bound, spent)


def _add_runs(choices: Choices, model: _Model, in_demand: AnyArray, at_cell: AnyArray) -> None:
    runs = choices.runs
    if not len(runs.demand):
        return
    whole = runs.chips_min == runs.chips
    taken = model.variables(np.ones(len(whole)), np.where(whole, runs.chips * runs.value, 0))
    model.put(in_demand[runs.demand], taken, 1)
    # Chips of a run that may be cut are a variable of their own, between its least and its most.
    cut = np.flatnonzero(~whole)
    chips = model.variables(runs.chips[cut], runs.value[cut])
    upper, lower = model.rows(np.zeros(len(cut))), model.rows(np.zeros(len(cut)))
    for row, sign, edge in ((upper, 1, runs.chips), (lower, -1, runs.chips_min)):
        model.put(row, chips, sign)
        model.put(row, taken[cut], -sign * edge[cut])
    variable, weight = taken.copy(), runs.chips.copy()
    variable[cut], weight[cut] = chips, 1
    first = runs.pool * choices.problem.shape[1] + runs.start
    total = int(runs.duration.sum())
    steps = np.arange(total) - np.repeat(np.cumsum(runs.duration) - runs.duration, runs.duration)
    model.put(
        at_cell[np.repeat(first, runs.duration) + steps],
        np.repeat(variable, runs.duration),
        np.repeat(weight, runs.duration),
    )


def _add_cells(choices: Choices, model: _Model, in_demand: AnyArray, at_cell: AnyArray) -> None:
    cells = choices.cells
    if not len(cells.at):
        return
    chips = model.variables(cells.chips, cells.limit)
    model.put(at_cell[cells.at], chips, 1)
    options = len(cells.option_demand)
    taken = model.variables(np.ones(options), np.zeros(options))
    model.put(in_demand[cells.option_demand], taken, 1)
    total = model.rows(np.zeros(options))
    model.put(total[cells.option], chips, 1)
    model.put(total, taken, -cells.option_hours)
    model.put(model.rows(cells.group_chips)[cells.group], chips, 1)


def _add_supply(choices: Choices, model: _Model, at_cell: AnyArray) -> None:
    periods = choices.problem.shape[1]
    for p, steps in enumerate(choices.problem.supply):
        row = at_cell[p * periods : (p + 1) * periods]
        for ask, chips in zip(steps.asks.tolist(), steps.chips, strict=True):
            sold = model.variables(chips, np.full(periods, -ask))
            model.put(row, sold, -1)
