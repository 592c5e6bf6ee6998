"""The life of an order: its states, what is left of it, and every way it changes.

An order is a frozen value; each function here returns the next one. An order is in exactly
one state, its terminal states are final (`OrderState`), and every change of state or reason
raises ``sequence`` by one, so that each status on the wire has its number.

Periods are absolute hours since the Unix epoch, money is micro-yuan, quantities are chips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar, cast

from schemas.orders import DemandTerms, OfferTerms
from schemas.types import TERMINAL_STATES, OrderState, Side, pool_key
from services.core.reasons import Why

PeriodChips = tuple[tuple[int, int], ...]
"""(period, chips) pairs, sorted by period, chips above 0."""

TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.ACCEPTED: frozenset(
        {
            OrderState.ACCEPTED,
            OrderState.OPEN,
            OrderState.CANCELLED,
            OrderState.EXPIRED,
            OrderState.REJECTED,
        }
    ),
    OrderState.OPEN: frozenset(
        {
            OrderState.OPEN,
            OrderState.PART_FILLED,
            OrderState.FILLED,
            OrderState.CANCELLED,
            OrderState.EXPIRED,
        }
    ),
    OrderState.PART_FILLED: frozenset(
        {
            OrderState.PART_FILLED,
            OrderState.FILLED,
            OrderState.CANCELLED,
            OrderState.EXPIRED,
        }
    ),
}
"""State -> the states that may follow it; terminal states have no row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What offers and demand have in common.

    Attributes:
        id: Order id.
        market_id: Its market.
        participant_id: Its owner.
        body_sha256: Of the submission's body; tells a repeat from a conflict.
        version: Version of the terms in force.
        state: The one state it is in.
        why: Reason of its last status.
        sequence: Number of its last status, from 1.
        correlation_id: The story that it began.
        waiting_since: Number of the first round that it was in without trading since.
        allocated: Chips allocated by period. Demand: under the terms in force only.
        chip_hours: Chip-hours allocated over its whole life.
        money: Payments (demand) or revenue (offer) over its whole life.
    """

    id: str
    market_id: str
    participant_id: str
    body_sha256: str
    version: int = 1
    state: OrderState
    why: Why
    sequence: int = 1
    correlation_id: str = ""
    waiting_since: int | None = None
    allocated: PeriodChips = ()
    chip_hours: int = 0
    money: int = 0

    @property
    def is_live(self) -> bool:
        """Whether it can still change."""
        return self.state not in TERMINAL_STATES

    @property
    def is_in_book(self) -> bool:
        """Whether a round may look at it."""
        return self.state in {OrderState.OPEN, OrderState.PART_FILLED}

    @property
    def has_traded(self) -> bool:
        """Whether a round ever allocated anything of it."""
        return self.chip_hours > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferOrder(_Order):
    """An offer.

    Attributes:
        terms: Terms in force.
        is_held: Whether the ledger reserved the capacity that it shares with others.
        held_from: First period that it may still sell of it.
        pending: Terms of the next version, which want more of it and wait for the ledger.
        pending_cause: Id of the event that brought them.
        asked: How often it wanted more; the ledger's answer names the last time.
    """

    terms: OfferTerms
    is_held: bool = False
    held_from: int = 0
    pending: OfferTerms | None = None
    pending_cause: str = ""
    asked: int = 0

    @property
    def side(self) -> Side:
        """Return the side of the book."""
        return Side.OFFER

    @property
    def pool(self) -> str:
        """Return the key of its pool."""
        return pool_key(self.terms.zone, self.terms.chip)


@dataclass(frozen=True, slots=True)
class HoldChange:
    """What a round tells the ledger to keep for a demand.

    Attributes:
        seq: Number of the round.
        closed_id: Id of the event that closes the round, the cause of what the ledger answers.
        keep: Held from then on.
    """

    seq: int
    closed_id: str
    keep: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandOrder(_Order):
    """A demand.

    Attributes:
        terms: Terms in force.
        pending: Terms of the next version, waiting for their hold.
        pending_cause: Id of the event that brought them; the ledger's answer names it.
        is_pending_answered: Whether the ledger has answered them, but before a round that took
            from the hold without having read them; it tells again what it holds.
        unwanted: Ids of amendments that will not count; the ledger may yet answer them.
        alternative: Index of the alternative that it is pinned to.
        pinned_pools: Pools of that alternative when it was first used.
        spent: Payments under the terms in force.
        hold: What the ledger holds for it once everything published has been booked.
        hold_due: What the ledger has to hold for it from now on.
        hold_version: Last version whose hold was applied, 0 if none.
        hold_changes: The last changes of the hold by rounds, in order.
        told_seq: Last round after which the ledger told again what it holds.
        told_amount: What it then held.
        is_hold_unsure: Whether the ledger may hold more, for an amendment that will not count.
    """

    terms: DemandTerms
    pending: DemandTerms | None = None
    pending_cause: str = ""
    is_pending_answered: bool = False
    unwanted: tuple[str, ...] = ()
    alternative: int | None = None
    pinned_pools: tuple[str, ...] = ()
    spent: int = 0
    hold: int = 0
    hold_due: int = 0
    hold_version: int = 0
    hold_changes: tuple[HoldChange, ...] = ()
    told_seq: int = 0
    told_amount: int = 0
    is_hold_unsure: bool = False

    @property
    def side(self) -> Side:
        """Return the side of the book."""
        return Side.DEMAND

    @property
    def has_hold_news(self) -> bool:
        """Whether the ledger has to be told what to hold, by the next round."""
        if self.pending is not None or self.hold_version == 0:
            return False
        return self.hold != self.hold_due or self.is_hold_unsure

    @property
    def group(self) -> str | None:
        """Return its exclusive group, named apart from other participants' groups."""
        name = self.terms.exclusive_group
        return None if name is None else f"{self.participant_id}/{name}"


Order = OfferOrder | DemandOrder
OrderT = TypeVar("OrderT", bound=OfferOrder | DemandOrder)


def moved(order: OrderT, state: OrderState, reason: Why) -> OrderT:
    """Return the order in a state with a reason, one status later.

    A demand that leaves needs no hold any more, and what leaves takes no new terms.
    """
    allowed = TRANSITIONS.get(order.state, frozenset())
    assert state in allowed, f"{order.id}: {order.state} must not become {state}"
    following = replace(order, state=state, why=reason, sequence=order.sequence + 1)
    if state not in TERMINAL_STATES:
        return following
    if isinstance(following, DemandOrder):
        return cast("OrderT", replace(following, hold_due=0, pending=None))
    return replace(following, pending=None)


def noted(order: OrderT, reason: Why) -> OrderT:
    """Return a live order with a new reason in the state it is in."""
    return moved(order, order.state, reason)
