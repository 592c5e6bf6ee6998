"""The supply side of the CP-SAT model: steps of the supply curves, block offers, price levels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from ortools.sat.python import cp_model

from services.core.clearing.presolve import IntArray, Problem
from services.core.clearing.selection import (
    RunChoice,
    Selection,
    SpreadChoice,
    choice_pools,
    use_of,
)

_ROW_MAX = 2**31 - 1


class UnsuitableError(Exception):
    """The book's numbers do not fit the solver; the incumbent stands."""


class _Step:
    """One step of residual supply in a cell."""

    __slots__ = ("ask", "chips", "variable")

    def __init__(self, ask: int, chips: int) -> None:
        self.ask = ask
        self.chips = chips
        self.variable: Any = None


class Use(NamedTuple):
    """Chips that a demand's variable takes from a cell.

    Attributes:
        demand: Position of the demand.
        variable: The solver's variable.
        weight: Chips per unit of the variable.
        most: Most chips that it can take.
    """

    demand: int
    variable: Any
    weight: int
    most: int


class SupplyRows:
    """What free demands can buy beside the fixed ones, and at which levels.

    The cheapest step of a cell needs no variable: its ask is part of what a demand costs, and
    dearer steps pay the difference. Only pools with undecided block offers have all their steps
    explicit.

    Args:
        problem: The problem.
        model: The CP-SAT model to add to.
        fixed: The demands that stay, and the block offers taken outside ``explicit``.
        explicit: Pools whose block offers are decided here.
    """

    def __init__(
        self,
        problem: Problem,
        model: Any,  # noqa: ANN401 - untyped solver
        fixed: Selection,
        explicit: set[int],
    ) -> None:
        self.uses: dict[int, list[Use]] = {}
        self.terms: list[tuple[Any, int]] = []
        self.most: dict[int, int] = {}
        self.taken: dict[int, Any] = {}
        self._problem = problem
        self._model = model
        self._fixed = fixed
        self._explicit = explicit
        self._levels: dict[tuple[int, int], Any] = {}
        self._steps: dict[int, list[_Step]] = {}
        self._floors: dict[tuple[int, int], IntArray] = {}
        self._left: dict[int, tuple[list[int], list[list[int]]]] = {}
        self._used = use_of(problem, fixed)
        self._users: list[list[int]] = [[] for _ in problem.supply]
        for d, choice in enumerate(fixed.choices):
            if choice is not None:
                for pool in choice_pools(problem, d, choice):
                    self._users[pool].append(d)

    def build(self) -> None:
        """Add block offers and all rows, once the uses of the free demands are known."""
        self._add_block_offers()
        for cell in sorted(self._cells_in_play()):
            self._add_supply(cell)

    def _add_block_offers(self) -> None:
        for b, block in enumerate(self._problem.block_offers):
            if block.pool not in self._explicit:
                continue
            taken = self._model.new_bool_var("")
            self.taken[b] = taken
            if (block.ask > self.ceiling(block.pool))[block.chips > 0].any():
                self._model.add(taken == 0)
            self.terms.append((taken, -block.ask * int(block.chips.sum())))

    def _cells_in_play(self) -> set[int]:
        periods = self._problem.shape[1]
        cells = set(self.uses)
        for pool in self._explicit:
            cells.update(range(pool * periods, (pool + 1) * periods))
        return cells

    def _residual(self, cell: int) -> list[_Step]:
        """Return the steps left in a cell beyond what the fixed demands use."""
        pool, period = divmod(cell, self._problem.shape[1])
        if pool not in self._left:
            steps = self._problem.supply[pool]
            used = np.zeros_like(self._used[pool]) if pool in self._explicit else self._used[pool]
            taken = np.clip(used - steps.below[:-1], 0, steps.chips)
            borne = steps.asks[:, None] <= self.ceiling(pool)
            left = np.where(borne, steps.chips - taken, 0)
            self._left[pool] = (steps.asks.tolist(), left.T.tolist())
        asks, rows = self._left[pool]
        return [_Step(ask, n) for ask, n in zip(asks, rows[period], strict=True) if n]

    def _add_supply(self, cell: int) -> None:
        pool, period = divmod(cell, self._problem.shape[1])
        uses = self.uses.get(cell, [])
        steps = self._residual(cell)
        self._steps[cell] = steps
        total = int(self._problem.capacity[pool, period])
        # A demand uses a pool's cell by at most one of its columns, a link's by several.
        largest: dict[int, int] = {}
        for use in uses:
            total += use.most
            if use.most > largest.get(use.demand, 0):
                largest[use.demand] = use.most
        if total > _ROW_MAX:
            raise UnsuitableError
        most = sum(largest.values())
        if pool >= self._problem.pools:
            most = sum(use.most for use in uses)
        if pool in self._explicit:
            self._add_explicit(pool, period, steps, uses)
            return
        if steps and most <= steps[0].chips:
            # The cheapest step is enough for everyone, so there is nothing to ration.
            steps = steps[:1]
            self._steps[cell] = steps
        base = steps[0].ask if steps else 0
        if base:
            self.terms += [(use.variable, -base * use.weight) for use in uses]
        room = steps[0].chips if steps else 0
        if most <= room:
            return
        variables = [use.variable for use in uses]
        weights = [use.weight for use in uses]
        for step in steps[1:]:
            step.variable = self._model.new_int_var(0, step.chips, "")
            self.most[step.variable.index] = step.chips
            self.terms.append((step.variable, base - step.ask))
            variables.append(step.variable)
            weights.append(-1)
        self._model.add(cp_model.LinearExpr.weighted_sum(variables, weights) <= room)

    def _add_explicit(self, pool: int, period: int, steps: list[_Step], uses: list[Use]) -> None:
        variables = [use.variable for use in uses]
        weights = [use.weight for use in uses]
        for step in steps:
            step.variable = self._model.new_int_var(0, step.chips, "")
            self.most[step.variable.index] = step.chips
            self.terms.append((step.variable, -step.ask))
            variables.append(step.variable)
            weights.append(-1)
        for b, taken in self.taken.items():
            block = self._problem.block_offers[b]
            chips = int(block.chips[period])
            if block.pool == pool and chips:
                variables.append(taken)
                weights.append(-chips)
        fixed = int(self._used[pool, period])
        if variables or fixed:
            self._model.add(cp_model.LinearExpr.weighted_sum(variables, weights) == -fixed)

    def ceiling(self, pool: int) -> IntArray:
        """Return the dearest ask that the fixed demands of a pool can bear in each period."""
        key = (-1, pool)
        if key in self._floors:
            return self._floors[key]
        top = np.iinfo(np.int64).max
        ceiling = np.full(self._problem.shape[1], top, dtype=np.int64)
        floor = self.floor(pool, 0)
        for d in self._users[pool]:
            choice = self._fixed.choices[d]
            if isinstance(choice, RunChoice):
                run = self._problem.demands[d].runs[choice.option]
                span = slice(choice.start, choice.start + run.duration)
                slack = run.net - int(floor[span].sum())
                ceiling[span] = np.minimum(ceiling[span], floor[span] + slack)
            elif isinstance(choice, SpreadChoice):
                spread = self._problem.demands[d].spreads[choice.option]
                cells = np.array(choice.cells, dtype=np.int64)
                here = cells[spread.at_pool[cells] == pool]
                mine = spread.at_period[here]
                ceiling[mine] = np.minimum(ceiling[mine], spread.net[here])
        self._floors[key] = ceiling
        return ceiling

    def floor(self, pool: int, chips: int) -> IntArray:
        """Return the least price of each period if at least so many chips come on top."""
        key = (chips, pool)
        if key in self._floors:
            return self._floors[key]
        used = self._used[pool] + chips
        rows: list[tuple[int, IntArray]] = list(
            zip(
                self._problem.supply[pool].asks.tolist(),
                self._problem.supply[pool].chips,
                strict=True,
            )
        )
        rows += [(b.ask, b.chips) for b in self._problem.block_offers if b.pool == pool]
        floor = np.zeros(len(used), dtype=np.int64)
        below = np.zeros(len(used), dtype=np.int64)
        for ask, offered in sorted(rows, key=lambda row: row[0]):
            floor = np.where((below < used) & (offered > 0), ask, floor)
            below = below + offered
        if pool not in self._explicit:
            for b in self._fixed.block_offers:
                block = self._problem.block_offers[b]
                if block.pool == pool:
                    floor = np.where(block.chips > 0, np.maximum(floor, block.ask), floor)
        self._floors[key] = floor
        return floor

    def level(self, cell: int, ask: int) -> Any:  # noqa: ANN401 - untyped solver
        """Return the literal that an offer of at least this ask is used, or None if it never is."""
        pool, period = divmod(cell, self._problem.shape[1])
        steps = [s for s in self._steps.get(cell, []) if s.ask >= ask]
        blocks = [
            self.taken[b]
            for b, block in enumerate(self._problem.block_offers)
            if b in self.taken
            and block.pool == pool
            and block.ask >= ask
            and block.chips[period] > 0
        ]
        if not steps and not blocks:
            return None
        key = (cell, min([s.ask for s in steps] or [ask]) if not blocks else ask)
        if key in self._levels:
            return self._levels[key]
        used = self._model.new_bool_var("")
        self._levels[key] = used
        for step in steps:
            if step.variable is None:
                # The cheapest step has no variable: what exceeds it is in the others, so any
                # use at all beyond the fixed may reach it.
                uses = self.uses.get(cell, [])
                total = cp_model.LinearExpr.weighted_sum(
                    [use.variable for use in uses], [use.weight for use in uses]
                )
                self._model.add(total <= sum(use.most for use in uses) * used)
            else:
                self._model.add(step.variable <= step.chips * used)
        for taken in blocks:
            self._model.add_implication(taken, used)
        return used
