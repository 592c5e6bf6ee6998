"""The report's part on the day's emergency."""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from infra.demo import report_parts as parts
from infra.demo import words
from infra.demo.svg import both

if TYPE_CHECKING:
    from infra.demo.facts import Facts, Phrase

_HEADS: list[tuple[str, Phrase]] = [
    ("market_time", ("time", "时间")),
    ("round_id", ("round", "轮次")),
    ("kind", ("what", "类别")),
    ("chip_hours", ("chip-hours", "卡时")),
    ("reserve_chip_hours", ("reserve", "储备")),
    ("price_max", ("highest price, yuan", "最高价格（元）")),
    ("price_cap", ("cap, yuan", "价格上限（元）")),
    ("payment", ("paid, yuan", "金额（元）")),
    ("demand_id", ("displaced demand", "被挤出的需求")),
    ("value", ("its loss, yuan", "其损失（元）")),
]
_MONEY = frozenset({"price_max", "price_cap", "payment", "value"})
_KINDS: dict[str, Phrase] = {
    "urgent round": ("urgent round", "紧急轮次"),
    "displaced": ("displaced", "被挤出"),
}


def emergency(facts: Facts) -> str:
    """Return what the emergency took, for whom, and whom it displaced; nothing if none was."""
    register = facts.emergency
    if not register or not register["rows"]:
        return ""
    names = [column["name"] for column in register["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in register["rows"]]
    figures = {one["name"]: one["value"] or 0 for one in register["figures"]}
    first = rows[0]
    given, reserve, displaced = (
        f"{figures[name]:,}" for name in ("chip_hours", "reserve_chip_hours", "displaced")
    )
    cost = words.yuan(figures["welfare_cost"])
    told: Phrase = (
        (
            f"{first['reason']}: proposed by {first['proposed_by']}, confirmed by "
            f"{first['declared_by']}. {given} chip-hours before all other demand, {reserve} of "
            f"them reserve; {displaced} other demands got less, which cost the ordinary rounds "
            f"{cost} yuan of welfare, found by clearing them again without it."
        ),
        (
            f"{first['reason']}：{first['proposed_by']} 提出，{first['declared_by']} 确认。"
            f"优先分配 {given} 卡时，其中储备 {reserve}；{displaced} 项其他需求因此少得，"
            f"普通轮次福利减少 {cost} 元（去除紧急需求后重新出清所得）。"
        ),
    )
    heads = [head for _, head in _HEADS]
    cells = [[_cell(name, row[name]) for name, _ in _HEADS] for row in rows]
    return parts.section(
        ("An emergency in Beijing", "北京紧急动员"),
        told,
        parts.folded(parts.table(heads, cells, texts=(0, 1, 2, 8))),
    )


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name == "kind":
        return both(words.named(_KINDS, str(value)))
    if name == "market_time":
        return words.clock(datetime.fromisoformat(str(value)))
    if isinstance(value, int):
        return words.yuan(value) if name in _MONEY else f"{value:,}"
    return escape(str(value))
