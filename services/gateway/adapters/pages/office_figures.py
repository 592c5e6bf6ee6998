"""Daily reports as figures: the table as people read it, and its picture from the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from services.gateway.adapters.pages.case_words import KINDS
from services.gateway.adapters.pages.codes import word
from services.gateway.adapters.pages.figures import Column, Figure, Kind, Value
from services.gateway.adapters.pages.rendering import (
    chip_hours,
    clock,
    count,
    percent,
    share_ppm,
    yuan,
)
from suanli.vocabulary import REPORTED, reported

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.reports import ReportView, Unit

_BARS_MAX = 30
_KINDS: dict[Unit, Kind] = {
    "text": "text",
    "instant": "time",
    "count": "count",
    "chip-hours": "count",
    "tflops-hours": "count",
    "ppm": "ppm",
    "micro-yuan": "money",
    "us": "count",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of one or two parts.

    Attributes:
        name: What it is of.
        parts: Their widths, thousandths of the full one.
        said: What it stands for, in words.
    """

    name: str
    parts: tuple[int, int]
    said: str


@dataclass(frozen=True, slots=True)
class Bars:
    """The picture of a report.

    Attributes:
        title: What it shows, English and Chinese.
        legend: Names of the parts, English and Chinese each.
        bars: From above to below.
    """

    title: tuple[str, str]
    legend: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]


def report_figure(view: ReportView, language: str) -> Figure:
    """Return the table of a report, its codes in words of a language."""
    columns = tuple(
        Column(item.en, item.zh, "chip" if item.name == "chip" else _KINDS[item.unit], item.name)
        for item in view.columns
    )
    rows = tuple(
        tuple(_value(column, cell, language) for column, cell in zip(columns, row, strict=True))
        for row in view.rows
    )
    return Figure(view.kind, columns, rows)


_LED = {
    "case_id": "/office/cases",
    "demand_id": "/office/orders",
    "mobilisation_id": "/office/mobilisations",
    "participant_id": "/office/participants",
    "round_id": "/rounds",
}


def leads(name: str, value: Value) -> str | None:
    """Return the page of what a cell of a report names, by its column; ``None`` if it has none."""
    return f"{_LED[name]}/{value}" if name in _LED and value else None


def kind_of(unit: Unit) -> Kind:
    """Return how a value of a report is shown."""
    return _KINDS[unit]


def _value(column: Column, cell: int | str | None, language: str) -> Value:
    if not isinstance(cell, str):
        return cell
    if column.kind == "time":
        return datetime.fromisoformat(cell)
    return _said(column.name, cell, language)


def _said(name: str, code: str, language: str) -> str:
    """Return a code of a column in words; the hours of a day stand beside the whole of it."""
    if name == "hour" and code[:1].isdigit():
        return clock(datetime.fromisoformat(code), "%m-%d %H:%M")
    return reported(name, code)[language == "zh"]


# Letters beside a bar; signs of full width count twice.
_NAME_WIDTH = 30
_Row = dict[str, "int | str | None"]


def report_bars(view: ReportView, language: str) -> Bars | None:
    """Return the picture of a report, if it has one, its codes in words of a language."""
    makers: dict[str, Callable[[list[_Row]], Bars]] = {
        "surveillance": partial(_cases, language),
        "concentration": partial(_concentration, language),
        "domestic-share": partial(_shares, language),
        "regional-flows": partial(_flows, language),
        "price-convergence": partial(_spreads, language),
        "emergency-use": partial(_urgent, language),
        "policy-costs": _policy_costs,
        "clock": _clock,
        "linkage": _linkage,
        "dead-letters": _letters,
    }
    names = [column.name for column in view.columns]
    rows = [dict(zip(names, row, strict=True)) for row in view.rows]
    return makers[view.kind](rows) if rows else None


def _place(row: _Row, name: str, language: str) -> str:
    return word(str(row[name]), language, REPORTED)


def _number(row: _Row, name: str) -> int:
    found = row[name]
    return found if isinstance(found, int) else 0


