"""Chips that an offer shares: reserved by the ledger before it may sell them, freed after."""

from typing import Annotated

from pydantic import Field

from schemas.base import (
    Chips,
    ChipsOrNone,
    Count,
    OrderId,
    ParticipantId,
    PeriodStart,
    Slug,
    Version,
)
from schemas.events import Event, Reason


class CapacityHeld(Event):
    """Chips are reserved for a version of an offer that shares them; it is in force then."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    version: Version
    chips: Chips
    start: PeriodStart = Field(description="First period in which they are reserved")
    end: PeriodStart = Field(description="Exclusive end")


class CapacityRefused(Event):
    """The chips of a version of an offer could not be reserved; the one before stays in force."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    version: Version
    reason: Reason


class CapacityFreed(Event):
    """What an offer may still sell: of its reserved chips all but this and its sales is free.

    Told when an offer leaves the book or is lowered, and when a round has passed hours by.
    """

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    chips: ChipsOrNone
    start: PeriodStart
    end: PeriodStart = Field(description="Exclusive end")
    after_seq: Count = Field(description="Last round of the market that may have sold more of it")


class CapacityWanted(Event):
    """An offer wants more of the capacity that it shares than is reserved for it.

    What is reserved stays so until the ledger has answered, whatever the answer.
    """

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    version: Version = Field(description="Version of the terms that want it")
    capacity: Annotated[str, Field(min_length=1, max_length=300)] = Field(
        description="Name of what is shared: an allocation, or provider/resource/zone/chip"
    )
    chips: Chips = Field(description="Wanted in each period, those that it has among them")
    start: PeriodStart
    end: PeriodStart = Field(description="Exclusive end")
    capacity_chips: Chips | None = Field(
        default=None,
        description="Chips that there are in all; null = what a resale's allocation has",
    )
    asked: Count = Field(description="Number of this request among those of the offer, from 1")
    after_seq: Count = Field(description="Last round of the market that may have sold of it")


class CapacityFreedSince(CapacityFreed):
    """What an offer may still sell, told after all that it asked for by then.

    A copy that comes after a later request takes nothing back of what that one got.
    """

    asked: Count = Field(description="Number of the last request for more, 0 if there was none")


_ABOUT = {
    "order_id": "off_" + "p" * 26,
    "market_id": "jjj-spot",
    "participant_id": "north-cloud",
}
_HOURS = {"start": "2026-11-24T08:00:00Z", "end": "2026-11-24T20:00:00Z"}

CAPACITIES: dict[type[Event], dict[str, object]] = {
    CapacityHeld: {**_ABOUT, **_HOURS, "version": 1, "chips": 512},
    CapacityRefused: {
        **_ABOUT,
        "version": 1,
        "reason": {
            "code": "capacity.taken",
            "en": "512 chips must be free at 2026-11-24T08:00:00Z, was 256 of 768",
            "zh": "2026-11-24T08:00:00Z 需要空闲 512 卡，实际为 768 卡中的 256 卡",
            "params": {"at": "2026-11-24T08:00:00Z", "chips": 768, "left": 256, "wanted": 512},
        },
    },
    CapacityFreed: {**_ABOUT, **_HOURS, "chips": 0, "after_seq": 7},
    CapacityWanted: {
        **_ABOUT,
        **_HOURS,
        "version": 2,
        "capacity": "north-cloud/CN.11.0108.BJ01-910B/bj-haidian-1/ascend-910b",
        "chips": 640,
        "capacity_chips": 768,
        "asked": 1,
        "after_seq": 7,
    },
    CapacityFreedSince: {**_ABOUT, **_HOURS, "chips": 0, "asked": 1, "after_seq": 9},
}
"""Worked examples."""
