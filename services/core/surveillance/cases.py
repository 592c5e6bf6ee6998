"""What a rule hands to a supervisor: a case with its evidence, and the words for it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from services.core.errors import Message
from services.core.reasons import Why, why_of_message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.core.surveillance.tape import Tape

_ID_CHARACTERS = 26


class CaseKind(StrEnum):
    """Family of rules that a case comes from."""

    SELF_MATCH = "self_match"
    WASH = "wash"
    LAYERING = "layering"
    STUFFING = "stuffing"
    MARKING = "marking"
    WITHHOLDING = "withholding"
    CONCENTRATION = "concentration"
    PIVOTAL = "pivotal"
    OUTLIER = "outlier"
    FAVOURITISM = "favouritism"


class Severity(StrEnum):
    """How soon a person should look: ``low`` is kept as a record."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


SEVERITY: dict[CaseKind, Severity] = {
    CaseKind.SELF_MATCH: Severity.LOW,
    CaseKind.WASH: Severity.HIGH,
    CaseKind.LAYERING: Severity.HIGH,
    CaseKind.STUFFING: Severity.MEDIUM,
    CaseKind.MARKING: Severity.HIGH,
    CaseKind.WITHHOLDING: Severity.HIGH,
    CaseKind.CONCENTRATION: Severity.LOW,
    CaseKind.PIVOTAL: Severity.MEDIUM,
    CaseKind.OUTLIER: Severity.MEDIUM,
    CaseKind.FAVOURITISM: Severity.HIGH,
}

SENTENCES: dict[CaseKind, tuple[str, str]] = {
    CaseKind.SELF_MATCH: (
        "{allocations} allocations of {chip_hours} chip-hours have one owner on both sides.",
        "{allocations} 笔分配（{chip_hours} 卡时）买卖双方为同一实际控制人。",
    ),
    CaseKind.WASH: (
        (
            "{chip_hours} chip-hours went from {owners} owner(s) to themselves or round a ring in "
            "{pool}; {net_chip_hours} changed hands for good."
        ),
        (
            "{pool} 中 {chip_hours} 卡时在 {owners} 个实际控制人之间自成交或循环成交，"
            "净转移 {net_chip_hours} 卡时。"
        ),
    ),
    CaseKind.LAYERING: (
        (
            "{orders} orders of {cancelled_chip_hours} chip-hours were withdrawn just before "
            "seals; the owner's other side filled {filled_chip_hours} in {pool}."
        ),
        (
            "封盘前撤回 {orders} 个订单（{cancelled_chip_hours} 卡时），"
            "同一控制人的反向订单在 {pool} 成交 {filled_chip_hours} 卡时。"
        ),
    ),
    CaseKind.STUFFING: (
        "{messages} messages, {burst} of them within a minute, for {fills} filled orders.",
        "共 {messages} 条订单消息，一分钟内最多 {burst} 条，成交订单 {fills} 个。",
    ),
    CaseKind.MARKING: (
        (
            "In {rounds} rounds late orders made up to {share_ppm} ppm of the volume of {pool}, "
            "whose price moved by up to {move_ppm} ppm."
        ),
        (
            "在 {rounds} 轮中，临近封盘的订单占 {pool} 成交量最高 {share_ppm} ppm，"
            "价格变动最高 {move_ppm} ppm。"
        ),
    ),
    CaseKind.WITHHOLDING: (
        "{chips} chips of {pool} were withdrawn or priced out in {periods} hours of high prices.",
        "{pool} 在 {periods} 个高价时段有 {chips} 卡被撤回或以高价保留。",
    ),
    CaseKind.CONCENTRATION: (
        (
            "In {area} the index is {hhi}; the largest owner sold {top_ppm} ppm of {chip_hours} "
            "chip-hours."
        ),
        "{area} 的集中度指数为 {hhi}，最大供给方占 {chip_hours} 卡时的 {top_ppm} ppm。",
    ),
    CaseKind.PIVOTAL: (
        (
            "In {area} what was bought could not have been served without this owner in {periods} "
            "hours of high prices; the residual supply index fell to {rsi_ppm} ppm."
        ),
        (
            "{area} 在 {periods} 个高价时段缺少该供给方即无法满足成交，"
            "剩余供给指数最低 {rsi_ppm} ppm。"
        ),
    ),
    CaseKind.OUTLIER: (
        "{prices} prices of {pool} were far off its median of {median}; the farthest was {price}.",
        "{pool} 有 {prices} 个价格远离中位数 {median}，最远为 {price}。",
    ),
    CaseKind.FAVOURITISM: (
        (
            "In round {round_id} an order was served in the place of {orders} that would have "
            "given more; the difference is {loss} micro-yuan."
        ),
        "第 {round_id} 轮中有订单被分配，而 {orders} 个更优的同类订单未获分配，差额 {loss} 微元。",
    ),
}
"""Kind -> (English, Chinese) sentence with the names of its figures."""


@dataclass(frozen=True, slots=True)
class Case:
    """Something that a supervisor should look at.

    Attributes:
        kind: Family of the rule.
        market_id: The market.
        day: Its day, days since 1970.
        subject: What makes it this case and no other of its kind and day.
        participants: Who is concerned, sorted; empty if only the market is.
        evidence: Ids of orders, allocations and rounds, sorted.
        figures: What was measured, by name.
    """

    kind: CaseKind
    market_id: str
    day: int
    subject: str
    participants: tuple[str, ...]
    evidence: tuple[str, ...]
    figures: tuple[tuple[str, int | str], ...]

    @property
    def case_id(self) -> str:
        """Return its id, derived from what it is about, so that a repeat is the same case."""
        text = "\n".join((self.kind.value, self.market_id, str(self.day), self.subject))
        digest = hashlib.sha256(text.encode()).digest()
        return "sc_" + base64.b32encode(digest).decode().lower()[:_ID_CHARACTERS]

    @property
    def severity(self) -> Severity:
        """Return how soon a person should look."""
        return SEVERITY[self.kind]

    @property
    def summary(self) -> Why:
        """Return it in a sentence, in English and Chinese."""
        figures = dict(self.figures)
        en, zh = SENTENCES[self.kind]
        told = Message(en.format_map(figures), zh.format_map(figures))
        return why_of_message(self.kind.value, told, figures)


def make_case(
    tape: Tape,
    kind: CaseKind,
    subject: str,
    who: Iterable[str],
    evidence: Iterable[str],
    **figures: int | str,
) -> Case:
    """Return a case of a tape's day."""
    return Case(
        kind=kind,
        market_id=tape.market_id,
        day=tape.day,
        subject=subject,
        participants=tuple(sorted(set(who))),
        evidence=tuple(sorted(set(evidence))),
        figures=tuple(figures.items()),
    )
