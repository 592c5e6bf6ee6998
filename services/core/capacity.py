"""Capacity that several offers share: of a provider's resource, or of an allocation resold.

The ledger reserves it before such an offer enters the book, and what is reserved is never more than
there is: so no round can sell it twice, in whatever markets the offers are. What an offer needs no
more is told to the ledger, which gives it to the next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.types import OrderState, period_of, period_start
from services.core.orders import OfferOrder, moved
from services.core.phases import next_cut, periods_given
from services.core.reasons import Why, why

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from schemas.market import Market
    from schemas.orders import OfferTerms
    from services.core.orders import Order
    from services.core.verdicts import HoldAnswer

Kept = tuple[int, int, int]
"""(chips, first period, exclusive end) that an offer may still sell."""


def capacity_of(owner: str, terms: OfferTerms) -> str | None:
    """Return the name of the capacity that an offer shares, ``None`` if it is one of its own."""
    if terms.resale_of is not None:
        return terms.resale_of
    if terms.capacity_chips is None:
        return None
    return f"{owner}/{terms.resource_code}/{terms.zone}/{terms.chip}"


def with_capacity(order: OfferOrder, answer: HoldAnswer) -> OfferOrder:
    """Return an offer after the ledger's answer about its capacity."""
    if order.is_held or answer.version != 1:
        return order
    held = replace(order, is_held=True, held_from=answer.start) if answer.placed else order
    if order.state != OrderState.ACCEPTED:
        return held
    if answer.placed:
        return moved(held, OrderState.OPEN, why("in_the_book"))
    assert answer.reason is not None, f"{order.id}: refused without a reason"
    return moved(order, OrderState.REJECTED, answer.reason)


def refusal_of_shared_terms(order: OfferOrder, terms: OfferTerms) -> Why | None:
    """Return why an offer may not take new terms, given what is reserved for it, if so.

    What is reserved only ever shrinks, so that no amendment has to wait for the ledger.
    """
    old = order.terms
    for field in ("resale_of", "capacity_chips"):
        was, wanted = getattr(old, field), getattr(terms, field)
        if was != wanted:
            return why("capacity_same", field=field, allowed=_text(was), value=_text(wanted))
    if capacity_of(order.participant_id, old) is None:
        return None
    if order.state == OrderState.ACCEPTED:
        return why("capacity_waiting")
    for field in ("resource_code", "zone", "chip"):
        if getattr(old, field) != getattr(terms, field):
            was, wanted = getattr(old, field), getattr(terms, field)
            return why("capacity_same", field=field, allowed=was, value=wanted)
    if terms.chips > old.chips:
        allowed = f"at most {old.chips}"
        return why("capacity_raised", field="chips", allowed=allowed, value=terms.chips)
    if terms.start < old.start or terms.end > old.end:
        allowed, value = _window(old), _window(terms)
        return why("capacity_raised", field="start, end", allowed=allowed, value=value)
    return None


def kept_of(order: OfferOrder) -> Kept:
    """Return what an offer may still sell of its capacity, beside what it sold."""
    start, end = period_of(order.terms.start), period_of(order.terms.end)
    if not order.is_live or order.held_from >= end:
        return (0, start, end)
    return (order.terms.chips, max(start, order.held_from), end)


def has_freed(before: Order | None, after: Order) -> bool:
    """Tell whether a change of an order leaves the ledger with more reserved than it needs."""
    if not isinstance(after, OfferOrder) or not after.is_held:
        return False
    if not isinstance(before, OfferOrder) or not before.is_held:
        # It was closed before its capacity was reserved.
        return not after.is_live
    return kept_of(before) != kept_of(after)


def passed_by(orders: Iterable[Order], market: Market, at: datetime) -> list[OfferOrder]:
    """Return the offers that give up hours after a round, because no later one can give them.

    So what a market with a gate of each day has not sold at it is free for others at once.

    Args:
        orders: Live orders.
        market: The market.
        at: Instant of the round's seal.
    """
    first = periods_given(market.rules, next_cut(market.rules, at)).start
    return [
        replace(order, held_from=first)
        for order in orders
        if isinstance(order, OfferOrder)
        and order.is_live
        and order.is_held
        and max(order.held_from, period_of(order.terms.start)) < first
    ]


def _window(terms: OfferTerms) -> str:
    start, end = (period_start(period_of(at)).isoformat() for at in (terms.start, terms.end))
    return f"{start} to {end}".replace("+00:00", "Z")


def _text(value: object) -> str:
    return "null" if value is None else str(value)
