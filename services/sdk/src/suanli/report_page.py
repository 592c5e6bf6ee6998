"""A daily report as one page: title, figures, a chart, the table and the signed report itself.

The page needs nothing else: style and picture are in it, and it runs no script. It is made from the
report alone, byte for byte the same each time, so that it can be checked by making it again.
"""

from __future__ import annotations

import json
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]
Text = tuple[str, str]

_MICRO: Final = 1_000_000
_NUMBERS: Final = frozenset({"count", "chip-hours", "tflops-hours", "ppm", "micro-yuan", "us"})
_UNITS: Final[dict[str, Text]] = {
    "chip-hours": ("chip-hours", "卡时"),
    "tflops-hours": ("TFLOPS-hours", "TFLOPS 小时"),
    "micro-yuan": ("yuan", "元"),
    "us": ("µs", "微秒"),
    "instant": ("UTC", "UTC"),
}
_WIDTH: Final = 860
_LEFT: Final = 210
_RIGHT: Final = 120
_ROW: Final = 26
_BARS_MAX: Final = 30
_STYLE: Final = """
:root { color-scheme: light dark; --page: #f7f7f4; --card: #fff; --ink: #1b1c1a; --soft: #63655f;
  --rule: #e3e3dd; --one: #2a6fc4; --two: #c2371f; --track: #ecece6; --good: #14733c;
  --good-page: #e7f4ec; --open: #8a5a00; --open-page: #fbf1dc; }
@media (prefers-color-scheme: dark) { :root { --page: #161715; --card: #1f201d; --ink: #ecece7;
  --soft: #a3a59d; --rule: #34352f; --one: #64a2ec; --two: #ee7058; --track: #2d2e2a;
  --good: #67c98e; --good-page: #18301f; --open: #f0b45c; --open-page: #35290f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.55 system-ui,
  -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans",
  sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 28px 20px 48px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0; font-weight: 650; }
h1 small { font-size: 15px; font-weight: 400; color: var(--soft); margin-left: 10px; }
.lead { color: var(--soft); margin: 6px 0 16px; max-width: 82ch; }
.state { border-radius: 8px; padding: 8px 14px; margin: 0 0 16px; font-size: 14px; }
.state.final { background: var(--good-page); color: var(--good); }
.state.open { background: var(--open-page); color: var(--open); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; }
.tile, section { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; }
.tile { padding: 12px 14px; }
.tile b { display: block; font-size: 21px; font-weight: 620; }
.tile span { color: var(--soft); font-size: 13px; }
section { padding: 16px 18px; margin-top: 16px; overflow-x: auto; }
h2 { font-size: 16px; margin: 0 0 8px; font-weight: 640; }
svg { display: block; width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--ink); }
svg .soft { fill: var(--soft); }
.track { fill: var(--track); } .one { fill: var(--one); } .two { fill: var(--two); }
.mark { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 3; }
.legend { color: var(--soft); font-size: 13px; margin: 0 0 8px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin: 0 6px
  0 14px; }
.legend i.one { background: var(--one); } .legend i.two { background: var(--two); }
table { border-collapse: collapse; font-size: 13px; width: 100%; }
th, td { padding: 4px 10px; text-align: left; border-bottom: 1px solid var(--rule);
  vertical-align: top; }
th { font-weight: 600; color: var(--soft); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
footer { color: var(--soft); font-size: 12.5px; margin-top: 20px; overflow-wrap: anywhere; }
code { font-family: ui-monospace, "SF Mono", Consolas, monospace; font-size: 12px; }
@media print { body { background: none; } section { break-inside: avoid; } }
""".strip()


def page(report: Json, lang: str) -> str:
    """Return a report as an HTML document.

    Args:
        report: As the exchange gave it.
        lang: ``en`` or ``zh``.
    """
    at = 1 if lang == "zh" else 0
    title = report[("title_en", "title_zh")[at]]
    name = ("Suanli Exchange", "算力交易所")[at]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)} · {escape(report['day'])}</title><style>{_STYLE}</style>"
    )
    of = f"{escape(report['market_id'])} · {escape(report['day'])}"
    about = report[("about_en", "about_zh")[at]]
    body = "".join(
        (
            f"<h1>{escape(title)}<small>{of} · {name}</small></h1>",
            f'<p class="lead">{escape(about)}</p>',
            _state(report, at),
            _tiles(report, at),
            _chart(report, at),
            _table(report, at),
            _footer(report, at),
        )
    )
    # "</" would end the script; JSON allows the slash to be escaped.
    data = json.dumps(report, ensure_ascii=False, sort_keys=True).replace("</", "<\\/")
    return (
        f'<!doctype html>\n<html lang="{lang}"><head>{head}</head><body><main>{body}</main>'
        f'<script type="application/json" id="report">{data}</script></body></html>\n'
    )


