"""Sentences of the exchange as people read them: yuan for micro-yuan, Beijing time for UTC."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from services.core.errors import Message
from services.gateway.adapters.pages.rendering import clock, percent, plain_yuan, yuan

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.events import Reason

# At most 18 digits, as money on the wire; more is somebody's typing and stays as it is.
_AMOUNT = re.compile(r"(?<![\d.:])\d{1,18}(?![\d.:])")
_MICRO = re.compile(r"(?<![\d.])(\d{1,18}) ?(?:micro-yuan|微元)")
_CNY = re.compile(r"(?<![\d.])(\d{1,18}(?:\.\d{1,6})?) ?CNY")
_PPM = re.compile(r"(?<![\d.])(\d{1,18}) ppm")
_INSTANT = re.compile(
    r"20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?(?:Z|\+00:00)"
)
_NO_MONEY = Message(
    "Money could not be reserved: {needed} needed, {free} free.",
    "资金冻结失败：需要 {needed}，可用 {free}。",
)
_HOLDS = {
    "hold.insufficient_funds": _NO_MONEY,
    "hold_refused": _NO_MONEY,
    "amend_hold_refused": Message(
        "The change needs {needed} and {free} are free; the old terms stand.",
        "修改需要 {needed}，可用 {free}；原条款继续有效。",
    ),
}


def for_people(message: Message) -> Message:
    """Return a sentence with amounts in yuan, shares in percent, instants in Beijing time."""
    return Message(_local(message.en, "yuan"), _local(message.zh, "元"))


def in_yuan(message: Message) -> Message:
    """Return a sentence about a price or an amount, all of whose numbers are micro-yuan."""
    en = message.en.replace("micro-yuan", "yuan")
    return Message(_AMOUNT.sub(_plain, en), _AMOUNT.sub(_plain, message.zh.replace("微元", "元")))


def why(reason: Reason) -> Message:
    """Return the sentence of a reason for people."""
    told = _HOLDS.get(reason.code)
    needed, free = reason.params.get("needed"), reason.params.get("free")
    if told is not None and isinstance(needed, int) and isinstance(free, int):
        amounts = {"needed": yuan(needed), "free": yuan(free)}
        return Message(told.en.format(**amounts), told.zh.format(**amounts))
    return for_people(Message(reason.en, reason.zh))


def _plain(found: re.Match[str]) -> str:
    return plain_yuan(int(found[0]))


def _local(text: str, unit: str) -> str:
    text = _MICRO.sub(lambda found: f"{plain_yuan(int(found[1]))} {unit}", text)
    text = _CNY.sub(r"¥\1", text)
    text = _PPM.sub(lambda found: percent(int(found[1]), 1), text)
    return _INSTANT.sub(lambda found: clock(datetime.fromisoformat(found[0]), "%m-%d %H:%M"), text)


FILTERS: dict[str, Callable[..., Message]] = {"why": why, "for_people": for_people}
