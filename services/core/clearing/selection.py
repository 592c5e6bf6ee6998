"""A selection: who gets what; its supply, its welfare, and whether prices can support it.

A selection is supported by prices exactly when the lowest prices it allows, the dearest ask used
in each pool x period, satisfy every accepted demand: all other price conditions are upper
bounds on sums of prices with non-negative weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from services.core.clearing.links import NOTHING_SENT, Stretch, cells_of
from services.core.clearing.presolve import IntArray, Problem


@dataclass(frozen=True, slots=True)
class RunChoice:
    """A block demand accepted at one run.

    Attributes:
        option: Position among the demand's `RunOption`s.
        start: First period, relative to the horizon.
        chips: Chips throughout.
    """

    option: int
    start: int
    chips: int


@dataclass(frozen=True, slots=True)
class SpreadChoice:
    """A flow or work demand accepted in some cells.

    Attributes:
        option: Position among the demand's `SpreadOption`s.
        cells: Positions of the option's cells, ascending.
        chips: Chips of each of these cells, above 0.
    """

    option: int
    cells: tuple[int, ...]
    chips: tuple[int, ...]


Choice = RunChoice | SpreadChoice


@dataclass(frozen=True, slots=True)
class Selection:
    """What is accepted.

    Attributes:
        choices: Choice of each demand, ``None`` where it stays out.
        block_offers: Positions (in `Problem.block_offers`) of the block offers taken.
    """

    choices: tuple[Choice | None, ...]
    block_offers: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Supplied:
    """How a use of chips is supplied at least cost.

    Attributes:
        used: P x T chips used by demands.
        divisible: P x T chips taken from divisible offers, in merit order.
        floor: P x T dearest ask used, 0 where nothing is used.
        cost: Ask value of all chips, micro-yuan.
        feasible: Whether capacity holds and every block offer taken is wholly used.
    """

    used: IntArray
    divisible: IntArray
    floor: IntArray
    cost: int
    feasible: bool


def use_of(problem: Problem, selection: Selection) -> IntArray:
    """Return P x T chips that the accepted demands use."""
    used = np.zeros(problem.shape, dtype=np.int64)
    for d, choice in enumerate(selection.choices):
        if choice is not None:
            add_use(problem, used, d, choice)
    return used


def add_use(problem: Problem, used: IntArray, d: int, choice: Choice, sign: int = 1) -> None:
    """Add (or with sign -1 take away) one choice's chips in place, and its GB on links."""
    for link, low, high, gb in choice_stretches(problem, d, choice):
        used[link, low:high] += sign * gb
    if isinstance(choice, RunChoice):
        run = problem.demands[d].runs[choice.option]
        used[run.pool, choice.start : choice.start + run.duration] += sign * choice.chips
    else:
        spread = problem.demands[d].spreads[choice.option]
        cells = np.array(choice.cells, dtype=np.int64)
        # Cells of one option are distinct, so fancy indexing adds each of them once.
        used[spread.at_pool[cells], spread.at_period[cells]] += sign * np.array(
            choice.chips, dtype=np.int64
        )


def choice_stretches(problem: Problem, d: int, choice: Choice) -> list[Stretch]:
    """Return what one choice takes of links."""
    if isinstance(choice, RunChoice):
        run = problem.demands[d].runs[choice.option]
        if run.sends is NOTHING_SENT:
            return []
        return run.sends.stretches(choice.start, run.duration, choice.chips)
    spread = problem.demands[d].spreads[choice.option]
    if not spread.sends:
        return []
    found: list[Stretch] = []
    for cell, chips in zip(choice.cells, choice.chips, strict=True):
        sends = spread.sends[int(spread.at_pool[cell])]
        found += sends.each(int(spread.at_period[cell]), 1, chips)
    return found


def limited_parts(choice: Choice) -> list[Choice]:
    """Return a choice in the parts that its limit holds for: a run whole, a spread chip by chip."""
    if isinstance(choice, RunChoice):
        return [choice]
    return [SpreadChoice(choice.option, (cell,), (1,)) for cell in choice.cells]


def choice_use(problem: Problem, d: int, choice: Choice) -> dict[int, int]:
    """Return chips, and GB on links, by index in a flat P x T array."""
    periods = problem.shape[1]
    use: dict[int, int] = {}
    if isinstance(choice, RunChoice):
        run = problem.demands[d].runs[choice.option]
        first = run.pool * periods + choice.start
        use = dict.fromkeys(range(first, first + run.duration), choice.chips)
    else:
        spread = problem.demands[d].spreads[choice.option]
        for cell, chips in zip(choice.cells, choice.chips, strict=True):
            use[int(spread.at_pool[cell]) * periods + int(spread.at_period[cell])] = chips
    for at, gb in cells_of(choice_stretches(problem, d, choice), periods):
        use[at] = use.get(at, 0) + gb
    return use


def choice_cost(problem: Problem, d: int, choice: Choice, prices: IntArray) -> int:
    """Return what one choice pays at the prices, links included, micro-yuan."""
    flat = prices.reshape(-1)
    return sum(n * int(flat[at]) for at, n in choice_use(problem, d, choice).items())


