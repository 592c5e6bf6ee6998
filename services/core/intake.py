"""The verdict on every record that a market reads, and what it does to the orders.

`decide` maps (view, event) to a `Decision`: one verdict, and the successive values of the one
order that changes. It changes nothing itself. Records of other markets and records that are
no events at all are judged by the caller, which knows keys and bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from schemas import events
from schemas.types import OrderState, period_of
from services.core.eligibility import max_spend, validate_demand, validate_offer
from services.core.errors import Message, ValidationError
from services.core.order_holds import confirmed, held_after, with_hold, without_hold
from services.core.order_terms import amended_offer, refusal_of_demand_terms, refusal_of_offer_terms
from services.core.orders import DemandOrder, OfferOrder, Order, moved, noted
from services.core.reasons import Why, why, why_of_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from schemas.market import Market


class Verdict(StrEnum):
    """What became of a record; every record gets exactly one."""

    ACCEPTED = "accepted"
    OPEN = "open"
    AMENDED = "amended"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    APPLIED = "applied"
    KEPT = "kept"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    STALE_VERSION = "stale-version"
    NOT_OWNER = "not-owner"
    UNKNOWN_ORDER = "unknown-order"
    CLOSED = "closed"
    NOT_YOURS = "not-yours"
    IGNORED = "ignored"
    DEAD_LETTER = "dead-letter"


@dataclass(frozen=True, slots=True)
class StashedHold:
    """The ledger's answer to a version that has not been read yet.

    Attributes:
        order_id: The demand.
        version: Version that the answer is for.
        placed: Whether money was held.
        amount: Money held, or needed if it was not.
        free: Money that was free, if it was not held.
        booked_through: Last round that the ledger had booked before, 0 if none.
        round_seq: Number of the next round when it was read.
    """

    order_id: str
    version: int
    placed: bool
    amount: int
    free: int
    booked_through: int
    round_seq: int


@dataclass(frozen=True, slots=True)
class View:
    """What a verdict may depend on.

    Attributes:
        market: The market as last defined.
        now: Instant on the market's clock.
        next_round: Number of the round that comes next.
        orders: Every order that the record can concern, by id.
        stash: Answers of the ledger that came early, by (order id, version).
        groups: Exclusive group -> the demand of it that was accepted.
        block_offers: Provider -> its live block offer.
    """

    market: Market
    now: datetime
    next_round: int
    orders: Mapping[str, Order]
    stash: Mapping[tuple[str, int], StashedHold]
    groups: Mapping[str, str]
    block_offers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a record does.

    Attributes:
        verdict: Exactly one per record.
        why: Reason of the verdict, for the intake table.
        orders: Successive values of the order that it changes; a value whose ``sequence``
            differs from the one before is a status to publish.
        put: An answer of the ledger to keep until its version is read.
        drop: Key of a kept answer that is used up.
    """

    verdict: Verdict
    why: Why | None = None
    orders: tuple[Order, ...] = ()
    put: StashedHold | None = None
    drop: tuple[str, int] | None = None


def body_sha256(event: events.Event) -> str:
    """Return the digest that tells a repeated submission from another with the same id."""
    return hashlib.sha256(event.model_dump_json().encode()).hexdigest()


def order_id_of(event: events.Event) -> str | None:
    """Return the id of the order that an event concerns, if it concerns one."""
    value = getattr(event, "order_id", None)
    return value if isinstance(value, str) else None


def decide(view: View, event: events.Event, correlation_id: str = "") -> Decision:
    """Return the verdict on one event of this market.

    Args:
        view: The state before the record.
        event: A decoded event whose market is this one.
        correlation_id: The story that a submission begins.
    """
    match event:
        case events.OfferSubmitted():
            return _offer_submitted(view, event, correlation_id)
        case events.DemandSubmitted():
            return _demand_submitted(view, event, correlation_id)
        case events.OfferAmended():
            return _owned(view, event, lambda order: _offer_amended(view, order, event))
        case events.DemandAmended():
            return _owned(view, event, lambda order: _demand_amended(view, order, event))
        case events.OfferCancelled() | events.DemandCancelled():
            return _owned(view, event, lambda order: _cancelled(order, event))
        case events.HoldPlaced():
            return _hold_answered(view, _placed(view, event))
        case events.HoldRefused():
            return _hold_answered(view, _not_placed(view, event))
        case events.HoldCaptured() | events.HoldReleased():
            return _hold_booked(view, event)
        case _:
            return Decision(Verdict.IGNORED)


# --- submissions ----------------------------------------------------------------------------


