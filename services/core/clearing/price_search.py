"""Supporting prices of small regret for books too large for the LP: a projected price ascent.

Total regret at prices that support the selection is D at these prices less the welfare (groups
aside), so the ascent of the certificate finds them too, if every step is led back to prices
that support the selection. On 400 demands it came within 1 % of the least regret in the time of
three of the LP's twenty rounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.core.clearing.certificate import Asks, growth
from services.core.clearing.presolve import BoolArray, FloatArray, IntArray, Problem
from services.core.clearing.response import Choices, load, respond
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

PRICE_MAX = 10_000_000_000
"""Highest price of the formats, micro-yuan per chip-hour."""

_MEMORY = 0.8
# Steps start near the goal, at the certificate's prices, so they are smaller than its own.
_STEP = 0.05
_STEP_FALL = 40
_EXCESS_MAX = 2.0
_PATIENCE = 60


def idle_prices(choices: Choices, supplied: Supplied) -> IntArray:
    """Return the price of each pool x period that no demand could ever use, -1 elsewhere."""
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
    _mark_links(choices, live)
    for block in problem.block_offers:
        # What it would gain is summed over its periods, so their prices are set together.
        live[block.pool] |= block.chips > 0
    return np.where(live, -1, np.maximum(problem.floor, supplied.floor))


def _mark_links(choices: Choices, live: BoolArray) -> None:
    rows, links = choices.runs.stretches, choices.cells.links
    if rows is not None:
        width = live.shape[1] + 1
        # A stretch lies in one row of the prefix sums, which have one column more than prices.
        for low, high in {*zip(rows.low.tolist(), rows.high.tolist(), strict=True)}:
            pool, t = divmod(low, width)
            live[pool, t : t + high - low] = True
    if links is not None:
        live.reshape(-1)[links.at] = True


@dataclass(frozen=True, slots=True)
class _Run:
    pool: int
    span: slice
    most: float


@dataclass(frozen=True, slots=True)
class _Sum:
    """A weighted sum of prices that has a limit: what a choice with links pays."""

    at: IntArray
    weight: FloatArray
    most: float


class Supporting:
    """The set of prices that support a selection.

    Args:
        problem: The problem.
        selection: A supported selection.
        supplied: Its supply.
    """

    def __init__(self, problem: Problem, selection: Selection, supplied: Supplied) -> None:
        self._floor = supplied.floor.astype(np.float64)
        self._top = problem.caps + np.zeros(problem.shape)
        self._runs: list[_Run] = []
        self._sums: list[_Sum] = []
        for d, choice in enumerate(selection.choices):
            if choice is not None and choice_stretches(problem, d, choice):
                self._sums += _sums_of(problem, d, choice)
            elif isinstance(choice, RunChoice):
                run = problem.demands[d].runs[choice.option]
                span = slice(choice.start, choice.start + run.duration)
                self._runs.append(_Run(run.pool, span, float(run.limit * run.duration)))
            elif choice is not None:
                spread = problem.demands[d].spreads[choice.option]
                cells = np.array(choice.cells, dtype=np.int64)
                where = (spread.at_pool[cells], spread.at_period[cells])
                self._top[where] = np.minimum(self._top[where], spread.limit)

    def lead_back(self, prices: FloatArray) -> FloatArray:
        """Return prices of the set near the given ones: every run's excess is scaled away."""
        led: FloatArray = np.minimum(np.maximum(prices, self._floor), self._top)
        for run in self._runs:
            row = led[run.pool, run.span]
            over = float(row.sum()) - run.most
            if over > 0:
                floor = self._floor[run.pool, run.span]
                above = row - floor
                room = float(above.sum())
                row[:] = floor + above * max(0.0, 1 - over / room) if room > 0 else floor
        flat, least = led.reshape(-1), self._floor.reshape(-1)
        for one in self._sums:
            over = float((flat[one.at] * one.weight).sum()) - one.most
            if over > 0:
                above = flat[one.at] - least[one.at]
                room = float((above * one.weight).sum())
                share = max(0.0, 1 - over / room) if room > 0 else 0.0
                flat[one.at] = least[one.at] + above * share
        return led


def _sums_of(problem: Problem, d: int, choice: Choice) -> list[_Sum]:
    found = []
    for part in limited_parts(choice):
        use = choice_use(problem, d, part)
        at = np.array(list(use), dtype=np.int64)
        weight = np.array(list(use.values()), dtype=np.float64)
        found.append(_Sum(at, weight, float(choice_value(problem, d, part))))
    return found


def search_prices(
    choices: Choices, supporting: Supporting, start: FloatArray, steps: int
) -> FloatArray:
    """Return supporting prices with the smallest total regret seen.

    Args:
        choices: From `flatten`.
        supporting: The set of prices to stay in.
        start: P x T prices to start from.
        steps: Most steps.
    """
    problem = choices.problem
    everyone = np.arange(len(problem.demands))
    asks = Asks(problem)
    capacity = np.maximum(problem.capacity, 1)
    direction = np.zeros(problem.shape)
    prices = supporting.lead_back(start)
    best, least, since = prices, float("inf"), 0
    for step in range(max(1, steps)):
        response = respond(choices, prices)
        value = float(response.surplus.sum()) + asks.surplus(prices)
        if value < least * (1 - 1e-7):
            best, least, since = prices, value, 0
        else:
            since += 1
            if since > _PATIENCE:
                break
        excess = (load(choices, response, everyone) - asks.supplied(prices)) / capacity
        direction = _MEMORY * direction + (1 - _MEMORY) * np.minimum(excess, _EXCESS_MAX)
        grown = prices * growth(_STEP / (1 + step / _STEP_FALL) * direction)
        prices = supporting.lead_back(grown)
    return best
