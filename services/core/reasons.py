"""Sentences behind reason codes, in English and Chinese: why an order is as it is.

A code is for programs and never changes its meaning; the sentence is for people. Every code
that an order status can carry has its row here; a test holds that the two languages name the
same parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.errors import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.core.errors import DomainError

_TEXT_CHARACTERS_MAX = 1000
_PARAMS_MAX = 16


@dataclass(frozen=True, slots=True)
class Why:
    """A reason with its sentences.

    Attributes:
        code: Stable code.
        en: English sentence.
        zh: The same in Chinese.
        params: Numbers and keys of the sentence, sorted by name.
    """

    code: str
    en: str
    zh: str
    params: tuple[tuple[str, int | str], ...] = ()


SENTENCES: dict[str, tuple[str, str]] = {
    # Intake.
    "waiting_for_hold": (
        "Accepted; it enters the book once the money for it is reserved.",
        "已接受;资金冻结完成后进入订单簿。",
    ),
    "waiting_for_capacity": (
        "Accepted; it enters the book once the chips that it shares are reserved for it.",
        "已接受;所共享的芯片预留完成后进入订单簿。",
    ),
    "capacity_waiting": (
        "Its chips are being reserved; it can be changed once it is in the book.",
        "芯片预留尚未完成;进入订单簿后方可修改。",
    ),
    "capacity_same": (
        "{field} must stay {allowed}, was {value}; withdraw the offer and make another.",
        "{field} 须保持 {allowed},实际为 {value};请撤回后另行报价。",
    ),
    "amend_waiting_for_capacity": (
        "Version {version} counts once the chips for it are reserved; until then the old terms do.",
        "版本 {version} 待芯片预留完成后生效,此前仍按原条款。",
    ),
    "sold_out_raise_waits": (
        "Sold out: {chip_hours} chip-hours; version {version} waits for its chips to be reserved.",
        "已售罄:累计 {chip_hours} 卡时。版本 {version} 待芯片预留完成后生效。",
    ),
    "sold_whole_before_raise": (
        "Sold: {chip_hours} chip-hours, before version {version} counted; offer more anew.",
        "已成交:累计 {chip_hours} 卡时,早于版本 {version} 生效。其余请另行申报。",
    ),
    "in_the_book": ("In the book from the next round on.", "自下一轮起进入订单簿。"),
    "hold_refused": (
        "Money could not be reserved: {needed} micro-yuan needed, {free} free.",
        "资金冻结失败:需要 {needed} 微元,可用 {free} 微元。",
    ),
    "amend_waiting_for_hold": (
        "Version {version} counts once the money for it is reserved; until then the old terms do.",
        "版本 {version} 待资金冻结完成后生效,此前仍按原条款。",
    ),
    "amend_hold_refused": (
        "Version {version} needs {needed} micro-yuan and {free} are free; the old terms stand.",
        "版本 {version} 需要 {needed} 微元,可用 {free} 微元;原条款继续有效。",
    ),
    "amended": (
        "Version {version} of the terms is in force from the next round on.",
        "条款版本 {version} 自下一轮起生效。",
    ),
    "amend_overtaken": (
        "Part-filled: {chip_hours} chip-hours so far; version {version} came late, send it again.",
        "按原条款部分成交:累计 {chip_hours} 卡时。版本 {version} 晚于本轮,请重新提交。",
    ),
    "stale_version": (
        "expected_version must be {version}, was {expected_version}; the terms stand unchanged.",
        "expected_version 应为 {version},实际为 {expected_version};条款未变。",
    ),
    "below_allocated": (
        "{field} must keep what is allocated ({allowed}), was {value}; the terms stand unchanged.",
        "{field} 须保留已分配部分({allowed}),实际为 {value};条款未变。",
    ),
    "pinned": (
        "It is part-filled: alternatives must be one of its shape within {allowed}, was {value}.",
        "订单已部分成交,alternatives 只能有一个,形态不变,且仅使用 {allowed},实际为 {value}。",
    ),
    "one_block_offer": (
        "block must be false while block offer {order_id} is open, was true.",
        "全有或全无报价 {order_id} 尚未结束,block 应为 false,实际为 true。",
    ),
    "linked_order_out": (
        "The demand that it is linked to ({order_id}) was not accepted and is out.",
        "其关联的需求 {order_id} 未成交且已离场。",
    ),
    "exclusive_group": (
        "Another demand of its exclusive group ({order_id}) was accepted.",
        "同一互斥组中的另一需求 {order_id} 已成交。",
    ),
    "linked_to_other": (
        "linked_to must be a demand of the same participant, was {value}.",
        "linked_to 应为同一参与方的需求,实际为 {value}。",
    ),
    "participant_suspended": (
        "Its participant was suspended ({reason}); what is allocated stands.",
        "参与方已被暂停({reason});已分配部分继续有效。",
    ),
    "not_urgent": (
        "No mobilisation in force covers it: {refusal}.",
        "没有生效的动员涵盖该需求:{refusal}。",
    ),
    "frozen_cancel": (
        "It stands: before a round orders may only improve; it may be withdrawn from {opens_at}.",
        "未撤回:截止前的冻结期内订单只能改进;{opens_at} 起可以撤回。",
    ),
    "frozen_worse": (
        "Until {opens_at} orders may only improve: {field} must be {allowed}, was {value}.",
        "{opens_at} 之前订单只能改进:{field} 应为 {allowed},实际为 {value}。",
    ),
    "cancelled_by_participant": ("Withdrawn by its participant.", "参与方已撤回。"),
    "market_changed": (
        "The market's rules changed and no longer take it: {refusal}.",
        "市场规则已变更,该订单不再适用:{refusal}。",
    ),
    "price_limits": (
        "Kept out of rounds by the price limits: {refusal}.",
        "受价格上下限约束,暂不参与出清:{refusal}。",
    ),
    # Leaving with time.
    "expired": ("It expired at {at}.", "已于 {at} 到期。"),
    "window_passed": (
        "Its window passed before it traded; a later window would keep it in the book.",
        "交付窗口已过而未成交;更晚的窗口可使其留在订单簿。",
    ),
    "window_passed_part_filled": (
        "Its window passed; {chip_hours} chip-hours were allocated.",
        "交付窗口已过;已分配 {chip_hours} 卡时。",
    ),
    "block_window_started": (
        "A block offer is taken whole, and its window has begun.",
        "全有或全无报价须整体成交,而其窗口已开始。",
    ),
    # Rounds.
    "filled": ("Filled: {chip_hours} chip-hours.", "全部成交:{chip_hours} 卡时。"),
    "part_filled": (
        "Part-filled: {chip_hours} chip-hours so far; the rest stays in the book.",
        "部分成交:累计 {chip_hours} 卡时;其余留在订单簿。",
    ),
    "curtailed": (
        "Accepted with fewer chips: {chip_hours} chip-hours.",
        "缩量成交:{chip_hours} 卡时。",
    ),
    "budget_spent": (
        "Its budget is spent: {chip_hours} chip-hours; a larger budget buys more.",
        "预算已用尽:{chip_hours} 卡时;提高预算可继续购买。",
    ),
    "not_cleared": (
        "The round could not be cleared safely, so nothing was allocated; it stays in the book.",
        "本轮未能安全出清,未作任何分配;订单留在订单簿。",
    ),
    # Holds.
    "hold_reduced": (
        "The demand needs {keep} micro-yuan from now on.",
        "此后该需求仅需冻结 {keep} 微元。",
    ),
    "hold_not_needed": ("The demand needs no hold any more.", "该需求不再需要冻结资金。"),
    # Records.
    "invalid_record": (
        "The record could not be taken: {field} must be {allowed}, was {value}.",
        "记录无法接收:{field} 应为 {allowed},实际为 {value}。",
    ),
    # Verdicts on rounds.
    "round_verified": (
        "The independent checker agrees with every number of the round.",
        "独立校验程序确认本轮全部数字。",
    ),
    "round_refuted": (
        "The independent checker found {problems} problems.",
        "独立校验程序发现 {problems} 个问题。",
    ),
    "fallback_used": (
        "No result of the solver passed the checker in time ({cause}); the fallback rule cleared.",
        "求解器未能按时给出通过校验的结果({cause});本轮按公布的备用规则出清。",
    ),
    "nothing_cleared": (
        "Neither solver nor fallback passed the checker ({cause}); nothing was allocated.",
        "求解器与备用规则均未通过校验({cause});本轮未作任何分配。",
    ),
}
"""Reason code -> (English, Chinese) sentence with named parameters."""


class _Given(dict[str, int | str]):
    """Parameters for a sentence; one that is missing shows its own name."""

    def __missing__(self, key: str) -> str:
        return f"({key})"


def why(code: str, **params: int | str) -> Why:
    """Return the reason of a code in `SENTENCES`, with its sentences filled in."""
    en, zh = SENTENCES[code]
    given = _Given(params)
    return why_of_message(code, Message(en.format_map(given), zh.format_map(given)), params)


def why_refused(code: str, error: DomainError) -> Why:
    """Return the reason of a code in `SENTENCES` that an error gives.

    The sentence of the error is a part of it: what it allows is told in both languages there alone.
    """
    en, zh = SENTENCES[code]
    params = {"field": error.field, "allowed": error.allowed, "value": error.value}
    message = Message(
        en.format(refusal=error.message.en.rstrip(".")),
        zh.format(refusal=error.message.zh.rstrip("。")),
    )
    return why_of_message(code, message, params)


def why_of_message(code: str, message: Message, params: Mapping[str, int | str]) -> Why:
    """Return a reason whose sentences are ready, cut to what the wire carries."""
    return Why(
        code=code,
        en=message.en[:_TEXT_CHARACTERS_MAX],
        zh=message.zh[:_TEXT_CHARACTERS_MAX],
        params=tuple((name, _cut(value)) for name, value in sorted(params.items())[:_PARAMS_MAX]),
    )


def _cut(value: int | str) -> int | str:
    # What is allowed may be the names of 64 zones, which is more than the wire carries.
    return value[:_TEXT_CHARACTERS_MAX] if isinstance(value, str) else value


def why_of_error(error: DomainError) -> Why:
    """Return an error's own sentences as a reason."""
    params = {"field": error.field, "value": error.value, "allowed": error.allowed}
    given = {name: text for name, text in params.items() if text}
    return why_of_message(error.code, error.message, given)
