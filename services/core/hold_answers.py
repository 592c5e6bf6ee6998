"""What the ledger's answers about holds do to demand, and to offers that share capacity.

An answer names its cause. If that is the amendment that waits, it decides it, unless a round
that had not read the amendment changed the hold afterwards: then the ledger answers again, with
the end of that round as its cause. An answer to what has not been read yet is kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.base import MONEY_MAX_MICRO_YUAN
from schemas.capacity import CapacityHeld
from schemas.events import HoldPlaced
from schemas.types import OrderState, period_of
from services.core.capacity import with_capacity
from services.core.eligibility import max_spend
from services.core.errors import Message
from services.core.order_holds import (
    with_first_hold,
    with_late_hold,
    with_next_hold,
    without_amendment,
    without_hold,
)
from services.core.orders import DemandOrder, OfferOrder
from services.core.reasons import why_of_message
from services.core.verdicts import Decision, HoldAnswer, Verdict

if TYPE_CHECKING:
    from schemas.capacity import CapacityRefused
    from schemas.events import HoldRefused
    from services.core.orders import HoldChange, Order
    from services.core.verdicts import Story, View


def hold_answered(view: View, event: HoldPlaced | HoldRefused, story: Story) -> Decision:
    """Return what an answer of the ledger does."""
    return _answered(view, _answer(event, story), DemandOrder)


def capacity_answered(view: View, event: CapacityHeld | CapacityRefused, story: Story) -> Decision:
    """Return what an answer of the ledger about an offer's capacity does."""
    return _answered(view, _capacity_answer(event, story), OfferOrder)


def _answered(view: View, answer: HoldAnswer, side: type[Order]) -> Decision:
    order = view.orders.get(answer.order_id)
    if order is None:
        return Decision(Verdict.KEPT, put=answer)
    if not isinstance(order, side):
        return Decision(Verdict.IGNORED)
    following = _following(view, order, answer)
    if following is None:
        return Decision(Verdict.KEPT, put=answer)
    if not order.is_live:
        return Decision(Verdict.CLOSED, order.why, (following,))
    if following == order:
        repeated = isinstance(order, OfferOrder) or answer.version <= order.hold_version
        return Decision(Verdict.DUPLICATE if repeated else Verdict.IGNORED)
    decision = Decision(_verdict(order, following), following.why, (following,))
    return with_early_answers(view, decision)


def with_early_answers(view: View, decision: Decision) -> Decision:
    """Apply answers that came before what they are for to the order of a decision."""
    order = decision.orders[-1]
    early = sorted(view.stash.get(order.id, {}).values(), key=lambda answer: answer.offset)
    orders, used = list(decision.orders), []
    for answer in early:
        following = _following(view, order, answer)
        if following is None:
            continue
        used.append(answer)
        if following != order:
            orders.append(following)
            order = following
    return replace(decision, orders=tuple(orders), drop=tuple(used))


def _following(view: View, order: Order, answer: HoldAnswer) -> Order | None:
    """Return the order after an answer, ``None`` if what it is for is yet to be read."""
    if isinstance(order, DemandOrder):
        return _after(order, answer)
    return with_capacity(order, answer, view.block_offers)


def _after(order: DemandOrder, answer: HoldAnswer) -> DemandOrder | None:
    rounds = [change for change in order.hold_changes if change.closed_id == answer.cause]
    if rounds:
        return _after_round(order, answer, rounds[0])
    if answer.version <= order.hold_version or answer.cause in order.unwanted:
        return order
    if not order.is_live:
        is_first = answer.placed and answer.version == order.version and not order.hold_version
        return with_late_hold(order, answer.amount) if is_first else order
    if order.state == OrderState.ACCEPTED:
        return _after_first(order, answer)
    if order.pending is None or answer.cause != order.pending_cause:
        return None
    if not answer.placed:
        return without_hold(order, answer.amount, answer.free)
    if any(change.seq > answer.booked_through for change in order.hold_changes):
        return _decided(replace(order, is_pending_answered=True))
    return with_next_hold(order, answer.amount)


def _after_first(order: DemandOrder, answer: HoldAnswer) -> DemandOrder | None:
    if answer.version != order.version:
        return None
    if answer.placed:
        return with_first_hold(order, answer.amount)
    return without_hold(order, answer.amount, answer.free)


def _after_round(order: DemandOrder, answer: HoldAnswer, change: HoldChange) -> DemandOrder:
    """Take what the ledger holds after a round that had not read all it had."""
    if change.seq <= order.told_seq:
        return order
    amount = answer.amount if answer.placed else change.keep
    return _decided(replace(order, told_seq=change.seq, told_amount=amount))


def _decided(order: DemandOrder) -> DemandOrder:
    """Decide a pending amendment by what the ledger told after the last round.

    The ledger may have read further amendments by then. What it holds decides all the same.
    """
    if order.pending is None or not order.is_pending_answered:
        return order
    if order.told_seq != order.hold_changes[-1].seq:
        return order
    needed = min(max_spend(order.pending), MONEY_MAX_MICRO_YUAN)
    if order.told_amount >= needed:
        return with_next_hold(order, order.told_amount)
    # What is held beyond the old terms' need is not wanted now; the next round says so.
    refused = without_hold(order, needed, order.told_amount)
    return without_amendment(refused, order.pending_cause)


def _verdict(before: Order, after: Order) -> Verdict:
    if after.state == OrderState.REJECTED:
        return Verdict.REJECTED
    if after.version > before.version:
        return Verdict.AMENDED
    return Verdict.OPEN if before.state == OrderState.ACCEPTED else Verdict.APPLIED


def _capacity_answer(event: CapacityHeld | CapacityRefused, story: Story) -> HoldAnswer:
    placed = isinstance(event, CapacityHeld)
    told = None if isinstance(event, CapacityHeld) else event.reason
    return HoldAnswer(
        order_id=event.order_id,
        version=event.version,
        cause=story.cause,
        offset=story.offset,
        placed=placed,
        amount=event.chips if isinstance(event, CapacityHeld) else 0,
        free=0,
        booked_through=0,
        start=period_of(event.start) if isinstance(event, CapacityHeld) else 0,
        reason=None
        if told is None
        else why_of_message(told.code, Message(told.en, told.zh), told.params),
    )


def _answer(event: HoldPlaced | HoldRefused, story: Story) -> HoldAnswer:
    if isinstance(event, HoldPlaced):
        placed, amount, free = True, event.amount, 0
        booked_through = event.booked_through_seq or 0
    else:
        placed, amount, free = False, event.needed, event.free
        booked_through = 0
    return HoldAnswer(
        order_id=event.order_id,
        version=event.version,
        cause=story.cause,
        offset=story.offset,
        placed=placed,
        amount=amount,
        free=free,
        booked_through=booked_through,
    )
