"""Pair offers with demands inside each pool x period, stably over the periods.

One price holds in a pool x period, so who serves whom moves no money; it decides how often a
tenant changes provider. A pair is therefore kept from period to period as far as both sides
last, and only the rest is paired anew, in the order of the ids.
"""

from __future__ import annotations

import numpy as np

from services.core.book import Allocation
from services.core.clearing.presolve import IntArray, Problem
from services.core.clearing.selection import RunChoice, Selection, Supplied


def offer_use(
    problem: Problem, supplied: Supplied, block_offers: frozenset[int]
) -> tuple[IntArray, ...]:
    """Return the chips that each offer of the book gives in each period.

    Divisible offers are used in the order of their supply curve: ask, then rounds waited, then
    the hash of round and order.
    """
    book = problem.book
    rows = [np.zeros(book.periods, dtype=np.int64) for _ in book.offers]
    for b in sorted(block_offers):
        block = problem.block_offers[b]
        rows[block.offer] = block.chips.copy()
    for p, steps in enumerate(problem.supply):
        left = supplied.divisible[p].copy()
        for members in steps.offers:
            for o in members:
                if not left.any():
                    break
                rows[o] = np.minimum(left, _chips(problem, o))
                left -= rows[o]
        assert not left.any()
    return tuple(rows)


def _chips(problem: Problem, o: int) -> IntArray:
    offer = problem.book.offers[o]
    row = np.zeros(problem.book.periods, dtype=np.int64)
    first = offer.start - problem.book.first_period
    low, high = max(0, first), min(problem.book.periods, first + len(offer.chips))
    if low < high:
        row[low:high] = offer.chips[low - first : high - first]
    return row


def pair(
    problem: Problem, selection: Selection, offer_chips: tuple[IntArray, ...]
) -> tuple[Allocation, ...]:
    """Return the allocations of a selection, sorted by demand, offer and start.

    Args:
        problem: The problem.
        selection: What is accepted.
        offer_chips: From `offer_use`.
    """
    wants = _wants(problem, selection)
    at = {pool.key: p for p, pool in enumerate(problem.book.pools)}
    gives: list[list[int]] = [[] for _ in problem.book.pools]
    for o, offer in enumerate(problem.book.offers):
        if offer_chips[o].any() and at[offer.pool] < problem.pools:
            gives[at[offer.pool]].append(o)
    curves: dict[tuple[int, int], dict[int, int]] = {}
    for p in range(len(problem.book.pools)):
        kept: dict[tuple[int, int], int] = {}
        for t in range(problem.book.periods):
            want = {d: int(row[t]) for d, row in wants[p].items() if row[t]}
            give = {o: int(offer_chips[o][t]) for o in gives[p] if offer_chips[o][t]}
            kept = _pair_period(want, give, kept)
            for key, chips in kept.items():
                curves.setdefault(key, {})[t] = chips
    return _fragments(problem, curves)


def _wants(problem: Problem, selection: Selection) -> list[dict[int, IntArray]]:
    wants: list[dict[int, IntArray]] = [{} for _ in problem.book.pools]
    periods = problem.book.periods
    for d, choice in enumerate(selection.choices):
        if choice is None:
            continue
        if isinstance(choice, RunChoice):
            run = problem.demands[d].runs[choice.option]
            row = np.zeros(periods, dtype=np.int64)
            row[choice.start : choice.start + run.duration] = choice.chips
            wants[run.pool][d] = row
            continue
        spread = problem.demands[d].spreads[choice.option]
        for cell, chips in zip(choice.cells, choice.chips, strict=True):
            pool = int(spread.at_pool[cell])
            row = wants[pool].setdefault(d, np.zeros(periods, dtype=np.int64))
            row[int(spread.at_period[cell])] = chips
    return wants


def _pair_period(
    want: dict[int, int], give: dict[int, int], kept: dict[tuple[int, int], int]
) -> dict[tuple[int, int], int]:
    pairs: dict[tuple[int, int], int] = {}
    for (d, o), chips in kept.items():
        same = min(chips, want.get(d, 0), give.get(o, 0))
        if same:
            pairs[d, o] = same
            want[d] -= same
            give[o] -= same
    queue = [o for o in give if give[o]]
    for d in sorted(want):
        while want[d]:
            o = queue[0]
            chips = min(want[d], give[o])
            pairs[d, o] = pairs.get((d, o), 0) + chips
            want[d] -= chips
            give[o] -= chips
            if not give[o]:
                queue.pop(0)
    assert not queue
    return pairs


def _fragments(
    problem: Problem, curves: dict[tuple[int, int], dict[int, int]]
) -> tuple[Allocation, ...]:
    first = problem.book.first_period
    rows: list[Allocation] = []
    for (d, o), curve in curves.items():
        offer = problem.book.offers[o]
        start: int | None = None
        chips: list[int] = []
        for t in [*sorted(curve), None]:
            if t is not None and start is not None and t == start + len(chips):
                chips.append(curve[t])
                continue
            if start is not None:
                rows.append(
                    Allocation(
                        problem.book.demands[d].id,
                        offer.id,
                        offer.pool,
                        first + start,
                        tuple(chips),
                    )
                )
            if t is not None:
                start, chips = t, [curve[t]]
    return tuple(sorted(rows, key=lambda row: (row.demand, row.offer, row.start)))
