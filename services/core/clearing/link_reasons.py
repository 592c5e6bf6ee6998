"""Why a demand that sends data or traffic over links stayed out, if links had a part in it."""

from __future__ import annotations

from services.core.book import Book, BookDemand, Reason
from services.core.clearing.links import Stretch
from services.core.clearing.presolve import IntArray, Problem, RunOption
from services.core.clearing.selection import Choice, RunChoice, SpreadChoice, choice_stretches
from services.core.routes import Routes, crossing


def no_way(book: Book, routes: Routes, demand: BookDemand) -> Reason | None:
    """Return the link that leaves a demand no place at all, ``None`` if it is not a link.

    Args:
        book: The book, without the pools of links.
        routes: Its routes.
        demand: A demand that has no place.
    """
    if demand.moves is None:
        return None
    zones = {pool.key: pool.zone for pool in book.pools}
    served = sorted({zones[key] for row in demand.alternatives for key in row.pools})
    found = {zone: routes.of(demand, zone) for zone in served}
    reached = {zone: links for zone, links in found.items() if links is not None}
    if not reached:
        return Reason("no_route", (("zones", ", ".join(served)),))
    most: dict[str, int] = {link.key: max(link.capacity) for link in book.links}
    tight = []
    for data, traffic in reached.values():
        keys = {key: _least_traffic(demand) for key in traffic}
        keys |= {key: keys.get(key, 0) + _least_data(demand) for key in data}
        over = sorted((most[key] - gb, key, gb) for key, gb in keys.items() if most[key] < gb)
        if not over:
            return None
        tight.append(over[0])
    _, key, gb = max(tight)
    return Reason("link_no_room", (("gb", gb), ("gb_left", most[key]), ("link", key)))


def _least_data(demand: BookDemand) -> int:
    assert demand.moves is not None
    # Spread over as many periods as there may be, the first carries the most.
    return max((gb for _, gb in crossing(demand.moves.data_gb, 10**6, 0)), default=0)


def _least_traffic(demand: BookDemand) -> int:
    assert demand.moves is not None
    chips = min(row.chips_min or 1 for row in demand.alternatives)
    return demand.moves.traffic_gb * chips


def link_full(problem: Problem, d: int, prices: IntArray) -> Reason | None:
    """Return the link whose price above its tariff alone keeps a demand from its cheapest place.

    Args:
        problem: The problem.
        d: A demand that stayed out and lost nothing by it at these prices.
        prices: P x T clearing prices that are paid, those of links among them.
    """
    best: tuple[int, Reason] | None = None
    for limit, choice, cost in _places(problem, d, prices):
        rents = _rents(problem, choice_stretches(problem, d, choice), prices)
        rent = sum(rents.values())
        if rent and cost - rent < limit and (best is None or cost - limit < best[0]):
            by_key = {problem.plain.links[at - problem.pools].key: x for at, x in rents.items()}
            best = (cost - limit, full_reason(by_key, cost - limit))
    return best[1] if best else None


def full_reason(rents: dict[str, int], over: int) -> Reason:
    """Return the reason of a demand that rents of links keep out.

    Args:
        rents: What it would pay above the tariff of each link, by key.
        over: What its place would cost above its limit, micro-yuan.
    """
    dearest = max(sorted(rents), key=lambda key: rents[key])
    params = (("link", dearest), ("over", over), ("rent", sum(rents.values())))
    return Reason("link_full", params)


def _places(problem: Problem, d: int, prices: IntArray) -> list[tuple[int, Choice, int]]:
    """Return (limit value, choice, cost) of every place a demand could have had."""
    demand = problem.demands[d]
    found: list[tuple[int, Choice, int]] = []
    for i, run in enumerate(demand.runs):
        for start, chips in zip(run.starts.tolist(), run.chips.tolist(), strict=True):
            choice: Choice = RunChoice(i, start, chips)
            row = prices[run.pool, start : start + run.duration]
            cost = chips * int(row.sum()) + _paid(problem, d, choice, prices)
            found.append((_value(run, chips), choice, cost))
    for j, spread in enumerate(demand.spreads):
        for cell in range(len(spread.at_pool)):
            choice = SpreadChoice(j, (cell,), (1,))
            price = int(prices[spread.at_pool[cell], spread.at_period[cell]])
            found.append((spread.limit, choice, price + _paid(problem, d, choice, prices)))
    return found


def _value(run: RunOption, chips: int) -> int:
    return run.limit * run.duration * chips


def _paid(problem: Problem, d: int, choice: Choice, prices: IntArray) -> int:
    return sum(
        gb * int(prices[link, low:high].sum())
        for link, low, high, gb in choice_stretches(problem, d, choice)
    )


def _rents(problem: Problem, stretches: list[Stretch], prices: IntArray) -> dict[int, int]:
    rents: dict[int, int] = {}
    beyond = problem.pools + len(problem.plain.links)
    for link, low, high, gb in stretches:
        if link >= beyond:
            # Allowances have reasons of their own (`allowance_reasons`).
            continue
        over = int((prices[link, low:high] - problem.lowest[link, low:high]).sum())
        rents[link] = rents.get(link, 0) + gb * over
    return rents
