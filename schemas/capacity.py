"""Chips that an offer shares: reserved by the ledger before it enters the book, freed after."""

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
    """Chips are reserved for an offer that shares them; it may enter the book."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    version: Version
    chips: Chips
    start: PeriodStart = Field(description="First period in which they are reserved")
    end: PeriodStart = Field(description="Exclusive end")


class CapacityRefused(Event):
    """The chips of an offer could not be reserved; it does not enter the book."""

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
}
"""Worked examples."""
