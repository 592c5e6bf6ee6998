"""The CP-SAT model of a clearing, whole or of a neighbourhood.

Block runs are booleans (a curtailable one has an integer quantity besides), flow and work cells
are integers, and so are the chips taken from each step of a pool's supply curve. The cheapest
step needs no variable: its ask is part of what a demand costs, and dearer steps pay the
difference. Prices are not in the model. A selection that no prices support is cut off by logical
cuts on levels: `level(cell, ask)` is true if an offer with at least this ask is used in the cell.

Kept in mind (OR-Tools 9.15): sums of |coefficients| of a row stay below 2**31, the objective far
below 2**62, and the incumbent is held outside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from operator import mul
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from services.core.clearing.links import CellLinks, cells_of
from services.core.clearing.model_supply import SupplyRows, Use
from services.core.clearing.presolve import IntArray, Problem, RunOption
from services.core.clearing.response import Choices
from services.core.clearing.selection import (
    Choice,
    RunChoice,
    Selection,
    SpreadChoice,
    Supplied,
    choice_pools,
    supply,
    unsupported,
    use_of,
)
from services.core.clearing.share_aim import Aim, hours_of

# Beyond this the objective is rounded; CP-SAT's own sums need room up to 2**62.
_OBJECTIVE_MAX = 2**52
# Beyond this ties stay as the solver found them: they would cost the proof of the welfare.
_TIES_MAX = 2**46
# Beyond this the weights of a share are rounded, to its safe side.
_SHARE_MAX = 2**30


@dataclass(frozen=True, slots=True)
class Scope:
    """What a model may change.

    Attributes:
        base: The selection that stands outside the scope, and hints inside.
        free: Demands to decide, ascending.
        runs: Run numbers (in `Choices.runs`) that each free demand may use.
        cells: Cell numbers (in `Choices.cells`) that each free demand may use.
    """

    base: Selection
    free: tuple[int, ...]
    runs: tuple[IntArray, ...]
    cells: tuple[IntArray, ...]


@dataclass(frozen=True, slots=True)
class Solved:
    """One solve.

    Attributes:
        selection: What the solver chose (it may lack supporting prices), ``None`` if nothing.
        optimal: Whether the solver proved it best within scope and cuts.
        effort: Deterministic time used.
    """

    selection: Selection | None
    optimal: bool
    effort: float


class Model:
    """A CP-SAT model of one scope, to which cuts can be added between solves.

    Args:
        choices: From `flatten`.
        scope: What may change.
        ties: Whether chip-hours and rounds waited decide between equal welfare.
        aim: What selections are judged by, if not by the asks they are cleared at.
    """

    def __init__(
        self, choices: Choices, scope: Scope, *, ties: bool, aim: Aim | None = None
    ) -> None:
        self._choices = choices
        self._aim = aim
        self._problem = choices.problem
        self._scope = scope
        self._model: Any = cp_model.CpModel()
        self._runs: dict[int, list[tuple[int, Any, Any]]] = {}
        self._cells: dict[int, dict[int, list[tuple[int, Any]]]] = {}
        self._accepted: dict[int, list[Any]] = {}
        free = set(scope.free)
        kept = tuple(None if d in free else c for d, c in enumerate(scope.base.choices))
        self._fixed = Selection(kept, scope.base.block_offers)
        explicit = self._explicit_pools()
        self._links_of_cell = _by_cell(choices.cells.links)
        self._supply = SupplyRows(self._problem, self._model, self._fixed, explicit)
        for n, d in enumerate(scope.free):
            self._add_demand(d, scope.runs[n], scope.cells[n])
        self._add_relations()
        self._supply.build()
        self._add_own_support()
        for row in aim.kept if aim else ():
            self._add_share(row)
        self._set_objective(ties=ties)

    # --- demands ---------------------------------------------------------------------------

    def _add_demand(self, d: int, runs: IntArray, cells: IntArray) -> None:
        self._accepted[d] = []
        if len(runs):
            self._add_runs(d, runs)
        if len(cells):
            self._add_cells(d, cells)

    def _add_runs(self, d: int, numbers: IntArray) -> None:
        runs = self._choices.runs
        periods = self._problem.shape[1]
        rows: list[tuple[int, Any, Any]] = []
        for r in numbers.tolist():
            taken = self._model.new_bool_var("")
            chips, least = int(runs.chips[r]), int(runs.chips_min[r])
            quantity: Any = taken
            weight = chips
            if least < chips:
                quantity = self._model.new_int_var(0, chips, "")
                weight = 1
                self._model.add(quantity <= chips * taken)
                self._model.add(quantity >= least * taken)
            rows.append((r, taken, quantity))
            first = int(runs.pool[r]) * periods + int(runs.start[r])
            for cell in range(first, first + int(runs.duration[r])):
                self._supply.uses.setdefault(cell, []).append(Use(d, quantity, weight, chips))
            self._add_run_links(d, r, (taken, quantity, weight))
            value = int(runs.value[r]) + int(runs.duration[r]) * self._back(int(runs.pool[r]))
            self._supply.terms.append((quantity, weight * value))
            self._supply.most[quantity.index] = chips // weight
        self._runs[d] = rows
        self._accepted[d] += [taken for _, taken, _ in rows]
        self._model.add_at_most_one(self._accepted[d])

    def _add_run_links(self, d: int, r: int, variables: tuple[Any, Any, int]) -> None:
        runs, periods = self._choices.runs, self._problem.shape[1]
        option = self._problem.demands[d].runs[int(runs.option[r])]
        taken, quantity, weight = variables
        start, chips = int(runs.start[r]), int(runs.chips[r])
        for at, gb in cells_of(option.sends.once(start), periods):
            self._supply.uses.setdefault(at, []).append(Use(d, taken, gb, gb))
        for at, gb in cells_of(option.sends.each(start, option.duration, 1), periods):
            use = Use(d, quantity, weight * gb, chips * gb)
            self._supply.uses.setdefault(at, []).append(use)

    def _add_cells(self, d: int, numbers: IntArray) -> None:
        cells = self._choices.cells
        by_option: dict[int, list[tuple[int, Any]]] = {}
        uses, terms = self._supply.uses, self._supply.terms
        columns = (numbers, cells.chips[numbers], cells.option[numbers], cells.at[numbers])
        limits = cells.limit[numbers].tolist()
        rows = zip(*(column.tolist() for column in columns), limits, strict=True)
        for c, most, option, at, limit in rows:
            chips = self._model.new_int_var(0, most, "")
            by_option.setdefault(option, []).append((c, chips))
            uses.setdefault(at, []).append(Use(d, chips, 1, most))
            for link, gb in self._links_of_cell.get(c, ()):
                uses.setdefault(link, []).append(Use(d, chips, gb, most * gb))
            self._supply.most[chips.index] = most
            terms.append((chips, limit + self._back(at // self._problem.shape[1])))
        self._cells[d] = by_option
        for option, members in by_option.items():
            chosen = self._model.new_bool_var("")
            self._accepted[d].append(chosen)
            total = cp_model.LinearExpr.sum([chips for _, chips in members])
            # Chosen means at least one chip, so that a link cannot lean on an empty order.
            offered = int(cells.chips[[c for c, _ in members]].sum())
            most = min(int(cells.option_hours[option]), offered)
            self._model.add(total <= most * chosen)
            self._model.add(total >= chosen)
            groups: dict[int, list[Any]] = {}
            numbered = cells.group[[c for c, _ in members]].tolist()
            for group, (_, chips) in zip(numbered, members, strict=True):
                groups.setdefault(group, []).append(chips)
            for group, together_chips in groups.items():
                if len(together_chips) > 1:
                    together = cp_model.LinearExpr.sum(together_chips)
                    self._model.add(together <= int(cells.group_chips[group]))
        if len(by_option) > 1:
            self._model.add_at_most_one(self._accepted[d])

    def _explicit_pools(self) -> set[int]:
        """Return the pools with block offers where a free demand is or may go."""
        choices, problem = self._choices, self._problem
        touched: set[int] = set()
        for n, d in enumerate(self._scope.free):
            touched.update(choices.runs.pool[self._scope.runs[n]].tolist())
            touched.update((choices.cells.at[self._scope.cells[n]] // problem.shape[1]).tolist())
            base = self._scope.base.choices[d]
            if base is not None:
                touched.update(choice_pools(problem, d, base))
        return {block.pool for block in problem.block_offers if block.pool in touched}

    def _add_relations(self) -> None:
        problem = self._problem
        for members in problem.groups:
            literals = [one for d in members for one in self._accepted.get(d, [])]
            if not literals:
                continue
            if any(self._fixed.choices[d] is not None for d in members):
                self._model.add(cp_model.LinearExpr.sum(literals) == 0)
            else:
                self._model.add_at_most_one(literals)
        for d, demand in enumerate(problem.demands):
            if demand.parent < 0:
                continue
            mine = self._accepted.get(d, [])
            parent = self._accepted.get(demand.parent)
            if self._fixed.choices[d] is not None and parent is not None:
                self._model.add(cp_model.LinearExpr.sum(parent) >= 1)
            elif mine and parent is not None:
                self._model.add(
                    cp_model.LinearExpr.sum(mine) <= cp_model.LinearExpr.sum(parent)
                    if parent
                    else cp_model.LinearExpr.sum(mine) <= 0
                )
            elif mine and self._fixed.choices[demand.parent] is None:
                self._model.add(cp_model.LinearExpr.sum(mine) == 0)

    # --- domestic shares -------------------------------------------------------------------

    def _back(self, pool: int) -> int:
        return self._aim.back[pool] if self._aim else 0

    def _add_share(self, row: tuple[int, ...]) -> None:
        """Keep the weighted chip-hours of all pools at 0 or above."""
        beside = sum(map(mul, row, hours_of(self._problem, self._fixed)))
        terms = [(one, count * row[pool]) for one, count, pool in self._hours_by_pool()]
        most = abs(beside) + sum(abs(w) * self._supply.most[one.index] for one, w in terms)
        # All variables are 0 or above, so weights rounded down are a little stricter.
        divisor = max(1, -(-most // _SHARE_MAX))
        weights = [weight // divisor for _, weight in terms]
        total = cp_model.LinearExpr.weighted_sum([one for one, _ in terms], weights)
        self._model.add(total >= -(beside // divisor))

    def _hours_by_pool(self) -> list[tuple[Any, int, int]]:
        """Return the chip-hours per unit of each variable, and their pool."""
        runs, periods = self._choices.runs, self._problem.shape[1]
        found = []
        for rows in self._runs.values():
            for r, taken, quantity in rows:
                per_unit = int(runs.chips[r]) if quantity is taken else 1
                found.append((quantity, per_unit * int(runs.duration[r]), int(runs.pool[r])))
        for by_option in self._cells.values():
            for members in by_option.values():
                at = self._choices.cells.at
                found += [(chips, 1, int(at[c]) // periods) for c, chips in members]
        return found

    # --- price support ---------------------------------------------------------------------

    def _add_own_support(self) -> None:
        """Forbid what can be seen beforehand: one period's level that a choice cannot bear."""
        for rows in self._runs.values():
            for r, taken, _ in rows:
                self._support_run(r, taken)
        cells = self._choices.cells
        for by_option in self._cells.values():
            for members in by_option.values():
                for c, chips in members:
                    limit = int(cells.net[c])
                    pool, period = divmod(int(cells.at[c]), self._problem.shape[1])
                    if self._supply.floor(pool, 1)[period] > limit:
                        self._model.add(chips == 0)
                        continue
                    level = self._supply.level(int(cells.at[c]), limit + 1)
                    if level is not None:
                        most = int(cells.chips[c])
                        self._model.add(chips + most * level <= most)

    def _support_run(self, r: int, taken: Any) -> None:  # noqa: ANN401 - untyped solver
        runs = self._choices.runs
        pool, start = int(runs.pool[r]), int(runs.start[r])
        span = slice(start, start + int(runs.duration[r]))
        floor = self._supply.floor(pool, int(runs.chips_min[r]))[span]
        slack = int(runs.net[r]) - int(floor.sum())
        if slack < 0:
            self._model.add(taken == 0)
            return
        first = pool * self._problem.shape[1] + start
        for i, least in enumerate(floor.tolist()):
            level = self._supply.level(first + i, least + slack + 1)
            if level is not None:
                self._model.add_implication(taken, level.negated())

    def cut(self, d: int, choice: Choice, floor: IntArray) -> None:
        """Forbid an unsupported choice together with the offers that make it so.

        Args:
            d: The demand that would pay more than its limit.
            choice: Its choice, in scope or not.
            floor: P x T dearest asks used.
        """
        if isinstance(choice, SpreadChoice):
            # Free cells exclude dearer offers from the start, and fixed ones cap them.
            return
        run = self._problem.demands[d].runs[choice.option]
        span = slice(choice.start, choice.start + run.duration)
        value = run.net
        fixed = self._fixed.choices[d] is not None
        least = self._supply.floor(run.pool, 0 if fixed else run.chips_min)[span].tolist()
        need = floor[run.pool, span].tolist()
        # Fewest and lowest levels that still exceed the limit make the strongest cut.
        for i in range(len(need)):
            if sum(need) - need[i] + least[i] > value:
                need[i] = least[i]
        for i in range(len(need)):
            need[i] -= min(sum(need) - value - 1, need[i] - least[i])
        first = run.pool * self._problem.shape[1] + choice.start
        literals = []
        for i, (ask, low) in enumerate(zip(need, least, strict=True)):
            if ask > low:
                level = self._supply.level(first + i, ask)
                assert level is not None
                literals.append(level.negated())
        if not fixed:
            literals += [
                taken.negated() for taken in self._literals(d, choice, run) if taken is not None
            ]
        self._model.add_bool_or(literals)

    def _literals(self, d: int, choice: RunChoice, run: RunOption) -> Iterable[Any]:
        runs = self._choices.runs
        for r, taken, _ in self._runs[d]:
            same = int(runs.option[r]) == choice.option and int(runs.start[r]) == choice.start
            if same and int(runs.pool[r]) == run.pool:
                yield taken

    # --- solving ---------------------------------------------------------------------------

    def _set_objective(self, *, ties: bool) -> None:
        whole: dict[int, int] = {}
        variables: dict[int, Any] = {}
        for variable, weight in self._supply.terms:
            number = variable.index
            variables[number] = variable
            whole[number] = whole.get(number, 0) + weight
        divisor = math.gcd(*whole.values()) or 1
        most = sum(abs(w) // divisor * self._supply.most.get(n, 1) for n, w in whole.items())
        rounding = -(-most // _OBJECTIVE_MAX) if most > _OBJECTIVE_MAX else 1
        self.exact = rounding == 1
        weights = {
            number: weight // divisor if self.exact else round(weight / (divisor * rounding))
            for number, weight in whole.items()
        }
        if ties and self.exact:
            self._add_ties(weights, variables, most)
        numbers = [number for number, weight in weights.items() if weight]
        self._model.maximize(
            cp_model.LinearExpr.weighted_sum(
                [variables[number] for number in numbers], [weights[number] for number in numbers]
            )
        )

    def _add_ties(
        self, weights: dict[int, int], variables: dict[int, Any], welfare_max: int
    ) -> None:
        """Let more chip-hours, then more rounds waited, decide between equal welfare."""
        hours, hours_max = self._hours()
        demands = self._problem.book.demands
        waited = [
            (literal, demands[d].rounds_waited)
            for d, literals in self._accepted.items()
            for literal in literals
        ]
        first, second = hours_max + 1, sum(row.rounds_waited for row in demands) + 1
        if welfare_max * first * second > _TIES_MAX:
            second, waited = 1, []
        if welfare_max * first > _TIES_MAX:
            return
        for number, weight in weights.items():
            weights[number] = weight * first * second
        for rows, factor in ((hours, second), (waited, 1)):
            for variable, count in rows:
                number = variable.index
                variables[number] = variable
                weights[number] = weights.get(number, 0) + count * factor

    def _hours(self) -> tuple[list[tuple[Any, int]], int]:
        """Return the chip-hours per unit of each variable, and the most in all."""
        runs, most = self._choices.runs, 0
        for rows in self._runs.values():
            numbers = [r for r, _, _ in rows]
            most += int((runs.chips[numbers] * runs.duration[numbers]).max())
        for by_option in self._cells.values():
            most += sum(int(self._choices.cells.option_hours[option]) for option in by_option)
        hours = [(variable, count) for variable, count, _ in self._hours_by_pool()]
        return hours, most

    def hint(self, selection: Selection) -> None:
        """Offer a selection as the start of the next solve."""
        self._model.clear_hints()
        runs = self._choices.runs
        for d, rows in self._runs.items():
            choice = selection.choices[d]
            for r, taken, quantity in rows:
                here = (
                    isinstance(choice, RunChoice)
                    and int(runs.option[r]) == choice.option
                    and int(runs.start[r]) == choice.start
                )
                self._model.add_hint(taken, here)
                if quantity is not taken:
                    chips = choice.chips if here and isinstance(choice, RunChoice) else 0
                    self._model.add_hint(quantity, chips)
        for d, by_option in self._cells.items():
            given = self._given(d, selection.choices[d])
            for members in by_option.values():
                for c, chips in members:
                    self._model.add_hint(chips, given.get(c, 0))
        for b, taken in self._supply.taken.items():
            self._model.add_hint(taken, b in selection.block_offers)

    def _given(self, d: int, choice: Choice | None) -> dict[int, int]:
        """Return chips by cell number of a spread choice."""
        if not isinstance(choice, SpreadChoice):
            return {}
        first = self._first_cell(d, choice.option)
        return {first + cell: chips for cell, chips in zip(choice.cells, choice.chips, strict=True)}

    def _first_cell(self, d: int, local: int) -> int:
        cells = self._choices.cells
        option = int(np.flatnonzero((cells.option_demand == d) & (cells.option_local == local))[0])
        return int(np.searchsorted(cells.option, option))

    def solve(self, effort: float) -> Solved:
        """Solve with at most so much deterministic time, one worker, the rules' seed."""
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = self._problem.rules.seed % 2**31
        # With few columns the LP is cheap and its bounds prove most neighbourhoods at the root.
        solver.parameters.linearization_level = 2
        solver.parameters.max_deterministic_time = effort
        status = solver.solve(self._model)
        used = float(solver.response_proto.deterministic_time)
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return Solved(None, status == cp_model.INFEASIBLE, used)
        return Solved(self._read(solver), status == cp_model.OPTIMAL, used)

    def _read(self, solver: Any) -> Selection:  # noqa: ANN401 - untyped solver
        choices = list(self._fixed.choices)
        runs = self._choices.runs
        for d, rows in self._runs.items():
            for r, taken, quantity in rows:
                if solver.value(taken):
                    chips = int(runs.chips[r])
                    if quantity is not taken:
                        chips = int(solver.value(quantity))
                    choices[d] = RunChoice(int(runs.option[r]), int(runs.start[r]), chips)
        cells = self._choices.cells
        for d, by_option in self._cells.items():
            for option, members in by_option.items():
                first = int(np.searchsorted(cells.option, option))
                given = [(c - first, int(solver.value(chips))) for c, chips in members]
                given = [(c, chips) for c, chips in given if chips]
                if given:
                    choices[d] = SpreadChoice(
                        int(cells.option_local[option]),
                        tuple(c for c, _ in given),
                        tuple(chips for _, chips in given),
                    )
        taken_blocks = {b for b, taken in self._supply.taken.items() if solver.value(taken)}
        kept = {b for b in self._scope.base.block_offers if b not in self._supply.taken}
        return Selection(tuple(choices), frozenset(taken_blocks | kept))


def _by_cell(links: CellLinks | None) -> dict[int, list[tuple[int, int]]]:
    """Return (flat cell of a link, GB per chip) by number of the cell that uses it."""
    found: dict[int, list[tuple[int, int]]] = {}
    if links is not None:
        rows = (links.cell.tolist(), links.at.tolist(), links.gb.tolist())
        for cell, at, gb in zip(*rows, strict=True):
            found.setdefault(cell, []).append((at, gb))
    return found


def violated(problem: Problem, selection: Selection) -> tuple[Supplied, tuple[int, ...]]:
    """Return the supply of a selection and the demands that no prices can support in it."""
    supplied = supply(problem, use_of(problem, selection), selection.block_offers)
    return supplied, unsupported(problem, selection, supplied.floor)
