"""A valid selection at once: insert demands one by one where they gain most.

The state keeps every rule at every moment (capacity, groups, links, price support), so it can be
stopped anywhere, repaired, or partly torn down and filled again by the search.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from services.core.clearing.links import NOTHING_SENT, rooms_of_runs
from services.core.clearing.presolve import (
    FloatArray,
    IntArray,
    Problem,
    RunOption,
    SpreadOption,
    tie_hash,
)
from services.core.clearing.response import Choices, respond
from services.core.clearing.selection import (
    Choice,
    RunChoice,
    Selection,
    SpreadChoice,
    add_use,
    choice_hours,
    choice_limit,
    choice_pools,
    choice_supported,
    supply,
)


@dataclass(frozen=True, slots=True)
class Insertion:
    """A place for a demand.

    Attributes:
        choice: The place.
        gain: Welfare added, micro-yuan.
    """

    choice: Choice
    gain: int


class State:
    """A selection under construction.

    Args:
        problem: The problem.
        opportunity: P x T prices that chips are worth to others; a place is chosen by its gain
            at these, and accepted if it adds welfare at the asks.
        block_offers: Block offers that count as supply. They are treated as divisible here;
            `greedy` sees to it that those kept are used whole.
    """

    def __init__(
        self, problem: Problem, opportunity: FloatArray, block_offers: frozenset[int]
    ) -> None:
        self.problem = problem
        self.opportunity = opportunity
        self.choices: list[Choice | None] = [None] * len(problem.demands)
        self.used = np.zeros(problem.shape, dtype=np.int64)
        self._users: list[set[int]] = [set() for _ in range(problem.shape[0])]
        self._curves = [_curve(problem, p, block_offers) for p in range(problem.shape[0])]
        self.free = np.stack([c.total for c in self._curves]) if self._curves else self.used.copy()

    def allowed(self, d: int) -> bool:
        """Tell whether group and link let a demand in now."""
        demand = self.problem.demands[d]
        if demand.parent >= 0 and self.choices[demand.parent] is None:
            return False
        if demand.group < 0:
            return True
        members = self.problem.groups[demand.group]
        return all(self.choices[other] is None for other in members if other != d)

    def put(self, d: int, choice: Choice) -> None:
        """Accept a demand that is out."""
        assert self.choices[d] is None
        self.choices[d] = choice
        add_use(self.problem, self.used, d, choice)
        add_use(self.problem, self.free, d, choice, -1)
        for pool in choice_pools(self.problem, d, choice):
            self._users[pool].add(d)

    def drop(self, d: int) -> None:
        """Take a demand out, and those linked to it."""
        choice = self.choices[d]
        if choice is None:
            return
        self.choices[d] = None
        add_use(self.problem, self.used, d, choice, -1)
        add_use(self.problem, self.free, d, choice)
        for pool in choice_pools(self.problem, d, choice):
            self._users[pool].discard(d)
        for child in self.problem.children[d]:
            self.drop(child)

    def best(self, d: int) -> Insertion | None:
        """Return the best place for a demand that is out, ``None`` if none adds welfare."""
        demand = self.problem.demands[d]
        found: tuple[float, Insertion] | None = None
        for i, run in enumerate(demand.runs):
            place = self._best_run(i, run, demand_known=found[0] if found else None)
            if place is not None and (found is None or place[0] > found[0]):
                found = place
        for j, spread in enumerate(demand.spreads):
            place = self._best_spread(j, spread)
            if place is not None and (found is None or place[0] > found[0]):
                found = place
        return found[1] if found else None

    def _best_run(
        self, i: int, run: RunOption, demand_known: float | None
    ) -> tuple[float, Insertion] | None:
        free = self.free[run.pool]
        curve = self._curves[run.pool]
        most = np.lib.stride_tricks.sliding_window_view(free, run.duration).min(axis=1)[run.starts]
        chips = np.minimum(most, run.chips)
        if run.sends is not NOTHING_SENT:
            chips = rooms_of_runs(run.sends, self.free, run.starts, run.duration, chips)
        open_ = np.flatnonzero((chips >= run.chips_min) & run.supportable)
        if not len(open_):
            return None
        value = run.net
        worth = np.concatenate(([0.0], np.cumsum(self.opportunity[run.pool])))
        starts = run.starts[open_]
        steering = (value - (worth[starts + run.duration] - worth[starts])) * chips[open_]
        if run.sends is not NOTHING_SENT:
            steering -= self._rent(run, starts, chips[open_])
        order = np.argsort(-steering, kind="stable")
        # Places are tried from the best on; the first that holds is taken. A few dozen tries
        # find one if there is one worth having.
        for n in order[:24].tolist():
            if demand_known is not None and steering[n] <= demand_known:
                return None
            start, quantity = int(starts[n]), int(chips[open_[n]])
            for tried in dict.fromkeys((quantity, run.chips_min)):
                gain = self._run_gain(run, curve, start, tried)
                if gain is not None:
                    choice = RunChoice(i, start, tried)
                    return float(steering[n]) * tried / quantity, Insertion(choice, gain)
        return None

    def _rent(self, run: RunOption, starts: IntArray, chips: IntArray) -> FloatArray:
        """Return what links are worth to others beyond their tariffs, for each run."""
        rent = self.opportunity - self.problem.lowest
        rows = zip(starts.tolist(), chips.tolist(), strict=True)
        return np.array(
            [
                sum(
                    gb * float(rent[link, low:high].sum())
                    for link, low, high, gb in run.sends.stretches(start, run.duration, count)
                )
                for start, count in rows
            ]
        )

    def _run_gain(self, run: RunOption, curve: _Curve, start: int, chips: int) -> int | None:
        span = slice(start, start + run.duration)
        before = self.used[run.pool, span]
        cost, top = curve.add(span, before, chips)
        gain = run.net * chips - cost
        if gain <= 0 or int(top.sum()) > run.net:
            return None
        if curve.flat or self._others_hold(run.pool, curve.top(self.used[run.pool]), span, top):
            return gain
        return None

    def _others_hold(self, pool: int, floor: IntArray, span: slice, top: IntArray) -> bool:
        if (top <= floor[span]).all():
            return True
        raised = floor.copy()
        raised[span] = np.maximum(floor[span], top)
        for d in self._users[pool]:
            choice = self.choices[d]
            assert choice is not None
            if isinstance(choice, RunChoice):
                run = self.problem.demands[d].runs[choice.option]
                paid = int(raised[choice.start : choice.start + run.duration].sum())
                if paid > run.net:
                    return False
            else:
                spread = self.problem.demands[d].spreads[choice.option]
                cells = np.array(choice.cells, dtype=np.int64)
                here = cells[spread.at_pool[cells] == pool]
                if (raised[spread.at_period[here]] > spread.net[here]).any():
                    return False
        return True

    def _best_spread(self, j: int, spread: SpreadOption) -> tuple[float, Insertion] | None:
        worth = self.opportunity[spread.at_pool, spread.at_period]
        room = np.minimum(self.free[spread.at_pool, spread.at_period], spread.chips)
        carried = _Carried(spread, self.free)
        if spread.sends:
            worth = worth + carried.rent(self.opportunity - self.problem.lowest)
            worth += spread.limit - spread.net
        order = np.flatnonzero((worth < spread.limit) & (room > 0))
        order = order[np.argsort(worth[order], kind="stable")]
        left_period = spread.period_chips.copy()
        left = spread.chip_hours
        taken: list[tuple[int, int]] = []
        # Cells of one pool raise its prices together, so they are judged together.
        floors = {
            pool: self._curves[pool].top(self.used[pool])
            for pool in dict.fromkeys(spread.at_pool[order].tolist())
            if not self._curves[pool].flat
        }
        steering, gain = 0.0, 0
        for cell in order.tolist():
            if left <= 0:
                break
            pool, period = int(spread.at_pool[cell]), int(spread.at_period[cell])
            wish = min(int(room[cell]), int(left_period[period]), left)
            wish = carried.room(pool, period, wish)
            limit = int(spread.net[cell])
            chips, added = self._cell_gain(pool, period, wish, limit, floors.get(pool))
            if chips <= 0:
                continue
            carried.take(pool, period, chips)
            taken.append((cell, chips))
            steering += (spread.limit - float(worth[cell])) * chips
            gain += added
            left -= chips
            left_period[period] -= chips
        if not taken or gain <= 0:
            return None
        taken.sort()
        choice = SpreadChoice(j, tuple(c for c, _ in taken), tuple(q for _, q in taken))
        return steering, Insertion(choice, gain)

    def _cell_gain(
        self, pool: int, period: int, wish: int, limit: int, floor: IntArray | None
    ) -> tuple[int, int]:
        curve = self._curves[pool]
        used = int(self.used[pool, period])
        # Only chips at asks within the limit can serve it, and their use must not lift the
        # price above what others in the cell can pay: then it takes what costs no more.
        chips = min(wish, curve.within(period, limit) - used)
        if chips <= 0:
            return 0, 0
        span = slice(period, period + 1)
        before = self.used[pool, span]
        cost, top = curve.add(span, before, chips)
        if floor is not None:
            if not self._others_hold(pool, floor, span, top):
                chips = min(chips, curve.at_same_price(period, used))
                if chips <= 0:
                    return 0, 0
                cost, top = curve.add(span, before, chips)
            floor[span] = np.maximum(floor[span], top)
        return chips, limit * chips - cost


class _Carried:
    """What links have left while the cells of one spread are filled."""

    def __init__(self, spread: SpreadOption, free: IntArray) -> None:
        self._spread = spread
        self._free = free
        self._taken: dict[tuple[int, int], int] = {}

    def rent(self, rent: FloatArray) -> FloatArray:
        """Return what a chip of each cell takes of links, at prices beyond the tariffs."""
        spread = self._spread
        found = np.zeros(len(spread.at_pool))
        cells = zip(spread.at_pool.tolist(), spread.at_period.tolist(), strict=True)
        for n, (pool, t) in enumerate(cells):
            sends = spread.sends[pool]
            found[n] = sum(gb * float(rent[link, t]) for link, gb in sends.traffic)
        return found

    def room(self, pool: int, period: int, chips: int) -> int:
        """Return how many of so many chips the links still have room for."""
        sends = self._spread.sends.get(pool, NOTHING_SENT)
        for link, gb in sends.traffic:
            left = int(self._free[link, period]) - self._taken.get((link, period), 0)
            chips = min(chips, left // gb)
        return chips

    def take(self, pool: int, period: int, chips: int) -> None:
        """Note chips that were given."""
        sends = self._spread.sends.get(pool, NOTHING_SENT)
        for link, gb in sends.traffic:
            at = (link, period)
            self._taken[at] = self._taken.get(at, 0) + gb * chips


class _Curve:
    """Supply curve of one pool: what q more chips cost in a stretch of periods."""

    def __init__(self, asks: IntArray, chips: IntArray, periods: int) -> None:
        self._asks = asks
        self._chips = chips
        self._below = np.zeros((len(asks) + 1, periods), dtype=np.int64)
        np.cumsum(chips, axis=0, out=self._below[1:])
        self.total = self._below[-1].copy()
        self.flat = len(asks) <= 1

    def add(self, span: slice, before: IntArray, chips: int) -> tuple[int, IntArray]:
        """Return the cost of chips more in each period, and the dearest ask then used."""
        if self.flat:
            ask = int(self._asks[0])
            return ask * chips * len(before), np.full(len(before), ask, dtype=np.int64)
        below = self._below[:, span]
        after = before + chips
        full = np.minimum(after, below[1:]) - np.minimum(before, below[1:])
        taken = full - (np.minimum(after, below[:-1]) - np.minimum(before, below[:-1]))
        per_step = taken.sum(axis=1)
        cost = sum(
            ask * count
            for ask, count in zip(self._asks.tolist(), per_step.tolist(), strict=True)
            if count
        )
        level = (below[1:] < after).sum(axis=0)
        return cost, self._asks[np.minimum(level, len(self._asks) - 1)]

    def top(self, used: IntArray) -> IntArray:
        """Return the dearest ask used in each period, 0 where nothing is used."""
        if not len(self._asks):
            return np.zeros(len(used), dtype=np.int64)
        level = (self._below[1:] < used).sum(axis=0)
        return np.where(used > 0, self._asks[np.minimum(level, len(self._asks) - 1)], 0)

    def within(self, period: int, limit: int) -> int:
        """Return the chips offered in a period at asks up to a limit."""
        steps = int(np.searchsorted(self._asks, limit, side="right"))
        return int(self._below[steps, period])

    def at_same_price(self, period: int, used: int) -> int:
        """Return the chips left at the dearest ask already used in a period."""
        if used <= 0:
            return 0
        level = int((self._below[1:, period] < used).sum())
        return int(self._below[level + 1, period]) - used


def _curve(problem: Problem, pool: int, block_offers: frozenset[int]) -> _Curve:
    supplied = problem.supply[pool]
    steps: dict[int, IntArray] = dict(zip(supplied.asks.tolist(), supplied.chips, strict=True))
    for b in sorted(block_offers):
        block = problem.block_offers[b]
        if block.pool == pool:
            steps[block.ask] = steps.get(block.ask, 0) + block.chips
    asks = sorted(steps)
    periods = problem.shape[1]
    chips = np.array([steps[ask] for ask in asks], dtype=np.int64).reshape(len(asks), periods)
    return _Curve(np.array(asks, dtype=np.int64), chips, periods)


def fill(state: State, order: Iterable[int]) -> None:
    """Insert the demands of an order that still have a place, one by one."""
    for d in order:
        if state.choices[d] is None and state.allowed(d):
            place = state.best(d)
            if place is not None:
                state.put(d, place.choice)


def ranks(choices: Choices, prices: FloatArray) -> list[list[int]]:
    """Return good orders to insert demands in, judged at prices; parents before children.

    Ties go to the demand that has waited more rounds, then by the hash of round and order.
    """
    problem = choices.problem
    book = problem.book
    surplus = respond(choices, prices).surplus.astype(np.float64)
    weight = np.array([_most_hours(problem, d) for d in range(len(problem.demands))])
    place = {d: n for n, d in enumerate(problem.parents_first)}
    depth = [problem.demands[d].parent >= 0 for d in range(len(problem.demands))]

    def by(score: FloatArray) -> list[int]:
        return sorted(
            range(len(problem.demands)),
            key=lambda d: (
                depth[d],
                -float(score[d]),
                -book.demands[d].rounds_waited,
                tie_hash(book.round_id, book.demands[d].id),
                place[d],
            ),
        )

    return [by(surplus / np.maximum(weight, 1)), by(surplus)]


def _most_hours(problem: Problem, d: int) -> int:
    demand = problem.demands[d]
    hours = [int(run.chips.max()) * run.duration for run in demand.runs]
    hours += [spread.chip_hours for spread in demand.spreads]
    return max(hours, default=1)


def greedy(choices: Choices, prices: FloatArray) -> Selection:
    """Return a valid selection, the best of a few insertion orders.

    Block offers are first treated as divisible; one that is not wholly used is then left out
    and the rest is filled anew, until all that remain are.
    """
    problem = choices.problem
    best: tuple[int, Selection] | None = None
    for order in ranks(choices, prices):
        selection = _with_block_offers(problem, prices, order)
        state = state_of(problem, prices, selection)
        total = _welfare(problem, state, selection.block_offers)
        if best is None or total > best[0]:
            best = (total, selection)
    return best[1] if best else Selection((None,) * len(problem.demands))


def _with_block_offers(problem: Problem, prices: FloatArray, order: list[int]) -> Selection:
    active = frozenset(range(len(problem.block_offers)))
    while True:
        state = State(problem, prices, active)
        fill(state, order)
        # What is still out may have a place at the asks where it had none at the steering
        # prices; the second pass also lets children in whose parents came late.
        state.opportunity = problem.floor.astype(np.float64)
        fill(state, order)
        worst = _least_used(problem, state, active)
        if worst is None:
            return Selection(tuple(state.choices), active)
        active -= {worst}


def _least_used(problem: Problem, state: State, active: frozenset[int]) -> int | None:
    """Return a block offer that cannot be taken whole, ``None`` if all can."""
    worst: tuple[float, int] | None = None
    taken = np.zeros(problem.shape, dtype=np.int64)
    for b in active:
        taken[problem.block_offers[b].pool] += problem.block_offers[b].chips
    short = taken > state.used
    selection = Selection(tuple(state.choices), active)
    lost = _unsupported_pools(problem, selection, state.used)
    for b in sorted(active):
        block = problem.block_offers[b]
        if not (short[block.pool] & (block.chips > 0)).any() and block.pool not in lost:
            continue
        share = float(np.minimum(state.used[block.pool], block.chips).sum() / block.chips.sum())
        # Of those that cannot stay, the least used goes first; of equals the dearest.
        if worst is None or (share, -block.ask) < (worst[0], -problem.block_offers[worst[1]].ask):
            worst = (share, b)
    return worst[1] if worst else None


def _unsupported_pools(problem: Problem, selection: Selection, used: IntArray) -> set[int]:
    supplied = supply(problem, used, selection.block_offers)
    pools: set[int] = set()
    for d, choice in enumerate(selection.choices):
        if choice is None or choice_supported(problem, d, choice, supplied.floor):
            continue
        if isinstance(choice, RunChoice):
            pools.add(problem.demands[d].runs[choice.option].pool)
        else:
            pools.update(problem.demands[d].spreads[choice.option].at_pool.tolist())
    return pools


def state_of(problem: Problem, prices: FloatArray, selection: Selection) -> State:
    """Return a state that holds a selection."""
    state = State(problem, prices, selection.block_offers)
    for d, choice in enumerate(selection.choices):
        if choice is not None:
            state.put(d, choice)
    return state


def _welfare(problem: Problem, state: State, block_offers: frozenset[int]) -> int:
    value = sum(
        choice_limit(problem, d, choice) * choice_hours(problem, d, choice)
        for d, choice in enumerate(state.choices)
        if choice is not None
    )
    # The supply of links is at their tariffs, so these are paid here, too.
    return value - supply(problem, state.used, block_offers).cost
