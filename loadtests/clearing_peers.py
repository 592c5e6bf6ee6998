"""The peers of the clearing: first come first fit, and the whole model in one MIP solve.

The MIPs maximise the same welfare under the same capacity and shape rules, but need not find
prices that support the result, so they may do better than any valid clearing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from ortools.linear_solver import pywraplp
from ortools.sat.python import cp_model

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


class _Builder(Protocol):
    def boolean(self) -> Any: ...  # noqa: ANN401 - a solver's variable

    def integer(self, most: int) -> Any: ...  # noqa: ANN401

    def at_most(self, terms: list[tuple[Any, int]], most: int) -> None: ...

    def solve(self, terms: list[tuple[Any, int]], seconds: float) -> tuple[int, int] | None: ...


def whole_model(book: Book, builder: _Builder, name: str, seconds: float) -> Peer:
    """Solve the whole book in one model without steps, cuts or a start."""
    began = time.perf_counter()
    choices = flatten(presolve(book, Rules()))
    uses: dict[int, list[tuple[Any, int]]] = {}
    terms: list[tuple[Any, int]] = []
    by_demand: dict[int, list[tuple[Any, int]]] = {}
    _add_runs(choices, builder, uses, terms, by_demand)
    _add_cells(choices, builder, uses, terms, by_demand)
    for rows in by_demand.values():
        builder.at_most(rows, 1)
    periods = choices.problem.shape[1]
    for at, rows in uses.items():
        pool, period = divmod(at, periods)
        steps = choices.problem.supply[pool]
        for ask, chips in zip(steps.asks.tolist(), steps.chips[:, period].tolist(), strict=True):
            taken = builder.integer(chips)
            rows.append((taken, -1))
            terms.append((taken, -ask))
        builder.at_most(rows, 0)
    found = builder.solve(terms, seconds)
    spent = time.perf_counter() - began
    if found is None:
        return Peer(name, None, None, spent)
    return Peer(name, found[0], found[1], spent)


def _add_runs(
    choices: Choices,
    builder: _Builder,
    uses: dict[int, list[tuple[Any, int]]],
    terms: list[tuple[Any, int]],
    by_demand: dict[int, list[tuple[Any, int]]],
) -> None:
    runs = choices.runs
    periods = choices.problem.shape[1]
    for r in range(len(runs.demand)):
        taken = builder.boolean()
        by_demand.setdefault(int(runs.demand[r]), []).append((taken, 1))
        quantity, weight = taken, int(runs.chips[r])
        if runs.chips_min[r] < runs.chips[r]:
            quantity, weight = builder.integer(int(runs.chips[r])), 1
            builder.at_most([(quantity, 1), (taken, -int(runs.chips[r]))], 0)
            builder.at_most([(taken, int(runs.chips_min[r])), (quantity, -1)], 0)
        terms.append((quantity, weight * int(runs.value[r])))
        first = int(runs.pool[r]) * periods + int(runs.start[r])
        for at in range(first, first + int(runs.duration[r])):
            uses.setdefault(at, []).append((quantity, weight))


def _add_cells(
    choices: Choices,
    builder: _Builder,
    uses: dict[int, list[tuple[Any, int]]],
    terms: list[tuple[Any, int]],
    by_demand: dict[int, list[tuple[Any, int]]],
) -> None:
    cells = choices.cells
    totals: dict[int, list[tuple[Any, int]]] = {}
    groups: dict[int, list[tuple[Any, int]]] = {}
    for c in range(len(cells.at)):
        chips = builder.integer(int(cells.chips[c]))
        terms.append((chips, int(cells.limit[c])))
        uses.setdefault(int(cells.at[c]), []).append((chips, 1))
        totals.setdefault(int(cells.option[c]), []).append((chips, 1))
        groups.setdefault(int(cells.group[c]), []).append((chips, 1))
    for option, rows in totals.items():
        taken = builder.boolean()
        by_demand.setdefault(int(cells.option_demand[option]), []).append((taken, 1))
        builder.at_most([*rows, (taken, -int(cells.option_hours[option]))], 0)
    for group, rows in groups.items():
        builder.at_most(rows, int(cells.group_chips[group]))


class CpSat:
    """CP-SAT with its defaults and one worker."""

    def __init__(self) -> None:
        self._model: Any = cp_model.CpModel()

    def boolean(self) -> Any:  # noqa: ANN401, D102
        return self._model.new_bool_var("")

    def integer(self, most: int) -> Any:  # noqa: ANN401, D102
        return self._model.new_int_var(0, most, "")

    def at_most(self, terms: list[tuple[Any, int]], most: int) -> None:  # noqa: D102
        self._model.add(
            cp_model.LinearExpr.weighted_sum([v for v, _ in terms], [w for _, w in terms]) <= most
        )

    def solve(self, terms: list[tuple[Any, int]], seconds: float) -> tuple[int, int] | None:
        """Maximise the terms for at most so many seconds."""
        # Prices are on the tick of 100, so the hundredths are nothing lost.
        weights = [w // 100 for _, w in terms]
        self._model.maximize(cp_model.LinearExpr.weighted_sum([v for v, _ in terms], weights))
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.max_time_in_seconds = seconds
        status = solver.solve(self._model)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None
        return round(solver.objective_value) * 100, round(solver.best_objective_bound) * 100


class Highs:
    """HiGHS through OR-Tools, with its defaults."""

    def __init__(self) -> None:
        self._solver: Any = pywraplp.Solver.CreateSolver("HIGHS")
        self._solver.SuppressOutput()

    def boolean(self) -> Any:  # noqa: ANN401, D102
        return self._solver.BoolVar("")

    def integer(self, most: int) -> Any:  # noqa: ANN401, D102
        return self._solver.IntVar(0, most, "")

    def at_most(self, terms: list[tuple[Any, int]], most: int) -> None:  # noqa: D102
        row = self._solver.Constraint(-self._solver.infinity(), most)
        for variable, weight in terms:
            row.SetCoefficient(variable, weight)

    def solve(self, terms: list[tuple[Any, int]], seconds: float) -> tuple[int, int] | None:
        """Maximise the terms for at most so many seconds."""
        objective = self._solver.Objective()
        for variable, weight in terms:
            objective.SetCoefficient(variable, weight / 1e6)
        objective.SetMaximization()
        self._solver.SetTimeLimit(int(seconds * 1000))
        status = self._solver.Solve()
        if status not in (pywraplp.Solver.OPTIMAL, pywraplp.Solver.FEASIBLE):
            return None
        return round(objective.Value() * 1e6), round(objective.BestBound() * 1e6)
