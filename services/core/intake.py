"""The verdict on every record that a market reads, and what it does to the orders.

`decide` maps (view, event) to a `Decision`: one verdict, and the successive values of the one
order that changes. It changes nothing itself. Records of other markets and records that are
no events at all are judged by the caller, which knows keys and bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from schemas import events
from schemas.capacity import CapacityHeld, CapacityRefused
from schemas.orders import DemandTerms, OfferTerms
from schemas.types import OrderState, period_of
from services.core.capacity import (
    capacity_of,
    refusal_of_shared_terms,
    waiting_for_more,
    wants_more,
)
from services.core.eligibility import validate_demand, validate_offer
from services.core.errors import Message, ValidationError
from services.core.hold_answers import capacity_answered, hold_answered, with_early_answers
from services.core.improving import worse_demand, worse_offer
from services.core.order_holds import without_amendment
from services.core.order_terms import (
    amended_offer,
    refusal_of_demand_terms,
    refusal_of_offer_terms,
)
from services.core.orders import DemandOrder, OfferOrder, Order, moved, noted
from services.core.phases import frozen_until
from services.core.policies import check_demand_price, check_offer_price
from services.core.policy_rows import PriceRanges
from services.core.reasons import Why, why, why_of_error
from services.core.verdicts import Decision, Story, Verdict, View

if TYPE_CHECKING:
    from collections.abc import Callable


def body_sha256(event: events.Event) -> str:
    """Return the digest that tells a repeated submission from another with the same id."""
    return hashlib.sha256(event.model_dump_json().encode()).hexdigest()


def order_id_of(event: events.Event) -> str | None:
    """Return the id of the order that an event concerns, if it concerns one."""
    value = getattr(event, "order_id", None)
    return value if isinstance(value, str) else None


def decide(view: View, event: events.Event, story: Story) -> Decision:
    """Return the verdict on one event of this market.

    Args:
        view: The state before the record.
        event: A decoded event whose market is this one.
        story: What the envelope says about it.
    """
    match event:
        case events.OfferSubmitted():
            return _offer_submitted(view, event, story)
        case events.DemandSubmitted():
            return _demand_submitted(view, event, story)
        case events.OfferAmended():
            return _owned(view, event, lambda order: _offer_amended(view, order, event, story))
        case events.DemandAmended():
            return _owned(
                view, event, lambda order: _demand_amended(view, order, event, story), story
            )
        case events.OfferCancelled() | events.DemandCancelled():
            return _owned(view, event, lambda order: _cancelled(view, order, event))
        case events.HoldPlaced() | events.HoldRefused():
            return hold_answered(view, event, story)
        case CapacityHeld() | CapacityRefused():
            return capacity_answered(view, event, story)
        case _:
            return Decision(Verdict.IGNORED)


# --- submissions ----------------------------------------------------------------------------


def _repeat(view: View, order_id: str, digest: str) -> Decision | None:
    known = view.orders.get(order_id)
    if known is None:
        return None
    return Decision(Verdict.DUPLICATE if known.body_sha256 == digest else Verdict.CONFLICT)


def _offer_submitted(view: View, event: events.OfferSubmitted, story: Story) -> Decision:
    digest = body_sha256(event)
    repeat = _repeat(view, event.order_id, digest)
    if repeat is not None:
        return repeat
    order = OfferOrder(
        id=event.order_id,
        market_id=event.market_id,
        participant_id=event.participant_id,
        body_sha256=digest,
        terms=event.terms,
        state=OrderState.OPEN,
        why=why("in_the_book"),
        correlation_id=story.correlation_id,
    )
    try:
        _validate_offer(view, event.terms)
        _check_wrong_side(event.order_id, "off_")
    except ValidationError as error:
        return with_early_answers(view, _refused(order, why_of_error(error)))
    other = view.block_offers.get(event.participant_id)
    if event.terms.block and other is not None:
        refused = _refused(order, why("one_block_offer", order_id=other))
        return with_early_answers(view, refused)
    if capacity_of(event.participant_id, event.terms) is None:
        return Decision(Verdict.OPEN, order.why, (order,))
    waiting = replace(order, state=OrderState.ACCEPTED, why=why("waiting_for_capacity"))
    return with_early_answers(view, Decision(Verdict.ACCEPTED, waiting.why, (waiting,)))


def _demand_submitted(view: View, event: events.DemandSubmitted, story: Story) -> Decision:
    digest = body_sha256(event)
    repeat = _repeat(view, event.order_id, digest)
    if repeat is not None:
        return repeat
    order = DemandOrder(
        id=event.order_id,
        market_id=event.market_id,
        participant_id=event.participant_id,
        body_sha256=digest,
        terms=event.terms,
        state=OrderState.ACCEPTED,
        why=why("waiting_for_hold"),
        correlation_id=story.correlation_id,
    )
    reason = _demand_refusal(view, order, event)
    if reason is not None:
        return with_early_answers(view, _refused(order, reason))
    return with_early_answers(view, Decision(Verdict.ACCEPTED, order.why, (order,)))


def _demand_refusal(
    view: View, order: DemandOrder, event: events.DemandSubmitted | events.DemandAmended
) -> Why | None:
    try:
        validate_demand(event.terms, view.market, period_of(view.now))
        check_demand_price(event.terms, view.market, PriceRanges(view.policies))
        _check_wrong_side(event.order_id, "dem_")
    except ValidationError as error:
        return why_of_error(error)
    wanted = replace(order, terms=event.terms)
    winner = None if wanted.group is None else view.groups.get(wanted.group)
    if winner is not None and winner != order.id:
        return why("exclusive_group", order_id=winner)
    parent = view.orders.get(event.terms.linked_to or "")
    if event.terms.linked_to == order.id:
        return why("linked_to_other", value=order.id)
    if parent is None:
        return None
    if parent.participant_id != order.participant_id or isinstance(parent, OfferOrder):
        return why("linked_to_other", value=parent.id)
    if not parent.is_live and not parent.has_traded:
        return why("linked_order_out", order_id=parent.id)
    return None


def _validate_offer(view: View, terms: OfferTerms) -> None:
    validate_offer(terms, view.market, period_of(view.now))
    check_offer_price(terms, PriceRanges(view.policies))


def _check_wrong_side(order_id: str, prefix: str) -> None:
    # The contract's pattern takes both prefixes; one id must never be on both sides.
    if not order_id.startswith(prefix):
        raise ValidationError(
            "validation.order_id",
            Message(
                f"order_id must be {prefix}..., was {order_id}",
                f"order_id 应为 {prefix}...,实际为 {order_id}",
            ),
            field="order_id",
            value=order_id,
            allowed=f"{prefix}...",
        )


def _refused(order: Order, reason: Why) -> Decision:
    rejected = replace(order, state=OrderState.REJECTED, why=reason)
    return Decision(Verdict.REJECTED, reason, (rejected,))


# --- amendments and cancellations -----------------------------------------------------------


def _owned(
    view: View,
    event: events.OfferAmended | events.DemandAmended | events.OrderCancelled,
    change: Callable[[Order], Decision],
    story: Story | None = None,
) -> Decision:
    order = view.orders.get(event.order_id)
    if order is None:
        return Decision(Verdict.UNKNOWN_ORDER)
    if order.participant_id != event.participant_id:
        return Decision(Verdict.NOT_OWNER)
    offers = isinstance(event, events.OfferAmended | events.OfferCancelled)
    if isinstance(order, OfferOrder) is not offers:
        return Decision(Verdict.UNKNOWN_ORDER)
    if order.is_live:
        return change(order)
    if isinstance(order, DemandOrder) and story is not None:
        # The ledger may hold money for it; the next round, having read it, has that released.
        return Decision(Verdict.CLOSED, order.why, (without_amendment(order, story.event_id),))
    return Decision(Verdict.CLOSED, order.why)


def _cancelled(view: View, order: Order, event: events.OrderCancelled) -> Decision:
    assert order.id == event.order_id
    opens_at = _frozen_until(view)
    if opens_at is not None:
        refusal = why("frozen_cancel", opens_at=opens_at)
        return Decision(Verdict.REJECTED, refusal, (noted(order, refusal),))
    reason = why("cancelled_by_participant")
    return Decision(Verdict.CANCELLED, reason, (moved(order, OrderState.CANCELLED, reason),))


def _frozen_until(view: View) -> str | None:
    """Return when orders may get worse again, ``None`` if they may now."""
    at = frozen_until(view.market.rules, view.now, is_mid_cycle=view.is_mid_cycle)
    if at is None or view.stops.lift_freeze(view.market.rules, view.now):
        return None
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _refusal_in_freeze(view: View, order: Order, terms: OfferTerms | DemandTerms) -> Why | None:
    """Return why new terms have to wait for the next open phase, if they do."""
    opens_at = _frozen_until(view)
    if opens_at is None:
        return None
    if isinstance(order, OfferOrder):
        assert isinstance(terms, OfferTerms)
        worse = worse_offer(order, terms)
    else:
        assert isinstance(terms, DemandTerms)
        worse = worse_demand(order, terms, view.market)
    if worse is None:
        return None
    field, allowed, value = worse
    return why("frozen_worse", opens_at=opens_at, field=field, allowed=allowed, value=value)


def _stale(order: Order, expected_version: int) -> Decision:
    reason = why("stale_version", version=order.version, expected_version=expected_version)
    return Decision(Verdict.STALE_VERSION, reason, (noted(order, reason),))


def _offer_amended(view: View, order: Order, event: events.OfferAmended, story: Story) -> Decision:
    assert isinstance(order, OfferOrder)
    if event.expected_version != order.version:
        if event.terms == order.terms and event.expected_version == order.version - 1:
            return Decision(Verdict.DUPLICATE)
        return _stale(order, event.expected_version)
    if event.terms == order.pending:
        return Decision(Verdict.DUPLICATE)
    reason = refusal_of_shared_terms(order, event.terms)
    reason = reason or refusal_of_offer_terms(order, event.terms)
    other = view.block_offers.get(order.participant_id, order.id)
    if reason is None and event.terms.block and other != order.id:
        reason = why("one_block_offer", order_id=other)
    if reason is None:
        try:
            _validate_offer(view, event.terms)
        except ValidationError as error:
            reason = why_of_error(error)
    reason = reason or _refusal_in_freeze(view, order, event.terms)
    if reason is not None:
        return Decision(Verdict.REJECTED, reason, (noted(order, reason),))
    if wants_more(order, event.terms):
        waiting = waiting_for_more(order, event.terms, story.event_id)
        return Decision(Verdict.ACCEPTED, waiting.why, (waiting,))
    # What still waited for the ledger had the same version, so that this is in its place.
    amended = amended_offer(replace(order, pending=None), event.terms)
    return Decision(Verdict.AMENDED, amended.why, (amended,))


def _demand_amended(
    view: View, order: Order, event: events.DemandAmended, story: Story
) -> Decision:
    assert isinstance(order, DemandOrder)
    version = event.expected_version
    is_current = version == order.version
    repeated = order.pending if is_current else order.terms
    if event.terms == repeated and version in {order.version, order.version - 1}:
        return Decision(Verdict.DUPLICATE)
    verdict, reason = Verdict.REJECTED, None
    if not is_current:
        verdict = Verdict.STALE_VERSION
        reason = why("stale_version", version=order.version, expected_version=version)
    reason = (
        reason
        or _demand_refusal(view, order, event)
        or refusal_of_demand_terms(order, event.terms, view.market)
        or _refusal_in_freeze(view, order, event.terms)
    )
    if reason is not None:
        refused = noted(without_amendment(order, story.event_id), reason)
        return with_early_answers(view, Decision(verdict, reason, (refused,)))
    if order.pending is not None:
        # A later amendment of the same version replaces one that still waits for its hold.
        order = without_amendment(order, order.pending_cause)
    pending = replace(
        order,
        pending=event.terms,
        pending_cause=story.event_id,
        is_pending_answered=False,
    )
    waiting = noted(pending, why("amend_waiting_for_hold", version=order.version + 1))
    return with_early_answers(view, Decision(Verdict.ACCEPTED, waiting.why, (waiting,)))
