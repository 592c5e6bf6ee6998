"""The report's charts: prices, supply and demand, fill by region, welfare per round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.demo import words
from infra.demo.svg import (
    Scale,
    label,
    line,
    nice_ticks,
    picture,
    rect,
    staircase,
    tag,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from infra.demo.facts import Json
    from infra.demo.figures import Hour, Lot

_MICRO = 1_000_000
_HOUR_STEP = 6


def price_panel(hours: Sequence[Hour], chip: Json, list_price: int, start: datetime) -> str:
    """Return the average price of a chip class by delivery hour, against its list price.

    Args:
        hours: Delivery hours.
        chip: The chip class.
        list_price: Published price on demand, micro-yuan per chip-hour: the panel's top.
        start: First instant of the day.
    """
    width, height, left, right, top, bottom = 260.0, 132.0, 34.0, 8.0, 14.0, 22.0
    prices = [hour.lots[chip["id"]].price if chip["id"] in hour.lots else None for hour in hours]
    dearest = max([list_price, *(price for price in prices if price is not None)])
    x = Scale(0, max(1, len(hours)), left, width - right)
    y = Scale(0, dearest, height - bottom, top)
    tone = "domestic" if chip["domestic"] else "foreign"
    shapes = [_rule(left, width - right, y(0), "axis"), _rule(left, width - right, y(list_price))]
    shapes += [
        label(left - 5, y(value) + 3.5, words.same(words.yuan(value, 1)), anchor="end")
        for value in (0, list_price)
    ]
    shapes.append(label(width - right, y(list_price) - 4, ("list price", "目录价"), "note", "end"))
    shapes += _hour_ticks(hours, x, height - 7)
    points: list[tuple[float, float] | None] = [
        None if price is None else (x(index + 0.5), y(price)) for index, price in enumerate(prices)
    ]
    shapes.append(line(points, f"line {tone}"))
    for index, (hour, price) in enumerate(zip(hours, prices, strict=True)):
        if price is None:
            continue
        hint = (
            f"{words.hour_label(hour.start, start)}  {words.yuan(price, 2)}"
            f"  ({hour.lots[chip['id']].sold:,})"
        )
        spot = tag("title", hint)
        shapes.append(
            tag("circle", spot, cx=x(index + 0.5), cy=y(price), r=2.2, class_=f"dot {tone}")
        )
    return picture(width, height, words.same(chip["name"]), shapes)


def link_panel(rows: Mapping[datetime, Json], start: datetime) -> str:
    """Return the price of a GB over a link by delivery hour, against its tariff.

    Args:
        rows: `LinkPriceView` by delivery hour.
        start: First instant of the day.
    """
    width, height, left, right, top, bottom = 260.0, 132.0, 44.0, 8.0, 14.0, 22.0
    hours = sorted(rows)
    tariff = max(row["tariff"] for row in rows.values())
    dearest = max(row["price"] for row in rows.values())
    x = Scale(0, len(hours), left, width - right)
    y = Scale(0, dearest, height - bottom, top)
    shapes = [_rule(left, width - right, y(0), "axis"), _rule(left, width - right, y(tariff))]
    shapes += [
        label(left - 5, y(value) + 3.5, words.same(words.yuan(value, 3)), anchor="end")
        for value in dict.fromkeys((0, tariff, dearest))
    ]
    shapes.append(label(width - right, y(tariff) + 11, ("tariff", "资费"), "note", "end"))
    corners = staircase([(x(i), y(rows[at]["price"])) for i, at in enumerate(hours)], x(1) - x(0))
    shapes.append(line(corners, "line gap"))
    shapes += _times(hours, x, height - 7)
    hint = f"{words.hour_label(hours[0], start)} – {words.hour_label(hours[-1], start)}"
    return picture(width, height, (f"yuan per GB, {hint}", f"元/GB，{hint}"), shapes)


def supply_chart(hours: Sequence[Hour], start: datetime) -> str:
    """Return chips offered, sold (domestic and foreign) and wanted, by delivery hour."""
    width, height, left, right, top, bottom = 860.0, 300.0, 52.0, 8.0, 10.0, 26.0
    most = max([1.0, *(max(hour.offered, hour.wanted, hour.sold) for hour in hours)])
    ticks = nice_ticks(most)
    x = Scale(0, max(1, len(hours)), left, width - right)
    y = Scale(0, ticks[-1], height - bottom, top)
    step = x(1) - x(0)
    shapes = _levels(ticks, y, left, width - right)
    for index, hour in enumerate(hours):
        at, wide = x(index) + step * 0.14, step * 0.72
        hint = (
            f"{words.hour_label(hour.start, start)}: {hour.sold:,} / {hour.offered:,}"
            f" ({hour.wanted:,.0f})"
        )
        base = y(0)
        first, second = y(hour.sold_domestic), y(hour.sold)
        shapes.append(rect((at, first, wide, base - first), "fill domestic", hint))
        # Two units apart, so that the two parts read as two in any light.
        gap = 1.5 if hour.sold_domestic and hour.sold_foreign else 0.0
        shapes.append(rect((at, second, wide, first - second - gap), "fill foreign", hint))
    offered = [(x(index), y(hour.offered)) for index, hour in enumerate(hours)]
    wanted = [(x(index + 0.5), y(hour.wanted)) for index, hour in enumerate(hours)]
    shapes.append(line(staircase(offered, step), "line supply"))
    shapes.append(line(wanted, "line wanted"))
    shapes += _hour_ticks(hours, x, height - 8)
    return picture(width, height, ("supply and demand by delivery hour", "分时供需"), shapes)


def region_chart(rows: Sequence[tuple[str, Lot, Lot]]) -> str:
    """Return how much of each region's capacity was sold, domestic and foreign.

    Args:
        rows: (region, domestic, foreign).
    """
    width, left, right, row_height = 860.0, 150.0, 120.0, 26.0
    most = max([1, *(lot.offered for _, first, second in rows for lot in (first, second))])
    x = Scale(0, most, left, width - right)
    shapes = []
    y = 8.0
    for region, *lots in rows:
        name = words.named(words.REGIONS, region)
        for lot, kind, title in zip(
            lots, ("domestic", "foreign"), (words.DOMESTIC, words.FOREIGN), strict=True
        ):
            whole = (f"{name[0]}, {title[0]}", f"{name[1]} · {title[1]}")
            shapes.append(label(left - 10, y + 14, whole, "name", "end"))
            hint = f"{lot.sold:,} / {lot.offered:,}"
            shapes.append(rect((left, y + 2, x(lot.offered) - left, 16), "track", hint))
            shapes.append(rect((left, y + 2, x(lot.sold) - left, 16), f"fill {kind}", hint))
            told = words.same(f"{words.percent(lot.fill)}")
            shapes.append(label(x(lot.offered) + 8, y + 14, told, "value"))
            y += row_height
        y += 8
    return picture(width, y, ("share sold by region", "各地区成交率"), shapes)


def welfare_chart(rounds: Sequence[Json]) -> str:
    """Return each round's welfare, and on top what the certificate cannot rule out (the gap)."""
    width, height, left, right, top, bottom = 860.0, 230.0, 62.0, 8.0, 10.0, 24.0
    bounds = [(row.get("bound") or 0) / _MICRO for row in rounds]
    ticks = nice_ticks(max([1.0, *bounds]))
    x = Scale(0, max(1, len(rounds)), left, width - right)
    y = Scale(0, ticks[-1], height - bottom, top)
    step = x(1) - x(0)
    shapes = _levels(ticks, y, left, width - right)
    for index, (row, bound) in enumerate(zip(rounds, bounds, strict=True)):
        at, wide = x(index) + step * 0.14, step * 0.72
        welfare = (row.get("welfare") or 0) / _MICRO
        gap = words.percent_of_ppm(row.get("gap_ppm") or 0)
        hint = f"{row['seq']}: {welfare:,.0f} / {bound:,.0f} ({gap})"
        # A gap too small to be drawn to scale still shows as a thin cap.
        cap = max(1.5, y(welfare) - y(bound)) if bound > welfare else 0.0
        shapes.append(rect((at, y(welfare) - cap, wide, cap), "fill gap", hint))
        shapes.append(rect((at, y(welfare), wide, y(0) - y(welfare)), "fill welfare", hint))
    shapes += _round_ticks([row["seq"] for row in rounds], x, height - 7)
    return picture(width, height, ("welfare and bound per round", "每轮福利与上界"), shapes)


