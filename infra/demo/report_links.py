"""The report's part on what went over links between zones."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from infra.demo import report_parts as parts
from infra.demo import words
from infra.demo.charts import link_panel
from infra.demo.svg import both, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.demo.facts import Facts, Json, Phrase

_HEADS: list[Phrase] = [
    ("from", "自"),
    ("to", "至"),
    ("GB", "GB"),
    ("tariff, yuan per GB", "资费（元/GB）"),
    ("highest price, yuan per GB", "最高价格（元/GB）"),
    ("congested hours", "拥塞时段"),
    ("congestion rent, yuan", "拥塞租金（元）"),
]


_PANELS_MAX = 6


def links(facts: Facts) -> str:
    """Return what each link carried and at which prices; nothing if none carried anything."""
    gb: Counter[tuple[str, str]] = Counter()
    rents: Counter[tuple[str, str]] = Counter()
    full: Counter[tuple[str, str]] = Counter()
    tariffs: dict[tuple[str, str], int] = {}
    highest: dict[tuple[str, str], int] = {}
    for row in facts.links:
        way = row["source"], row["destination"]
        gb[way] += row["gb_total"]
        rents[way] += row["rent_total"]
        full[way] += _is_dear(row)
        tariffs[way] = row["tariff"]
        highest[way] = max(row["price"], highest.get(way, 0))
    if not gb.total():
        return ""
    zones = words.zone_names(facts.market)
    cells = [
        [
            *(both(zones[end]) for end in way),
            f"{gb[way]:,}",
            words.yuan(tariffs[way], 4),
            words.yuan(highest[way], 4),
            f"{full[way]:,}",
            words.yuan(rents[way]),
        ]
        for way in sorted(gb, key=lambda way: (-gb[way], way))
    ]
    lost, paid = _loss(facts, zones), words.yuan(facts.money.links)
    told: Phrase = (
        (
            f"{gb.total():,} GB of data and traffic crossed between zones; orders paid "
            f"{paid} yuan for it, {words.yuan(rents.total())} of them "
            f"congestion rent. {lost[0]}Prices are of the latest round of each hour."
        ),
        (
            f"区域间共传输数据与流量 {gb.total():,} GB；订单为此支付 {paid} 元，"
            f"其中拥塞租金 {words.yuan(rents.total())} 元。{lost[1]}价格取各时段最近一轮。"
        ),
    )
    return parts.section(
        ("Between zones", "区域之间"),
        told,
        _panels(facts, zones),
        parts.table(_HEADS, cells, texts=(0, 1)),
    )


def _is_dear(row: Json) -> bool:
    return bool(row["price"] > row["tariff"] or row["rent_total"] > 0)


def _loss(facts: Facts, zones: Mapping[str, Phrase]) -> Phrase:
    """Return the sentence about capacity that was lost; nothing if none was."""
    loss = facts.loss
    if loss is None:
        return ("", "")
    first, second = (zones[end] for end in loss.ends)
    since = words.clock(loss.since)
    until = words.clock(loss.until or facts.start + timedelta(hours=facts.hours))
    return (
        (
            f"From {since} to {until} the link between {first[0]} and {second[0]} had "
            f"{loss.left_gb:,} of its {loss.whole_gb:,} GB an hour each way; what was sold of it "
            "before stayed sold. "
        ),
        (
            f"{since} 至 {until}，{first[1]}与{second[1]}之间的链路每小时单向容量由 "
            f"{loss.whole_gb:,} GB 降至 {loss.left_gb:,} GB，此前已售出的部分不受影响。"
        ),
    )


def _panels(facts: Facts, zones: Mapping[str, Phrase]) -> str:
    """Return the price by delivery hour of the links that ever cost more than their tariff."""
    rows: dict[tuple[str, str], dict[datetime, Json]] = defaultdict(dict)
    for row in facts.links:
        rows[row["source"], row["destination"]][datetime.fromisoformat(row["period"])] = row
    dear = {way: sum(map(_is_dear, found.values())) for way, found in rows.items()}
    shown = sorted((way for way in rows if dear[way]), key=lambda way: (-dear[way], way))
    panels = [
        tag("figure", tag("figcaption", both(_way(way, zones))), link_panel(rows[way], facts.start))
        for way in shown[:_PANELS_MAX]
    ]
    if not panels:
        return ""
    said: Phrase = (
        "Yuan per GB by delivery hour on the links that became dearer than their tariff.",
        "价格高于资费的链路：各交付时段每 GB 价格（元）。",
    )
    return tag("p", both(said)) + tag("div", *panels, class_="panels")


def _way(way: tuple[str, str], zones: Mapping[str, Phrase]) -> Phrase:
    first, second = (zones[end] for end in way)
    return (f"{first[0]} → {second[0]}", f"{first[1]} → {second[1]}")
