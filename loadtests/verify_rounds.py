"""Valid rounds of any size, made in seconds without a solver, to measure the checker with.

96 pools x 168 periods; heavy-tailed gangs of up to 512 chips for 1 to 72 hours with up to 24 hours
of slack, flows and work; 1 to 9 pools a demand; supply at about 0.8 of demand. Demands are served
first come first fit at prices above every ask, so that rule 1 holds and nothing is optimal: the
checker does the same work for a good clearing as for this one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.types import Shape
from services.core.book import (
    Allocation,
    Alternative,
    Book,
    BookDemand,
    BookOffer,
    Certificate,
    DemandOutcome,
    OfferOutcome,
    Pool,
    Reason,
    Result,
    Rules,
)
from services.core.clearing.presolve import canonical_book
from services.core.codec import book_to_dict, digest, round_to_dict, rules_digest
from suanli.check_bound import BestResponses, Supply, bound_of
from suanli.check_formats import read_book
from suanli.check_report import Log

FIRST = 490_000
PERIODS = 168
ZONES, CLASSES = 12, 8
TICK = 100
_GANGS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_GANG_WEIGHTS = (30, 12, 12, 24, 8, 6, 4, 2, 1, 1)
_HOURS = (1, 2, 4, 6, 12, 24, 48, 72)
_OFFERS_A_POOL = 10

Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Served:
    """A book and who gets what in it.

    Attributes:
        book: The book, in canonical order.
        prices: Pool key -> price of each period, above every ask of the pool.
        allocations: Sorted by demand, offer, start.
        used: Demand id -> index of the alternative used.
    """

    book: Book
    prices: dict[str, list[int]]
    allocations: list[Allocation]
    used: dict[str, int]


def served_book(demands: int, seed: int) -> Served:
    """Return a book of so many demands, served first come first fit."""
    chance = random.Random(seed)
    pools = tuple(
        Pool(f"z{z:02}/c{c}", f"z{z:02}", f"r{z % 4}", f"c{c}", domestic=c % 2 == 0, tflops=300)
        for z in range(ZONES)
        for c in range(CLASSES)
    )
    rows = [_demand(chance, n) for n in range(demands)]
    wanted = sum(
        a.chips * a.duration if a.duration else a.chip_hours
        for a in (row.alternatives[0] for row in rows)
    )
    chips = max(1, wanted * 8 // 10 // (len(pools) * PERIODS * _OFFERS_A_POOL))
    offers = [
        BookOffer(
            f"off_{p * _OFFERS_A_POOL + n:05}",
            f"p{n}",
            1,
            pool.key,
            _base(pool.chip) * (8 + n) // 20 // TICK * TICK,
            FIRST,
            (chips,) * PERIODS,
        )
        for p, pool in enumerate(pools)
        for n in range(_OFFERS_A_POOL)
    ]
    book = canonical_book(
        Book("bench", "bench:1", FIRST, PERIODS, pools, tuple(offers), tuple(rows))
    )
    prices = {
        pool.key: [_base(pool.chip) * chance.randint(90, 130) // 100 // TICK * TICK] * PERIODS
        for pool in pools
    }
    for curve in prices.values():
        for t in range(PERIODS):
            curve[t] += chance.randrange(0, 4000) * TICK
    return _serve(book, prices)


def _base(chip: str) -> int:
    return 2_000_000 * (1 + int(chip[1:]))


def _demand(chance: random.Random, n: int) -> BookDemand:
    shape = chance.choices((Shape.BLOCK, Shape.FLOW, Shape.WORK), (80, 10, 10))[0]
    alternatives = tuple(
        _alternative(chance, index, shape) for index in range(chance.choice((1, 1, 1, 2)))
    )
    return BookDemand(f"dem_{n:07}", f"e{n % 500}", 1, shape, alternatives)


def _alternative(chance: random.Random, index: int, shape: Shape) -> Alternative:
    chip = f"c{chance.randrange(CLASSES)}"
    zones = chance.sample(range(ZONES), chance.randint(1, 9))
    limit = int(_base(chip) * chance.lognormvariate(0.1, 0.4)) // TICK * TICK
    duration = chance.choice(_HOURS)
    slack = chance.randint(0, 24)
    start = chance.randrange(max(1, PERIODS - duration - slack))
    window = min(PERIODS - start, duration + slack)
    chips = chance.choices(_GANGS, _GANG_WEIGHTS)[0]
    common: dict[str, Any] = {
        "index": index,
        "pools": tuple(sorted(f"z{z:02}/{chip}" for z in zones)),
        "limit": limit,
        "earliest": FIRST + start,
        "deadline": FIRST + start + window,
    }
    if shape is Shape.BLOCK:
        least = chance.choice((chips, chips, max(1, chips // 2)))
        return Alternative(**common, chips=chips, chips_min=least, duration=duration)
    hours = chips * -(-window // (1 if shape is Shape.FLOW else chance.choice((2, 3, 4))))
    return Alternative(**common, chips_by_period=(chips,) * window, chip_hours=hours)


def _serve(book: Book, prices: dict[str, list[int]]) -> Served:
    left = {offer.id: np.array(offer.chips, dtype=np.int64) for offer in book.offers}
    by_pool: dict[str, list[str]] = {}
    for offer in book.offers:
        by_pool.setdefault(offer.pool, []).append(offer.id)
    sums = {key: np.concatenate(([0], np.cumsum(curve))) for key, curve in prices.items()}
    allocations: list[Allocation] = []
    used: dict[str, int] = {}
    for demand in book.demands:
        for item in demand.alternatives:
            made = _place(demand, item, left, by_pool, sums)
            if made:
                used[demand.id] = item.index
                allocations += made
                break
    allocations.sort(key=lambda row: (row.demand, row.offer, row.start))
    return Served(book, prices, allocations, used)


def _place(
    demand: BookDemand,
    item: Alternative,
    left: dict[str, Array],
    by_pool: dict[str, list[str]],
    sums: dict[str, Array],
) -> list[Allocation]:
    low, high = item.earliest - FIRST, item.deadline - FIRST
    duration = item.duration or 1
    for pool in item.pools:
        costs = sums[pool][low + duration : high + 1] - sums[pool][low : high + 1 - duration]
        for start in np.flatnonzero(costs <= item.limit * duration)[:3].tolist():
            need = item.chips or item.chips_by_period[0]
            made: list[Allocation] = []
            span = slice(low + start, low + start + duration)
            for offer in by_pool[pool]:
                chips = min(need, int(left[offer][span].min()))
                if chips:
                    first = FIRST + low + start
                    made.append(Allocation(demand.id, offer, pool, first, (chips,) * duration))
                    need -= chips
                if not need:
                    break
            got = (item.chips or item.chips_by_period[0]) - need
            if got and got >= item.chips_min:
                for row in made:
                    left[row.offer][span] -= row.chips[0]
                return made
    return []


def round_of(served: Served) -> dict[str, Any]:
    """Return the whole round file; the regrets and the bound are the checker's own."""
    book = served.book
    book_json = book_to_dict(book)
    read = read_book(book_json, Log())
    assert read is not None
    supply = Supply(read)
    responses = BestResponses(supply, served.prices)
    best_demands, best_offers = responses.demands(read), responses.offers(read)
    paid: dict[str, int] = {}
    hours: dict[str, int] = {}
    for row in served.allocations:
        first = row.start - book.first_period
        curve = served.prices[row.pool][first : first + len(row.chips)]
        money = sum(c * p for c, p in zip(row.chips, curve, strict=True))
        for id_ in (row.demand, row.offer):
            paid[id_] = paid.get(id_, 0) + money
            hours[id_] = hours.get(id_, 0) + sum(row.chips)
    demands: list[DemandOutcome] = []
    offers: list[OfferOutcome] = []
    for demand, best in zip(book.demands, best_demands, strict=True):
        got, index = hours.get(demand.id, 0), served.used.get(demand.id)
        item = next((a for a in demand.alternatives if a.index == index), None)
        value = got * item.limit if item else 0
        whole = item is not None and (demand.shape is Shape.BLOCK or got == item.chip_hours)
        state = "open" if not got else "filled" if whole else "part-filled"
        payment = paid.get(demand.id, 0)
        regret = max(0, best - (value - payment))
        reason = Reason("filled" if whole else "part_filled" if got else "no_capacity")
        demands.append(DemandOutcome(demand.id, state, index, got, value, payment, regret, reason))
    for offer, best in zip(book.offers, best_offers, strict=True):
        got = hours.get(offer.id, 0)
        state = "open" if not got else "filled" if got == sum(offer.chips) else "part-filled"
        revenue = paid.get(offer.id, 0)
        regret = max(0, best - (revenue - got * offer.ask))
        reason = Reason("no_demand" if not got else state.replace("-", "_"))
        offers.append(OfferOutcome(offer.id, state, got, got * offer.ask, revenue, regret, reason))
    rules = Rules(tick=TICK)
    curves = tuple((key, tuple(row)) for key, row in sorted(served.prices.items()))
    result = Result(
        market=book.market,
        round_id=book.round_id,
        book_digest=digest(book_json),
        rules_digest=rules_digest(rules),
        status="feasible",
        welfare=sum(row.value for row in demands) - sum(row.cost for row in offers),
        allocations=tuple(served.allocations),
        prices=curves,
        demands=tuple(demands),
        offers=tuple(offers),
        certificate=Certificate(curves, bound_of(read, best_demands, best_offers, [])),
        total_regret=sum(row.regret for row in demands) + sum(row.regret for row in offers),
    )
    return round_to_dict(book, rules, result)
