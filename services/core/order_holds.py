"""The money behind a demand: what the ledger holds, and what a round tells it to keep."""

from __future__ import annotations

from dataclasses import replace

from schemas.types import OrderState
from services.core.eligibility import max_spend
from services.core.order_terms import amended_demand
from services.core.orders import (
    DemandOrder,
    HoldChange,
    moved,
    noted,
)
from services.core.reasons import why

_UNBOOKED_MAX = 16


def held_after(order: DemandOrder, version: int, amount: int, booked_through: int) -> int | None:
    """Return what is held once all that is published is booked, given the ledger's answer.

    The ledger books holds and rounds in one order. A round that it booked after this answer
    sets the hold to what that round keeps, if the round had read the version's terms; else the
    ledger keeps what the version needs if there is money for it, and answers again if it took
    a payment.

    Args:
        order: A demand.
        version: Version of the terms that the answer is for.
        amount: Money held when the answer was given.
        booked_through: Last round booked before that, 0 if none.

    Returns:
        Micro-yuan, or ``None`` if another answer will come that tells.
    """
    later = [item for item in order.unbooked if item.seq > booked_through]
    if not later:
        return amount
    newest = later[-1]
    if not order.is_live:
        # Whatever it is, it will be told to be released.
        return min(amount, newest.keep)
    if order.pending is None or version <= order.version or newest.seq >= order.pending_since:
        return newest.keep
    if any(item.payment for item in later):
        return None
    return min(amount, max(newest.keep, max_spend(order.pending)))


def with_hold(
    order: DemandOrder, version: int, amount: int, booked_through: int
) -> DemandOrder | None:
    """Return a demand whose hold for a version is in place, ``None`` as `held_after`."""
    held = held_after(order, version, amount, booked_through)
    if held is None:
        return None
    placed = replace(
        order,
        hold=held,
        hold_version=max(version, order.hold_version),
        hold_through=booked_through,
    )
    if not placed.is_live:
        return placed
    if version <= order.hold_version:
        # The ledger placed it again after a round; what is due under these terms stands.
        due = placed.hold_due if placed.allocated else max_spend(placed.terms)
        return replace(placed, hold_due=min(held, due))
    if version == order.version:
        due = min(held, max_spend(order.terms))
        return moved(replace(placed, hold_due=due), OrderState.OPEN, why("in_the_book"))
    assert version == order.version + 1, f"{order.id}: hold of version {version}"
    return amended_demand(placed)


def without_hold(order: DemandOrder, version: int, needed: int, free: int) -> DemandOrder:
    """Return a demand whose hold for a version was refused: rejected, or as it was."""
    if version == order.version:
        reason = why("hold_refused", needed=needed, free=free)
        return moved(order, OrderState.REJECTED, reason)
    reason = why("amend_hold_refused", version=version, needed=needed, free=free)
    return noted(replace(order, pending=None), reason)


def confirmed(order: DemandOrder, round_seq: int) -> DemandOrder:
    """Return a demand of which all rounds up to one are known to be booked."""
    later = tuple(item for item in order.unbooked if item.seq > round_seq)
    return order if later == order.unbooked else replace(order, unbooked=later)


def hold_to_keep(order: DemandOrder) -> int:
    """Return what the ledger is told to keep for a demand after a round.

    While an amendment waits for its hold, what both need: the ledger may have placed it
    already. Never more than is known to be held, since the ledger refuses such a round.
    """
    if order.pending is None:
        return order.hold_due
    return min(order.hold, max(order.hold_due, max_spend(order.pending)))


def told(order: DemandOrder, round_seq: int, payment: int) -> DemandOrder:
    """Return a demand of which a round has told the ledger what to keep.

    Args:
        order: The demand after the round.
        round_seq: Number of the round.
        payment: What the round takes out of the hold, 0 if nothing.
    """
    keep = hold_to_keep(order)
    changes = (*order.unbooked, HoldChange(round_seq, payment, keep))
    # The ledger confirms what moved money; the few that it does not are bounded here.
    return replace(order, hold=keep, unbooked=changes[-_UNBOOKED_MAX:])
