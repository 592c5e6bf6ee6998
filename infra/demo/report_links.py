"""The report's part on what went over links between zones."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

from infra.demo import report_parts as parts
from infra.demo import words

if TYPE_CHECKING:
    from infra.demo.facts import Facts, Phrase

_HEADS: list[Phrase] = [
    ("from", "自"),
    ("to", "至"),
    ("GB", "GB"),
    ("tariff, yuan per GB", "资费（元/GB）"),
    ("highest price, yuan per GB", "最高价格（元/GB）"),
    ("congested hours", "拥塞时段"),
    ("congestion rent, yuan", "拥塞租金（元）"),
]


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
        full[way] += row["price"] > row["tariff"] or row["rent_total"] > 0
        tariffs[way] = row["tariff"]
        highest[way] = max(row["price"], highest.get(way, 0))
    if not gb.total():
        return ""
    cells = [
        [
            *map(escape, way),
            f"{gb[way]:,}",
            words.yuan(tariffs[way], 4),
            words.yuan(highest[way], 4),
            f"{full[way]:,}",
            words.yuan(rents[way]),
        ]
        for way in sorted(gb, key=lambda way: (-gb[way], way))
    ]
    paid = words.yuan(facts.money.links)
    told: Phrase = (
        (
            f"{gb.total():,} GB of data and traffic crossed between zones; orders paid "
            f"{paid} yuan for it, {words.yuan(rents.total())} of them "
            "congestion rent. Highest prices are of the latest round of each hour."
        ),
        (
            f"园区间共传输数据与流量 {gb.total():,} GB；订单为此支付 {paid} 元，"
            f"其中拥塞租金 {words.yuan(rents.total())} 元。最高价格取各时段最近一轮。"
        ),
    )
    return parts.section(
        ("Between zones", "园区之间"), told, parts.table(_HEADS, cells, texts=(0, 1))
    )
