"""The tables of the daily reports: pure functions from what was read to columns and rows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.reports import ReportColumn, ReportFigure
from services.core.surveillance.concentration import concentration_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from schemas.market import Market
    from schemas.reports import Cell, Unit

_PPM = 1_000_000
_TOP = 3
_WHOLE_DAY = "all"
_UNSTATED = "unstated"
_OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Content:
    """Headline figures and a table."""

    figures: tuple[ReportFigure, ...]
    columns: tuple[ReportColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class TradeRow:
    """Chips allocated in a pool and hour between two owners, and their value, micro-yuan.

    Of the chips, ``resold`` were sold on.
    """

    pool: str
    seller: str
    buyer: str
    hour: datetime
    chips: int
    value: int
    resold: int = 0


@dataclass(frozen=True, slots=True)
class FlowRow:
    """Chip-hours allocated in a pool to demand with these zones, and their value, micro-yuan."""

    pool: str
    user_zone: str | None
    data_zone: str | None
    chips: int
    value: int


@dataclass(frozen=True, slots=True)
class ClockRow:
    """How late the events of a source were recorded, microseconds; negative is early."""

    source: str
    events: int
    earliest_us: int
    p50_us: int
    p99_us: int
    latest_us: int
    beyond: int


@dataclass(frozen=True, slots=True)
class LinkageRow:
    """An event that does not lead to its order, cause or round."""

    missing: str
    parent_id: str
    event_id: str
    kind: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A record that nobody could take."""

    source_topic: str
    source_partition: int
    source_offset: int
    reason: str
    field: str
    value: str
    allowed: str
    bytes: int
    buried_at: datetime


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case of surveillance."""

    case_id: str
    kind: str
    severity: str
    state: str
    revision: int
    raised_at: datetime
    participants: tuple[str, ...]
    evidence_total: int
    en: str
    zh: str


def surveillance(found: Sequence[CaseRow]) -> Content:
    """Return the table of the day's cases."""
    figures = [
        figure("cases", ("Cases", "案件"), "count", len(found)),
        figure(
            "open",
            ("Not closed", "未结案"),
            "count",
            sum(one.state != "closed" for one in found),
        ),
        figure(
            "high",
            ("Of high severity", "高程度"),
            "count",
            sum(one.severity == "high" for one in found),
        ),
    ]
    columns = (
        column("case_id", ("case", "案件")),
        column("kind", ("kind", "类别")),
        column("severity", ("severity", "程度")),
        column("state", ("state", "状态")),
        column("revision", ("revision", "修订"), "count"),
        column("raised_at", ("raised", "提出时间"), "instant"),
        column("participants", ("participants", "参与方")),
        column("evidence", ("evidence", "证据数"), "count"),
        column("summary_en", ("what was found", "发现（英文）")),
        column("summary_zh", ("what was found (Chinese)", "发现")),
    )
    rows = tuple(
        (
            one.case_id,
            one.kind,
            one.severity,
            one.state,
            one.revision,
            iso(one.raised_at),
            " ".join(one.participants),
            one.evidence_total,
            one.en,
            one.zh,
        )
        for one in found
    )
    return Content(tuple(figures), columns, rows)