def _repeat(view: View, order_id: str, digest: str) -> Decision | None:
    known = view.orders.get(order_id)
    if known is None:
        return None
    return Decision(Verdict.DUPLICATE if known.body_sha256 == digest else Verdict.CONFLICT)


def _offer_submitted(view: View, event: events.OfferSubmitted, correlation_id: str) -> Decision:
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
        correlation_id=correlation_id,
    )
    try:
        validate_offer(event.terms, view.market, period_of(view.now))
        _check_wrong_side(event.order_id, "off_")
    except ValidationError as error:
        return _refused(order, why_of_error(error))
    other = view.block_offers.get(event.participant_id)
    if event.terms.block and other is not None:
        return _refused(order, why("one_block_offer", order_id=other))
    return Decision(Verdict.OPEN, order.why, (order,))


def _demand_submitted(view: View, event: events.DemandSubmitted, correlation_id: str) -> Decision:
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
        correlation_id=correlation_id,
    )
    reason = _demand_refusal(view, order, event)
    if reason is not None:
        refused = _refused(order, reason)
        return _with_early_hold(view, refused, event.order_id, order.version)
    accepted = Decision(Verdict.ACCEPTED, order.why, (order,))
    return _with_early_hold(view, accepted, event.order_id, order.version)


def _demand_refusal(
    view: View, order: DemandOrder, event: events.DemandSubmitted | events.DemandAmended
) -> Why | None:
    try:
        validate_demand(event.terms, view.market, period_of(view.now))
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


def _check_wrong_side(order_id: str, prefix: str) -> None:
    # The contract's pattern takes both prefixes; one id must never be on both sides.
    if not order_id.startswith(prefix):
        reason = why("invalid_record", field="order_id", allowed=f"{prefix}...", value=order_id)
        raise ValidationError(
            "validation.order_id",
            Message(reason.en, reason.zh),
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
) -> Decision:
    order = view.orders.get(event.order_id)
    if order is None:
        return Decision(Verdict.UNKNOWN_ORDER)
    if order.participant_id != event.participant_id:
        return Decision(Verdict.NOT_OWNER)
    offers = isinstance(event, events.OfferAmended | events.OfferCancelled)
    if isinstance(order, OfferOrder) is not offers:
        return Decision(Verdict.UNKNOWN_ORDER)
    if not order.is_live:
        return Decision(Verdict.CLOSED, order.why)
    return change(order)


def _cancelled(order: Order, event: events.OrderCancelled) -> Decision:
    assert order.id == event.order_id
    reason = why("cancelled_by_participant")
    return Decision(Verdict.CANCELLED, reason, (moved(order, OrderState.CANCELLED, reason),))


def _stale(order: Order, expected_version: int) -> Decision:
    reason = why("stale_version", version=order.version, expected_version=expected_version)
    return Decision(Verdict.STALE_VERSION, reason, (noted(order, reason),))


def _offer_amended(view: View, order: Order, event: events.OfferAmended) -> Decision:
    assert isinstance(order, OfferOrder)
    if event.expected_version != order.version:
        if event.terms == order.terms and event.expected_version == order.version - 1:
            return Decision(Verdict.DUPLICATE)
        return _stale(order, event.expected_version)
    reason = refusal_of_offer_terms(order, event.terms)
    other = view.block_offers.get(order.participant_id, order.id)
    if reason is None and event.terms.block and other != order.id:
        reason = why("one_block_offer", order_id=other)
    if reason is None:
        try:
            validate_offer(event.terms, view.market, period_of(view.now))
        except ValidationError as error:
            reason = why_of_error(error)
    if reason is not None:
        return Decision(Verdict.REJECTED, reason, (noted(order, reason),))
    amended = amended_offer(order, event.terms)
    return Decision(Verdict.AMENDED, amended.why, (amended,))


def _demand_amended(view: View, order: Order, event: events.DemandAmended) -> Decision:
    assert isinstance(order, DemandOrder)
    if event.expected_version != order.version:
        if event.terms == order.terms and event.expected_version == order.version - 1:
            return Decision(Verdict.DUPLICATE)
        return _stale(order, event.expected_version)
    if event.terms == order.pending:
        return Decision(Verdict.DUPLICATE)
    reason = _demand_refusal(view, order, event) or refusal_of_demand_terms(
        order, event.terms, view.market
    )
    version = order.version + 1
    if reason is not None:
        refused = Decision(Verdict.REJECTED, reason, (noted(order, reason),))
        return _with_early_hold(view, refused, order.id, version)
    # A later amendment of the same version replaces one that still waits for its hold.
    pending = replace(order, pending=event.terms, pending_since=view.next_round)
    waiting = noted(pending, why("amend_waiting_for_hold", version=version))
    accepted = Decision(Verdict.ACCEPTED, waiting.why, (waiting,))
    return _with_early_hold(view, accepted, order.id, version)


