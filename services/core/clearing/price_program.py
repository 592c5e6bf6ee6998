"""The LP of clearing prices: supporting prices of least regret, and the ends of what is left.

The LP holds one price per pool x period that an order could use, and the regret of every order.
A demand's regret is a maximum over very many choices, so its rows are added as they are found
to be violated (best responses at the present prices).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ortools.linear_solver import pywraplp

from services.core.clearing.links import cells_of
from services.core.clearing.presolve import FloatArray, IntArray
from services.core.clearing.price_search import idle_prices
from services.core.clearing.response import Choices, Response, respond
from services.core.clearing.selection import (
    Choice,
    RunChoice,
    Selection,
    Supplied,
    choice_stretches,
    choice_use,
    choice_value,
    limited_parts,
)

# Rounds of row generation for the least regret, and again for each end of the mid-point.
_ROUNDS_MAX = 60
_ENDS_ROUNDS_MAX = 30
# Relative to the dearest limit: below this two prices or regrets are the same to the LP.
_EPSILON = 1e-9


class Program:
    """The LP over prices and regrets, in units of the dearest limit."""

    def __init__(
        self,
        choices: Choices,
        selection: Selection,
        supplied: Supplied,
        offer_chips: tuple[IntArray, ...],
    ) -> None:
        self._choices = choices
        self._problem = choices.problem
        self._selection = selection
        self._supplied = supplied
        self._scale = float(
            max((a.limit for d in self._problem.book.demands for a in d.alternatives), default=1)
            or 1
        )
        self._solver: Any = pywraplp.Solver.CreateSolver("GLOP")
        self._objective = self._solver.Objective()
        self._objective.SetMinimization()
        self._price: dict[int, Any] = {}
        self._regret: dict[int, Any] = {}
        self._known: set[tuple[int, bytes]] = set()
        self._use: list[dict[int, int]] = []
        self._terms: list[tuple[Any, float]] = []
        self.cells = self._live_cells()
        self._add_prices()
        self._add_support()
        self._add_offers(offer_chips)

    def _live_cells(self) -> list[int]:
        idle = idle_prices(self._choices, self._supplied)
        return np.flatnonzero(idle.ravel() < 0).tolist()

    def _add_prices(self) -> None:
        floor = self._supplied.floor.ravel() / self._scale
        top = (self._problem.caps + np.zeros(self._problem.shape)).ravel() / self._scale
        for cell in self.cells:
            self._price[cell] = self._solver.NumVar(float(floor[cell]), float(top[cell]), "")

    def _add_support(self) -> None:
        periods = self._problem.shape[1]
        for d, choice in enumerate(self._selection.choices):
            use: dict[int, int] = {}
            self._use.append(use)
            if choice is None:
                continue
            if choice_stretches(self._problem, d, choice):
                use |= choice_use(self._problem, d, choice)
                self._add_support_with_links(d, choice)
            elif isinstance(choice, RunChoice):
                run = self._problem.demands[d].runs[choice.option]
                first = run.pool * periods + choice.start
                row = self._solver.Constraint(
                    -self._solver.infinity(), run.limit * run.duration / self._scale
                )
                for cell in range(first, first + run.duration):
                    use[cell] = choice.chips
                    row.SetCoefficient(self._price[cell], 1.0)
            else:
                spread = self._problem.demands[d].spreads[choice.option]
                for n, chips in zip(choice.cells, choice.chips, strict=True):
                    cell = int(spread.at_pool[n]) * periods + int(spread.at_period[n])
                    use[cell] = chips
                    variable = self._price[cell]
                    limit = max(spread.limit / self._scale, variable.lb())
                    variable.SetUb(min(variable.ub(), limit))

    def _add_support_with_links(self, d: int, choice: Choice) -> None:
        for part in limited_parts(choice):
            chips = part.chips if isinstance(part, RunChoice) else 1
            limit = choice_value(self._problem, d, part) / chips / self._scale
            row = self._solver.Constraint(-self._solver.infinity(), limit)
            for cell, count in choice_use(self._problem, d, part).items():
                row.SetCoefficient(self._price[cell], count / chips)

    def _add_offers(self, offer_chips: tuple[IntArray, ...]) -> None:
        problem = self._problem
        at = {pool.key: p for p, pool in enumerate(problem.book.pools)}
        left: dict[tuple[int, int], int] = {}
        for o, offer in enumerate(problem.book.offers):
            pool = at[offer.pool]
            first = offer.start - problem.book.first_period
            if offer.block:
                self._add_block_offer(o, pool, offer_chips[o])
                continue
            for i, chips in enumerate(offer.chips):
                t = first + i
                if not 0 <= t < problem.shape[1]:
                    continue
                rest = chips - int(offer_chips[o][t])
                cell = pool * problem.shape[1] + t
                if rest > 0 and cell in self._price:
                    left[cell, offer.ask] = left.get((cell, offer.ask), 0) + rest
        for (cell, ask), chips in sorted(left.items()):
            gain = self._solver.NumVar(0.0, self._solver.infinity(), "")
            row = self._solver.Constraint(-ask / self._scale, self._solver.infinity())
            row.SetCoefficient(gain, 1.0)
            row.SetCoefficient(self._price[cell], -1.0)
            self._cost(gain, float(chips))

    def _add_block_offer(self, o: int, pool: int, taken: IntArray) -> None:
        problem = self._problem
        offer = problem.book.offers[o]
        first = offer.start - problem.book.first_period
        beyond = first < 0 or first + len(offer.chips) > problem.shape[1]
        if taken.any() or beyond:
            return
        fixed = idle_prices(self._choices, self._supplied)[pool]
        bound = 0.0
        terms: list[tuple[Any, int]] = []
        for i, chips in enumerate(offer.chips):
            t = first + i
            if not 0 <= t < problem.shape[1] or not chips:
                continue
            bound -= chips * offer.ask / self._scale
            cell = pool * problem.shape[1] + t
            if cell in self._price:
                terms.append((self._price[cell], chips))
            else:
                bound += chips * int(fixed[t]) / self._scale
        gain = self._solver.NumVar(0.0, self._solver.infinity(), "")
        row = self._solver.Constraint(bound, self._solver.infinity())
        row.SetCoefficient(gain, 1.0)
        for variable, chips in terms:
            row.SetCoefficient(variable, -float(chips))
        self._cost(gain, 1.0)

    def _cost(self, variable: Any, weight: float) -> None:  # noqa: ANN401 - untyped solver
        self._objective.SetCoefficient(variable, weight)
        self._terms.append((variable, weight))

    def learn(self, response: Response) -> int:
        """Add the rows of a response that are new; return how many."""
        added = 0
        for d in range(len(self._problem.demands)):
            added += self._learn_demand(d, response)
        return added

    def _learn_demand(self, d: int, response: Response) -> int:
        found = chosen(self._choices, response, d)
        if found is None:
            return 0
        use, value = found
        key = (d, repr(sorted(use.items())).encode())
        if key in self._known or use == self._use[d]:
            return 0
        self._known.add(key)
        self._add_row(d, use, value)
        return 1

    def _add_row(self, d: int, use: dict[int, int], value: int) -> None:
        choice = self._selection.choices[d]
        realised = 0 if choice is None else choice_value(self._problem, d, choice)
        if d not in self._regret:
            self._regret[d] = self._solver.NumVar(0.0, self._solver.infinity(), "")
            self._cost(self._regret[d], 1.0)
        row = self._solver.Constraint((value - realised) / self._scale, self._solver.infinity())
        row.SetCoefficient(self._regret[d], 1.0)
        mine = self._use[d]
        for cell in sorted(use.keys() | mine.keys()):
            weight = use.get(cell, 0) - mine.get(cell, 0)
            if weight:
                row.SetCoefficient(self._price[cell], float(weight))

    def _solve(self) -> FloatArray | None:
        if self._solver.Solve() != pywraplp.Solver.OPTIMAL:
            return None
        prices = np.zeros(self._problem.capacity.size)
        for cell, variable in self._price.items():
            prices[cell] = variable.solution_value() * self._scale
        return prices.reshape(self._problem.shape)

    def _rows_until_true(self, rounds: int) -> tuple[FloatArray | None, bool]:
        last: FloatArray | None = None
        for _ in range(rounds):
            prices = self._solve()
            if prices is None:
                return last, False
            last = prices
            if not self._learn_violated(prices):
                return prices, True
        return last, False

    def _learn_violated(self, prices: FloatArray) -> int:
        response = respond(self._choices, prices)
        # Read before the first row is added: a changed model forgets its solution.
        held = {d: regret.solution_value() * self._scale for d, regret in self._regret.items()}
        added = 0
        for d in range(len(self._problem.demands)):
            realised = 0.0
            choice = self._selection.choices[d]
            if choice is not None:
                realised = choice_value(self._problem, d, choice) - sum(
                    chips * prices.ravel()[cell] for cell, chips in self._use[d].items()
                )
            regret = float(response.surplus[d]) - realised
            known = held.get(d, 0.0)
            slack = _EPSILON * (abs(regret) + self._scale)
            if regret > max(0.0, known) + slack:
                added += self._learn_demand(d, response)
        return added

    def least_regret(self) -> tuple[FloatArray | None, bool]:
        """Return prices of least regret, and whether no row was left to add."""
        return self._rows_until_true(_ROUNDS_MAX)

    def ends(self) -> tuple[FloatArray, FloatArray] | None:
        """Return the least-sum and greatest-sum prices among those of least regret."""
        least = self._objective.Value()
        row = self._solver.Constraint(-self._solver.infinity(), least * (1 + 1e-9) + 1e-9)
        for variable, weight in self._terms:
            row.SetCoefficient(variable, weight)
            self._objective.SetCoefficient(variable, 0.0)
        found = []
        for sign in (1.0, -1.0):
            for variable in self._price.values():
                self._objective.SetCoefficient(variable, sign)
            prices, converged = self._rows_until_true(_ENDS_ROUNDS_MAX)
            if prices is None or not converged:
                return None
            found.append(prices)
        return found[0], found[1]


def chosen(choices: Choices, response: Response, d: int) -> tuple[dict[int, int], int] | None:
    """Return use (chips, and GB on links, by flat cell) and limit value of a demand's response."""
    use: dict[int, int] = {}
    run, option = int(response.run[d]), int(response.option[d])
    periods = choices.problem.shape[1]
    if option >= 0:
        cells = choices.cells
        mine = np.flatnonzero((cells.option == option) & (response.cell_chips > 0))
        use = dict(zip(cells.at[mine].tolist(), response.cell_chips[mine].tolist(), strict=True))
        value = int(cells.option_limit[option]) * sum(use.values())
        if cells.links is not None:
            rows = np.flatnonzero(np.isin(cells.links.cell, mine))
            sent = cells.links.gb[rows] * response.cell_chips[cells.links.cell[rows]]
            for at, gb in zip(cells.links.at[rows].tolist(), sent.tolist(), strict=True):
                use[at] = use.get(at, 0) + gb
        return use, value
    if run < 0:
        return None
    runs = choices.runs
    first = int(runs.pool[run]) * periods + int(runs.start[run])
    chips = int(runs.chips[run])
    use = dict.fromkeys(range(first, first + int(runs.duration[run])), chips)
    if runs.stretches is not None:
        option_of = choices.problem.demands[d].runs[int(runs.option[run])]
        stretches = option_of.sends.stretches(int(runs.start[run]), option_of.duration, chips)
        for at, gb in cells_of(stretches, periods):
            use[at] = use.get(at, 0) + gb
    return use, int(runs.value[run]) * chips