@dataclass(frozen=True, slots=True)
class ShareBar:
    """A round's domestic share in a region.

    Attributes:
        seq: Number of the round.
        achieved: Its share (1 = all), ``None`` if it allocated nothing there.
        asked: The least share asked of it, ``None`` if none was.
        is_missed: Whether it missed that.
        premium: Micro-yuan per TFLOPS-hour, ``None`` if no share was asked.
        premium_max: Cap of the premium.
    """

    seq: int
    achieved: float | None
    asked: float | None
    is_missed: bool
    premium: int | None
    premium_max: int | None


def share_chart(bars: Sequence[ShareBar]) -> str:
    """Return each round's domestic share, against the share that was asked of it."""
    width, height, left, right, top, bottom = 860.0, 210.0, 62.0, 8.0, 10.0, 24.0
    x = Scale(0, max(1, len(bars)), left, width - right)
    y = Scale(0, 100, height - bottom, top)
    step = x(1) - x(0)
    shapes = _levels((0, 25, 50, 75, 100), y, left, width - right)
    asked: list[tuple[float, float] | None] = []
    for index, bar in enumerate(bars):
        at, wide = x(index) + step * 0.14, step * 0.72
        if bar.achieved is not None:
            share = 100 * bar.achieved
            least = "" if bar.asked is None else f" ({100 * bar.asked:g} %)"
            kind = "fill gap" if bar.is_missed else "fill domestic"
            hint = f"{bar.seq}: {share:.1f} %{least}"
            shapes.append(rect((at, y(share), wide, y(0) - y(share)), kind, hint))
        asked += _step(None if bar.asked is None else y(100 * bar.asked), x(index), step)
    shapes.append(line(asked, "line wanted"))
    shapes += _round_ticks([bar.seq for bar in bars], x, height - 7)
    return picture(width, height, ("domestic share per round", "每轮国产占比"), shapes)


