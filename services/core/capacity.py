"""Capacity that several offers share: of a provider's resource, or of an allocation resold.

The ledger reserves it before such an offer enters the book, and what is reserved is never more than
there is: so no round can sell it twice, in whatever markets the offers are. What an offer needs no
more is told to the ledger, which gives it to the next. New terms that want more wait for the ledger
too, while the terms in force go on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.capacity import CapacityWanted
from schemas.codec import derive_id
from schemas.registry import BY_MODEL
from schemas.types import OrderState, period_of, period_start
from services.core.order_left import offer_left_in_all
from services.core.order_terms import amended_offer, refusal_of_offer_terms
from services.core.orders import OfferOrder, moved, noted
from services.core.phases import next_cut, periods_given
from services.core.reasons import Why, why

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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


def with_capacity(
    order: OfferOrder, answer: HoldAnswer, block_offers: Mapping[str, str]
) -> OfferOrder:
    """Return an offer after the ledger's answer about its capacity.

    Args:
        order: The offer.
        answer: What the ledger says.
        block_offers: Provider -> its live block offer.
    """
    if order.pending is not None and answer.cause == id_wanted(order):
        return _with_more(order, answer, block_offers)
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
    """Return why an offer may not take new terms, given what it shares, if so."""
    old = order.terms
    fixed = ["resale_of"]
    if (old.capacity_chips is None) != (terms.capacity_chips is None):
        fixed.append("capacity_chips")
    if capacity_of(order.participant_id, old) is not None:
        fixed += ["resource_code", "zone", "chip"]
    for field in fixed:
        was, wanted = getattr(old, field), getattr(terms, field)
        if was != wanted:
            return why("capacity_same", field=field, allowed=_text(was), value=_text(wanted))
    if order.state == OrderState.ACCEPTED:
        return why("capacity_waiting")
    return None


def wants_more(order: OfferOrder, terms: OfferTerms) -> bool:
    """Tell whether new terms need more of a shared capacity than those in force, or state more."""
    old = order.terms
    return capacity_of(order.participant_id, old) is not None and (
        terms.chips > old.chips
        or period_of(terms.start) < period_of(old.start)
        or period_of(terms.end) > period_of(old.end)
        or terms.capacity_chips != old.capacity_chips
    )


def waiting_for_more(order: OfferOrder, terms: OfferTerms, cause: str) -> OfferOrder:
    """Return an offer whose new terms wait for what they want; those in force go on.

    Args:
        order: The offer.
        terms: The new terms.
        cause: Id of the event that brought them.
    """
    asked = replace(order, pending=terms, pending_cause=cause, asked=order.asked + 1)
    return noted(asked, why("amend_waiting_for_capacity", version=order.version + 1))


def id_wanted(order: OfferOrder) -> str:
    """Return the id of the event that asks for what an offer's pending terms want."""
    return derive_id(BY_MODEL[CapacityWanted].type, order.id, str(order.asked))


def wanted_of(order: OfferOrder, after_seq: int, now: datetime) -> CapacityWanted:
    """Return what an offer's pending terms want of the ledger.

    Args:
        order: An offer with pending terms.
        after_seq: Last round that may have sold of it.
        now: Instant on the market's clock; what has begun is sold by no round any more.
    """
    terms, name = order.pending, capacity_of(order.participant_id, order.terms)
    assert terms is not None, f"{order.id} wants nothing"
    assert name is not None, f"{order.id} shares nothing"
    # The end of a window that is over is told all the same: the ledger says why it is refused.
    first = max(period_of(terms.start), order.held_from, period_of(now) + 1)
    return CapacityWanted(
        order_id=order.id,
        market_id=order.market_id,
        participant_id=order.participant_id,
        version=order.version + 1,
        capacity=name,
        chips=terms.chips,
        start=period_start(min(first, period_of(terms.end))),
        end=terms.end,
        capacity_chips=terms.capacity_chips,
        asked=order.asked,
        after_seq=after_seq,
    )


def _with_more(
    order: OfferOrder, answer: HoldAnswer, block_offers: Mapping[str, str]
) -> OfferOrder:
    terms = order.pending
    assert terms is not None
    decided = replace(order, pending=None)
    if not answer.placed:
        assert answer.reason is not None, f"{order.id}: refused without a reason"
        return _without_more(decided, answer.reason)
    # Rounds went on with the terms in force, and other offers came, since these were checked.
    refusal = refusal_of_offer_terms(order, terms)
    other = block_offers.get(order.participant_id, order.id)
    if refusal is None and terms.block and other != order.id:
        refusal = why("one_block_offer", order_id=other)
    if refusal is not None:
        return _without_more(decided, refusal)
    held_from = max(order.held_from, answer.start)
    return amended_offer(replace(decided, held_from=held_from), terms)


def _without_more(order: OfferOrder, refusal: Why) -> OfferOrder:
    """Return an offer whose new terms do not count; it is over if those in force sold out."""
    if offer_left_in_all(order):
        return noted(order, refusal)
    return moved(order, OrderState.FILLED, refusal)


def kept_of(order: OfferOrder) -> Kept:
    """Return what an offer may still sell of its capacity, beside what it sold.

    Terms that wait for more keep what they have of it, and what they may get.
    """
    every = [order.terms] if order.pending is None else [order.terms, order.pending]
    start = min(period_of(terms.start) for terms in every)
    end = max(period_of(terms.end) for terms in every)
    if not order.is_live or order.held_from >= end:
        return (0, start, end)
    return (max(terms.chips for terms in every), max(start, order.held_from), end)


def has_freed(before: Order | None, after: Order) -> bool:
    """Tell whether a change of an order leaves the ledger with more reserved than it needs."""
    if not isinstance(after, OfferOrder) or not after.is_held:
        return False
    if not isinstance(before, OfferOrder) or not before.is_held:
        # It was closed before its capacity was reserved.
        return not after.is_live
    (chips, start, end), (chips_now, start_now, end_now) = kept_of(before), kept_of(after)
    return chips_now < chips or start_now > start or end_now < end


def has_wanted(before: Order | None, after: Order) -> bool:
    """Tell whether a change of an order asks the ledger for more."""
    return (
        isinstance(after, OfferOrder)
        and isinstance(before, OfferOrder)
        and after.pending is not None
        and after.asked > before.asked
    )


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


def _text(value: object) -> str:
    return "null" if value is None else str(value)
