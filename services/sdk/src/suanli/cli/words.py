"""Words of the exchange in English and Chinese, and the columns that several lists share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from suanli.cli import units
from suanli.cli.render import Column

if TYPE_CHECKING:
    from suanli.cli.session import Text

Json = dict[str, Any]

STATES: Final[dict[str, str]] = {
    "accepted": "已接受",
    "open": "在簿",
    "part-filled": "部分成交",
    "filled": "已成交",
    "cancelled": "已撤销",
    "expired": "已到期",
    "rejected": "已拒绝",
}
_PRICE_PLACES: Final = 4
_AMOUNTS: Final = ("needed", "free", "keep")
TERMINAL: Final = frozenset({"filled", "cancelled", "expired", "rejected"})

_ROUND_WORDS: Final[dict[str, str]] = {
    "sealed": "已封簿",
    "cleared": "已出清",
    "closed": "已公布",
    "optimal": "最优",
    "feasible": "可行",
    "fallback": "备用规则",
}
_EVENTS: Final[dict[str, Text]] = {
    "submitted": ("submitted", "提交"),
    "amended": ("amended", "修改"),
    "cancel_requested": ("cancel requested", "申请撤销"),
    "status": ("state", "状态"),
    "hold_placed": ("money held", "资金冻结"),
    "hold_refused": ("hold refused", "冻结被拒"),
    "hold_captured": ("money captured", "资金划扣"),
    "hold_released": ("money released", "资金解冻"),
    "capacity_wanted": ("chips asked for", "请求预留"),
    "capacity_held": ("chips reserved", "容量预留"),
    "capacity_refused": ("chips not free", "容量不足"),
    "allocated": ("allocated", "分配"),
    "resold": ("sold on", "转售"),
    "booked": ("booked", "记账"),
}
_PURPOSES: Final[dict[str, Text]] = {
    "deposit": ("deposit", "存入"),
    "hold_placed": ("held", "冻结"),
    "hold_replaced": ("hold replaced", "替换冻结"),
    "hold_kept": ("still held", "继续冻结"),
    "hold_released": ("released", "解冻"),
    "hold_expired": ("expired", "到期解冻"),
    "hold_captured": ("captured into escrow", "划入托管"),
    "delivery_paid": ("paid for delivery", "交付付款"),
    "link_tariff": ("tariff of links", "链路资费"),
    "link_rent": ("rent of full links", "链路拥塞租金"),
    "fee": ("fee", "费用"),
    "refund": ("refund", "退款"),
    "compensation": ("compensation", "补偿"),
    "penalty": ("penalty", "违约金"),
    "penalty_owed": ("penalty owed", "欠付违约金"),
    "enterprise_fee": ("fee", "费用"),
    "enterprise_fee_owed": ("fee owed", "欠付费用"),
    "premium_assessed": ("premiums to be charged", "待收溢价"),
    "premium_charge": ("premium of a domestic share", "国产占比溢价"),
    "premium_missed": ("premium of what was not delivered", "未交付部分的溢价"),
    "premium_owed": ("premium owed", "欠付溢价"),
    "premium_credit": ("credit of a domestic share", "国产占比补贴"),
    "debt_collected": ("debt paid", "偿还欠款"),
    "withdrawal": ("payout", "出金"),
    "collateral_in": ("made collateral", "转入保证金"),
    "collateral_out": ("collateral freed", "转出保证金"),
    "reversal": ("reversal", "冲正"),
    "erased": ("erased", "已抹除"),
    "opening": ("opening balance", "期初余额"),
    "closing": ("closing balance", "期末余额"),
}

YUAN_PER_CHIP_HOUR: Final[Text] = ("yuan/chip-hour", "元/卡时")


def state(value: str | None) -> Text:
    """Return an order's state."""
    return (value or "", STATES.get(value or "", value or ""))


def round_word(value: str | None) -> Text:
    """Return a round's state or status."""
    return (value or "", _ROUND_WORDS.get(value or "", value or ""))


def event(kind: str) -> Text:
    """Return what happened to an order."""
    return _EVENTS.get(kind, (kind, kind))


def purpose(item: Json) -> Text:
    """Return why something was booked."""
    name = str(item["purpose"])
    return _PURPOSES.get(name, (name.replace("_", " "), name))


def reason(item: Json) -> Text:
    """Return the sentence of something's reason, with its amounts in yuan."""
    found = item.get("reason") or {}
    en, zh = str(found.get("en", "")), str(found.get("zh", ""))
    params = found.get("params") or {}
    amounts = [params[name] for name in _AMOUNTS if isinstance(params.get(name), int)]
    for amount in sorted(set(amounts), reverse=True):
        alone = re.compile(rf"(?<![\d.,]){amount}(?!\d)")
        en, zh = (alone.sub(units.yuan(amount), text) for text in (en, zh))
    return (en.replace("micro-yuan", "yuan"), zh.replace("微元", "元"))


def yes(value: object) -> Text:
    """Return yes, no, or nothing if it is not known."""
    if value is None:
        return ("", "")
    return ("yes", "是") if value else ("no", "否")


def count(value: int | None) -> str:
    """Return a whole number with its thousands set apart."""
    return "" if value is None else f"{value:,}"


def money(value: int | None) -> str:
    """Return micro-yuan as yuan."""
    return "" if value is None else units.yuan(value)


def money_plain(value: int | None) -> str:
    """Return micro-yuan as yuan without grouping."""
    return "" if value is None else units.yuan(value, grouped=False)


def money_column(name: str, head: Text, key: str) -> Column:
    """Return a column of an amount; its header ends with the unit."""
    return Column(
        f"{name}_yuan",
        (f"{head[0]} (yuan)", f"{head[1]}(元)"),
        lambda item: money(item.get(key)),
        lambda item: money_plain(item.get(key)),
        number=True,
    )


def price(value: int | None) -> str:
    """Return micro-yuan as yuan to the usual tick's four places, so that columns line up."""
    return "" if value is None else units.yuan(value, places_min=_PRICE_PLACES)


def price_column(name: str, head: Text, key: str) -> Column:
    """Return a column of a price per chip-hour."""
    return Column(
        f"{name}_yuan",
        (f"{head[0]} (yuan)", f"{head[1]}(元)"),
        lambda item: price(item.get(key)),
        lambda item: money_plain(item.get(key)),
        number=True,
    )


def count_column(name: str, head: Text, key: str) -> Column:
    """Return a column of a whole number."""
    return Column(
        name, head, lambda item: count(item.get(key)), lambda item: item.get(key), number=True
    )


def text_column(name: str, head: Text, key: str) -> Column:
    """Return a column of a text as it is."""
    return Column(name, head, lambda item: str(item.get(key) or ""))


def time_column(name: str, head: Text, key: str, *, seconds: bool = False) -> Column:
    """Return a column of an instant, in UTC."""
    return Column(
        name,
        (f"{head[0]} (UTC)", f"{head[1]}(UTC)"),
        lambda item: units.short_time(item.get(key), seconds=seconds),
        lambda item: item.get(key),
    )
