"""The report of the day: one HTML page that needs nothing else.

English and Chinese stand side by side in it, the page shows one; light and dark follow the
reader's system.
"""

from __future__ import annotations

from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from infra.demo import report_parts as parts
from infra.demo import words
from infra.demo.charts import price_panel, region_chart, supply_chart, welfare_chart
from infra.demo.figures import Lot, by_chip, share_ppm
from infra.demo.report_emergency import emergency
from infra.demo.report_links import links
from infra.demo.report_shares import shares
from infra.demo.svg import both, tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.demo.checks import Check
    from infra.demo.facts import Facts, Phrase
    from infra.demo.figures import Figures

_PAGE = Path(__file__).resolve().parent / "page"


def report_html(
    facts: Facts,
    figures: Figures,
    checks: Sequence[Check],
    list_prices: Mapping[str, int],
    *,
    language: str = "en",
) -> str:
    """Return the report as one HTML document.

    Args:
        facts: The day.
        figures: Its numbers.
        checks: Its guarantees.
        list_prices: Published price of each chip class, micro-yuan per chip-hour.
        language: ``en`` or ``zh``: what the page shows first.
    """
    style = (_PAGE / "report.css").read_text(encoding="utf-8")
    script = (_PAGE / "report.js").read_text(encoding="utf-8")
    body = "".join(
        (
            _header(facts),
            _verdict(facts, checks),
            _tiles(facts, figures),
            _prices(facts, figures, list_prices),
            _supply(facts, figures),
            _fill(facts, figures),
            _gaps(facts, figures),
            shares(facts),
            links(facts),
            emergency(facts),
            parts.money(facts),
            parts.orders(facts, figures),
            parts.refusals(facts),
            parts.speed(facts, figures),
            parts.guarantees(checks),
            parts.footer(facts),
        )
    )
    title = f"Suanli Exchange 算力交易所 · {facts.start.astimezone(words.BEIJING):%Y-%m-%d}"
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{style}</style>"
    )
    return (
        f'<!doctype html>\n<html lang="{language}"><head>{head}</head>'
        f"<body><main>{body}</main><script>{script}</script></body></html>\n"
    )


def _header(facts: Facts) -> str:
    buttons = tag(
        "nav",
        tag("button", both(("中文", "English")), id="language", type="button"),
        tag("button", both(("Light / dark", "明 / 暗")), id="theme", type="button"),
    )
    name: Phrase = (
        "Suanli Exchange: one market day",
        f"算力交易所：{facts.market['name_zh']}的一天",
    )
    day = facts.start.astimezone(words.BEIJING)
    real_min = facts.hours * 60 / facts.speed
    lead: Phrase = (
        (
            f"{facts.market['name_en']}, {day:%d %B %Y}, {facts.hours} market hours in "
            f"{real_min:.1f} real minutes. "
            "Orders made from public traces went through the gateway onto Kafka, an auction "
            f"cleared them in {len(facts.rounds)} rounds, the ledger booked the money in "
            "Postgres, and a checker that shares no code with the solver verified every "
            "round. Times are Beijing's."
        ),
        (
            f"{day:%Y 年 %-m 月 %-d 日}，{facts.hours} 个市场小时在 {real_min:.1f} 分钟内跑完。"
            f"订单由公开数据集生成，经网关写入 Kafka，在 {len(facts.rounds)} 轮竞价中出清，"
            "资金由账本记入 Postgres，每一轮都由与求解器不共享任何代码的程序核验。时间为北京时间。"
        ),
    )
    return tag("header", tag("h1", both(name)), buttons) + tag("p", both(lead), class_="lead")


def _verdict(facts: Facts, checks: Sequence[Check]) -> str:
    failed = [check for check in checks if not check.ok]
    verified = sum(item.ok for item in facts.verdicts.values())
    if failed:
        text: Phrase = (
            f"{len(failed)} of {len(checks)} guarantees did not hold",
            f"{len(checks)} 项保证中有 {len(failed)} 项未满足",
        )
        small = "".join(
            both((f"{item.says[0]}: {item.detail}", f"{item.says[1]}：{item.detail}"), "small")
            for item in failed
        )
        return tag("div", both(text), small, class_="verdict bad")
    text = (
        f"All {len(checks)} guarantees held; {verified} of {len(facts.rounds)} rounds verified",
        f"{len(checks)} 项保证全部满足；{len(facts.rounds)} 轮中 {verified} 轮核验通过",
    )
    detail: Phrase = (
        "Nothing lost, nothing booked twice, sums are zero. Each is listed at the end.",
        "无遗漏、无重复入账、借贷平衡。逐项列于文末。",
    )
    return tag("div", both(text), both(detail, "small"), class_="verdict good")


