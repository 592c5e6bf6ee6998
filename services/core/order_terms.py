"""New terms for an order: which it may take, and what becomes of it with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.orders import DemandTerms, OfferTerms
from schemas.types import OrderState, period_of, pool_key
from services.core.eligibility import max_spend, resolve_alternatives
from services.core.order_left import offer_left_in_all
from services.core.orders import (
    DemandOrder,
    OfferOrder,
    moved,
    noted,
)
from services.core.reasons import Why, why

if TYPE_CHECKING:
    from schemas.market import Market


def amended_offer(order: OfferOrder, terms: OfferTerms) -> OfferOrder:
    """Return an offer with new terms, one version later.

    A rise of price, chips or window loses the rounds waited.
    """
    old = order.terms
    rise = (
        terms.ask > old.ask
        or terms.chips > old.chips
        or terms.start < old.start
        or terms.end > old.end
        or (terms.zone, terms.chip) != (old.zone, old.chip)
    )
    version = order.version + 1
    following = replace(
        order,
        terms=terms,
        version=version,
        waiting_since=None if rise else order.waiting_since,
    )
    state = (
        OrderState.PART_FILLED if offer_left_in_all(following) and order.allocated else order.state
    )
    if not offer_left_in_all(following):
        state = OrderState.FILLED
    return moved(following, state, why("amended", version=version))


def amended_demand(order: DemandOrder) -> DemandOrder:
    """Return a demand whose pending terms are in force, their hold being in place."""
    assert order.pending is not None
    terms, version = order.pending, order.version + 1
    rise = max(a.limit for a in terms.alternatives) > max(
        a.limit for a in order.terms.alternatives
    ) or _quantity_most(terms) > _quantity_most(order.terms)
    pinned = order.alternative is not None
    following = replace(
        order,
        terms=terms,
        pending=None,
        version=version,
        waiting_since=None if rise else order.waiting_since,
        # The new terms say what is still wanted, so what the old ones got no longer counts.
        allocated=(),
        spent=0,
        alternative=0 if pinned else None,
        hold_due=min(order.hold, max_spend(terms)),
    )
    return noted(following, why("amended", version=version))


def _quantity_most(terms: DemandTerms) -> int:
    shape = terms.shape
    if shape.type == "block":
        return shape.chips * shape.duration
    if shape.type == "work":
        return shape.chip_hours
    return shape.chips * (period_of(terms.deadline) - period_of(terms.earliest))


def refusal_of_offer_terms(order: OfferOrder, terms: OfferTerms) -> Why | None:
    """Return why an offer may not take new terms given what is allocated of it, if so."""
    if not order.allocated:
        return None
    pool = pool_key(terms.zone, terms.chip)
    if pool != order.pool:
        return why("below_allocated", field="zone", allowed=order.pool, value=pool)
    first, last = order.allocated[0][0], order.allocated[-1][0]
    start, end = period_of(terms.start), period_of(terms.end)
    if start > first or end <= last:
        allowed, value = f"periods {first} to {last}", f"periods {start} to {end - 1}"
        return why("below_allocated", field="start, end", allowed=allowed, value=value)
    most = max(chips for _, chips in order.allocated)
    if terms.chips < most:
        allowed = f"at least {most}"
        return why("below_allocated", field="chips", allowed=allowed, value=terms.chips)
    if terms.block != order.terms.block:
        allowed = str(order.terms.block).lower()
        return why("below_allocated", field="block", allowed=allowed, value="changed")
    return None


def refusal_of_demand_terms(order: DemandOrder, terms: DemandTerms, market: Market) -> Why | None:
    """Return why a part-filled demand may not take new terms, if so.

    It goes on in the pools that it was first given, so the new terms have one alternative
    whose pools are among them.
    """
    if order.alternative is None:
        return None
    allowed = ", ".join(order.pinned_pools)[:500]
    if terms.shape.type != order.terms.shape.type:
        return why("pinned", allowed=allowed, value=f"shape {terms.shape.type}")
    if len(terms.alternatives) != 1:
        return why("pinned", allowed=allowed, value=f"{len(terms.alternatives)} alternatives")
    for alternative in resolve_alternatives(terms, market):
        extra = sorted(set(alternative.pools) - set(order.pinned_pools))
        if extra:
            return why("pinned", allowed=allowed, value=", ".join(extra)[:500])
    return None