def _drawn(
    title: tuple[str, str],
    rows: list[tuple[str, int, int, str]],
    legend: tuple[tuple[str, str], ...] = (),
    most: int = 0,
) -> Bars:
    shown = rows[:_BARS_MAX]
    full = most or max([1, *(one + two for _, one, two, _ in shown)])
    bars = tuple(
        Bar(name, (min(1_000, one * 1_000 // full), min(1_000, two * 1_000 // full)), said)
        for name, one, two, said in shown
    )
    return Bars(title, legend, bars)


def _counted(rows: list[_Row], name: str) -> list[tuple[str, int, int, str]]:
    numbers: dict[str, int] = {}
    for row in rows:
        numbers[str(row[name])] = numbers.get(str(row[name]), 0) + 1
    latest = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    return [(key.replace("_", " "), number, 0, count(number)) for key, number in latest]


def _cases(language: str, rows: list[_Row]) -> Bars:
    numbers: dict[str, list[int]] = {}
    for row in rows:
        numbers.setdefault(str(row["kind"]), [0, 0])[row["state"] == "closed"] += 1
    bars = [
        (word(kind, language, KINDS), still, closed, f"{still} + {closed}")
        for kind, (still, closed) in sorted(numbers.items())
    ]
    return _drawn(
        ("Cases by kind", "各类案件"), bars, (("not closed", "未结案"), ("closed", "已结案"))
    )


def _concentration(language: str, rows: list[_Row]) -> Bars:
    bars = [
        (
            f"{_place(row, 'region', language)} · {row['chip']}",
            _number(row, "hhi"),
            0,
            count(_number(row, "hhi")),
        )
        for row in rows
        if row["side"] == "seller" and row["hour"] == "all"
    ]
    title = (
        "Concentration of sellers over the day; 10,000 is one owner",
        "全天供给方集中度指数；10,000 为独家",
    )
    return _drawn(title, bars, most=10_000)


def _shares(language: str, rows: list[_Row]) -> Bars:
    regions: dict[str, list[int]] = {}
    for row in rows:
        if row["origin"] is None:
            # What a policy asked of a round, which is of the same TFLOPS-hours.
            continue
        totals = regions.setdefault(str(row["region"]), [0, 0])
        totals[row["origin"] != "domestic"] += _number(row, "tflops_hours")
    bars = []
    for region, (domestic, imported) in sorted(regions.items()):
        both = domestic + imported
        bars.append(
            (
                word(region, language, REPORTED),
                domestic,
                imported,
                percent(share_ppm(domestic, both), 1),
            )
        )
    legend = (("domestic", "国产"), ("imported", "进口"))
    return _drawn(("TFLOPS-hours by region and origin", "各地区 TFLOPS·小时及来源"), bars, legend)


def _flows(language: str, rows: list[_Row]) -> Bars:
    bars = []
    routes = [row for row in rows if row["flow"] == "route"]
    for row in sorted(routes, key=lambda item: -_number(item, "chip_hours")):
        hours, inside = _number(row, "chip_hours"), row["capacity_region"] == row["demand_region"]
        name = " → ".join(
            _place(row, end, language) for end in ("capacity_region", "demand_region")
        )
        bars.append((name, hours if inside else 0, 0 if inside else hours, count(hours)))
    legend = (("within the region", "本地区"), ("to another or unstated region", "跨地区或未说明"))
    return _drawn(("Chip-hours, capacity → demand", "卡时：算力 → 需求"), bars, legend)


def _spreads(language: str, rows: list[_Row]) -> Bars:
    bars = []
    for row in rows:
        hours, equal = _number(row, "hours"), _number(row, "hours_equal")
        pair = " – ".join(_place(row, end, language) for end in ("region_a", "region_b"))
        name = f"{pair}, {word(str(row['chip']), language, REPORTED)}"
        bars.append((name, equal, hours - equal, f"{count(equal)} / {count(hours)}"))
    legend = (("equal prices", "价格相同"), ("apart", "存在价差"))
    return _drawn(("Hours of delivery by pair of regions", "各地区对的交付时段"), bars, legend)


def _short(name: str) -> str:
    """Return as much of a name as stands beside a bar; the table has the whole."""
    left = _NAME_WIDTH
    for place, sign in enumerate(name):
        left -= 2 if east_asian_width(sign) in "WF" else 1
        if left < 0:
            return f"{name[:place].rstrip()}…"
    return name


def _urgent(language: str, rows: list[_Row]) -> Bars:
    taken: dict[str, list[int]] = {}
    for row in rows:
        if row["reason"] is not None:
            totals = taken.setdefault(str(row["reason"]), [0, 0])
            reserve = _number(row, "reserve_chip_hours")
            totals[0] += _number(row, "chip_hours") - reserve
            totals[1] += reserve
    bars = [
        (_short(reason), market, reserve, chip_hours(market + reserve, language))
        for reason, (market, reserve) in sorted(taken.items())
    ]
    legend = (("of other offers", "取自其他供给"), ("of the reserve", "取自储备"))
    return _drawn(("Chip-hours given to urgent demand", "紧急需求所得卡时"), bars, legend)


def _policy_costs(rows: list[_Row]) -> Bars:
    total: dict[str, int] = {}
    for row in rows:
        if row["region"] == "all":
            name = str(row["policy_id"])
            total[name] = total.get(name, 0) + _number(row, "cost")
    bars = [(name, max(0, cost), 0, yuan(cost)) for name, cost in sorted(total.items())]
    return _drawn(("Cost of each policy by itself", "各政策单独成本"), bars)


def _clock(rows: list[_Row]) -> Bars:
    bars = [
        (
            str(row["source"]),
            max(0, _number(row, "p99_us")),
            0,
            f"{count(_number(row, 'p99_us'))} µs",
        )
        for row in rows
    ]
    return _drawn(
        ("Recorded this long after the stamp, 99 % of events", "99% 事件的记录延迟"), bars
    )


def _linkage(rows: list[_Row]) -> Bars:
    return _drawn(("Errors by what is missing", "按缺失内容统计"), _counted(rows, "missing"))


def _letters(rows: list[_Row]) -> Bars:
    return _drawn(("Records by reason", "按原因统计"), _counted(rows, "reason"))
