"""Cases of surveillance in words: kinds, severities, states, and what was measured."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING

from services.core.errors import Message
from services.core.surveillance.cases import SENTENCES, CaseKind
from services.gateway.adapters.pages.codes import word
from services.gateway.adapters.pages.figures import shown
from services.gateway.adapters.pages.words import for_people
from suanli.vocabulary import CASE_KINDS, REPORTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.surveillance import CaseView
    from services.gateway.adapters.pages.figures import Kind

# As they stand alone, in a cell or above a case.
KINDS = {name: (en[0].upper() + en[1:], zh) for name, (en, zh) in CASE_KINDS.items()}
FIGURES: dict[str, tuple[str, str, Kind]] = {
    "allocations": ("Allocations", "分配笔数", "count"),
    "area": ("Where", "范围", "text"),
    "burst": ("Most in a minute", "一分钟内最多", "count"),
    "cancelled_chip_hours": ("Chip-hours withdrawn", "撤回卡时", "count"),
    "chip_hours": ("Chip-hours", "卡时", "count"),
    "chips": ("Chips", "卡数", "count"),
    "filled_chip_hours": ("Chip-hours filled", "成交卡时", "count"),
    "fills": ("Orders filled", "成交订单", "count"),
    "fleeting": ("Fleeting messages", "瞬时消息", "count"),
    "hhi": ("Index (HHI)", "集中度指数（HHI）", "count"),
    "loss": ("Difference", "差额", "money"),
    "median": ("Median price", "价格中位数", "price"),
    "messages": ("Messages", "消息条数", "count"),
    "move_ppm": ("Largest move", "最大价格变动", "ppm"),
    "net_chip_hours": ("Chip-hours for good", "净转移卡时", "count"),
    "orders": ("Orders", "订单数", "count"),
    "owners": ("Owners", "实际控制人", "count"),
    "periods": ("Hours", "时段数", "count"),
    "pool": ("Pool", "资源池", "text"),
    "price": ("Farthest price", "最远价格", "price"),
    "prices": ("Prices", "价格个数", "count"),
    "round_id": ("Round", "轮次", "text"),
    "rounds": ("Rounds", "轮数", "count"),
    "rsi_ppm": ("Residual supply, least", "剩余供给指数（最低）", "ppm"),
    "share_ppm": ("Largest share", "最大占比", "ppm"),
    "top_ppm": ("Share of the largest", "最大供给方占比", "ppm"),
}
"""Name of what was measured -> (English, Chinese, how it is read)."""


def measured(figures: dict[str, int | str]) -> list[tuple[tuple[str, str], str]]:
    """Return what was measured in a case: its name in both languages, and its value."""
    found = []
    for name, value in figures.items():
        plain = name.replace("_", " ")
        en, zh, kind = FIGURES.get(name, (plain, plain, "count"))
        found.append(((en, zh), shown(kind, value)))
    return found


def found(case: CaseView) -> Message:
    """Return what a case is about, for people: its prices are in yuan and its regions have names.

    A case that was told in words of its own keeps them.
    """
    told = SENTENCES.get(CaseKind(case.kind))
    if told is None or _filled(told[0], case.figures) != case.summary.en:
        return for_people(Message(case.summary.en, case.summary.zh))
    en, zh = (
        template.format_map(
            {name: _figure(name, value, language) for name, value in case.figures.items()}
        )
        for template, language in zip(told, ("en", "zh"), strict=True)
    )
    return for_people(Message(en, zh))


def _filled(sentence: str, figures: dict[str, int | str]) -> str | None:
    names = {name for _, name, _, _ in Formatter().parse(sentence) if name}
    return sentence.format_map(figures) if names <= figures.keys() else None


def _figure(name: str, value: int | str, language: str) -> int | str:
    if isinstance(value, int):
        return (
            shown("price", value) if FIGURES.get(name, ("", "", "count"))[2] == "price" else value
        )
    region, slash, chip = value.partition("/")
    return f"{word(region, language, REPORTED)}{slash}{chip}" if region in REPORTED else value


FILTERS: dict[str, Callable[..., Message]] = {"found": found}
