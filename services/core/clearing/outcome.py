"""State and reason of every order: what bound it, and what would have let it trade."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.types import OrderState, Shape
from services.core.book import Book, BookDemand, BookOffer, DemandOutcome, OfferOutcome, Reason
from services.core.clearing.link_reasons import link_full, no_way
from services.core.clearing.presolve import IntArray, Problem
from services.core.clearing.price import Priced, payment
from services.core.clearing.response import Choices
from services.core.clearing.selection import (
    Choice,
    RunChoice,
    Selection,
    choice_alternative,
    choice_hours,
    choice_value,
)
from services.core.clearing.why_not import Hint, Left, hints
from services.core.routes import Routes

# Reasons that another limit, size, time or place would have changed.
_HINTED = frozenset({
    "asks_above_limit", "at_the_margin", "gang_does_not_fit", "no_capacity",
    "paradoxically_rejected", "price_below_clearing",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """The cheapest place a demand could have had, against its limit.

    Attributes:
        pool: Key of the pool.
        start: Absolute first period.
        price: Average price per chip-hour there, rounded up, micro-yuan.
        limit: The limit of the alternative, micro-yuan.
        alternative: Index of the alternative.
    """

    pool: str
    start: int
    price: int
    limit: int
    alternative: int

    def params(self) -> dict[str, int | str]:
        return {
            "alternative": self.alternative,
            "limit": self.limit,
            "pool": self.pool,
            "price": self.price,
            "start": self.start,
        }


def reason_of(code: str, params: dict[str, int | str] | None = None) -> Reason:
    """Return a reason with its parameters sorted."""
    return Reason(code, tuple(sorted((params or {}).items())))


def demand_outcomes(
    choices: Choices, selection: Selection, priced: Priced, left: Left
) -> tuple[DemandOutcome, ...]:
    """Return the outcome of every demand, in book order.

    Args:
        choices: What there was to choose from.
        selection: What was chosen.
        priced: Clearing prices and regrets.
        left: What the clearing leaves, for what would have let the others trade.
    """
    problem = choices.problem
    demands = problem.book.demands
    # Nobody pays for an allowance: what it is worth stays with its participant.
    paid = problem.without_allowances(priced.prices)
    hours = [
        0 if choice is None else choice_hours(problem, d, choice)
        for d, choice in enumerate(selection.choices)
    ]
    reasons = [
        _why_not(choices, selection, priced, d)
        if choice is None
        else _accepted(problem, d, choice, hours[d])
        for d, choice in enumerate(selection.choices)
    ]
    rows = []
    for d, reason in enumerate(with_hints(problem.rules.tick, demands, reasons, hints, left)):
        demand, choice, regret = demands[d], selection.choices[d], priced.demand_regret[d]
        if choice is None:
            rows.append(
                DemandOutcome(demand.id, OrderState.OPEN.value, None, 0, 0, 0, regret, reason)
            )
            continue
        alternative = demand.alternatives[choice_alternative(problem, d, choice)]
        whole = demand.shape is Shape.BLOCK or hours[d] == alternative.chip_hours
        rows.append(
            DemandOutcome(
                id=demand.id,
                state=(OrderState.FILLED if whole else OrderState.PART_FILLED).value,
                alternative=alternative.index,
                chip_hours=hours[d],
                value=choice_value(problem, d, choice),
                payment=payment(problem, selection, d, paid),
                regret=regret,
                reason=reason,
            )
        )
    return tuple(rows)


def with_hints(
    tick: int,
    demands: Sequence[BookDemand],
    reasons: Sequence[Reason],
    find: Callable[[Left, Sequence[BookDemand]], list[Hint]],
    left: Left,
) -> list[Reason]:
    """Return reasons that also say what would have let the order trade.

    Args:
        tick: Micro-yuan.
        demands: Demands of the book.
        reasons: Why each left the round as it did.
        find: Finds the hints of some demands.
        left: What the clearing leaves.
    """
    told = list(reasons)
    # What is left tells nothing of links and allowances, so whom they bind is told no other place.
    bound = {row.participant for row in left.book.allowances}
    out = [
        d
        for d, reason in enumerate(reasons)
        if reason.code in _HINTED
        and demands[d].moves is None
        and demands[d].participant not in bound
    ]
    found = find(left, [demands[d] for d in out])
    for d, hint in zip(out, found, strict=True):
        told[d] = reason_of(told[d].code, dict(told[d].params) | hint.params(tick))
    return told


def _accepted(problem: Problem, d: int, choice: Choice, hours: int) -> Reason:
    demand = problem.book.demands[d]
    alternative = demand.alternatives[choice_alternative(problem, d, choice)]
    if isinstance(choice, RunChoice):
        run = problem.demands[d].runs[choice.option]
        params: dict[str, int | str] = {
            "chips": choice.chips,
            "pool": problem.book.pools[run.pool].key,
            "start": problem.book.first_period + choice.start,
        }
        if choice.chips < alternative.chips:
            return reason_of("curtailed", params | {"asked": alternative.chips})
        return reason_of("filled", params)
    if hours == alternative.chip_hours:
        return reason_of("filled", {"chip_hours": hours})
    return reason_of("part_filled", {"asked": alternative.chip_hours, "chip_hours": hours})


def _why_not(choices: Choices, selection: Selection, priced: Priced, d: int) -> Reason:
    problem = choices.problem
    demand = problem.book.demands[d]
    options = problem.demands[d]
    if not options.runs and not options.spreads:
        blocked = no_way(problem.plain, Routes(problem.plain.links), demand)
        return blocked or never_fits(problem.plain, problem.capacity, demand)
    if options.group >= 0:
        for other in problem.groups[options.group]:
            if selection.choices[other] is not None:
                return reason_of("exclusive_group", {"other": problem.book.demands[other].id})
    if options.parent >= 0 and selection.choices[options.parent] is None:
        return reason_of("linked_order_out", {"parent": problem.book.demands[options.parent].id})
    dear = _least_supply(problem, d)
    if dear is not None:
        return reason_of("asks_above_limit", dear.params())
    regret = priced.demand_regret[d]
    paid = problem.without_allowances(priced.prices)
    full = None if demand.moves is None or regret else link_full(problem, d, paid)
    if full is not None:
        return full
    place = _cheapest_run(problem, d, priced.prices) or _cheapest_cell(problem, d, priced.prices)
    assert place is not None
    if regret > 0:
        return reason_of("paradoxically_rejected", place.params() | {"regret": regret})
    if place.price == place.limit:
        return reason_of("at_the_margin", place.params())
    return reason_of("price_below_clearing", place.params())


def never_fits(book: Book, capacity: IntArray, demand: BookDemand) -> Reason:
    """Return why a demand without a place that fits has none."""
    at = {pool.key: p for p, pool in enumerate(book.pools)}
    inside = False
    largest = (0, "")
    longest = 0
    for alternative in demand.alternatives:
        first = max(0, alternative.earliest - book.first_period)
        last = min(book.periods, alternative.deadline - book.first_period)
        longest = max(longest, last - first)
        if last <= first or last - first < alternative.duration:
            continue
        inside = True
        for key in alternative.pools:
            row = capacity[at[key], first:last]
            width = max(1, alternative.duration)
            most = int(np.lib.stride_tricks.sliding_window_view(row, width).min(axis=1).max())
            largest = max(largest, (most, key), key=lambda item: item[0])
    if not inside:
        return reason_of("outside_horizon", {"periods": max(0, longest)})
    if largest[0] == 0:
        return reason_of("no_capacity")
    wanted = min(alternative.chips_min for alternative in demand.alternatives)
    return reason_of(
        "gang_does_not_fit", {"chips_min": wanted, "largest": largest[0], "pool": largest[1]}
    )


def _least_supply(problem: Problem, d: int) -> _Place | None:
    """Return the cheapest supply of a block that no prices could ever support, else ``None``."""
    demand = problem.book.demands[d]
    best: _Place | None = None
    for run in problem.demands[d].runs:
        if run.supportable.any():
            return None
        n = int(np.argmin(run.least_cost))
        # What links take of the limit is part of what it costs.
        links = run.limit * run.duration - run.net
        average = -(-(int(run.least_cost[n]) + links) // run.duration)
        if best is None or average - run.limit < best.price - best.limit:
            best = _Place(
                problem.book.pools[run.pool].key,
                problem.book.first_period + int(run.starts[n]),
                average,
                run.limit,
                demand.alternatives[run.alternative].index,
            )
    return best


def _cheapest_run(problem: Problem, d: int, prices: IntArray) -> _Place | None:
    """Return the run whose average price is nearest to, or furthest below, its limit."""
    demand = problem.book.demands[d]
    best: tuple[float, _Place] | None = None
    for run in problem.demands[d].runs:
        sums = np.concatenate(([0], np.cumsum(prices[run.pool])))
        cost = sums[run.starts + run.duration] - sums[run.starts]
        cost = cost + (run.limit * run.duration - run.net)
        n = int(np.argmin(cost))
        average = -(-int(cost[n]) // run.duration)
        ratio = average / run.limit if run.limit else float("inf")
        if best is None or ratio < best[0]:
            place = _Place(
                problem.book.pools[run.pool].key,
                problem.book.first_period + int(run.starts[n]),
                average,
                run.limit,
                demand.alternatives[run.alternative].index,
            )
            best = (ratio, place)
    return best[1] if best else None


def _cheapest_cell(problem: Problem, d: int, prices: IntArray) -> _Place | None:
    """Return the pool x period whose price is nearest to, or furthest below, the limit."""
    demand = problem.book.demands[d]
    best: tuple[float, _Place] | None = None
    for spread in problem.demands[d].spreads:
        paid = prices[spread.at_pool, spread.at_period] + (spread.limit - spread.net)
        n = int(np.argmin(paid))
        ratio = int(paid[n]) / spread.limit if spread.limit else float("inf")
        if best is None or ratio < best[0]:
            place = _Place(
                problem.book.pools[int(spread.at_pool[n])].key,
                problem.book.first_period + int(spread.at_period[n]),
                int(paid[n]),
                spread.limit,
                demand.alternatives[spread.alternative].index,
            )
            best = (ratio, place)
    return best[1] if best else None


def offer_outcomes(
    book: Book, offer_chips: Sequence[IntArray], prices: IntArray, regrets: Sequence[int]
) -> tuple[OfferOutcome, ...]:
    """Return the outcome of every offer, in book order.

    Args:
        book: The book.
        offer_chips: Chips that each offer gives in each period of the horizon.
        prices: P x T clearing prices, micro-yuan.
        regrets: Regret of each offer, micro-yuan.
    """
    at = {pool.key: p for p, pool in enumerate(book.pools)}
    rows = []
    for o, offer in enumerate(book.offers):
        given = offer_chips[o]
        row = prices[at[offer.pool]]
        hours = int(given.sum())
        revenue = sum(int(given[t]) * int(row[t]) for t in np.flatnonzero(given).tolist())
        state = OrderState.OPEN
        if hours:
            whole = hours == sum(offer.chips)
            state = OrderState.FILLED if whole else OrderState.PART_FILLED
        rows.append(
            OfferOutcome(
                id=offer.id,
                state=state.value,
                chip_hours=hours,
                cost=offer.ask * hours,
                revenue=revenue,
                regret=regrets[o],
                reason=_offer_reason(book, offer, hours, row, regrets[o]),
            )
        )
    return tuple(rows)


def _offer_reason(
    book: Book, offer: BookOffer, hours: int, prices: IntArray, regret: int
) -> Reason:
    first = offer.start - book.first_period
    offered = sum(offer.chips)
    periods = [
        first + i for i, chips in enumerate(offer.chips) if chips and 0 <= first + i < book.periods
    ]
    if not periods:
        return reason_of("outside_horizon", {"periods": 0})
    if hours == offered:
        return reason_of("filled", {"chip_hours": hours})
    if hours:
        return reason_of("part_filled", {"asked": offered, "chip_hours": hours})
    best = max(periods, key=lambda t: (int(prices[t]), -t))
    params: dict[str, int | str] = {
        "ask": offer.ask,
        "price": int(prices[best]),
        "start": book.first_period + best,
    }
    if regret > 0:
        return reason_of("paradoxically_rejected", params | {"regret": regret})
    if int(prices[best]) < offer.ask:
        return reason_of("ask_above_clearing", params)
    return reason_of("no_demand", params)
