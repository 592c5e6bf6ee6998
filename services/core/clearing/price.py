"""Clearing prices of a selection: supporting prices of least regret, then the mid-point.

Small books are priced by an LP to the least regret there is, large ones by a projected ascent.
What comes out is floored to the tick and judged in integers; if anything should fail, the
lowest supporting prices stand, which always hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.core.clearing.certificate import offer_surpluses
from services.core.clearing.presolve import FloatArray, IntArray, Problem
from services.core.clearing.price_program import Program
from services.core.clearing.price_search import Supporting, idle_prices, search_prices
from services.core.clearing.response import Choices, exact, respond
from services.core.clearing.selection import (
    Choice,
    RunChoice,
    Selection,
    Supplied,
    choice_cost,
    choice_stretches,
    choice_supported,
    choice_use,
    choice_value,
    limited_parts,
)

# Beyond this many prices the rounds of the LP take seconds and end short of the least regret.
_LP_PRICES_MAX = 700


@dataclass(frozen=True, slots=True)
class Priced:
    """Clearing prices and the regrets at them.

    Attributes:
        prices: P x T, micro-yuan per chip-hour, on the tick.
        demand_regret: Regret of each demand, micro-yuan.
        offer_regret: Regret of each offer, micro-yuan.
    """

    prices: IntArray
    demand_regret: tuple[int, ...]
    offer_regret: tuple[int, ...]

    @property
    def total(self) -> int:
        """Total regret, micro-yuan."""
        return sum(self.demand_regret) + sum(self.offer_regret)


def judge(
    choices: Choices,
    selection: Selection,
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
    for o, most in enumerate(offer_surpluses(problem.book, prices)):
        offer = problem.book.offers[o]
        row = prices[at[offer.pool]]
        used = np.flatnonzero(offer_chips[o])
        realised = sum(int(offer_chips[o][t]) * (int(row[t]) - offer.ask) for t in used.tolist())
        offer_regret.append(max(0, most - realised))
    return Priced(prices, tuple(demand_regret), tuple(offer_regret))


def payment(problem: Problem, selection: Selection, d: int, prices: IntArray) -> int:
    """Return what a demand pays at the prices, micro-yuan."""
    choice = selection.choices[d]
    return 0 if choice is None else choice_cost(problem, d, choice, prices)


def price(
    choices: Choices,
    selection: Selection,
    supplied: Supplied,
    offer_chips: tuple[IntArray, ...],
    steering: FloatArray,
    *,
    by_lp: bool,
) -> Priced:
    """Return supporting prices of least regret found, on the tick.

    Args:
        choices: From `flatten`.
        selection: A supported selection.
        supplied: Its supply.
        offer_chips: Chips of each offer of the book in each period.
        steering: P x T prices to start from (those of the certificate).
        by_lp: Whether the LP may be asked; the fallback does without any solver.
    """
    problem = choices.problem
    idle = idle_prices(choices, supplied)

    def judged(prices: FloatArray) -> Priced | None:
        whole = _on_tick(problem, selection, supplied, prices)
        whole = np.where(idle >= 0, idle, whole)
        if not _supports(problem, selection, whole):
            return None
        return judge(choices, selection, offer_chips, whole)

    lowest = np.where(idle >= 0, idle, supplied.floor)
    best = judge(choices, selection, offer_chips, lowest)
    if (idle >= 0).all():
        return best
    supporting = Supporting(problem, selection, supplied)
    searched = search_prices(choices, supporting, steering, problem.rules.ascent_steps // 2)
    tried = judged(searched)
    if tried is not None and tried.total < best.total:
        best = tried
    if by_lp and int((idle < 0).sum()) <= _LP_PRICES_MAX:
        for candidate in _by_lp(choices, selection, supplied, offer_chips, searched):
            tried = judged(candidate)
            # On equal regret the mid-point, which comes last, is the documented price.
            if tried is not None and tried.total <= best.total:
                best = tried
    return best


def _by_lp(
    choices: Choices,
    selection: Selection,
    supplied: Supplied,
    offer_chips: tuple[IntArray, ...],
    start: FloatArray,
) -> list[FloatArray]:
    program = Program(choices, selection, supplied, offer_chips)
    program.learn(respond(choices, supplied.floor.astype(np.float64)))
    program.learn(respond(choices, start))
    found, converged = program.least_regret()
    if found is None:
        return []
    ends = program.ends() if converged else None
    return [found] if ends is None else [found, (ends[0] + ends[1]) / 2]


def _on_tick(
    problem: Problem, selection: Selection, supplied: Supplied, prices: FloatArray
) -> IntArray:
    tick = problem.rules.tick
    # The LP's answer is right to about nine digits; a price a hair below a tick is that tick.
    floored = np.floor(prices / tick + 1e-4).astype(np.int64) * tick
    floored = np.clip(floored, 0, problem.caps)
    floored = np.maximum(floored, supplied.floor)
    # Undo the hair where it lifts a payment over a limit.
    for d, choice in enumerate(selection.choices):
        if choice is None or choice_supported(problem, d, choice, floored):
            continue
        if choice_stretches(problem, d, choice):
            _cut_with_links(problem, d, choice, floored, supplied.floor)
        elif isinstance(choice, RunChoice):
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


def _cut_with_links(
    problem: Problem, d: int, choice: Choice, prices: IntArray, floor: IntArray
) -> None:
    """Lower prices of chips until a choice with links pays no more than its limit, if that does."""
    tick = problem.rules.tick
    flat, least = prices.reshape(-1), floor.reshape(-1)
    cells = problem.pools * problem.shape[1]
    for part in limited_parts(choice):
        over = choice_cost(problem, d, part, prices) - choice_value(problem, d, part)
        for at, chips in choice_use(problem, d, part).items():
            if over <= 0:
                break
            if at < cells:
                wanted = -(-over // (chips * tick)) * tick
                cut = min(int(flat[at] - least[at]), wanted)
                flat[at] -= cut
                over -= cut * chips


def _supports(problem: Problem, selection: Selection, prices: IntArray) -> bool:
    return all(
        choice is None or choice_supported(problem, d, choice, prices)
        for d, choice in enumerate(selection.choices)
    )