def supply(problem: Problem, used: IntArray, block_offers: frozenset[int]) -> Supplied:
    """Supply a use of chips at least cost: block offers taken first, then merit order."""
    divisible = used.copy()
    floor = problem.lowest.copy()
    cost = 0
    for b in sorted(block_offers):
        block = problem.block_offers[b]
        divisible[block.pool] -= block.chips
        row = floor[block.pool]
        np.maximum(row, np.where(block.chips > 0, block.ask, 0), out=row)
        cost += block.ask * int(block.chips.sum())
    feasible = not (divisible < 0).any()
    # Allowances cost nothing, so all that matters of them is that none is exceeded.
    own = problem.pools + len(problem.plain.links)
    feasible = feasible and not (divisible[own:] > problem.capacity[own:]).any()
    for p, steps in enumerate(problem.supply[:own]):
        want = divisible[p]
        if not want.any():
            continue
        feasible = feasible and not (want > steps.below[-1]).any()
        taken = np.clip(want[None, :] - steps.below[:-1], 0, steps.chips)
        for ask, row in zip(steps.asks.tolist(), taken, strict=True):
            total = int(row.sum())
            if total:
                cost += ask * total
                floor[p] = np.maximum(floor[p], np.where(row > 0, ask, 0))
    return Supplied(used, divisible, floor, cost, feasible)


def value_of(problem: Problem, selection: Selection) -> int:
    """Return the limit value of everything accepted, micro-yuan."""
    return sum(
        choice_value(problem, d, choice)
        for d, choice in enumerate(selection.choices)
        if choice is not None
    )


def choice_value(problem: Problem, d: int, choice: Choice) -> int:
    """Return the limit value of one choice, micro-yuan."""
    return choice_hours(problem, d, choice) * choice_limit(problem, d, choice)


def choice_hours(problem: Problem, d: int, choice: Choice) -> int:
    """Return the chip-hours of one choice."""
    if isinstance(choice, RunChoice):
        return choice.chips * problem.demands[d].runs[choice.option].duration
    return sum(choice.chips)


def choice_limit(problem: Problem, d: int, choice: Choice) -> int:
    """Return the limit price of the alternative of one choice."""
    if isinstance(choice, RunChoice):
        return problem.demands[d].runs[choice.option].limit
    return problem.demands[d].spreads[choice.option].limit


def choice_alternative(problem: Problem, d: int, choice: Choice) -> int:
    """Return the position of the alternative of one choice among the demand's own."""
    if isinstance(choice, RunChoice):
        return problem.demands[d].runs[choice.option].alternative
    return problem.demands[d].spreads[choice.option].alternative


def unsupported(problem: Problem, selection: Selection, floor: IntArray) -> tuple[int, ...]:
    """Return the demands that would pay more than their limit even at the lowest prices."""
    return tuple(
        d
        for d, choice in enumerate(selection.choices)
        if choice is not None and not choice_supported(problem, d, choice, floor)
    )


def choice_supported(problem: Problem, d: int, choice: Choice, prices: IntArray) -> bool:
    """Tell whether one choice satisfies rule 1 at the prices."""
    if isinstance(choice, RunChoice):
        run = problem.demands[d].runs[choice.option]
        if run.sends is not NOTHING_SENT:
            return choice_cost(problem, d, choice, prices) <= choice_value(problem, d, choice)
        row = prices[run.pool, choice.start : choice.start + run.duration]
        return int(row.sum()) <= run.limit * run.duration
    spread = problem.demands[d].spreads[choice.option]
    if spread.sends:
        # The limit holds for every chip, with all that its traffic pays.
        parts = limited_parts(choice)
        return all(choice_cost(problem, d, part, prices) <= spread.limit for part in parts)
    cells = np.array(choice.cells, dtype=np.int64)
    paid = prices[spread.at_pool[cells], spread.at_period[cells]]
    return bool((paid <= spread.limit).all())


def keeps_relations(problem: Problem, selection: Selection) -> bool:
    """Tell whether exclusive groups and links hold."""
    for members in problem.groups:
        if sum(selection.choices[d] is not None for d in members) > 1:
            return False
    return all(
        selection.choices[demand.parent] is not None
        for d, demand in enumerate(problem.demands)
        if demand.parent >= 0 and selection.choices[d] is not None
    )


def welfare(problem: Problem, selection: Selection) -> int | None:
    """Return the welfare of a selection, or ``None`` if it breaks any rule."""
    worth = worth_of(problem, selection)
    return None if worth is None else worth.welfare


class Worth(NamedTuple):
    """What selections are compared by, first difference first.

    Attributes:
        welfare: Micro-yuan.
        chip_hours: Chip-hours allocated.
        waited: Rounds that the accepted demands have waited, summed.
    """

    welfare: int
    chip_hours: int
    waited: int


def worth_of(problem: Problem, selection: Selection) -> Worth | None:
    """Return the worth of a selection, or ``None`` if it breaks any rule."""
    supplied = supply(problem, use_of(problem, selection), selection.block_offers)
    if not supplied.feasible or not keeps_relations(problem, selection):
        return None
    if unsupported(problem, selection, supplied.floor):
        return None
    accepted = [(d, choice) for d, choice in enumerate(selection.choices) if choice is not None]
    return Worth(
        value_of(problem, selection) - supplied.cost,
        sum(choice_hours(problem, d, choice) for d, choice in accepted),
        sum(problem.book.demands[d].rounds_waited for d, _ in accepted),
    )


def choice_pools(problem: Problem, d: int, choice: Choice) -> set[int]:
    """Return the pools that one choice uses, those of links left out."""
    if isinstance(choice, RunChoice):
        return {problem.demands[d].runs[choice.option].pool}
    spread = problem.demands[d].spreads[choice.option]
    return {int(spread.at_pool[cell]) for cell in choice.cells}
