"""The sentences behind the reason codes of a round, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from schemas.types import MICRO_YUAN_PER_YUAN, PERIOD_SECONDS
from services.core.book import Reason
from services.core.errors import Message

SENTENCES: dict[str, Message] = {
    "filled": Message("Filled.", "已全部成交。"),
    "curtailed": Message(
        "Accepted with {chips} of {asked} chips in {pool} from {start}.",
        "已按 {chips} 张（申报 {asked} 张）成交，资源池 {pool}，自 {start} 起。",
    ),
    "part_filled": Message(
        "Part-filled: {chip_hours} of {asked} chip-hours.",
        "部分成交：{chip_hours} / {asked} 卡时。",
    ),
    "price_below_clearing": Message(
        "Its limit of {limit} per chip-hour is below the clearing price: the cheapest place it "
        "could use, {pool} from {start}, cost {price} on average.",
        "限价每卡时 {limit} 低于出清价：可用的最便宜位置为资源池 {pool}，"
        "自 {start} 起，均价 {price}。",
    ),
    "at_the_margin": Message(
        "Its limit of {limit} equals the price of the cheapest place it could use, {pool} from "
        "{start}; at this price there was not enough for all. A limit above it goes first.",
        "限价 {limit} 恰等于可用最便宜位置（{pool}，自 {start} 起）的价格；该价位数量不足，"
        "提高限价可优先成交。",
    ),
    "asks_above_limit": Message(
        "Its limit of {limit} per chip-hour is below what so many chips at once cost: the "
        "cheapest place, {pool} from {start}, needs offers at {price} on average. Fewer chips "
        "or that limit would do.",
        "限价每卡时 {limit} 低于同时提供所需数量的报价：最便宜位置 {pool}（自 {start} 起）"
        "平均需 {price}。可减少数量或提高限价。",
    ),
    "paradoxically_rejected": Message(
        "The clearing prices look good for it ({price} per chip-hour from {start}), but it could "
        "not be fitted in without losing more elsewhere; what it misses is {regret}.",
        "按出清价（自 {start} 起每卡时 {price}）看似可成交，但纳入将使总福利下降；"
        "错失收益 {regret}。",
    ),
    "gang_does_not_fit": Message(
        "It needs {chips_min} chips at once throughout; the most that any pool it could use "
        "offers throughout is {largest} ({pool}). Fewer chips or a wider window would do.",
        "需同时使用 {chips_min} 张；可用资源池在整段时间内最多提供 {largest} 张（{pool}）。"
        "可减少数量或放宽时间窗。",
    ),
    "no_capacity": Message(
        "Nothing is offered in the pools and the window that it could use.",
        "其可用资源池在所需时间窗内没有供给。",
    ),
    "outside_horizon": Message(
        "Its window has too few periods inside this round's horizon.",
        "其时间窗在本轮时域内的时段不足。",
    ),
    "no_route": Message(
        "No links lead between {zones} and where its data lies or its callers are.",
        "{zones} 与其数据或用户所在区域之间没有链路。",
    ),
    "link_no_room": Message(
        "The link {link} has at most {gb_left} GB left in any period, it needs {gb}. Less data or "
        "another zone would do.",
        "链路 {link} 任一时段最多剩余 {gb_left} GB,需要 {gb} GB。可减少数据量或更换区域。",
    ),
    "link_full": Message(
        "The link {link} is full where it was cheapest for it: others pay {rent} more there than "
        "the tariff for as much, which is {over} beyond its limit.",
        "链路 {link} 在其最便宜位置已满:同等用量他人多付 {rent},超出其限价 {over}。",
    ),
    "largest_share": Message(
        "Its participant is at its largest share of {chip} (policy {policy}): of the {largest} "
        "chips that it may still get in {pool} at {start} it gets {got}, so {chips} more are not "
        "allowed.",
        "其参与方已达 {chip} 的最大份额(政策 {policy}):在 {pool}、时段 {start} 还可得 {largest} 张,"
        "其中已得 {got} 张,不能再得 {chips} 张。",
    ),
    "exclusive_group": Message(
        "Another order of its exclusive group was accepted: {other}.",
        "同一互斥组的另一订单 {other} 已成交。",
    ),
    "linked_order_out": Message(
        "It is linked to {parent}, which was not accepted.",
        "其关联订单 {parent} 未成交。",
    ),
    "ask_above_clearing": Message(
        "Its ask of {ask} is above the clearing price in every period (at best {price} at "
        "{start}).",
        "报价 {ask} 在所有时段均高于出清价（最高 {price}，时段 {start}）。",
    ),
    "moved_ask_above_clearing": Message(
        "With the premium of the domestic share its ask of {ask} counts as {moved}, which is above "
        "the clearing price in every period (at best {price} at {start}).",
        "计入国产占比溢价后,其报价 {ask} 按 {moved} 计,在所有时段均高于出清价"
        "(最高 {price},时段 {start})。",
    ),
    "no_demand": Message(
        "No demand was left for it at its ask of {ask}.",
        "按报价 {ask} 已没有剩余需求。",
    ),
}
"""Every code that `clear` gives, with its sentence."""

HINTS: tuple[tuple[str, Message], ...] = (
    ("limit_needed", Message("with a limit of {limit_needed}", "限价为 {limit_needed}")),
    ("chips_would", Message("with {chips_would} chips at once", "同时使用 {chips_would} 张")),
    (
        "moved_pool",
        Message("from {moved_start} in {moved_pool}", "自 {moved_start} 起于 {moved_pool}"),
    ),
    (
        "other_pool",
        Message("in {other_pool} from {other_start}", "于 {other_pool} 自 {other_start} 起"),
    ),
)
"""Parameter of a reason -> the change that would have let the order trade."""

_MONEY = frozenset({"ask", "limit", "limit_needed", "moved", "over", "price", "regret", "rent"})
_STARTS = frozenset({"moved_start", "other_start", "start"})


def sentence(reason: Reason) -> Message:
    """Return the reason as a sentence in both languages.

    Money is shown in yuan, periods as the UTC instant at which they start.
    """
    template = SENTENCES[reason.code]
    shown = {name: _shown(name, value) for name, value in reason.params}
    text = Message(template.en.format(**shown), template.zh.format(**shown))
    changes = _changes(shown)
    if changes is None:
        return text
    if "estimate" in shown:
        return Message(
            f"{text.en} It might have cleared {changes.en}; prices would have moved.",
            f"{text.zh}若{changes.zh},或可成交(价格会随之变动)。",
        )
    return Message(
        f"{text.en} At this round's prices it would have cleared {changes.en}.",
        f"{text.zh}按本轮价格,若{changes.zh},即可成交。",
    )


def quoted(state: str, firm: bool, params: Mapping[str, int | str]) -> Message:  # noqa: FBT001
    """Return a quote as a sentence in both languages.

    Args:
        state: State that the order would get.
        firm: Whether the clearing prices alone do.
        params: Changes that would let it trade, as `why_not.Hint.params` gives them.
    """
    if state == "open":
        changes = _changes({name: _shown(name, value) for name, value in params.items()})
        en, zh = "Nothing that it could use is left at its limit.", "按其限价已无可用供给。"
        if changes is not None:
            en, zh = f"{en} It would do {changes.en}.", f"{zh}若{changes.zh},即可成交。"
        return Message(en, zh)
    some = ("Part of it would clear", "可部分成交") if state == "part-filled" else (
        "It would clear", "可成交"
    )  # fmt: skip
    if firm:
        return Message(f"{some[0]} at the last round's prices.", f"按上一轮价格{some[1]}。")
    return Message(
        f"{some[0]}, with offers above the last round's prices.",
        f"{some[1]},但需用到高于上一轮价格的报价。",
    )


def _changes(shown: Mapping[str, str]) -> Message | None:
    changes = [message for name, message in HINTS if name in shown]
    if not changes:
        return None
    return Message(
        ", or ".join(message.en.format(**shown) for message in changes),
        ",或".join(message.zh.format(**shown) for message in changes),
    )


def _shown(name: str, value: int | str) -> str:
    if name in _MONEY and isinstance(value, int):
        return f"{Decimal(value) / MICRO_YUAN_PER_YUAN:f} CNY"
    if name in _STARTS and isinstance(value, int):
        instant = datetime.fromtimestamp(value * PERIOD_SECONDS, tz=UTC)
        return instant.strftime("%Y-%m-%dT%H:%MZ")
    return str(value)
