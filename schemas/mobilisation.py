"""Urgent mobilisation: a declared need whose demand is served before all other."""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictInt, StringConstraints, model_validator

from schemas.base import (
    ChipHoursOrNone,
    Count,
    Instant,
    Model,
    Money,
    OrderId,
    ParticipantId,
    PeriodStart,
    Price,
    RoundId,
    Sha256Hex,
    SignedMoney,
    Slug,
)
from schemas.events import Event
from schemas.types import HORIZON_PERIODS_MAX, PERIOD_SECONDS

MobilisationId = Annotated[str, StringConstraints(pattern=r"^mob_[a-z2-7]{26}$")]
# A reason is a parameter of sentences that orders leave with, so it is short.
MobilisationReason = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)
]
MobilisationState = Literal["proposed", "declared", "ended", "cancelled"]
DISPLACED_MAX = 100
"""Displaced demand that an event names; the totals count all of it."""


class MobilisationScope(Model):
    """What is needed urgently, where, when, at what price at most, and for whom if you may know."""

    zones: Annotated[tuple[Slug, ...], Field(max_length=64)] = Field(
        default=(), description="Zones that it may use; empty = all"
    )
    regions: Annotated[tuple[Slug, ...], Field(max_length=64)] = Field(
        default=(), description="Zones and regions are united; both empty = everywhere"
    )
    chips: Annotated[tuple[Slug, ...], Field(max_length=64)] = Field(
        default=(), description="Chip classes that it may use; empty = all"
    )
    participants: Annotated[tuple[ParticipantId, ...], Field(max_length=200)] = Field(
        default=(), description="Enterprises that may mark demand urgent; to others, none"
    )
    price_cap: Price = Field(description="Most that urgent demand pays, per chip-hour")
    rank: Annotated[StrictInt, Field(ge=1, le=9)] = Field(
        default=5, description="Served before those of a higher rank"
    )
    start: PeriodStart = Field(description="First period that urgent demand may use")
    end: PeriodStart = Field(description="Exclusive end; the mobilisation ends by itself then")
    reason: MobilisationReason

    @model_validator(mode="after")
    def _check(self) -> Self:
        periods = (self.end.timestamp() - self.start.timestamp()) / PERIOD_SECONDS
        if not 1 <= periods <= HORIZON_PERIODS_MAX:
            msg = f"end: must be 1 to {HORIZON_PERIODS_MAX} hours after start, was {periods:.0f}"
            raise ValueError(msg)
        return self


class MobilisationTerms(MobilisationScope):
    """What is needed urgently, by whom, where, when, and at what price at most."""

    participants: Annotated[tuple[ParticipantId, ...], Field(min_length=1, max_length=200)] = Field(
        description="Enterprises that may mark demand urgent under it"
    )


class MobilisationNew(Model):
    """A need to be declared."""

    market_id: Slug
    terms: MobilisationTerms


class MobilisationEnd(Model):
    """Why a mobilisation ends before its time."""

    reason: MobilisationReason


class MobilisationProposed(Event):
    """A need was stated; nothing follows from it until a second person confirms it."""

    mobilisation_id: MobilisationId
    market_id: Slug
    terms: MobilisationTerms
    proposed_by: ParticipantId


class MobilisationDeclared(Event):
    """From the next round on, urgent demand in scope is served before all other."""

    mobilisation_id: MobilisationId
    market_id: Slug
    terms: MobilisationTerms
    proposed_by: ParticipantId
    declared_by: ParticipantId


class MobilisationEnded(Event):
    """A mobilisation, or the proposal of one, was withdrawn before its end."""

    mobilisation_id: MobilisationId
    market_id: Slug
    ended_by: ParticipantId
    reason: MobilisationReason


class MobilisationServed(Event):
    """What an urgent round gave, in numbers; its round file proves them."""

    mobilisation_id: MobilisationId
    market_id: Slug
    round_id: RoundId
    market_time: Instant
    price_cap: Price
    demands: Count
    demands_served: Count
    chip_hours: ChipHoursOrNone
    reserve_chip_hours: ChipHoursOrNone = Field(
        description="Of these, from mobilisable offers at their mobilisation price"
    )
    payment: Money
    price_max: Price = Field(description="Highest price of a chip-hour that was bought, 0 if none")


class Displaced(Model):
    """Other demand that got less than it would have without the urgent rounds."""

    demand_id: OrderId
    chip_hours: ChipHoursOrNone = Field(description="Chip-hours that it got less")
    value: Money = Field(description="Limit value that it got less")


class MobilisationDisplaced(Event):
    """What urgent rounds cost other demand: the ordinary round against itself without them.

    The book of the ordinary round, with the chips given back that the urgent rounds took, was
    cleared once more. Whoever has the files of these rounds can do the same and compare.
    """

    market_id: Slug
    round_id: RoundId = Field(description="The ordinary round")
    market_time: Instant
    urgent_rounds: Annotated[tuple[RoundId, ...], Field(min_length=1, max_length=64)]
    mobilisations: Annotated[tuple[MobilisationId, ...], Field(min_length=1, max_length=64)]
    status: Literal["optimal", "feasible", "fallback"] = Field(
        description="Of the clearing without urgent rounds; told, not proven, unless optimal"
    )
    welfare: SignedMoney = Field(description="Of the ordinary round")
    welfare_without: SignedMoney = Field(description="Of the same without the urgent rounds")
    book_digest: Sha256Hex = Field(description="Of the book with the chips given back")
    result_digest: Sha256Hex = Field(description="Of its result")
    demands: Count = Field(description="Demand that got less")
    chip_hours: ChipHoursOrNone
    value: Money
    displaced: Annotated[tuple[Displaced, ...], Field(max_length=DISPLACED_MAX)] = Field(
        description="Those that lost most"
    )


class MobilisationView(Model):
    """A mobilisation and where it stands."""

    mobilisation_id: MobilisationId
    market_id: Slug
    state: MobilisationState
    terms: MobilisationScope
    proposed_by: ParticipantId
    proposed_at: Instant
    declared_by: ParticipantId | None = None
    declared_at: Instant | None = None
    ended_by: ParticipantId | None = None
    ended_at: Instant | None = Field(default=None, description="When it was withdrawn")
    ended_reason: MobilisationReason | None = None
    rounds: Count = Field(default=0, description="Urgent rounds that it had so far")
    chip_hours: ChipHoursOrNone = 0
    reserve_chip_hours: ChipHoursOrNone = 0
    payment: Money = 0
