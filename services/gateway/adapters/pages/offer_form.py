"""The form of an offer: what people fill in, and the terms that it stands for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError as ModelError

from schemas.orders import OfferTerms
from schemas.types import period_start
from services.core.errors import DomainError, Message
from services.core.phases import next_cut, periods_given
from services.gateway.adapters.http.translate import faults_of
from services.gateway.adapters.pages.fields import (
    Fields,
    Reader,
    hour_text,
    hours_on,
    told,
    yuan_text,
)

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.api import AllocationView
    from schemas.market import Market

_LABELS = {
    "": Message("The offer", "报价"),
    "zone": Message("Zone", "区域"),
    "chip": Message("Chip class", "芯片型号"),
    "chips": Message("Chips", "芯片数"),
    "start": Message("From", "起始"),
    "end": Message("Until", "截止"),
    "ask": Message("Ask", "报价"),
    "block": Message("All or nothing", "全有或全无"),
    "mobilisable": Message("May be mobilised", "可动员"),
    "mobilisation_price": Message("Price when mobilised", "动员价格"),
    "resource_code": Message("Resource code", "资源标识码"),
    "resale_of": Message("Resale of", "转售分配"),
    "capacity_chips": Message("Chips of the resource in all", "该资源芯片总数"),
    "expires_at": Message("Leave the book at", "离场时刻"),
}
_MONEY = frozenset({"ask", "mobilisation_price"})


def label_of(name: str) -> Message:
    """Return the label of a field."""
    return _LABELS.get(name, _LABELS[""])


def blank(market: Market, now: datetime, code: str) -> Fields:
    """Return the form of an offer that nobody has filled in yet.

    Args:
        market: The market.
        now: Its instant.
        code: Resource code of the participant, if it has one.
    """
    given = periods_given(market.rules, next_cut(market.rules, now))
    start = max(hours_on(now, 2), period_start(given.start))
    hours = min(24, market.rules.horizon_periods)
    return {
        "market": market.id,
        "zone": market.zones[0].id,
        "chip": market.chips[0].id,
        "chips": str(market.chips[0].lot),
        "start": hour_text(start),
        "end": hour_text(start + timedelta(hours=hours)),
        "resource_code": code,
    }


def resale(bought: AllocationView, now: datetime, code: str) -> Fields:
    """Return the form of an offer that sells on the hours of an allocation that are to come.

    Args:
        bought: The allocation.
        now: Instant of the market.
        code: Resource code of the participant, if it has one.
    """
    coming = [item for item in bought.periods if item.start > now] or list(bought.periods)
    zone, _, chip = bought.pool.partition("/")
    return {
        "market": bought.market_id,
        "zone": zone,
        "chip": chip,
        "chips": str(min(item.chips for item in coming)),
        "start": hour_text(coming[0].start),
        "end": hour_text(coming[-1].start + timedelta(hours=1)),
        "ask": yuan_text(max(item.price for item in coming)),
        "resource_code": code,
        "resale_of": bought.allocation_id,
    }


def fields_of(terms: OfferTerms, market_id: str) -> Fields:
    """Return the form that stands for terms."""
    return {
        "market": market_id,
        "zone": terms.zone,
        "chip": terms.chip,
        "chips": str(terms.chips),
        "start": hour_text(terms.start),
        "end": hour_text(terms.end),
        "ask": yuan_text(terms.ask),
        "block": "yes" if terms.block else "",
        "mobilisable": "yes" if terms.mobilisable else "",
        "mobilisation_price": yuan_text(terms.mobilisation_price),
        "resource_code": terms.resource_code,
        "resale_of": terms.resale_of or "",
        "capacity_chips": "" if terms.capacity_chips is None else str(terms.capacity_chips),
        "expires_at": hour_text(terms.expires_at),
    }


def read(fields: Fields) -> tuple[OfferTerms | None, dict[str, Message]]:
    """Return the terms that a form stands for, or what is wrong with it by field."""
    reader = Reader(fields, label_of)
    body: dict[str, Any] = {
        "zone": reader.text("zone"),
        "chip": reader.text("chip"),
        "chips": reader.whole("chips", needed=True),
        "start": reader.hour("start", needed=True),
        "end": reader.hour("end", needed=True),
        "ask": reader.yuan("ask", needed=True),
        "block": reader.text("block") == "yes",
        "mobilisable": reader.text("mobilisable") == "yes",
        "mobilisation_price": reader.yuan("mobilisation_price"),
        "resource_code": reader.text("resource_code"),
        "resale_of": reader.text("resale_of") or None,
        "capacity_chips": reader.whole("capacity_chips"),
        "expires_at": reader.hour("expires_at"),
    }
    if reader.faults:
        return None, reader.faults
    try:
        return OfferTerms.model_validate(body), {}
    except ModelError as error:
        return None, faults(faults_of(error.errors(include_url=False)))


def faults(error: DomainError) -> dict[str, Message]:
    """Return what the use cases find wrong, by field; ``""`` is the form as a whole."""
    return told(
        error,
        lambda path: path if path in _LABELS else "",
        label_of,
        lambda name: name in _MONEY,
    )
