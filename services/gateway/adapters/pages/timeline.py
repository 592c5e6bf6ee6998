"""Allocations on a time line: lanes of bars by the hour, and the table that they are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from schemas.types import period_of, period_start
from services.gateway.adapters.pages.figures import Column, Figure, Value
from services.gateway.adapters.pages.rendering import clock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from schemas.api import AllocationView

# Wide enough for a name at the left, in the picture's own units.
LEFT = 224
WIDTH = 960
LANE = 24
LANES_MAX = 24
# Three weeks; what is older is in the table.
_HOURS_MAX = 504
_TICKS = 7
# What is written at a tick stands to its right, and needs so much room.
_TICK_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Bar:
    """Hours on end with the same chips.

    Attributes:
        x: Where it begins.
        width: How wide it is.
        kind: ``due``, ``done`` or ``short``.
        said: What it stands for.
        chips: How many.
    """

    x: float
    width: float
    kind: str
    said: str
    chips: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes by pool.

    Attributes:
        lanes: Name of a pool, and its bars.
        ticks: Where instants are written, and as what.
        now_x: Where the running hour is; ``None`` outside.
        more: Pools that are not drawn.
    """

    lanes: tuple[tuple[str, tuple[Bar, ...]], ...]
    ticks: tuple[tuple[float, str], ...]
    now_x: float | None
    more: int

    @property
    def height(self) -> int:
        """Return how high the picture is."""
        return len(self.lanes) * LANE + 26


@dataclass(frozen=True, slots=True)
class Hour:
    """Chips of a pool in an hour, over all allocations."""

    chips: int
    paid: int
    delivered: int | None


def hours_of(allocations: Iterable[AllocationView]) -> dict[tuple[str, int], Hour]:
    """Return what was allocated by (pool, period)."""
    found: dict[tuple[str, int], Hour] = {}
    for item in allocations:
        delivered = {period_of(one.start): one.chips for one in item.delivered}
        for one in item.periods:
            place = (item.pool, period_of(one.start))
            known = found.get(place, Hour(0, 0, None))
            told = delivered.get(place[1])
            found[place] = Hour(
                known.chips + one.chips,
                known.paid + one.chips * one.price,
                known.delivered if told is None else (known.delivered or 0) + told,
            )
    return found


def timeline_figure(allocations: Iterable[AllocationView]) -> Figure:
    """Return the table: an hour of a pool a row."""
    columns = (
        Column("Hour", "时段", "time", "period"),
        Column("Pool", "资源池", "pool", "pool"),
        Column("Chips", "芯片", "count", "chips"),
        Column("Price", "价格", "price", "yuan_per_chip_hour"),
        Column("Amount", "金额", "money", "yuan"),
        Column("Delivered", "已交付", "count", "chips_delivered"),
    )
    found = hours_of(allocations)
    rows: list[tuple[Value, ...]] = [
        (
            period_start(period),
            pool,
            hour.chips,
            hour.paid // hour.chips if hour.chips else None,
            hour.paid,
            hour.delivered,
        )
        for (pool, period), hour in sorted(found.items(), key=lambda item: item[0][::-1])
    ]
    return Figure("timeline", columns, tuple(rows))


def timeline_of(allocations: Iterable[AllocationView], now: datetime) -> Timeline | None:
    """Return the picture; ``None`` if nothing was allocated."""
    found = hours_of(allocations)
    if not found:
        return None
    end = max(period for _, period in found) + 1
    first = max(min(period for _, period in found), end - _HOURS_MAX)
    step = (WIDTH - LEFT) / (end - first)
    pools = sorted({pool for pool, period in found if period >= first})
    lanes = tuple(
        (pool, _bars({at: hour for (name, at), hour in found.items() if name == pool}, first, step))
        for pool in pools[:LANES_MAX]
    )
    every = max(1, -(-(end - first) // _TICKS))
    ticks = tuple(
        (LEFT + (at - first) * step, clock(period_start(at), "%m-%d %H:%M"))
        for at in range(first, end, every)
        if LEFT + (at - first) * step <= WIDTH - _TICK_WIDTH
    )
    running = period_of(now)
    now_x = LEFT + (running - first) * step if first <= running < end else None
    return Timeline(lanes, ticks, now_x, max(0, len(pools) - LANES_MAX))


def _bars(hours: dict[int, Hour], first: int, step: float) -> tuple[Bar, ...]:
    places = sorted(period for period in hours if period >= first)
    bars = []

    def alike(numbered: tuple[int, int]) -> tuple[int, int, str]:
        # Neighbours keep the same distance from their number.
        hour = hours[numbered[1]]
        return numbered[1] - numbered[0], hour.chips, _kind(hour)

    for (_, chips, kind), run in groupby(enumerate(places), alike):
        periods = [period for _, period in run]
        start, until = period_start(periods[0]), period_start(periods[-1] + 1)
        said = f"{clock(start, '%m-%d %H:%M')} – {clock(until, '%m-%d %H:%M')}: {chips}"
        bars.append(Bar(LEFT + (periods[0] - first) * step, len(periods) * step, kind, said, chips))
    return tuple(bars)


def _kind(hour: Hour) -> str:
    if hour.delivered is None:
        return "due"
    return "done" if hour.delivered >= hour.chips else "short"
