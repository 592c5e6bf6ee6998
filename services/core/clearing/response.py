"""Best responses to prices: what every order would choose, all orders at once.

The same code serves the float prices that steer the search and the integer prices that judge
it: with an integer price array every result is exact. A `block` run costs the difference of two
prefix sums of its pool's prices; `flow` and `work` fill the cheapest cells first, which is
optimal because their caps nest (cell within period within total).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.clearing.links import (
    NOTHING_SENT,
    CellLinks,
    RunStretches,
    Sends,
    cell_links,
    run_stretches,
)
from services.core.clearing.presolve import IntArray, Problem, SpreadOption

AnyArray = npt.NDArray[Any]

# Past this many micro-yuan an order's surplus could leave 64 bits; then Python's integers count.
_EXACT_MAX = 2**61


@dataclass(frozen=True, slots=True)
class Runs:
    """All block runs that can ever fit, flat; runs of a demand are neighbours.

    Attributes:
        demand: Position of the demand of each run.
        option: Position of the run's `RunOption` within the demand.
        pool: Pool.
        start: First period.
        duration: Periods.
        value: limit x duration, micro-yuan per chip.
        chips: Largest quantity.
        chips_min: Least quantity.
        supportable: Whether prices could ever support it.
        low: Index of the first period in a flat P x (T + 1) prefix-sum array.
        high: Index just past the last period there.
        segment: First run of each demand that has any.
        owner: Demand of each segment.
        lengths: Runs of each segment.
        net: Most that the prices of its chips may sum to per chip, after the tariffs of links.
        stretches: What the runs take of links, ``None`` if nothing.
    """

    demand: IntArray
    option: IntArray
    pool: IntArray
    start: IntArray
    duration: IntArray
    value: IntArray
    chips: IntArray
    chips_min: IntArray
    supportable: npt.NDArray[np.bool_]
    low: IntArray
    high: IntArray
    segment: IntArray
    owner: IntArray
    lengths: IntArray
    net: IntArray
    stretches: RunStretches | None


@dataclass(frozen=True, slots=True)
class Cells:
    """All cells of flow and work alternatives, flat, sorted by option, period, pool.

    Attributes:
        option_demand: Demand of each option.
        option_local: Position of each option within its demand.
        option_limit: Limit of each option.
        option_hours: Most chip-hours of each option.
        option_binds: Whether the total can bind at all.
        option_start: First cell of each option.
        owner: Demand of each block of neighbouring options.
        owner_start: First option of each such block.
        owner_lengths: Options of each such block.
        option: Option of each cell.
        limit: Limit of each cell's option.
        binds: Whether each cell's option can be bound by its total.
        at: Index of each cell in a flat P x T array.
        chips: Most chips of each cell.
        group: Option x period that each cell belongs to.
        group_start: First cell of each group.
        group_option: Option of each group.
        group_chips: Most chips of each group.
        easy: Whether every cell of a group could take all of the group's chips.
        hard: Cells of the groups that are not easy.
        net: Most that each cell's price may be, after the tariffs of links.
        links: What the cells take of links, ``None`` if nothing.
    """

    option_demand: IntArray
    option_local: IntArray
    option_limit: IntArray
    option_hours: IntArray
    option_binds: npt.NDArray[np.bool_]
    option_start: IntArray
    owner: IntArray
    owner_start: IntArray
    owner_lengths: IntArray
    option: IntArray
    limit: IntArray
    binds: npt.NDArray[np.bool_]
    at: IntArray
    chips: IntArray
    group: IntArray
    group_start: IntArray
    group_option: IntArray
    group_chips: IntArray
    easy: npt.NDArray[np.bool_]
    hard: IntArray
    net: IntArray
    links: CellLinks | None


@dataclass(frozen=True, slots=True)
class Response:
    """What the demands would choose at some prices.

    Attributes:
        surplus: Best surplus of each demand, never negative.
        run: Best run of each demand, -1 if none or if nothing pays.
        option: Best flow/work option of each demand, -1 if none or if nothing pays.
        cell_chips: Chips of each cell in its option's best response.
    """

    surplus: AnyArray
    run: IntArray
    option: IntArray
    cell_chips: IntArray


@dataclass(frozen=True, slots=True)
class Choices:
    """Everything that demands can choose from, flat.

    Attributes:
        problem: Where it comes from.
        runs: Block runs.
        cells: Flow and work cells.
    """

    problem: Problem
    runs: Runs
    cells: Cells


def flatten(problem: Problem) -> Choices:
    """Lay out all choices of a problem as flat arrays."""
    return Choices(problem, _flat_runs(problem), _flat_cells(problem))


def exact(prices: IntArray, problem: Problem) -> AnyArray:
    """Return the prices in a type in which no surplus can overflow."""
    most_chips = int(problem.capacity.max(initial=0))
    most_price = max(
        int(prices.max(initial=0)),
        max((a.limit for d in problem.book.demands for a in d.alternatives), default=0),
    )
    cells = problem.capacity.size
    if most_chips * most_price * cells < _EXACT_MAX:
        return prices.astype(np.int64)
    return prices.astype(object)


def prefix(prices: AnyArray) -> AnyArray:
    """Return P x (T + 1) prefix sums along the periods."""
    sums = np.zeros((prices.shape[0], prices.shape[1] + 1), dtype=prices.dtype)
    np.cumsum(prices, axis=1, out=sums[:, 1:])
    return sums


def respond(choices: Choices, prices: AnyArray) -> Response:
    """Return every demand's best response to the prices.

    Args:
        choices: What there is to choose from.
        prices: P x T; floats to steer, integers (see `exact`) to judge.
    """
    demands = len(choices.problem.demands)
    surplus = np.zeros(demands, dtype=prices.dtype)
    run = np.full(demands, -1, dtype=np.int64)
    option = np.full(demands, -1, dtype=np.int64)
    runs = choices.runs
    if len(runs.demand):
        gain = run_surplus(runs, prices)
        best = np.maximum.reduceat(gain, runs.segment)
        first = _first_at(gain, best, runs.segment, runs.lengths)
        pays = best > 0
        surplus[runs.owner[pays]] = best[pays]
        run[runs.owner[pays]] = first[pays]
    cell_chips = np.zeros(len(choices.cells.at), dtype=np.int64)
    if len(choices.cells.at):
        cell_chips, gains = _respond_cells(choices.cells, prices)
        cells = choices.cells
        best = np.maximum.reduceat(gains, cells.owner_start)
        first = _first_at(gains, best, cells.owner_start, cells.owner_lengths)
        pays = best > 0
        surplus[cells.owner[pays]] = best[pays]
        option[cells.owner[pays]] = first[pays]
    return Response(surplus, run, option, cell_chips)


def run_surplus(runs: Runs, prices: AnyArray) -> AnyArray:
    """Return the surplus of every run at its largest quantity, negative where it loses."""
    sums = prefix(prices).ravel()
    surplus: AnyArray = (runs.value - (sums[runs.high] - sums[runs.low])) * runs.chips
    if runs.stretches is not None:
        rows = runs.stretches
        cost = (sums[rows.high] - sums[rows.low]) * rows.gb
        cost = np.where(rows.each, cost * runs.chips[rows.run], cost)
        np.subtract.at(surplus, rows.run, cost)
    return surplus


def cell_prices(cells: Cells, prices: AnyArray) -> AnyArray:
    """Return what a chip of every cell costs at the prices, with its traffic."""
    flat = prices.ravel()
    paid: AnyArray = flat[cells.at]
    if cells.links is not None:
        np.add.at(paid, cells.links.cell, flat[cells.links.at] * cells.links.gb)
    return paid


def _first_at(gain: AnyArray, best: AnyArray, start: IntArray, lengths: IntArray) -> IntArray:
    # The first of equals, so that the answer is a rule and not an accident of the sort.
    count = len(gain)
    position = np.where(gain == np.repeat(best, lengths), np.arange(count), count)
    first: IntArray = np.minimum.reduceat(position, start)
    return first


def _respond_cells(cells: Cells, prices: AnyArray) -> tuple[IntArray, AnyArray]:
    price = cell_prices(cells, prices)
    margin = cells.limit - price
    granted = np.zeros(len(price), dtype=np.int64)
    if cells.easy.any():
        best = np.minimum.reduceat(price, cells.group_start)
        lengths = np.diff(np.concatenate((cells.group_start, [len(price)])))
        pick = _first_at(price, best, cells.group_start, lengths)[cells.easy]
        granted[pick] = cells.group_chips[cells.easy]
    # Prices always fit 64 bits, so they can be sorted even where products need big integers.
    rank = price.astype(np.int64) if price.dtype == object else price
    if len(cells.hard):
        order = cells.hard[np.lexsort((cells.hard, rank[cells.hard], cells.group[cells.hard]))]
        granted[order] = _fill(
            cells.chips[order], cells.group[order], cells.group_chips[cells.group[order]]
        )
    granted[margin <= 0] = 0
    bound = np.flatnonzero(cells.binds & (granted > 0))
    if len(bound):
        order = bound[np.lexsort((bound, rank[bound], cells.option[bound]))]
        option = cells.option[order]
        granted[order] = _fill(granted[order], option, cells.option_hours[option])
    return granted, np.add.reduceat(granted * margin, cells.option_start)


def _fill(wanted: IntArray, key: IntArray, most: IntArray) -> IntArray:
    # Rows of one key are neighbours, cheapest first: each takes what is left of its key's most.
    total = np.cumsum(wanted)
    start = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    lengths = np.diff(np.concatenate((start, [len(key)])))
    offset = np.repeat(total[start] - wanted[start], lengths)
    return np.clip(most - (total - offset - wanted), 0, wanted)


def load(choices: Choices, response: Response, demands: IntArray) -> IntArray:
    """Return P x T chips that the given demands take in their best responses."""
    pools, periods = choices.problem.shape
    steps = np.zeros(pools * (periods + 1), dtype=np.int64)
    runs = choices.runs
    chosen = response.run[demands]
    chosen = chosen[chosen >= 0]
    np.add.at(steps, runs.low[chosen], runs.chips[chosen])
    np.subtract.at(steps, runs.high[chosen], runs.chips[chosen])
    if runs.stretches is not None:
        rows = runs.stretches
        mine = np.zeros(len(runs.demand), dtype=bool)
        mine[chosen] = True
        keep = mine[rows.run]
        gb = np.where(rows.each, rows.gb * runs.chips[rows.run], rows.gb)[keep]
        np.add.at(steps, rows.low[keep], gb)
        np.subtract.at(steps, rows.high[keep], gb)
    total = np.cumsum(steps.reshape(pools, periods + 1), axis=1)[:, :periods].copy()
    options = response.option[demands]
    options = options[options >= 0]
    if len(options):
        taken = np.zeros(len(choices.cells.option_demand), dtype=bool)
        taken[options] = True
        mask = taken[choices.cells.option] & (response.cell_chips > 0)
        np.add.at(total.reshape(-1), choices.cells.at[mask], response.cell_chips[mask])
        links = choices.cells.links
        if links is not None:
            carried = mask[links.cell]
            gb = links.gb[carried] * response.cell_chips[links.cell[carried]]
            np.add.at(total.reshape(-1), links.at[carried], gb)
    return total


def _flat_runs(problem: Problem) -> Runs:
    periods = problem.shape[1]
    parts: dict[str, list[IntArray]] = {
        name: []
        for name in (
            "demand", "option", "pool", "start", "duration", "value", "chips", "chips_min", "ok",
            "net",
        )
    }  # fmt: skip
    sending: list[tuple[int, Sends, int, int]] = []
    number = 0
    for d, demand in enumerate(problem.demands):
        for i, option in enumerate(demand.runs):
            count = len(option.starts)
            if option.sends is not NOTHING_SENT:
                sending += [
                    (number + n, option.sends, start, option.duration)
                    for n, start in enumerate(option.starts.tolist())
                ]
            number += count
            for name, value in (
                ("demand", d),
                ("option", i),
                ("pool", option.pool),
                ("duration", option.duration),
                ("value", option.limit * option.duration),
                ("chips_min", option.chips_min),
                ("net", option.net),
            ):
                parts[name].append(np.full(count, value, dtype=np.int64))
            parts["start"].append(option.starts)
            parts["chips"].append(option.chips)
            parts["ok"].append(option.supportable.astype(np.int64))
    flat = {
        name: np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        for name, rows in parts.items()
    }
    demand_of = flat["demand"]
    segment = _starts(demand_of)
    low = flat["pool"] * (periods + 1) + flat["start"]
    return Runs(
        demand=demand_of,
        option=flat["option"],
        pool=flat["pool"],
        start=flat["start"],
        duration=flat["duration"],
        value=flat["value"],
        chips=flat["chips"],
        chips_min=flat["chips_min"],
        supportable=flat["ok"].astype(bool),
        low=low,
        high=low + flat["duration"],
        segment=segment,
        owner=demand_of[segment],
        lengths=np.diff(np.concatenate((segment, [len(demand_of)]))),
        net=flat["net"],
        stretches=run_stretches(sending, periods),
    )


def _starts(key: IntArray) -> IntArray:
    if not len(key):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))


def _flat_cells(problem: Problem) -> Cells:
    periods = problem.shape[1]
    options = [
        (d, i, option)
        for d, demand in enumerate(problem.demands)
        for i, option in enumerate(demand.spreads)
    ]
    none = np.zeros(0, dtype=np.int64)
    counts = [len(option.at_period) for _, _, option in options]
    of = np.repeat(np.arange(len(options)), counts)
    period = np.concatenate([none, *(option.at_period for _, _, option in options)])
    pool = np.concatenate([none, *(option.at_pool for _, _, option in options)])
    chips = np.concatenate([none, *(option.chips for _, _, option in options)])
    wanted = np.concatenate(
        [none, *(option.period_chips[option.at_period] for _, _, option in options)]
    )
    group_start = _starts(of * periods + period)
    lengths = np.diff(np.concatenate((group_start, [len(of)])))
    group = np.repeat(np.arange(len(group_start)), lengths)
    fits = np.logical_and.reduceat(chips >= wanted, group_start) if len(of) else none.astype(bool)
    owners = np.array([d for d, _, _ in options], dtype=np.int64)
    limits = np.array([option.limit for _, _, option in options], dtype=np.int64)
    binds = np.array([int(o.period_chips.sum()) > o.chip_hours for _, _, o in options], dtype=bool)
    owner_start = _starts(owners)
    return Cells(
        option_demand=owners,
        option_local=np.array([i for _, i, _ in options], dtype=np.int64),
        option_limit=limits,
        option_hours=np.array([option.chip_hours for _, _, option in options], dtype=np.int64),
        option_binds=binds,
        option_start=_starts(of),
        owner=owners[owner_start],
        owner_start=owner_start,
        owner_lengths=np.diff(np.concatenate((owner_start, [len(owners)]))),
        option=of,
        limit=limits[of],
        binds=binds[of],
        at=pool * periods + period,
        chips=chips,
        group=group,
        group_start=group_start,
        group_option=of[group_start],
        group_chips=wanted[group_start],
        easy=fits,
        hard=np.flatnonzero(~fits[group]),
        net=np.concatenate([none, *(option.net for _, _, option in options)]),
        links=_links_of_cells([option for _, _, option in options], periods),
    )


def _links_of_cells(options: list[SpreadOption], periods: int) -> CellLinks | None:
    rows: list[tuple[int, Sends, int]] = []
    first = 0
    for option in options:
        if option.sends:
            at = zip(option.at_pool.tolist(), option.at_period.tolist(), strict=True)
            rows += [(first + n, option.sends[p], t) for n, (p, t) in enumerate(at)]
        first += len(option.at_period)
    return cell_links(rows, periods)
