"""Small random books, drawn from a seed so that a failing one is named by one number.

All rules meet in them: three shapes, alternatives, ranges of chips, exclusive groups, links,
block offers, offers with gaps, windows that reach beyond the horizon, and money so coarse that
ties are common.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TypeVar

from hypothesis import reject

from schemas.types import Shape
from services.core.book import (
    Alternative,
    Book,
    BookDemand,
    BookLink,
    BookOffer,
    Moves,
    Pool,
    Result,
    Rules,
)
from services.core.clearing.oracle import TooLargeError, best_welfare
from services.core.codec import canonical_json, round_from_dict, round_to_dict
from suanli.checker import verify

FIRST = 490_000
_T = TypeVar("_T")


def check_files(book: Book, result: Result, rules: Rules) -> None:
    """Check a result by both checkers, and that its file is read as it was written."""
    parts = json.loads(canonical_json(round_to_dict(book, rules, result)))
    assert round_from_dict(parts)[2] == result
    for backend in ("plain", "numpy"):
        report = verify(parts["book"], parts["rules"], parts["result"], backend=backend)
        assert report.ok, report.problems[:3]


def small_book(seed: int) -> Book:
    """Return a book of at most 12 orders that can be cleared by trying everything."""
    chance = random.Random(seed)
    periods = chance.randint(1, 5)
    pools = tuple(
        Pool(f"z{p}/c", f"z{p}", "beijing", "c", domestic=bool(p % 2), tflops=100)
        # One steep pool is where prices, and not capacity, keep selections apart.
        for p in range(chance.choice([1, 1, 2, 3]))
    )
    offers = tuple(_offer(chance, n, pools, periods) for n in range(chance.randint(1, 6)))
    demands = [_demand(chance, n, pools, periods) for n in range(chance.randint(1, 6))]
    for n in range(1, len(demands)):
        if chance.random() < 0.15:
            parent = demands[chance.randrange(n)].id
            demands[n] = replace(demands[n], linked_to=parent)
    return Book("m", "m:7", FIRST, periods, pools, offers, tuple(demands))


def linked_book(seed: int) -> Book:
    """Return a small book whose zones are joined by links and whose demand sends over them."""
    chance = random.Random(seed)
    book = small_book(seed)
    zones = [*sorted({pool.zone for pool in book.pools}), "far"]
    links = tuple(
        BookLink(
            f"{a}>{b}",
            a,
            b,
            chance.choice([0, 1, 7, 30]),
            tuple(chance.choice([0, 2, 3, 5, 9]) for _ in range(book.periods)),
        )
        for a in zones
        for b in zones
        if a != b and chance.random() < 0.8
    )
    demands = tuple(_with_moves(chance, demand, zones) for demand in book.demands)
    return replace(book, demands=demands, links=links)


def _with_moves(chance: random.Random, demand: BookDemand, zones: list[str]) -> BookDemand:
    if chance.random() < 0.2:
        return demand
    data, traffic = chance.choice([(0, 1), (0, 2), (3, 0), (5, 1), (7, 0), (2, 3)])
    if demand.shape is not Shape.BLOCK:
        data, traffic = 0, max(1, traffic)
    if data:
        rows = tuple(replace(row, chips_min=row.chips) for row in demand.alternatives)
        demand = replace(demand, alternatives=rows)
    moves = Moves(
        chance.choice(zones) if data else None, data, chance.choice(zones) if traffic else None,
        traffic,
    )  # fmt: skip
    return replace(demand, moves=moves)


def oracle_welfare(book: Book) -> int:
    """Return the best welfare; of a rare book that is too large to try out, draw another."""
    try:
        return best_welfare(book)
    except TooLargeError:
        reject()


def _offer(chance: random.Random, n: int, pools: tuple[Pool, ...], periods: int) -> BookOffer:
    start = chance.choice([0, 0, 0, chance.randint(-1, periods - 1)])
    end = chance.choice([periods, periods, max(start + 1, chance.randint(1, periods + 1))])
    chips = chance.choice([1, 1, 2, 3, 4])
    return BookOffer(
        id=f"off_{n}",
        participant=f"p{n % 2}",
        version=1,
        pool=chance.choice(pools).key,
        ask=chance.choice([0, 100, 200, 300, 400, 500, 700]),
        start=FIRST + start,
        chips=tuple(0 if chance.random() < 0.1 else chips for _ in range(max(1, end - start))),
        block=chance.random() < 0.2,
        rounds_waited=chance.randint(0, 2),
    )


def _demand(chance: random.Random, n: int, pools: tuple[Pool, ...], periods: int) -> BookDemand:
    shape = chance.choice([Shape.BLOCK, Shape.BLOCK, Shape.FLOW, Shape.WORK])
    return BookDemand(
        id=f"dem_{n}",
        participant=f"e{n % 2}",
        version=1,
        shape=shape,
        alternatives=tuple(
            _alternative(chance, index, shape, pools, periods)
            for index in range(chance.choice([1, 1, 2]))
        ),
        rounds_waited=chance.randint(0, 2),
        exclusive_group=chance.choice([None, None, None, "either"]),
    )


def _alternative(
    chance: random.Random, index: int, shape: Shape, pools: tuple[Pool, ...], periods: int
) -> Alternative:
    keys = chance.sample([pool.key for pool in pools], chance.randint(1, min(2, len(pools))))
    start = chance.choice([0, 0, chance.randint(-1, periods - 1)])
    window = chance.randint(1, 4)
    limit = chance.choice([150, 200, 250, 300, 350, 400, 450, 600])
    common = {
        "index": index,
        "pools": tuple(sorted(keys)),
        "limit": limit,
        "earliest": FIRST + start,
        "deadline": FIRST + start + window,
    }
    if shape is Shape.BLOCK:
        chips = chance.randint(1, 4)
        return Alternative(
            **common,  # type: ignore[arg-type]
            chips=chips,
            chips_min=chance.choice([chips, chance.randint(1, chips)]),
            duration=chance.randint(1, window),
        )
    by_period = tuple(chance.randint(0, 2) for _ in range(window))
    hours = sum(by_period)
    if shape is Shape.WORK:
        hours = chance.randint(0, hours)
    return Alternative(**common, chips_by_period=by_period, chip_hours=hours)  # type: ignore[arg-type]


def shuffled(book: Book, seed: int) -> Book:
    """Return the same book with its rows in another order."""
    chance = random.Random(seed)

    def mixed(rows: tuple[_T, ...]) -> tuple[_T, ...]:
        return tuple(chance.sample(rows, len(rows)))

    demands = tuple(
        replace(
            demand,
            alternatives=mixed(
                tuple(replace(a, pools=mixed(a.pools)) for a in demand.alternatives)
            ),
        )
        for demand in mixed(book.demands)
    )
    return replace(
        book,
        pools=mixed(book.pools),
        offers=mixed(book.offers),
        demands=demands,
        links=mixed(book.links),
        held=mixed(book.held),
        allowances=mixed(book.allowances),
    )
