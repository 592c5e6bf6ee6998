"""The life of an order and the book of a moment, as the API gives them."""

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from schemas.base import (
    AllocationId,
    ChipHoursOrNone,
    Count,
    Instant,
    Model,
    Money,
    Name,
    OrderId,
    ParticipantId,
    Price,
    ReasonCode,
    RoundId,
    Sha256Hex,
    Slug,
    Version,
)
from schemas.events import Reason
from schemas.orders import DemandTerms, OfferTerms
from schemas.types import OrderState, Side

LifeKind = Literal[
    "submitted",
    "amended",
    "cancel_requested",
    "status",
    "hold_placed",
    "hold_refused",
    "hold_captured",
    "hold_released",
    "capacity_wanted",
    "capacity_held",
    "capacity_refused",
    "allocated",
    "resold",
    "booked",
]
LifeCode = Literal["NEWO", "REME", "CAME", "CAMO", "REMO", "EXPI", "PARF", "FILL"]


class LogPlace(Model):
    """Where a record is on the log."""

    topic: Name
    partition: Annotated[StrictInt, Field(ge=0, le=100_000)]
    offset: Count


class LifeStep(Model):
    """One thing that happened to an order, and where the order stood after it."""

    step: Annotated[StrictInt, Field(ge=1)] = Field(description="From 1, without gaps")
    kind: LifeKind
    code: LifeCode | None = Field(
        description=(
            "In the words of reports on orders: new, replaced or cancelled by its owner, "
            "cancelled by the market, rejected, expired, part-filled, filled"
        )
    )
    event_id: Name | None = Field(description="Id of the event that told it")
    correlation_id: Name | None = Field(description="The story that it belongs to")
    causation_id: Name | None = Field(description="Id of the event that caused it")
    place: LogPlace | None = Field(description="Where it is on the log")
    round_id: RoundId | None
    allocation_id: AllocationId | None
    counter_order_id: OrderId | None = Field(description="The order on the other side of a fill")
    resale_of: AllocationId | None = Field(
        description="Allocation of which this one sold on; null where it sold on none"
    )
    resale_order_id: OrderId | None = Field(
        description="Own order at its other end: the demand that bought, or the offer that sold on"
    )
    entry_id: Name | None = Field(description="Its entry of the journal")
    leaf_index: Count | None = Field(description="Leaf of that entry in the transparency log")
    purpose: ReasonCode | None = Field(description="What the entry is for")
    version: Version = Field(description="Version of the terms in force after it")
    state: OrderState = Field(description="State after it")
    amount: Money | None = Field(description="Money that moved, was held or was freed by it")
    held: Money = Field(description="Money held for the order after it")
    chip_hours: ChipHoursOrNone = Field(description="Chip-hours allocated, or sold on, by it")
    chip_hours_allocated: ChipHoursOrNone = Field(description="Allocated after it, in all")
    chip_hours_left: ChipHoursOrNone | None = Field(
        description="What may still trade after it; null before the first verdict"
    )
    reason: Reason | None
    occurred_at: Instant = Field(description="On the market's clock")
    recorded_at: Instant = Field(description="When it was written, on the writer's wall clock")


class BookOrderView(Model):
    """A live order as it stood at a moment."""

    order_id: OrderId
    participant_id: ParticipantId
    side: Side
    state: OrderState
    version: Version
    in_book: bool = Field(description="Whether a round could give it something then")
    rounds_waited: Count
    price: Price = Field(description="The ask, or the highest limit")
    chip_hours_allocated: ChipHoursOrNone
    chip_hours_left: ChipHoursOrNone
    held: Money
    terms: OfferTerms | DemandTerms


class BookThenView(Model):
    """The book of a market at a moment, rebuilt from the log alone."""

    market_id: Slug
    at: Instant = Field(description="On the market's clock")
    round_id: RoundId = Field(description="The round that sealed it, or the one to come")
    book_digest: Sha256Hex = Field(description="SHA-256 of the rebuilt book's canonical JSON")
    sealed_digest: Sha256Hex | None = Field(description="What the round's seal says; null if none")
    differing: tuple[Name, ...] = Field(
        max_length=20,
        description=(
            "Events whose status does not follow from the log, and rounds up to this one that "
            "sealed another book; empty if the log agrees with itself"
        ),
    )
    offers: Count
    demands: Count
    orders: tuple[BookOrderView, ...] = Field(description="Live orders, in the book or not, by id")
