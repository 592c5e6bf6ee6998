"""What a verdict on a record is, what it may depend on, and what it does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from services.core.stops import Stops

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from schemas.market import Market
    from schemas.types import OrderState
    from services.core.book import BookPolicy
    from services.core.orders import Order
    from services.core.reasons import Why


_NOTHING = Stops()
IN_FREEZE = ("frozen_cancel", "frozen_worse")
"""Codes of what a freeze refuses."""


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
class HoldAnswer:
    """The ledger's answer to a version of a demand, or to an offer that shares capacity.

    Attributes:
        order_id: The order.
        version: Version that the answer is for.
        cause: Id of the event that it answers: of the demand, or of the end of a round.
        offset: Position in the log; a later answer replaces an earlier one.
        placed: Whether money, or capacity, was held.
        amount: Money held, or needed if it was not; chips for an offer.
        free: Money that was free, if it was not held.
        booked_through: Last round that the ledger had booked before, 0 if none.
        start: First period in which capacity is held.
        reason: Why capacity was not held.
    """

    order_id: str
    version: int
    cause: str
    offset: int
    placed: bool
    amount: int
    free: int
    booked_through: int
    start: int = 0
    reason: Why | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """What a record's envelope says about its event.

    Attributes:
        event_id: Id of the event.
        cause: Id of the event that caused it.
        correlation_id: The story that it belongs to.
        offset: Position of the record in its partition.
    """

    event_id: str = ""
    cause: str = ""
    correlation_id: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """What a verdict may depend on.

    Attributes:
        market: The market as last defined.
        now: Instant on the market's clock.
        orders: Every order that the record can concern, by id.
        stash: Answers of the ledger that came early: order id -> cause -> answer.
        groups: Exclusive group -> the demand of it that was accepted.
        block_offers: Provider -> its live block offer.
        policies: Those that the last round's book carried: whoever rebuilds a verdict from the
            log has them, too, while when a new one was read between two rounds is not told.
        is_mid_cycle: Whether an urgent round took its part of the book, and the ordinary one, which
            follows at once, has not taken the rest yet.
        stops: What may keep the round away that orders are for, and with it the freeze.
    """

    market: Market
    now: datetime
    orders: Mapping[str, Order]
    stash: Mapping[str, Mapping[str, HoldAnswer]]
    groups: Mapping[str, str]
    block_offers: Mapping[str, str]
    policies: tuple[BookPolicy, ...] = ()
    is_mid_cycle: bool = False
    stops: Stops = _NOTHING


class Told(Protocol):
    """A status as it was told."""

    @property
    def state(self) -> OrderState:
        """Return the state that it tells."""
        ...

    @property
    def version(self) -> int:
        """Return the version that it tells."""
        ...

    @property
    def reason(self) -> str:
        """Return the code of its reason."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What a record does.

    Attributes:
        verdict: Exactly one per record.
        why: Reason of the verdict, for the intake table.
        orders: Successive values of the order that it changes; a value whose ``sequence``
            differs from the one before is a status to publish.
        put: An answer of the ledger to keep until its version is read.
        drop: Kept answers that are used up.
    """

    verdict: Verdict
    why: Why | None = None
    orders: tuple[Order, ...] = ()
    put: HoldAnswer | None = None
    drop: tuple[HoldAnswer, ...] = ()

    def agrees(self, told: Sequence[Told]) -> bool:
        """Tell whether the statuses of a record that were told are what this makes of it."""
        if not told or not self.orders:
            return not told
        first = self.orders[0]
        # Refused in a freeze or taken, worse terms that wait for the ledger leave the rest alike.
        refused = first.why.code in IN_FREEZE, told[0].reason in IN_FREEZE
        return (first.state, first.version, refused[0]) == (
            told[0].state,
            told[0].version,
            refused[1],
        )
