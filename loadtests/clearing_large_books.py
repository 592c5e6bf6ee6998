"""Seeded books of any size whose gangs, run times and prices come from published data.

Gang sizes and run times are drawn from Microsoft's Philly jobs, asks and limits from published
instance prices (`infra/demo/data/README.md` names the sources). Assumed: the tail of gangs above
what Philly had (each doubled with a chance of one in eight, up to 512), slack, pools, and limits
around the price of the class. Supply is 0.8 of the demand's chip-hours. Also assumed, in a
book with links: that two demands in five send something, how much, and links that fit most of it.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import statistics
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from schemas.types import Shape
from services.core.book import (
    Alternative,
    Book,
    BookDemand,
    BookLink,
    BookOffer,
    Moves,
    Pool,
)

FIRST = 490_000
ZONES = 12
PERIODS = 168
SUPPLY_SHARE = 0.8
CHIPS_MAX = 512
_DATA = Path(__file__).resolve().parent.parent / "infra" / "demo" / "data"
_CLASSES = ("A10", "T4", "L4", "A100-80GB", "V100-16GB", "H100-80GB", "RTX6000", "P100-16GB")
_CNY_PER_USD = 7.2
_HOURS_MAX = 72
_SLACK_MAX = 24
_NODES_FROM = 32
# Of a book with links: demands that send, capacity for what they would, and tariffs per GB.
_SENDING = 0.4
_LINK_SHARE = 0.5
_TARIFFS = (2_000, 5_000, 10_000)
# Share of flow and of work demand in a mixed book.
_SPREAD_SHARES = (0.1, 0.1)


@dataclass(frozen=True, slots=True)
class _World:
    chance: random.Random
    jobs: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, ...], ...]
    price: tuple[float, ...]
    mixed: bool


def large_book(demands: int, seed: int, *, mixed: bool = False, linked: bool = False) -> Book:
    """Return a book of so many demands over 96 pools and 168 periods.

    Args:
        demands: Number of demands.
        seed: Of everything drawn.
        mixed: Whether a fifth of the demands are flow or work; else all are gangs.
        linked: Whether two demands in five send data or traffic between zones.
    """
    asks = _asks()
    price = tuple(statistics.median(row) for row in asks)
    world = _World(random.Random(seed), _jobs(), asks, price, mixed)
    pools = tuple(
        Pool(
            f"z{zone:02}/c{chip}", f"z{zone:02}", "beijing", f"c{chip}", domestic=False, tflops=300
        )
        for zone in range(ZONES)
        for chip in range(len(_CLASSES))
    )
    rows = tuple(_demand(world, n) for n in range(demands))
    wanted = sum(_hours(row) for row in rows)
    book = Book("bench", "bench:1", FIRST, PERIODS, pools, _offers(world, pools, wanted), rows)
    return _linked(book, random.Random(seed + 1)) if linked else book


def _linked(book: Book, chance: random.Random) -> Book:
    """Return a book whose zones stand in a ring with spokes, and whose demand sends over it."""
    rows = tuple(_sending(chance, demand) for demand in book.demands)
    traffic = sum(_hours(row) * row.moves.traffic_gb for row in rows if row.moves)
    data = sum(row.moves.data_gb for row in rows if row.moves)
    pairs = [(a, (a + 1) % ZONES) for a in range(ZONES)] + [(0, a) for a in range(2, ZONES - 1)]
    each = max(1, round((traffic + data) * _LINK_SHARE / (len(pairs) * PERIODS)))
    links = [
        BookLink(f"z{a:02}>z{b:02}", f"z{a:02}", f"z{b:02}", tariff, (capacity,) * PERIODS)
        for low, high in pairs
        for tariff, capacity in [(chance.choice(_TARIFFS), round(each * chance.uniform(0.3, 1.7)))]
        for a, b in ((low, high), (high, low))
    ]
    return replace(book, demands=rows, links=tuple(sorted(links, key=lambda link: link.key)))


def _sending(chance: random.Random, demand: BookDemand) -> BookDemand:
    kind, zone = chance.random(), f"z{chance.randrange(ZONES):02}"
    if demand.shape is Shape.BLOCK and kind < _SENDING / 2:
        gb = chance.choice((20, 100, 500)) * demand.alternatives[0].chips
        return replace(demand, moves=Moves(data_zone=zone, data_gb=gb))
    if kind < _SENDING:
        return replace(demand, moves=Moves(user_zone=zone, traffic_gb=chance.choice((1, 2, 5))))
    return demand


@cache
def _jobs() -> tuple[tuple[int, int], ...]:
    text = gzip.decompress((_DATA / "philly_vc_jobs.csv.gz").read_bytes()).decode()
    return tuple(
        (int(row["num_gpus"]), max(1, min(_HOURS_MAX, -(-int(float(row["duration_s"])) // 3600))))
        for row in csv.DictReader(io.StringIO(text))
    )


@cache
def _asks() -> tuple[tuple[int, ...], ...]:
    text = gzip.decompress((_DATA / "accelerator_prices.csv.gz").read_bytes()).decode()
    found: dict[str, list[int]] = {name: [] for name in _CLASSES}
    for row in csv.DictReader(io.StringIO(text)):
        if row["accelerator"] not in found or not row["on_demand_per_hour"]:
            continue
        yuan = float(row["on_demand_per_hour"]) * (_CNY_PER_USD if row["currency"] == "USD" else 1)
        each = yuan / float(row["accelerator_count"] or 1)
        if each:
            found[row["accelerator"]].append(round(each * 10_000) * 100)
    return tuple(tuple(sorted(found[name])) for name in _CLASSES)


def _hours(demand: BookDemand) -> int:
    row = demand.alternatives[0]
    return row.chips * row.duration or row.chip_hours


def _offers(world: _World, pools: tuple[Pool, ...], wanted: int) -> tuple[BookOffer, ...]:
    chance = world.chance
    weights = [chance.lognormvariate(0, 0.8) for _ in pools]
    offers: list[BookOffer] = []
    for p, pool in enumerate(pools):
        share = wanted * SUPPLY_SHARE * weights[p] / sum(weights) / PERIODS
        count = max(1, min(12, round(share / 16)))
        for _ in range(count):
            low, high = chance.choice(
                ((0, PERIODS), (0, PERIODS), (0, PERIODS), (chance.randrange(84), PERIODS),
                 (0, chance.randrange(84, PERIODS)))
            )  # fmt: skip
            # Chips come in nodes of eight where there are that many; a shorter window offers more
            # at once for its share.
            wanted_chips = share / count * PERIODS / (high - low)
            node = 8 if wanted_chips >= _NODES_FROM else 1
            chips = max(1, round(wanted_chips / node)) * node
            ask = chance.choice(world.asks[p % len(_CLASSES)])
            offers.append(
                BookOffer(
                    f"off_{len(offers):06}", f"p{p % 7}", 1, pool.key, ask * 6 // 1000 * 100,
                    FIRST + low, (chips,) * (high - low),
                )
            )  # fmt: skip
    return tuple(offers)


def _demand(world: _World, n: int) -> BookDemand:
    chance = world.chance
    shape = Shape.BLOCK
    if world.mixed:
        flow, work = _SPREAD_SHARES
        shape = chance.choices(
            (Shape.BLOCK, Shape.FLOW, Shape.WORK), (1 - flow - work, flow, work)
        )[0]
    chips, hours = chance.choice(world.jobs)
    while chips < CHIPS_MAX and chance.random() < 0.125:
        chips *= 2
    chips = min(chips, CHIPS_MAX)
    classes = chance.sample(range(len(_CLASSES)), chance.choice((1, 1, 2, 3)))
    zones = chance.sample(range(ZONES), chance.choice((1, 2, 3)))
    limit = min(world.price[c] for c in classes) * chance.lognormvariate(0, 0.4)
    slack = chance.randint(0, _SLACK_MAX)
    start = chance.randint(0, PERIODS - hours)
    end = min(PERIODS, start + hours + slack)
    pools = tuple(sorted(f"z{zone:02}/c{c}" for zone in zones for c in classes))
    if shape is Shape.BLOCK:
        row = Alternative(
            0, pools, round(limit / 100) * 100, FIRST + start, FIRST + end, chips, chips, hours
        )
    else:
        total = chips * (end - start)
        row = Alternative(
            0, pools, round(limit / 100) * 100, FIRST + start, FIRST + end,
            chips_by_period=(chips,) * (end - start),
            chip_hours=chips * hours if shape is Shape.WORK else total,
        )  # fmt: skip
    return BookDemand(f"dem_{n:07}", f"e{n % 50}", 1, shape, (row,))
