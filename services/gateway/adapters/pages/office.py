"""What regulators and the operator look at: their pages, and what these are made from."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from schemas.base import Model
from schemas.market import Market
from schemas.types import Role
from services.gateway.adapters.http.translate import faults_of
from services.gateway.adapters.pages.rendering import ENVIRONMENT
from services.gateway.app.rights import require_role
from services.kit.telemetry import child_traceparent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from services.gateway.adapters.pages.context import Pages, Visitor
    from services.gateway.app.health import HealthReading
    from services.gateway.app.journal import JournalReading
    from services.gateway.ports import Principal

_BOTH = ("regulator", "operator")
# Address, names, and for which roles.
OFFICE: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("/office", "Overview", "总览", _BOTH),
    ("/office/journal", "Journal", "日记账", _BOTH),
    ("/office/cases", "Cases", "监察案件", ("regulator",)),
    ("/office/findings", "Findings", "审计结论", _BOTH),
    ("/office/policies", "Policies", "政策", _BOTH),
    ("/office/mobilisations", "Urgent needs", "紧急动员", _BOTH),
    ("/office/reports", "Reports", "每日报告", _BOTH),
    ("/office/exports", "Exports", "数据导出", _BOTH),
    ("/office/orders", "Life of an order", "订单追踪", _BOTH),
    ("/office/book", "Book in time", "订单簿回溯", _BOTH),
    ("/office/participants", "Participants", "参与方", _BOTH),
    ("/office/letters", "Dead letters", "死信", _BOTH),
    ("/office/erasures", "Erasures", "抹除登记", _BOTH),
    ("/office/acts", "Record of acts", "操作记录", _BOTH),
)
ENVIRONMENT.globals |= {"office": OFFICE}
_MARKETS_MAX = 50
# What was told to the log is read back within a fraction of a second; a page waits no longer.
_SHOWN_S_MAX = 2.0
_LOOK_S = 0.05
_DIGITS_MAX = 18
_MICRO_DIGITS = 6
ModelT = TypeVar("ModelT", bound=Model)


@dataclass(frozen=True, slots=True)
class Office:
    """What these pages alone call.

    Attributes:
        journal: Looks through the journal.
        health: How the exchange is.
    """

    journal: JournalReading
    health: HealthReading


def watcher(visitor: Visitor) -> Principal:
    """Return who is signed in, if he watches over the market.

    Raises:
        UnauthenticatedError: if nobody is.
        ForbiddenError: if it is somebody who trades.
    """
    found = visitor.known()
    require_role(found, Role.OPERATOR, Role.REGULATOR)
    return found


async def markets_of(pages: Pages) -> list[Market]:
    """Return the markets, at most as many as a list shows."""
    found = await pages.api.reading.markets.markets(after=None, limit=_MARKETS_MAX)
    return [item.market for item in found]


def told(model: type[ModelT], **values: object) -> ModelT:
    """Return what a form says.

    Raises:
        FaultsError: naming everything that is wrong with it.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise faults_of(error.errors()) from None


def whole(text: str) -> int | str:
    """Return a whole number of a form; what is none is left to whoever checks it."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX else text


def form_key(visitor: Visitor) -> str:
    """Return the key under which a form does something once, however often it is sent."""
    return visitor.form.get("key") or secrets.token_hex(16)


def trace_of(request: Request) -> str:
    """Return the trace context of what a form leads to."""
    return child_traceparent(request.headers.get("traceparent", ""))


async def until(is_shown: Callable[[], Awaitable[bool]]) -> None:
    """Wait a moment for what was just told, so that whoever told it sees it; it may come later."""
    end = time.monotonic() + _SHOWN_S_MAX
    while not await is_shown() and time.monotonic() < end:  # noqa: ASYNC110 - a table is no event
        await asyncio.sleep(_LOOK_S)


def micro(text: str) -> int | str:
    """Return yuan of a form as micro-yuan; what is no amount is left to whoever checks it."""
    whole_part, _, part = text.strip().replace(",", "").partition(".")
    digits = whole_part + part.ljust(_MICRO_DIGITS, "0")
    fits = part == "" or (part.isdecimal() and len(part) <= _MICRO_DIGITS)
    if whole_part.isdecimal() and fits and digits.isascii() and len(digits) <= _DIGITS_MAX:
        return int(digits)
    return text