def concentration(found: Sequence[TradeRow], market: Market) -> Content:
    """Return the index and the largest three by side, region, chip class and hour."""
    regions = {zone.id: zone.region for zone in market.zones}
    volumes: dict[tuple[str, str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in found:
        zone, _, chip = one.pool.partition("/")
        for side, owner in (("seller", one.seller), ("buyer", one.buyer)):
            for hour in (_WHOLE_DAY, iso(one.hour)):
                volumes[side, regions.get(zone, zone), chip, hour][owner] += one.chips
    columns = [
        column("side", ("side", "买卖方")),
        column("region", ("region", "地区")),
        column("chip", ("chip class", "芯片类别")),
        column("hour", ("hour from", "时段始")),
        column("chip_hours", ("chip-hours", "卡时"), "chip-hours"),
        column("owners", ("owners", "控制人数"), "count"),
        column("hhi", ("index", "集中度指数"), "count"),
    ]
    for place in range(1, _TOP + 1):
        columns.append(column(f"top_{place}", (f"largest {place}", f"第 {place} 大")))
        columns.append(column(f"top_{place}_ppm", (f"share {place}", f"占比 {place}"), "ppm"))
    rows: list[tuple[Cell, ...]] = []
    # The day before its hours.
    for key in sorted(volumes, key=lambda key: (key[:3], key[3] != _WHOLE_DAY, key[3])):
        measured = concentration_of(volumes[key])
        row: list[Cell] = [*key, measured.total, len(volumes[key]), measured.hhi]
        for place in range(_TOP):
            row += measured.top[place] if place < len(measured.top) else (None, None)
        rows.append(tuple(row))
    days = [row for row in rows if row[3] == _WHOLE_DAY and row[0] == "seller"]
    highest = max((int(row[6] or 0) for row in days), default=0)
    figures = (
        figure("areas", ("Regions and chip classes", "地区与芯片类别"), "count", len(days)),
        figure("hhi_max", ("Highest index of sellers", "供给方最高指数"), "count", highest),
    )
    return Content(figures, tuple(columns), tuple(rows))


def regional_flows(found: Sequence[FlowRow], market: Market) -> Content:
    """Return chip-hours and their value from region to region, then each region's totals.

    A region exports what others' demand got of its capacity, and imports what its demand got of
    theirs. What goes to an unstated region is in neither.
    """
    regions = {zone.id: zone.region for zone in market.zones}
    hours: dict[tuple[str, str], int] = defaultdict(int)
    value: dict[tuple[str, str], int] = defaultdict(int)
    for one in found:
        zone = one.pool.partition("/")[0]
        wanted = one.user_zone or one.data_zone
        target = _UNSTATED if wanted is None else regions.get(wanted, wanted)
        key = regions.get(zone, zone), target
        hours[key] += one.chips
        value[key] += one.value
    columns = (
        column("flow", ("flow", "流向")),
        column("capacity_region", ("capacity in", "算力所在地区")),
        column("demand_region", ("demand from", "需求所在地区")),
        column("chip_hours", ("chip-hours", "卡时"), "chip-hours"),
        column("value", ("value", "金额"), "micro-yuan"),
    )
    stated = {key: count for key, count in hours.items() if key[1] != _UNSTATED}
    crossing = sum(count for key, count in stated.items() if key[0] != key[1])
    figures = (
        figure("chip_hours", ("Allocated in all", "分配总量"), "chip-hours", sum(hours.values())),
        figure(
            "crossing_ppm",
            ("Crossing regions, of what is stated", "跨地区占比（已说明部分）"),
            "ppm",
            _share(crossing, sum(stated.values())),
        ),
    )
    rows = tuple(("route", *key, hours[key], value[key]) for key in sorted(hours))
    return Content(figures, columns, rows + _crossings(hours, value))


def _crossings(
    hours: Mapping[tuple[str, str], int], value: Mapping[tuple[str, str], int]
) -> tuple[tuple[Cell, ...], ...]:
    """Return what each region exported and imported, of none too."""
    known = sorted({region for key in hours for region in key if region != _UNSTATED})
    crossing = [key for key in hours if key[0] != key[1] and key[1] != _UNSTATED]
    rows: list[tuple[Cell, ...]] = []
    for flow, side in (("exported", 0), ("imported", 1)):
        for region in known:
            keys = [key for key in crossing if key[side] == region]
            ends = (region, _OTHERS) if side == 0 else (_OTHERS, region)
            totals = (sum(amounts[key] for key in keys) for amounts in (hours, value))
            rows.append((flow, *ends, *totals))
    return tuple(rows)


def clock(found: Sequence[ClockRow], bound_us: int) -> Content:
    """Return the divergence of each source from the market's clock."""
    columns = (
        column("source", ("source", "来源")),
        column("events", ("events", "事件数"), "count"),
        column("earliest_us", ("earliest", "最早"), "us"),
        column("p50_us", ("half within", "中位"), "us"),
        column("p99_us", ("99 % within", "99 分位"), "us"),
        column("latest_us", ("latest", "最晚"), "us"),
        column("bound_us", ("bound", "限值"), "us"),
        column("beyond", ("beyond the bound", "超限数"), "count"),
    )
    rows = tuple(
        (
            one.source,
            one.events,
            one.earliest_us,
            one.p50_us,
            one.p99_us,
            one.latest_us,
            bound_us,
            one.beyond,
        )
        for one in found
    )
    figures = (
        figure("events", ("Events", "事件数"), "count", sum(one.events for one in found)),
        figure("beyond", ("Beyond the bound", "超限数"), "count", sum(one.beyond for one in found)),
    )
    return Content(figures, columns, rows)


def linkage(looked_at: int, found: Sequence[LinkageRow]) -> Content:
    """Return what does not lead back to its order, cause or round."""
    columns = (
        column("missing", ("missing", "缺失")),
        column("parent_id", ("id of it", "其编号")),
        column("event_id", ("event", "事件")),
        column("kind", ("kind", "类别")),
        column("occurred_at", ("happened", "发生时间"), "instant"),
    )
    rows = tuple(
        (one.missing, one.parent_id, one.event_id, one.kind, iso(one.occurred_at)) for one in found
    )
    figures = (
        figure("events", ("Events of orders", "订单事件数"), "count", looked_at),
        figure("errors", ("Linkage errors", "链路错误"), "count", len(found)),
    )
    return Content(figures, columns, rows)


def dead_letters(found: Sequence[LetterRow]) -> Content:
    """Return the register of records that nobody could take."""
    columns = (
        column("topic", ("topic", "主题")),
        column("partition", ("partition", "分区"), "count"),
        column("offset", ("offset", "位置"), "count"),
        column("reason", ("reason", "原因")),
        column("field", ("field", "字段")),
        column("value", ("value", "值")),
        column("allowed", ("allowed", "允许值")),
        column("bytes", ("bytes", "字节数"), "count"),
        column("buried_at", ("buried (real time)", "登记时间（真实时间）"), "instant"),
    )
    rows = tuple(
        (
            one.source_topic,
            one.source_partition,
            one.source_offset,
            one.reason,
            one.field,
            one.value,
            one.allowed,
            one.bytes,
            iso(one.buried_at),
        )
        for one in found
    )
    figures = (figure("records", ("Records", "记录数"), "count", len(found)),)
    return Content(figures, columns, rows)


def iso(instant: datetime) -> str:
    """Return an instant as the wire writes it."""
    return instant.isoformat().replace("+00:00", "Z")


def _share(part: int, whole: int) -> int | None:
    return part * _PPM // whole if whole else None


def column(name: str, words: tuple[str, str], unit: Unit = "text") -> ReportColumn:
    """Return a column with its English and Chinese head."""
    return ReportColumn(name=name, en=words[0], zh=words[1], unit=unit)


def figure(name: str, words: tuple[str, str], unit: Unit, value: Cell) -> ReportFigure:
    """Return a headline figure with its English and Chinese words."""
    return ReportFigure(name=name, en=words[0], zh=words[1], unit=unit, value=value)
