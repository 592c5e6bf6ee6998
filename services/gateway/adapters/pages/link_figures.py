"""Flows over links between zones: the table, and the arrows on the map between regions."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from services.gateway.adapters.pages.figures import Column, Figure
from services.gateway.adapters.pages.regions import PLACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.links import LinkFlowView
    from schemas.market import Market

_PPM = 1_000_000
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_COLUMNS = (
    Column("From", "自", "text", "source"),
    Column("To", "至", "text", "destination"),
    Column("GB given away", "已售 GB", "count", "gb"),
    Column("GB left", "剩余 GB", "count", "gb_left"),
    Column("Use", "利用率", "ppm", "used_ppm"),
    Column("Congested hours", "拥塞时段", "count", "periods_congested"),
    Column("Highest surcharge per GB", "每 GB 最高加价", "price", "surcharge_max"),
    Column("Congestion rent", "拥塞租金", "money", "rent"),
)
# Arrows keep clear of the names in the middle of regions, and of the arrow that comes back.
_CLEAR, _ASIDE = 34.0, 9.0
_WIDTH_MIN, _WIDTH_MAX = 2.0, 11.0
_TIP = 15.0


@dataclass(frozen=True, slots=True)
class Arrow:
    """A flow from region to region on the map.

    Attributes:
        source: Region that it leaves.
        destination: Region that it reaches.
        gb: GB given away.
        is_congested: Whether it cost more than the tariff in any hour.
        line: Its ends, in the map's units: x1, y1, x2, y2.
        width: Width of its line.
        tip: Corners of its head.
    """

    source: str
    destination: str
    gb: int
    is_congested: bool
    line: tuple[float, float, float, float]
    width: float
    tip: str


def links_figure(flows: Sequence[LinkFlowView], names: Mapping[str, str] = _NO_NAMES) -> Figure:
    """Return the links with their use, a link a row.

    Args:
        flows: The links.
        names: What people call zones, by id; programs get the ids.
    """
    rows = tuple(
        (
            names.get(one.source, one.source),
            names.get(one.destination, one.destination),
            one.gb,
            one.gb_left,
            one.gb * _PPM // (one.gb + one.gb_left) if one.gb + one.gb_left else None,
            one.periods_congested,
            one.surcharge_max,
            one.rent,
        )
        for one in flows
    )
    return Figure("links", _COLUMNS, rows)


def arrows(flows: Sequence[LinkFlowView], market: Market) -> tuple[Arrow, ...]:
    """Return what flows between different regions, the widest arrow for the most GB."""
    region = {zone.id: zone.region for zone in market.zones}
    places = {place.region: place for place in PLACES}
    gb: dict[tuple[str, str], int] = defaultdict(int)
    congested: set[tuple[str, str]] = set()
    for one in flows:
        pair = region.get(one.source, ""), region.get(one.destination, "")
        if pair[0] == pair[1] or not set(pair) <= places.keys():
            continue
        gb[pair] += one.gb
        if one.periods_congested:
            congested.add(pair)
    most = max(gb.values(), default=0)
    found = []
    for pair, count in sorted(gb.items()):
        if not count:
            continue
        start, end = (places[name] for name in pair)
        line, tip = _drawn((start.x, start.y), (end.x, end.y))
        width = _WIDTH_MIN + (_WIDTH_MAX - _WIDTH_MIN) * count / most
        found.append(Arrow(*pair, count, pair in congested, line, round(width, 1), tip))
    return tuple(found)


def _drawn(
    start: tuple[int, int], end: tuple[int, int]
) -> tuple[tuple[float, float, float, float], str]:
    """Return the line between two names, to the right of its way, and the corners of its head."""
    length = math.dist(start, end)
    across, down = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    aside = -down * _ASIDE, across * _ASIDE
    first = [start[i] + (across, down)[i] * _CLEAR + aside[i] for i in (0, 1)]
    last = [end[i] - (across, down)[i] * _CLEAR + aside[i] for i in (0, 1)]
    neck = [last[i] - (across, down)[i] * _TIP for i in (0, 1)]
    left = neck[0] - down * _TIP * 0.6, neck[1] + across * _TIP * 0.6
    right = neck[0] + down * _TIP * 0.6, neck[1] - across * _TIP * 0.6
    corners = " ".join(f"{x:.0f},{y:.0f}" for x, y in (tuple(last), left, right))
    line = round(first[0], 1), round(first[1], 1), round(neck[0], 1), round(neck[1], 1)
    return line, corners
