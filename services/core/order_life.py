"""The life of an order: what happened to it, each effect after its cause, and where it stood.

Events of one order come from several topics and writers, whose clocks differ a little. They are
put in the order of the instants at which they were written, but no event before the one that it
names as its cause, and statuses always by their number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from schemas.types import OrderState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from schemas.events import Reason

_OWNERS_WISH = "cancelled_by_participant"
# What is written at one instant: requests, fills, what the ledger and matching answer, bookings.
_RANK = {"submitted": 0, "amended": 0, "cancel_requested": 0, "allocated": 1, "status": 2}
_RANK_OTHERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that an event tells of an order; what the event does not tell is ``None``.

    Attributes:
        kind: As `schemas.life.LifeKind`.
        event_id: Id of the event, ``""`` if it is not known.
        correlation_id: The story that it belongs to.
        cause: Id of the event that caused it.
        topic: Where it was told.
        partition: Its partition.
        offset: Its offset there.
        round_id: Round that it belongs to.
        allocation_id: Allocation that it is.
        counter_order_id: The order on the other side.
        resale_of: Allocation of which it sold on.
        resale_order_id: Order of the same owner at the other end of that.
        entry_id: Entry of the journal that it is.
        leaf_index: Leaf of the entry.
        purpose: What the entry is for.
        version: Version of the terms that it is about.
        state: State that it tells.
        amount: Money that moved or was held.
        held: Money that is held after it.
        chip_hours: Chip-hours that it allocates.
        chip_hours_allocated: Chip-hours allocated in all after it.
        chip_hours_left: Chip-hours that may still trade after it.
        reason: Why.
        occurred_at: When it happened, on the market's clock.
        recorded_at: When it was written, on the wall clock.
    """

    kind: str
    event_id: str = ""
    correlation_id: str = ""
    cause: str = ""
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    round_id: str | None = None
    allocation_id: str | None = None
    counter_order_id: str | None = None
    resale_of: str | None = None
    resale_order_id: str | None = None
    entry_id: str | None = None
    leaf_index: int | None = None
    purpose: str | None = None
    version: int | None = None
    state: OrderState | None = None
    amount: int | None = None
    held: int | None = None
    chip_hours: int = 0
    chip_hours_allocated: int | None = None
    chip_hours_left: int | None = None
    reason: Reason | None = None
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """A happening with where the order stood after it.

    Attributes:
        happening: What happened.
        code: What it is in reports on orders, ``None`` if they do not ask for it.
        version: Version of the terms in force.
        state: State of the order.
        held: Money held for it.
        allocated: Chip-hours allocated in all.
        left: Chip-hours that may still trade, ``None`` before the first verdict.
        told: Chip-hours allocated as the last status told them.
    """

    happening: Happening
    code: str | None = None
    version: int = 1
    state: OrderState = OrderState.ACCEPTED
    held: int = 0
    allocated: int = 0
    left: int | None = None
    told: int = 0


def life_of(happenings: Iterable[Happening]) -> list[Step]:
    """Return an order's life, oldest first.

    Args:
        happenings: All that happened to one order; those of one kind in their own order.
    """
    steps: list[Step] = []
    before: Step | None = None
    for happening in in_order(happenings):
        before = _after(before, happening)
        steps.append(before)
    return steps


def in_order(happenings: Iterable[Happening]) -> list[Happening]:
    """Return happenings by when they were written, causes before effects, statuses by number."""
    found = sorted(happenings, key=_written)
    by_id = {item.event_id: item for item in found if item.event_id}
    statuses = [item for item in found if item.kind == "status"]
    # Offsets of one order's statuses, which are in one partition, go with their numbers.
    statuses.sort(key=lambda item: item.offset or 0)
    earlier = {id(after): before for before, after in pairwise(statuses)}
    placed: set[int] = set()
    result: list[Happening] = []
    for item in found:
        stack, known = [item], {id(item)}
        while stack:
            top = stack[-1]
            first = [one for one in (by_id.get(top.cause), earlier.get(id(top))) if one is not None]
            waiting = [one for one in first if id(one) not in placed and id(one) not in known]
            if waiting:
                known.update(map(id, waiting))
                stack += waiting
                continue
            stack.pop()
            if id(top) not in placed:
                placed.add(id(top))
                result.append(top)
    return result


def _written(item: Happening) -> tuple[datetime, int, int, int]:
    rank = _RANK.get(item.kind, _RANK_OTHERS)
    return (item.recorded_at, rank, item.offset or 0, item.leaf_index or 0)


def _after(before: Step | None, item: Happening) -> Step:
    known = before or Step(item)
    step = replace(known, happening=item, code=_code(known, item))
    if item.held is not None:
        step = replace(step, held=item.held)
    if item.kind == "allocated":
        left = None if known.left is None else max(0, known.left - item.chip_hours)
        return replace(step, allocated=known.allocated + item.chip_hours, left=left)
    if item.kind != "status" or item.state is None:
        return step
    told = known.told if item.chip_hours_allocated is None else item.chip_hours_allocated
    return replace(
        step,
        state=item.state,
        version=item.version or known.version,
        allocated=told,
        told=told,
        left=item.chip_hours_left,
    )


def _code(known: Step, item: Happening) -> str | None:
    if item.kind == "submitted":
        return "NEWO"
    if item.kind != "status" or item.state is None:
        return None
    if item.state == OrderState.REJECTED:
        return "REMO"
    if item.state == OrderState.EXPIRED:
        return "EXPI"
    if item.state == OrderState.CANCELLED:
        own = item.reason is not None and item.reason.code == _OWNERS_WISH
        return "CAME" if own else "CAMO"
    if (item.version or known.version) > known.version:
        return "REME"
    if (item.chip_hours_allocated or 0) > known.told:
        return "FILL" if item.state == OrderState.FILLED else "PARF"
    return None
