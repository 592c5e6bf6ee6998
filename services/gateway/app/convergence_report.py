"""How far prices of a chip class are from region to region, and what links had to do with it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from services.gateway.app.report_tables import Content, column, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.market import Market
    from schemas.reports import Cell

_PPM = 1_000_000
_ALL_CHIPS = "all"


@dataclass(frozen=True, slots=True)
class PeriodPrice:
    """The latest clearing price of a pool with supply in a period of delivery, micro-yuan."""

    pool: str
    period: int
    price: int


@dataclass(frozen=True, slots=True)
class LinkDay:
    """What all rounds gave away of a link in the periods of a day, and its congestion rent."""

    source: str
    destination: str
    gb: int
    rent: int
    congested: int


@dataclass(slots=True)
class _Pair:
    """Sums over the hours in which both regions had supply of a chip class."""

    hours: int = 0
    equal: int = 0
    spread: int = 0
    most: int = 0

    def add(self, spread: int) -> None:
        self.hours += 1
        self.equal += not spread
        self.spread += spread
        self.most = max(self.most, spread)


_COLUMNS = (
    column("region_a", ("region", "地区")),
    column("region_b", ("other region", "另一地区")),
    column("chip", ("chip class", "芯片类别")),
    column("hours", ("hours with supply in both", "两地均有供给的时段"), "count"),
    column("hours_equal", ("hours of equal prices", "价格相同的时段"), "count"),
    column("spread_mean", ("average spread", "平均价差"), "micro-yuan"),
    column("spread_max", ("largest spread", "最大价差"), "micro-yuan"),
    column("gb_there", ("GB to the other region", "送往另一地区 GB"), "count"),
    column("gb_back", ("GB from the other region", "来自另一地区 GB"), "count"),
    column("hours_congested", ("congested link-hours", "链路拥塞时段"), "count"),
    column("rent", ("congestion rent", "拥塞租金"), "micro-yuan"),
)


def price_convergence(
    prices: Sequence[PeriodPrice], links: Sequence[LinkDay], market: Market
) -> Content:
    """Return spreads between regions by chip class, and for all chips what their links carried.

    A region's price is the lowest of its pools with supply.
    """
    regions = {zone.id: zone.region for zone in market.zones}
    lowest: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for one in prices:
        zone, _, chip = one.pool.partition("/")
        here, region = lowest[chip, one.period], regions.get(zone, zone)
        here[region] = min(one.price, here.get(region, one.price))
    pairs: dict[tuple[str, str], dict[str, _Pair]] = defaultdict(lambda: defaultdict(_Pair))
    for (chip, _), here in lowest.items():
        for a, b in combinations(sorted(here), 2):
            pairs[a, b][chip].add(abs(here[a] - here[b]))
    carried: dict[tuple[str, str], list[LinkDay]] = defaultdict(list)
    for link in links:
        ends = link.source, link.destination
        way = regions.get(ends[0], ends[0]), regions.get(ends[1], ends[1])
        if way[0] != way[1]:
            carried[way].append(link)
            _ = pairs[min(way), max(way)]
    rows: list[tuple[Cell, ...]] = []
    for (a, b), chips in sorted(pairs.items()):
        there, back = carried.get((a, b), []), carried.get((b, a), [])
        rows.append((
            a, b, _ALL_CHIPS, sum(one.hours for one in chips.values()),
            sum(one.equal for one in chips.values()), None, None,
            sum(one.gb for one in there), sum(one.gb for one in back),
            sum(one.congested for one in (*there, *back)), sum(one.rent for one in (*there, *back)),
        ))  # fmt: skip
        rows += [
            (a, b, chip, one.hours, one.equal, one.spread // one.hours, one.most, *(None,) * 4)
            for chip, one in sorted(chips.items())
        ]
    every = [one for chips in pairs.values() for one in chips.values()]
    hours, equal = sum(one.hours for one in every), sum(one.equal for one in every)
    figures = (
        figure(
            "equal_ppm", ("Hours of equal prices", "价格相同的时段占比"), "ppm",
            equal * _PPM // hours if hours else None,
        ),
        figure(
            "rent", ("Congestion rent between regions", "地区间拥塞租金"), "micro-yuan",
            sum(one.rent for way in carried.values() for one in way),
        ),
    )  # fmt: skip
    return Content(figures, _COLUMNS, tuple(rows))