def _state(report: Json, at: int) -> str:
    rounds = report["rounds"]
    if report["is_final"]:
        text = (
            f"The day is over: {rounds} rounds.",
            f"当日已结束,共 {rounds} 轮。",
        )[at]
        return f'<p class="state final">{text}</p>'
    text = (
        f"So far: {rounds} rounds. The day is not over, so this may still change.",
        f"截至目前 {rounds} 轮;当日尚未结束,数据仍可能变化。",
    )[at]
    return f'<p class="state open">{text}</p>'


def _tiles(report: Json, at: int) -> str:
    tiles = "".join(
        f'<div class="tile"><b>{escape(cell(one["value"], one["unit"]))}</b>'
        f"<span>{escape(_headed(one, at))}</span></div>"
        for one in report["figures"]
    )
    return f'<div class="tiles">{tiles}</div>'


def _table(report: Json, at: int) -> str:
    columns = report["columns"]
    rows = report["rows"]
    if not rows:
        return f"<section>{('Nothing to report.', '无记录。')[at]}</section>"
    head = "".join(f"<th{_class(one)}>{escape(_headed(one, at))}</th>" for one in columns)
    lines = "".join(
        "<tr>"
        + "".join(
            f"<td{_class(column)}>{escape(cell(value, column['unit']))}</td>"
            for column, value in zip(columns, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    whole = (
        ""
        if report["is_whole"]
        else f"<p>{('Not all rows are here.', '此处未列出全部记录。')[at]}</p>"
    )
    title = ("Table", "明细")[at]
    return (
        f"<section><h2>{title}</h2><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table>{whole}</section>"
    )


def _footer(report: Json, at: int) -> str:
    made = cell(report["made_at"], "instant")
    signature = report.get("signature")
    told = ("not signed", "未签名")[at]
    if signature:
        key, value = escape(signature["key_id"]), f"<code>{escape(signature['value'])}</code>"
        told = (f"signed with {key} (Ed25519): {value}", f"由 {key} 签名(Ed25519):{value}")[at]
    how = (
        (
            "Check it with <code>suanli reports verify FILE</code>; the page is made from the "
            "signed report inside it, and nothing else."
        ),
        "使用 <code>suanli reports verify 文件</code> 核验;页面完全由其内含的已签名报告生成。",
    )[at]
    return f"<footer>{('Made', '生成于')[at]} {escape(made)} UTC · {told}<br>{how}</footer>"


# --- charts ---------------------------------------------------------------------------------


def _chart(report: Json, at: int) -> str:
    """Return the picture of a kind of report, if it has one."""
    makers = {
        "surveillance": _case_bars,
        "concentration": _index_bars,
        "domestic-share": _share_bars,
        "regional-flows": _flow_bars,
        "clock": _clock_bars,
    }
    maker = makers.get(report["kind"])
    if maker is None or not report["rows"]:
        return ""
    return maker(report, at)


def _case_bars(report: Json, at: int) -> str:
    places = _places(report)
    kinds: dict[str, list[int]] = {}
    for row in report["rows"]:
        counts = kinds.setdefault(str(row[places["kind"]]), [0, 0])
        counts[row[places["state"]] == "closed"] += 1
    bars = [
        (kind.replace("_", " "), (still, closed), f"{still + closed}")
        for kind, (still, closed) in sorted(kinds.items())
    ]
    legend = (("not closed", "closed"), ("未结案", "已结案"))[at]
    return _bars(("Cases by kind", "各类案件")[at], bars, legend=legend)


def _index_bars(report: Json, at: int) -> str:
    places = _places(report)
    bars = [
        (
            f"{row[places['region']]} · {row[places['chip']]}",
            (int(row[places["hhi"]]), 0),
            f"{row[places['hhi']]:,}",
        )
        for row in report["rows"]
        if row[places["side"]] == "seller" and row[places["hour"]] == "all"
    ]
    title = (
        "Concentration of sellers over the day (index; 10,000 is one owner, the line 2,500)",
        "全天供给方集中度(指数;10,000 为独家,虚线 2,500)",
    )[at]
    return _bars(title, bars, most=10_000, mark=2_500)


def _share_bars(report: Json, at: int) -> str:
    places = _places(report)
    regions: dict[str, list[int]] = {}
    for row in report["rows"]:
        if row[places["origin"]] is None:
            # What a policy asked of a round, which is of the same TFLOPS-hours.
            continue
        totals = regions.setdefault(str(row[places["region"]]), [0, 0])
        totals[row[places["origin"]] == "domestic"] += int(row[places["tflops_hours"]])
    bars = [
        (region, (imported, domestic), cell(_ppm(domestic, imported + domestic), "ppm"))
        for region, (imported, domestic) in sorted(regions.items())
    ]
    title = ("TFLOPS-hours by region and origin", "各地区 TFLOPS 小时及来源")[at]
    return _bars(title, bars, legend=(("imported", "domestic"), ("进口", "国产"))[at])


def _flow_bars(report: Json, at: int) -> str:
    places = _places(report)
    # Reports of before the totals of regions have nothing but routes.
    flow = places.get("flow")
    routes = [row for row in report["rows"] if flow is None or row[flow] == "route"]
    bars = []
    for row in sorted(routes, key=lambda row: -int(row[places["chip_hours"]])):
        source, target = str(row[places["capacity_region"]]), str(row[places["demand_region"]])
        hours = int(row[places["chip_hours"]])
        inside = source == target
        bars.append((f"{source} → {target}", (0, hours) if inside else (hours, 0), f"{hours:,}"))
    legend = (("to another or unstated region", "within the region"), ("跨地区或未说明", "本地区"))[
        at
    ]
    return _bars(("Chip-hours, capacity → demand", "卡时:算力 → 需求")[at], bars, legend=legend)


def _clock_bars(report: Json, at: int) -> str:
    places = _places(report)
    bars = [
        (
            str(row[places["source"]]),
            (max(0, int(row[places["p99_us"]])), 0),
            cell(row[places["p99_us"]], "us") + " µs",
        )
        for row in report["rows"]
    ]
    title = ("Recorded this long after the stamp, 99 % of events", "99% 事件的记录延迟")[at]
    return _bars(title, bars)


def _bars(
    title: str,
    rows: Sequence[tuple[str, tuple[int, int], str]],
    *,
    legend: Sequence[str] = (),
    most: int | None = None,
    mark: int | None = None,
) -> str:
    """Return horizontal bars of one or two parts.

    Args:
        title: What they show.
        rows: (label, parts, value in words).
        legend: Names of the parts.
        most: Value of the full width, by default the largest.
        mark: Value at which a line stands.
    """
    shown = rows[:_BARS_MAX]
    full = most or max([1, *(sum(parts) for _, parts, _ in shown)])
    width = _WIDTH - _LEFT - _RIGHT
    shapes = []
    for place, (name, parts, told) in enumerate(shown):
        y = place * _ROW + 4
        middle = y + 13
        shapes.append(
            f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end">{escape(name)}</text>'
        )
        shapes.append(f'<rect class="track" x="{_LEFT}" y="{y}" width="{width}" height="17"/>')
        x = _LEFT
        for part, kind in zip(parts, ("one", "two"), strict=True):
            wide = min(width, part * width // full)
            shapes.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{wide}" height="17"/>')
            x += wide
        shapes.append(
            f'<text class="soft" x="{_LEFT + width + 8}" y="{middle}">{escape(told)}</text>'
        )
    height = len(shown) * _ROW + 6
    if mark is not None:
        x = _LEFT + mark * width // full
        shapes.append(f'<line class="mark" x1="{x}" x2="{x}" y1="0" y2="{height}"/>')
    keys = "".join(
        f'<i class="{kind}"></i>{escape(name)}'
        for kind, name in zip(("one", "two"), legend, strict=False)
    )
    key = f'<p class="legend">{keys}</p>' if keys else ""
    return (
        f'<section><h2>{escape(title)}</h2>{key}<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(shapes)}</svg></section>'
    )


# --- words and numbers ----------------------------------------------------------------------


def cell(value: object, unit: str) -> str:
    """Return a value for people: grouped, in yuan, in percent, to the second."""
    if value is None:
        return "–"
    if unit == "ppm":
        return f"{int(str(value)) / 10_000:.2f} %"
    if unit == "micro-yuan":
        whole, rest = divmod(int(str(value)), _MICRO)
        return f"{whole:,}.{rest // 10_000:02d}"
    if unit == "instant":
        return datetime.fromisoformat(str(value)).strftime("%Y-%m-%d %H:%M:%S")
    return f"{value:,}" if isinstance(value, int) else str(value)


def _headed(column: Json, at: int) -> str:
    unit = _UNITS.get(column["unit"])
    name = str(column[("en", "zh")[at]])
    if unit is None or unit[at] in name:
        return name
    return f"{name} ({unit[at]})" if at == 0 else f"{name}({unit[at]})"


def _class(column: Json) -> str:
    return ' class="n"' if column["unit"] in _NUMBERS else ""


def _places(report: Json) -> dict[str, int]:
    return {column["name"]: place for place, column in enumerate(report["columns"])}


def _ppm(part: int, whole: int) -> int | None:
    return part * _MICRO // whole if whole else None
