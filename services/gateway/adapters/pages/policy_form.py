"""The forms of policies, one for each kind of rule, from one description of their fields.

A new kind of rule is a row of `KINDS`, and its sentence in `words_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError as ModelError

from schemas.policies import (
    CircuitBreaker,
    DomesticShare,
    LargestShare,
    PolicyNew,
    PriceLimits,
    TradingHalt,
)
from schemas.policy_costs import PolicySimulationNew
from services.core.errors import DomainError, Message
from services.gateway.adapters.http.translate import faults_of
from services.gateway.adapters.pages.fields import Fields, Reader, told
from services.gateway.adapters.pages.rendering import plain_yuan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.policies import PolicyRule

FieldKind = Literal["chip", "region", "yuan", "whole", "percent"]
_OF_ALL = ("policy_id", "in_force_from_round", "reason")


_NO_UNIT = Message("", "")


@dataclass(frozen=True, slots=True)
class RuleField:
    """A field of a rule.

    Attributes:
        name: As in the contract.
        kind: How it is filled in.
        label: What people read beside it.
        unit: What it counts, if it is a number.
        default: What stands in it at first.
        needed: Whether it must be filled in.
    """

    name: str
    kind: FieldKind
    label: Message
    unit: Message = _NO_UNIT
    default: str = ""
    needed: bool = True


@dataclass(frozen=True, slots=True)
class RuleKind:
    """A kind of rule.

    Attributes:
        kind: As in the contract.
        label: Its name.
        meaning: What it does, in a sentence.
        fields: Its fields.
        by_operator: Whether the operator may set it, too.
    """

    kind: str
    label: Message
    meaning: Message
    fields: tuple[RuleField, ...] = ()
    by_operator: bool = False


_CHIP = RuleField("chip", "chip", Message("Chip class", "芯片型号"), needed=False)
_REGION = RuleField("region", "region", Message("Region", "地区"), needed=False)
_YUAN = Message("¥ / chip-hour", "元/卡时")
KINDS = (
    RuleKind(
        "price_limits",
        Message("Price limits", "价格限制"),
        Message(
            "Asks, limits and clearing prices stay within them; orders beyond wait outside.",
            "报价、限价与出清价均须在上下限之内；超出者不参与出清。",
        ),
        (
            _CHIP,
            RuleField("floor", "yuan", Message("Floor", "下限"), _YUAN, "0"),
            RuleField("cap", "yuan", Message("Cap", "上限"), _YUAN),
        ),
    ),
    RuleKind(
        "domestic_share",
        Message("Domestic share", "国产占比"),
        Message(
            "At least this part of the TFLOPS-hours allocated is on domestic chips, by a premium "
            "that imported supply pays and domestic supply receives.",
            "分配的 TFLOPS 小时中国产芯片不低于该比例，由进口算力支付、国产算力获得的溢价实现。",
        ),
        (
            _REGION,
            RuleField("share_bp", "percent", Message("Share", "比例"), Message("%", "%"), "30"),
            RuleField(
                "premium_max",
                "yuan",
                Message("Highest premium", "溢价上限"),
                Message("¥ / TFLOPS-hour", "元/TFLOPS 时"),
            ),
        ),
    ),
    RuleKind(
        "largest_share",
        Message("Largest share", "最大份额"),
        Message(
            "In no period does one participant get more than this part of the chips of a class "
            "that a round's offers have; what it pays stays the price that all pay.",
            "任一时段内，单个参与方所得不超过该轮同型号供给芯片的该比例；其支付价格与他人相同。",
        ),
        (
            _CHIP,
            _REGION,
            RuleField("share_bp", "percent", Message("Share", "比例"), Message("%", "%"), "20"),
            RuleField(
                "chips_free",
                "whole",
                Message("Allowed in any case", "不受限芯片数"),
                Message("chips", "张"),
                "0",
            ),
        ),
    ),
    RuleKind(
        "circuit_breaker",
        Message("Circuit breaker", "熔断机制"),
        Message(
            "Pauses the market by itself when a round's prices are too far from those before it.",
            "某轮价格较此前各轮变动过大时，市场自动暂停。",
        ),
        (
            _CHIP,
            RuleField(
                "move_bp",
                "percent",
                Message("Rise or fall that is borne", "可承受的涨跌幅"),
                Message("%", "%"),
                "30",
            ),
            RuleField(
                "rounds",
                "whole",
                Message("Rounds looked back on", "回看轮数"),
                Message("1–24", "1–24"),
                "12",
            ),
            RuleField(
                "pause_s", "whole", Message("Pause", "暂停时长"), Message("seconds", "秒"), "1800"
            ),
            RuleField(
                "chip_hours_min",
                "whole",
                Message("Compared from", "最低可比成交量"),
                Message("chip-hours", "卡时"),
                "1",
            ),
        ),
    ),
    RuleKind(
        "trading_halt",
        Message("Halt", "暂停出清"),
        Message(
            "Orders are taken and no round is run until it is withdrawn; then all are called.",
            "继续接收订单、不再出清；撤销后由下一轮集中出清。",
        ),
        by_operator=True,
    ),
)
BY_KIND = {kind.kind: kind for kind in KINDS}
_LABELS = {
    "": Message("The policy", "政策"),
    "policy_id": Message("Name", "名称"),
    "in_force_from_round": Message("In force from round", "自该轮起生效"),
    "reason": Message("Why; everybody can read it", "理由（公开）"),
    "day": Message("Try it on the rounds of", "以该日各轮模拟"),
} | {field.name: field.label for kind in KINDS for field in kind.fields}
_MONEY = frozenset(field.name for kind in KINDS for field in kind.fields if field.kind == "yuan")


def label_of(name: str) -> Message:
    """Return the label of a field."""
    return _LABELS.get(name, _LABELS[""])


def blank(kind: RuleKind) -> Fields:
    """Return a form that nobody has filled in yet."""
    return {field.name: field.default for field in kind.fields}


def read(
    kind: RuleKind, market_id: str, fields: Fields, versions: Sequence[int]
) -> tuple[PolicyNew | None, dict[str, Message]]:
    """Return the next version of a policy that a form stands for, or what is wrong by field.

    Args:
        kind: Kind of its rule.
        market_id: The market.
        fields: What was filled in.
        versions: Versions that the policy has already.
    """
    reader = Reader(fields, label_of)
    rule = _rule(reader, kind)
    new = {
        "market_id": market_id,
        "policy_id": reader.text("policy_id"),
        "version": 1 + max(versions, default=0),
        "in_force_from_round": reader.whole("in_force_from_round"),
        "rule": rule,
        "reason": reader.text("reason"),
    }
    if reader.faults:
        return None, reader.faults
    try:
        return PolicyNew.model_validate(new), {}
    except ModelError as error:
        return None, faults(faults_of(error.errors()))


def trial(
    kind: RuleKind, market_id: str, fields: Fields
) -> tuple[PolicySimulationNew | None, dict[str, Message]]:
    """Return the simulation that a form stands for, or what is wrong by field.

    Args:
        kind: Kind of its rule.
        market_id: The market.
        fields: What was filled in; a name that is known is replaced.
    """
    reader = Reader(fields, label_of)
    asked = {
        "market_id": market_id,
        "rule": _rule(reader, kind),
        "replaces": reader.text("policy_id") or None,
        "day": reader.text("day"),
    }
    if reader.faults:
        return None, reader.faults
    try:
        return PolicySimulationNew.model_validate(asked), {}
    except ModelError as error:
        return None, faults(faults_of(error.errors()))


def _rule(reader: Reader, kind: RuleKind) -> dict[str, Any]:
    return {"kind": kind.kind} | {field.name: _value(reader, field) for field in kind.fields}


def faults(error: DomainError) -> dict[str, Message]:
    """Return what is wrong by field; ``""`` is the form as a whole."""

    def field_of(path: str) -> str:
        last = path.rpartition(".")[2]
        return last if last in _LABELS else ""

    return told(error, field_of, label_of, lambda name: name in _MONEY)


def words_of(rule: PolicyRule | None) -> Message:
    """Return what a rule says, in a line."""
    match rule:
        case None:
            return Message("withdrawn", "已撤销")
        case TradingHalt():
            return Message("no round is run", "暂停出清")
        case PriceLimits():
            low, high = plain_yuan(rule.floor), plain_yuan(rule.cap)
            return Message(
                f"{rule.chip or 'every chip class'}: {low} to {high} yuan",
                f"{rule.chip or '所有型号'}：{low} 至 {high} 元",
            )
        case DomesticShare():
            share, most = f"{rule.share_bp / 100:g} %", plain_yuan(rule.premium_max)
            return Message(
                f"{rule.region or 'every region'}: at least {share} domestic, premium up to {most} "
                f"yuan per TFLOPS-hour",
                f"{rule.region or '所有地区'}：国产不低于 {share}，溢价至多每 TFLOPS 时 {most} 元",
            )
        case LargestShare():
            share, free = f"{rule.share_bp / 100:g} %", rule.chips_free
            chip, region = rule.chip or "each chip class", rule.region or "all regions"
            return Message(
                f"{chip}, {region}: at most {share} of what is offered for one participant, {free} "
                f"chips in any case",
                f"{rule.chip or '各型号'}、{rule.region or '所有地区'}：单个参与方至多为供给的 "
                f"{share}，{free} 张以内不受限",
            )
        case CircuitBreaker():
            move, back = f"{rule.move_bp / 100:g} %", rule.rounds
            return Message(
                f"{rule.chip or 'all chip classes'}: over {move} within {back} rounds pauses for "
                f"{rule.pause_s} s",
                f"{rule.chip or '所有型号'}：{back} 轮内涨跌超过 {move} 则暂停 {rule.pause_s} 秒",
            )


def _value(reader: Reader, field: RuleField) -> object:
    match field.kind:
        case "chip" | "region":
            return reader.text(field.name) or None
        case "yuan":
            return reader.yuan(field.name, needed=field.needed)
        case "whole":
            return reader.whole(field.name, needed=field.needed)
        case "percent":
            return reader.hundredths(field.name, needed=field.needed)
