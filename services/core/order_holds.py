"""The money behind a demand: what the ledger holds, and what a round tells it to keep.

The ledger books holds and rounds in one order and says with each hold which round it had
booked before. What a demand may spend is always what one answer of the ledger said, less what
later rounds took, so that no round asks the ledger for more than it holds.
"""

from __future__ import annotations

from dataclasses import replace

from schemas.types import OrderState
from services.core.eligibility import max_spend
from services.core.order_terms import amended_demand
from services.core.orders import DemandOrder, HoldChange, moved, noted
from services.core.reasons import why

# The ledger lags by a round or two; answers that older rounds overtook have long been settled.
_CHANGES_MAX = 16
_UNWANTED_MAX = 16


def with_first_hold(order: DemandOrder, amount: int) -> DemandOrder:
    """Return a demand that waited for its first hold, now in the book."""
    due = min(amount, max_spend(order.terms))
    placed = replace(order, hold=amount, hold_due=due, hold_version=order.version)
    return moved(placed, OrderState.OPEN, why("in_the_book"))


def with_next_hold(order: DemandOrder, amount: int) -> DemandOrder:
    """Return a demand whose pending terms are in force, since their hold is in place."""
    return amended_demand(replace(order, hold=amount, hold_version=order.version + 1))


def with_late_hold(order: DemandOrder, amount: int) -> DemandOrder:
    """Return a closed demand whose first hold came after; the next round has it released."""
    assert not order.is_live, f"{order.id} is {order.state}"
    return replace(order, hold=amount, hold_version=order.version)


def without_hold(order: DemandOrder, needed: int, free: int) -> DemandOrder:
    """Return a demand whose first or next hold was refused: rejected, or as it was."""
    if order.state == OrderState.ACCEPTED:
        reason = why("hold_refused", needed=needed, free=free)
        return moved(order, OrderState.REJECTED, reason)
    version = order.version + 1
    reason = why("amend_hold_refused", version=version, needed=needed, free=free)
    return noted(replace(order, pending=None), reason)


def without_amendment(order: DemandOrder, cause: str) -> DemandOrder:
    """Return a demand for which an amendment will not count, though money may be held for it.

    Args:
        order: A demand, closed or live.
        cause: Id of the event of the amendment.
    """
    unwanted = (*order.unwanted, cause)[-_UNWANTED_MAX:]
    return replace(order, unwanted=unwanted, is_hold_unsure=True)


def told(order: DemandOrder, round_seq: int, closed_id: str) -> DemandOrder:
    """Return a demand of which a round has told the ledger what to keep.

    Args:
        order: The demand after the round.
        round_seq: Number of the round.
        closed_id: Id of the event that closes the round.
    """
    change = HoldChange(round_seq, closed_id, order.hold_due)
    return replace(
        order,
        hold=order.hold_due,
        hold_changes=(*order.hold_changes, change)[-_CHANGES_MAX:],
        is_hold_unsure=False,
    )