# --- holds ----------------------------------------------------------------------------------


def _placed(view: View, event: events.HoldPlaced) -> StashedHold:
    return StashedHold(
        order_id=event.order_id,
        version=event.version,
        placed=True,
        amount=event.amount,
        free=0,
        booked_through=event.booked_through_seq or 0,
        round_seq=view.next_round,
    )


def _not_placed(view: View, event: events.HoldRefused) -> StashedHold:
    return StashedHold(
        order_id=event.order_id,
        version=event.version,
        placed=False,
        amount=event.needed,
        free=event.free,
        booked_through=0,
        round_seq=view.next_round,
    )


def _with_early_hold(view: View, decision: Decision, order_id: str, version: int) -> Decision:
    """Apply the ledger's answer that came before the version that it is for."""
    answer = view.stash.get((order_id, version))
    if answer is None:
        return decision
    order = decision.orders[-1]
    assert isinstance(order, DemandOrder)
    following = _answered(order, answer)
    if following is None:
        return decision
    orders = (*decision.orders, following)
    return replace(decision, orders=orders, drop=(order_id, version))


def _hold_answered(view: View, answer: StashedHold) -> Decision:
    order = view.orders.get(answer.order_id)
    if order is None:
        return Decision(Verdict.KEPT, put=answer)
    if not isinstance(order, DemandOrder):
        return Decision(Verdict.IGNORED)
    if _is_repeat(order, answer):
        return Decision(Verdict.DUPLICATE)
    following = _answered(order, answer)
    if following is None:
        return Decision(Verdict.KEPT, put=answer)
    if not order.is_live:
        return Decision(Verdict.CLOSED, order.why, (following,))
    decision = Decision(_verdict_of_answer(order, following), following.why, (following,))
    return _with_early_hold(view, decision, order.id, answer.version + 1)


def _is_repeat(order: DemandOrder, answer: StashedHold) -> bool:
    if answer.version < order.hold_version:
        return True
    newer = answer.placed and answer.booked_through > order.hold_through
    return answer.version == order.hold_version and not newer


def _verdict_of_answer(before: DemandOrder, after: DemandOrder) -> Verdict:
    if after.state == OrderState.REJECTED:
        return Verdict.REJECTED
    if after.version > before.version:
        return Verdict.AMENDED
    return Verdict.OPEN if before.state == OrderState.ACCEPTED else Verdict.APPLIED


def _answered(order: DemandOrder, answer: StashedHold) -> DemandOrder | None:
    """Return the demand after an answer, None if the answer has nothing to apply to yet."""
    if not order.is_live:
        # Money held for a demand that is out is told to be released by the next round.
        return _held(order, answer) if answer.placed else order
    if answer.version == order.hold_version:
        return _held(order, answer)
    first = answer.version == order.version
    waits_for_first = order.state == OrderState.ACCEPTED
    terms = order.terms if first else order.pending
    if first is not waits_for_first or answer.version > order.version + 1 or terms is None:
        return None
    if not answer.placed:
        return without_hold(order, answer.version, answer.amount, answer.free)
    # What is held must cover these very terms: an answer to a replaced amendment may not.
    return _held(order, answer) if answer.amount >= max_spend(terms) else None


def _held(order: DemandOrder, answer: StashedHold) -> DemandOrder | None:
    return with_hold(order, answer.version, answer.amount, answer.booked_through)


def _hold_booked(view: View, event: events.HoldCaptured | events.HoldReleased) -> Decision:
    order = view.orders.get(event.order_id)
    if not isinstance(order, DemandOrder):
        return Decision(Verdict.IGNORED)
    following = confirmed(order, int(event.round_id.rpartition(":")[2]))
    if following == order:
        return Decision(Verdict.DUPLICATE)
    return Decision(Verdict.APPLIED, None, (following,))


def superseded(order: DemandOrder, answer: StashedHold) -> DemandOrder:
    """Return the demand that counts money held for an amendment that never counted.

    The amendment was refused here while the ledger held money for it; the next round tells
    the ledger what is really needed.
    """
    if not answer.placed:
        return order
    held = held_after(order, answer.version, answer.amount, answer.booked_through)
    return order if held is None else replace(order, hold=max(order.hold, held))
