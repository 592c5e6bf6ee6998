"""Clearing prices of a selection: supporting prices of least regret, then the mid-point.

The LP holds one price per pool x period that an order could use, and the regret of every order.
A demand's regret is a maximum over very many choices, so its rows are added as they are found
to be violated (best responses at the present prices). What comes out is floored to the tick and
judged again in integers; if anything should fail, the lowest supporting prices stand, which
always hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ortools.linear_solver import pywraplp

from services.core.clearing.certificate import offer_surpluses
from services.core.clearing.presolve import FloatArray
from services.core.clearing.presolve import IntArray
from services.core.clearing.presolve import Problem
from services.core.clearing.response import Choices
from services.core.clearing.response import Response
from services.core.clearing.response import exact
from services.core.clearing.response import respond
from services.core.clearing.selection import RunChoice
from services.core.clearing.selection import Selection
from services.core.clearing.selection import Supplied
from services.core.clearing.selection import choice_supported
from services.core.clearing.selection import choice_value

PRICE_MAX = 10_000_000_000
"""Highest price of the formats, micro-yuan per chip-hour."""

# Rounds of row generation for the least regret, and again for each end of the mid-point.
_ROUNDS_MAX = 60
_ENDS_ROUNDS_MAX = 20
# Relative to the dearest limit: below this two prices or regrets are the same to the LP.
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Priced:
    """Clearing prices and the regrets at them.

    Attributes:
        prices: P x T, micro-yuan per chip-hour, on the tick.
        demand_regret: Regret of each demand, micro-yuan.
        offer_regret: Regret of each offer, micro-yuan.
        exact: Whether the LP found the least regret there is (to the tick).
    """

    prices: IntArray
    demand_regret: tuple[int, ...]
    offer_regret: tuple[int, ...]
    exact: bool

    @property
    def total(self) -> int:
        """Total regret, micro-yuan."""
        return sum(self.demand_regret) + sum(self.offer_regret)


def judge(
    choices: Choices,
    selection: Selection,
    supplied: Supplied,
    offer_chips: tuple[IntArray, ...],
    prices: IntArray,
) -> Priced:
    """Return the exact regret of every order at given prices."""
    problem = choices.problem
    wide = exact(prices, problem)
    best = respond(choices, wide).surplus
    demand_regret = []
    for d, choice in enumerate(selection.choices):
        realised = 0
        if choice is not None:
            realised = choice_value(problem, d, choice) - payment(problem, selection, d, prices)
        demand_regret.append(max(0, int(best[d]) - realised))
    at = {pool.key: p for p, pool in enumerate(problem.book.pools)}
    offer_regret = []
    for o, most in enumerate(offer_surpluses(problem, prices)):
        offer = problem.book.offers[o]
        row = prices[at[offer.pool]]
        used = np.flatnonzero(offer_chips[o])
        realised = sum(
            int(offer_chips[o][t]) * (int(row[t]) - offer.ask) for t in used.tolist()
        )
        offer_regret.append(max(0, most - realised))
    return Priced(prices, tuple(demand_regret), tuple(offer_regret), exact=False)


def payment(problem: Problem, selection: Selection, d: int, prices: IntArray) -> int:
    """Return what a demand pays at the prices, micro-yuan."""
    choice = selection.choices[d]
    if choice is None:
        return 0
    if isinstance(choice, RunChoice):
        run = problem.demands[d].runs[choice.option]
        row = prices[run.pool, choice.start : choice.start + run.duration]
        return choice.chips * int(row.sum())
    spread = problem.demands[d].spreads[choice.option]
    return sum(
        chips * int(prices[spread.at_pool[cell], spread.at_period[cell]])
        for cell, chips in zip(choice.cells, choice.chips, strict=True)
    )


def price(
    choices: Choices,
    selection: Selection,
    supplied: Supplied,
    offer_chips: tuple[IntArray, ...],
    steering: FloatArray,
) -> Priced:
    """Return supporting prices of least regret found, on the tick.

    Args:
        choices: From `flatten`.
        selection: A supported selection.
        supplied: Its supply.
        offer_chips: Chips of each offer of the book in each period.
        steering: P x T prices to start from (those of the certificate).
    """
    problem = choices.problem
    idle = _idle_prices(choices, supplied)

    def judged(prices: IntArray) -> Priced:
        return judge(choices, selection, supplied, offer_chips, prices)

    best = judged(np.where(idle >= 0, idle, supplied.floor))
    program = _Program(choices, selection, supplied, offer_chips)
    if not program.cells:
        return Priced(best.prices, best.demand_regret, best.offer_regret, exact=True)
    program.learn(respond(choices, best.prices.astype(np.float64)))
    program.learn(respond(choices, np.maximum(steering, supplied.floor)))
    found, converged = program.least_regret()
    candidates = [] if found is None else [found]
    if found is not None and converged:
        ends = program.ends()
        if ends is not None:
            candidates.insert(0, (ends[0] + ends[1]) / 2)
    for candidate in candidates:
        prices = _on_tick(problem, selection, supplied, candidate)
        prices = np.where(idle >= 0, idle, prices)
        if _supports(problem, selection, prices):
            tried = judged(prices)
            if tried.total < best.total or (converged and tried.total == best.total):
                return Priced(
                    tried.prices, tried.demand_regret, tried.offer_regret, exact=converged
                )
    return best


def _idle_prices(choices: Choices, supplied: Supplied) -> IntArray:
    # Where no demand could ever run, any price up to the lowest ask has no regret; the
    # documented one is the lowest ask itself (0 where nothing is offered): nobody sells below.
    problem = choices.problem
    live = np.zeros(problem.shape, dtype=bool)
    periods = problem.shape[1]
    steps = np.zeros(problem.shape[0] * (periods + 1), dtype=np.int64)
    np.add.at(steps, choices.runs.low, 1)
    np.subtract.at(steps, choices.runs.high, 1)
    live |= np.cumsum(steps.reshape(-1, periods + 1), axis=1)[:, :periods] > 0
    live.reshape(-1)[choices.cells.at] = True
    return np.where(live, -1, np.maximum(problem.floor, supplied.floor))


def _on_tick(
    problem: Problem, selection: Selection, supplied: Supplied, prices: FloatArray
) -> IntArray:
    tick = problem.rules.tick
    # The LP's answer is right to about nine digits; a price a hair below a tick is that tick.
    floored = np.floor(prices / tick + 1e-4).astype(np.int64) * tick
    floored = np.clip(floored, 0, PRICE_MAX // tick * tick)
    floored = np.maximum(floored, supplied.floor)
    # Undo the hair where it lifts a payment over a limit.
    for d, choice in enumerate(selection.choices):
        if choice is None or choice_supported(problem, d, choice, floored):
            continue
        if isinstance(choice, RunChoice):
            run = problem.demands[d].runs[choice.option]
            span = slice(choice.start, choice.start + run.duration)
            row = floored[run.pool, span]
            over = int(row.sum()) - run.limit * run.duration
            for t in range(run.duration):
                room = int(row[t] - supplied.floor[run.pool, choice.start + t])
                cut = min(room, -(-over // tick) * tick)
                row[t] -= cut
                over -= cut
                if over <= 0:
                    break
        else:
            spread = problem.demands[d].spreads[choice.option]
            cells = np.array(choice.cells, dtype=np.int64)
            where = (spread.at_pool[cells], spread.at_period[cells])
            floored[where] = np.minimum(floored[where], spread.limit // tick * tick)
    return np.maximum(floored, supplied.floor)


def _supports(problem: Problem, selection: Selection, prices: IntArray) -> bool:
    return all(
        choice is None or choice_supported(problem, d, choice, prices)
        for d, choice in enumerate(selection.choices)
    )


class _Program:
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
        idle = _idle_prices(self._choices, self._supplied)
        return np.flatnonzero(idle.ravel() < 0).tolist()

    def _add_prices(self) -> None:
        floor = self._supplied.floor.ravel() / self._scale
        top = PRICE_MAX / self._scale
        for cell in self.cells:
            self._price[cell] = self._solver.NumVar(float(floor[cell]), top, "")

    def _add_support(self) -> None:
        periods = self._problem.shape[1]
        for d, choice in enumerate(self._selection.choices):
            use: dict[int, int] = {}
            self._use.append(use)
            if choice is None:
                continue
            if isinstance(choice, RunChoice):
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
        fixed = _idle_prices(self._choices, self._supplied)[pool]
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
        use: dict[int, int] = {}
        value = 0
        run, option = int(response.run[d]), int(response.option[d])
        if option >= 0:
            cells = self._choices.cells
            mine = np.flatnonzero((cells.option == option) & (response.cell_chips > 0))
            use = dict(
                zip(cells.at[mine].tolist(), response.cell_chips[mine].tolist(), strict=True)
            )
            value = int(cells.option_limit[option]) * sum(use.values())
        elif run >= 0:
            runs = self._choices.runs
            periods = self._problem.shape[1]
            first = int(runs.pool[run]) * periods + int(runs.start[run])
            chips = int(runs.chips[run])
            use = dict.fromkeys(range(first, first + int(runs.duration[run])), chips)
            value = int(runs.value[run]) * chips
        else:
            return 0
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