def _tiles(facts: Facts, figures: Figures) -> str:
    sent = sum(item.kind in {"offer", "demand"} for item in facts.attempts)
    filled = figures.states["demand"].get("filled", 0)
    domestic = share_ppm(figures.chip_hours_domestic, figures.chip_hours) / 1_000_000
    worth = share_ppm(figures.tflops_hours_domestic, figures.tflops_hours) / 1_000_000
    rows: tuple[tuple[Phrase, Phrase, Phrase], ...] = (
        (
            ("orders sent", "提交订单"),
            words.same(f"{sent:,}"),
            (f"{filled:,} demands filled", f"{filled:,} 份需求全部成交"),
        ),
        (
            ("chip-hours sold", "成交卡时"),
            words.same(f"{figures.chip_hours:,}"),
            (
                f"{figures.tflops_hours / 1e6:,.2f} EFLOPS-hours, dense FP16",
                f"{figures.tflops_hours / 1e6:,.2f} EFLOPS·小时（稠密 FP16）",
            ),
        ),
        (
            ("paid", "成交金额"),
            words.money(figures.payment),
            (
                f"{words.yuan(_average(figures), 2)} yuan per chip-hour",
                f"平均每卡时 {words.yuan(_average(figures), 2)} 元",
            ),
        ),
        (
            ("welfare", "社会福利"),
            words.money(figures.welfare),
            ("what it was worth, less what it cost", "价值减去成本"),
        ),
        (
            ("certified gap", "可证差距"),
            words.same(words.percent_of_ppm(figures.gap_ppm)),
            (
                f"at most {words.yuan(figures.bound - figures.welfare)} yuan of welfare missed",
                f"福利至多损失 {words.yuan(figures.bound - figures.welfare)} 元",
            ),
        ),
        (
            ("domestic share", "国产占比"),
            words.same(words.percent(domestic)),
            (
                f"of chip-hours; {words.percent(worth)} of TFLOPS",
                f"按卡时；按算力 {words.percent(worth)}",
            ),
        ),
    )
    tiles = "".join(
        tag(
            "div",
            both(title, class_="title"),
            tag("b", both(value)),
            both(beside, class_="beside"),
            class_="tile",
        )
        for title, value, beside in rows
    )
    return tag("div", tiles, class_="tiles")


def _average(figures: Figures) -> int:
    return figures.payment // figures.chip_hours if figures.chip_hours else 0


def _prices(facts: Facts, figures: Figures, list_prices: Mapping[str, int]) -> str:
    names = words.chip_names(facts.market)
    whole = by_chip(figures.pools)
    panels = []
    for chip in facts.market["chips"]:
        kind = words.DOMESTIC if chip["domestic"] else words.FOREIGN
        price = whole.get(chip["id"], Lot()).price
        told: Phrase = (
            ("nothing sold", "无成交")
            if price is None
            else (f"average {words.yuan(price, 2)} yuan", f"均价 {words.yuan(price, 2)} 元")
        )
        caption = tag(
            "figcaption",
            escape(names[chip["id"]]) + " ",
            both(kind, class_="kind"),
            tag("div", both(told), class_="kind"),
        )
        panel = price_panel(figures.hours, chip, list_prices[chip["id"]], facts.start)
        panels.append(tag("figure", caption, panel))
    heads = [("delivery hour", "交付时段"), *(words.same(names[item]) for item in names)]
    rows = [
        [
            words.hour_label(hour.start, facts.start),
            *(_price_cell(hour.lots.get(item)) for item in names),
        ]
        for hour in figures.hours
    ]
    return parts.section(
        ("Price of each chip class over the day", "各类芯片的分时价格"),
        (
            (
                "Yuan per chip-hour by delivery hour, averaged over all rounds and zones, weighted "
                "by chips. The top line of each panel is the published price on demand."
            ),
            (
                "每卡时价格（元），按交付时段，对所有轮次和区域按卡数加权平均。"
                "每幅图上方的线为公开的按需目录价。"
            ),
        ),
        tag("div", *panels, class_="panels"),
        parts.folded(parts.table(heads, rows)),
    )


def _price_cell(lot: Lot | None) -> str:
    return "" if lot is None or lot.price is None else words.yuan(lot.price, 2)


def _supply(facts: Facts, figures: Figures) -> str:
    legend = parts.legend(
        ("block domestic", ("sold, domestic chips", "成交（国产）")),
        ("block foreign", ("sold, foreign chips", "成交（进口）")),
        ("supply", ("offered", "供给")),
        ("wanted", ("asked for, each demand spread over its window", "需求（在其窗口内均摊）")),
    )
    heads: list[Phrase] = [
        ("delivery hour", "交付时段"),
        ("offered", "供给"),
        ("asked for", "需求"),
        ("sold, domestic", "成交（国产）"),
        ("sold, foreign", "成交（进口）"),
        ("sold", "成交率"),
    ]
    rows = [
        [
            words.hour_label(hour.start, facts.start),
            f"{hour.offered:,}",
            f"{hour.wanted:,.0f}",
            f"{hour.sold_domestic:,}",
            f"{hour.sold_foreign:,}",
            words.percent(Lot(hour.offered, hour.sold).fill),
        ]
        for hour in figures.hours
    ]
    return parts.section(
        ("Supply and demand", "供给与需求"),
        (
            (
                "Chips by delivery hour. Orders stop at the day's end; what is offered beyond it "
                "was partly sold to demand that runs into the next morning."
            ),
            "按交付时段的卡数。当日结束后不再有新订单；其后的供给部分售予延续到次日清晨的需求。",
        ),
        legend,
        supply_chart(figures.hours, facts.start),
        parts.folded(parts.table(heads, rows)),
    )