def premium_chart(bars: Sequence[ShareBar]) -> str:
    """Return each round's premium per TFLOPS-hour, against its cap."""
    width, height, left, right, top, bottom = 860.0, 130.0, 62.0, 8.0, 10.0, 24.0
    cap = max((bar.premium_max or 0 for bar in bars), default=0) / _MICRO
    x = Scale(0, max(1, len(bars)), left, width - right)
    y = Scale(0, cap or 1.0, height - bottom, top)
    step = x(1) - x(0)
    shapes = [_rule(left, width - right, y(0), "axis")]
    shapes += [
        label(left - 7, y(value) + 3.5, words.same(f"{value:g}"), anchor="end")
        for value in dict.fromkeys((0.0, cap))
    ]
    caps: list[tuple[float, float] | None] = []
    for index, bar in enumerate(bars):
        at, wide = x(index) + step * 0.14, step * 0.72
        paid = (bar.premium or 0) / _MICRO
        if bar.premium is not None:
            hint = f"{bar.seq}: {words.yuan(bar.premium, 4)}"
            shapes.append(rect((at, y(paid), wide, y(0) - y(paid)), "fill welfare", hint))
        highest = bar.premium_max
        caps += _step(None if highest is None else y(highest / _MICRO), x(index), step)
    shapes.append(line(caps, "line supply"))
    shapes += _round_ticks([bar.seq for bar in bars], x, height - 7)
    return picture(width, height, ("premium per round", "每轮溢价"), shapes)


def _step(level: float | None, at: float, wide: float) -> list[tuple[float, float] | None]:
    return [None] if level is None else [(at, level), (at + wide, level)]


def _rule(start: float, end: float, y: float, kind: str = "grid") -> str:
    return tag("line", x1=start, x2=end, y1=y, y2=y, class_=kind)


def _levels(ticks: Sequence[float], y: Scale, start: float, end: float) -> list[str]:
    shapes = []
    for value in ticks:
        told = f"{value:,.0f}"
        shapes.append(_rule(start, end, y(value), "axis" if value == 0 else "grid"))
        shapes.append(label(start - 7, y(value) + 3.5, words.same(told), anchor="end"))
    return shapes


def _hour_ticks(hours: Sequence[Hour], x: Scale, y: float) -> list[str]:
    return _times([hour.start for hour in hours], x, y)


def _times(instants: Sequence[datetime], x: Scale, y: float) -> list[str]:
    return [
        label(x(index), y, words.same(words.clock(at)), anchor="middle")
        for index, at in enumerate(instants)
        if at.astimezone(words.BEIJING).hour % _HOUR_STEP == 0
    ]


def _round_ticks(seqs: Sequence[int], x: Scale, y: float) -> list[str]:
    every = max(1, len(seqs) // 12)
    return [
        label(x(index + 0.5), y, words.same(str(seqs[index])), anchor="middle")
        for index in range(0, len(seqs), every)
    ]
