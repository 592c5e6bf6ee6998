"""Seeded books of a size to measure: gangs, flows and work over zones and chip classes.

Sizes and shapes follow the Philly trace roughly (most gangs of 1 to 8 chips, some of 64, hours
long); limits lie around the asks so that supply and demand are about equal.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from schemas.types import Shape
from services.core.book import Alternative, Book, BookDemand, BookOffer, Pool

FIRST = 490_000
_CLASSES = 8
_GANG_CHIPS = (1, 2, 4, 8, 8, 16, 32, 64)
_GANG_HOURS = (1, 2, 4, 6, 12, 24, 48)


@dataclass(frozen=True, slots=True)
class _Draw:
    chance: random.Random
    zones: tuple[str, ...]
    chips: tuple[str, ...]
    periods: int

    def price_of(self, chip: str) -> int:
        return 2_000_000 * (1 + self.chips.index(chip))


def seeded_book(demands: int, seed: int, periods: int = 60) -> Book:
    """Return a book of so many demands, with a tenth as many pools and 2.5 offers a pool."""
    zones = max(1, demands // (10 * _CLASSES))
    chance = random.Random(seed)
    draw = _Draw(
        chance,
        tuple(f"z{n}" for n in range(zones)),
        tuple(f"c{n}" for n in range(min(_CLASSES, max(1, demands // 10)))),
        periods,
    )
    pools = tuple(
        Pool(f"{zone}/{chip}", zone, "beijing", chip, domestic=False, tflops=300)
        for zone in draw.zones
        for chip in draw.chips
    )
    offers: list[BookOffer] = []
    for pool in pools:
        for _ in range(chance.choice((1, 2, 3, 4))):
            offers.append(_offer(draw, len(offers), pool))
    rows = tuple(_demand(draw, n) for n in range(demands))
    return Book("bench", "bench:1", FIRST, periods, pools, tuple(offers), rows)


def _offer(draw: _Draw, n: int, pool: Pool) -> BookOffer:
    chance, periods = draw.chance, draw.periods
    start = chance.choice((0, 0, 0, chance.randrange(periods // 2)))
    end = chance.choice((periods, periods, chance.randrange(periods // 2, periods)))
    ask = int(draw.price_of(pool.chip) * chance.uniform(0.4, 0.9)) // 100 * 100
    chips = chance.choice((8, 16, 32, 64, 128))
    return BookOffer(
        f"off_{n:06}", "p", 1, pool.key, ask, FIRST + start, (chips,) * max(1, end - start)
    )


def _demand(draw: _Draw, n: int) -> BookDemand:
    shapes = (Shape.BLOCK, Shape.FLOW, Shape.WORK)
    shape = draw.chance.choices(shapes, (0.6, 0.2, 0.2))[0]
    alternatives = tuple(
        _alternative(draw, index, shape) for index in range(draw.chance.choice((1, 1, 2, 3)))
    )
    return BookDemand(f"dem_{n:06}", f"e{n % 20}", 1, shape, alternatives)


def _alternative(draw: _Draw, index: int, shape: Shape) -> Alternative:
    chance, periods = draw.chance, draw.periods
    chips = chance.sample(draw.chips, min(len(draw.chips), chance.choice((1, 1, 2))))
    count = min(len(draw.zones), chance.choice((1, 2, len(draw.zones))))
    zones = chance.sample(draw.zones, count)
    limit = int(min(map(draw.price_of, chips)) * chance.lognormvariate(0, 0.4)) // 100 * 100
    start = chance.randrange(periods - 4)
    common = {
        "index": index,
        "pools": tuple(sorted(f"{zone}/{chip}" for zone in zones for chip in chips)),
        "limit": limit,
        "earliest": FIRST + start,
    }
    if shape is Shape.BLOCK:
        duration = min(chance.choice(_GANG_HOURS), periods - start)
        end = min(periods, start + duration + chance.choice((0, 2, 6, 12, 24)))
        gang = chance.choice(_GANG_CHIPS)
        return Alternative(
            **common,  # type: ignore[arg-type]
            deadline=FIRST + end,
            chips=gang,
            chips_min=chance.choice((gang, gang, max(1, gang // 2))),
            duration=duration,
        )
    end = min(periods, start + chance.choice((6, 12, 24, 48)))
    most = chance.choice((1, 2, 4, 8, 16, 32))
    hours = most * (end - start)
    if shape is Shape.WORK:
        hours = max(1, hours // chance.choice((2, 3, 4)))
    return Alternative(
        **common,  # type: ignore[arg-type]
        deadline=FIRST + end,
        chips_by_period=(most,) * (end - start),
        chip_hours=hours,
    )