def _fill(facts: Facts, figures: Figures) -> str:
    domestic = {chip["id"]: chip["domestic"] for chip in facts.market["chips"]}
    names = words.chip_names(facts.market)
    regions = list(dict.fromkeys(zone["region"] for zone in facts.market["zones"]))
    rows = []
    for region in regions:
        sums = {True: Lot(), False: Lot()}
        for (where, chip), lot in figures.day_pools.items():
            if where == region:
                sums[domestic[chip]] += lot
        rows.append((region, sums[True], sums[False]))
    heads: list[Phrase] = [
        ("region", "地区"),
        ("chip", "芯片"),
        ("offered, chip-hours", "供给（卡时）"),
        ("sold", "成交（卡时）"),
        ("share sold", "成交率"),
        ("average price, yuan", "均价（元）"),
    ]
    cells = [
        [
            both(words.named(words.REGIONS, region)),
            escape(names[chip]),
            f"{lot.offered:,}",
            f"{lot.sold:,}",
            words.percent(lot.fill),
            _price_cell(figures.pools[region, chip]),
        ]
        for (region, chip), lot in sorted(
            figures.day_pools.items(), key=lambda item: (regions.index(item[0][0]), item[0][1])
        )
    ]
    return parts.section(
        ("Fill by region", "各地区成交率"),
        (
            (
                "Share of the chip-hours on offer within the day that was sold; the bar's length "
                "is what was offered."
            ),
            "当日内供给卡时中的成交比例；条形全长为供给量。",
        ),
        parts.legend(
            ("block domestic", ("sold, domestic", "成交（国产）")),
            ("block foreign", ("sold, foreign", "成交（进口）")),
            ("block track", ("offered", "供给")),
        ),
        region_chart(rows),
        parts.folded(parts.table(heads, cells, texts=(0, 1))),
    )


def _gaps(facts: Facts, figures: Figures) -> str:
    heads: list[Phrase] = [
        ("round", "轮次"),
        ("time", "时间"),
        ("offers", "供给"),
        ("demand", "需求"),
        ("filled", "成交"),
        ("chip-hours", "卡时"),
        ("welfare, yuan", "福利（元）"),
        ("gap at most", "差距不超过"),
        ("solved, ms", "求解（毫秒）"),
        ("file, kB", "文件（kB）"),
        ("verified", "核验"),
    ]
    rows = []
    for row in facts.rounds:
        verdict = facts.verdicts.get(row["round_id"])
        filled = (row.get("demands_filled") or 0) + (row.get("demands_part_filled") or 0)
        rows.append(
            [
                str(row["seq"]),
                words.clock(datetime.fromisoformat(row["market_time"])),
                f"{row['offers']:,}",
                f"{row['demands']:,}",
                f"{filled:,}",
                f"{row.get('chip_hours') or 0:,}",
                words.yuan(row.get("welfare") or 0),
                words.percent_of_ppm(row.get("gap_ppm") or 0),
                f"{row.get('solve_ms') or 0:,}",
                f"{verdict.file_bytes / 1000:,.0f}" if verdict else "",
                parts.mark(verdict is not None and verdict.ok),
            ]
        )
    mean, worst = (
        words.percent_of_ppm(ppm) for ppm in (figures.gap_mean_ppm, figures.gap_worst_ppm)
    )
    told: Phrase = (
        (
            f"Mean of the rounds {mean}, worst {worst} ({figures.gap_worst_round}, "
            f"{words.yuan(figures.gap_worst)} yuan)."
        ),
        (
            f"各轮平均 {mean}，最大 {worst}（{figures.gap_worst_round}，"
            f"{words.yuan(figures.gap_worst)} 元）。"
        ),
    )
    return parts.section(
        ("Welfare and certified bound of each round", "每轮福利与可证上界"),
        (
            (
                "Yuan. The cap on each column is the certified gap: what the best of all "
                "clearings could at most have gained more, proven by published prices in exact "
                f"integers. {told[0]}"
            ),
            (
                "单位：元。柱顶部分为可证差距：由公布的证明价格以精确整数证明，"
                f"任何出清方案至多还能多得的福利。{told[1]}"
            ),
        ),
        parts.legend(
            ("block welfare", ("welfare", "福利")),
            ("block gap", ("certified gap", "可证差距")),
        ),
        welfare_chart(facts.rounds),
        parts.folded(parts.table(heads, rows, texts=(0, 1)), ("Every round", "全部轮次")),
    )
