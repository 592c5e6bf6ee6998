"""One frozen model per event: the body (``data``) of each CloudEvent.

Who, when and why an event was made stands in the envelope (`schemas.codec.Envelope`), which
travels in Kafka headers; the value on the topic is the body alone.
"""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, StringConstraints

from schemas.base import (
    AllocationId,
    ChipHoursOrNone,
    Chips,
    Count,
    Instant,
    Model,
    Money,
    Name,
    OrderId,
    ParameterName,
    ParameterValue,
    ParticipantId,
    PeriodStart,
    PoolName,
    Price,
    ReasonCode,
    ResourceCode,
    RoundId,
    Sha256Hex,
    SignedMoney,
    Slug,
    Text,
    Version,
)
from schemas.market import Market
from schemas.orders import DemandTerms, OfferTerms
from schemas.types import HORIZON_PERIODS_MAX, OrderState, Role, Side

Curve = Annotated[
    tuple[Price, ...],
    Field(max_length=HORIZON_PERIODS_MAX, description="One price per period from first_period"),
]


class Event(Model):
    """Base of all event bodies."""


class Reason(Model):
    """Why something is as it is, for programs (code, params) and people (en, zh)."""

    code: ReasonCode
    en: Text
    zh: Text
    params: Annotated[dict[ParameterName, ParameterValue], Field(max_length=16)] = Field(
        default_factory=dict
    )


# --- participants ---------------------------------------------------------------------------


class ParticipantRegistered(Event):
    """A participant was admitted, or its particulars changed."""

    participant_id: ParticipantId
    role: Role
    name: Name
    resource_code: ResourceCode | None = None
    status: Literal["active", "suspended"] = "active"


class DepositRecorded(Event):
    """The operator saw money arrive for a participant."""

    deposit_id: Annotated[str, StringConstraints(pattern=r"^dep_[a-z2-7]{26}$")]
    participant_id: ParticipantId
    amount: Money
    reference: Name


# --- policies -------------------------------------------------------------------------------


class MarketDefined(Event):
    """A market's zones, links, chip classes and round rules, in force from the next round."""

    market: Market


class PolicySet(Event):
    """A policy as free data, as it was before version 2; it has no effect."""

    policy_id: Slug
    market_id: Slug
    kind: Literal["domestic_share", "mobilisation", "guard_rails", "regional_integration"]
    version: Version
    in_force_from_round: Count
    parameters: Annotated[dict[ParameterName, ParameterValue | StrictBool], Field(max_length=64)]
    reason: Text


# --- offers and demand ----------------------------------------------------------------------


class OfferSubmitted(Event):
    """A provider offers capacity."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    terms: OfferTerms


class OfferAmended(Event):
    """A provider replaces the terms of an offer; what is allocated stands."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    expected_version: Version
    terms: OfferTerms


class OrderCancelled(Event):
    """An order is withdrawn; what is allocated stands."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId


class OfferCancelled(OrderCancelled):
    """A provider withdraws an offer."""


class DemandSubmitted(Event):
    """An enterprise asks for capacity."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    terms: DemandTerms


class DemandAmended(Event):
    """An enterprise replaces the terms of what it still wants."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    expected_version: Version
    terms: DemandTerms


class DemandCancelled(OrderCancelled):
    """An enterprise withdraws what it still wants."""


# --- holds ----------------------------------------------------------------------------------


class HoldPlaced(Event):
    """Money is reserved for a version of a demand; it may enter the book."""

    hold_id: Name
    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    version: Version
    amount: Money
    booked_through_seq: Count | None = Field(
        default=None,
        description=(
            "Last round of the market booked before; a capture by a later round is not yet in it"
        ),
    )


class HoldRefused(Event):
    """Money could not be reserved for a version of a demand."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    version: Version
    needed: Money
    free: Money
    reason: Reason


class HoldCaptured(Event):
    """A round took part of a hold into escrow; what is kept is a new hold."""

    hold_id: Name
    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    round_id: RoundId
    captured: Money
    kept: Money
    refunded: Money


class HoldReleased(Event):
    """Money that a demand no longer needs is free again."""

    hold_id: Name
    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    round_id: RoundId
    released: Money
    kept: Money


# --- order status ---------------------------------------------------------------------------


class OrderStatusChanged(Event):
    """An order's state after intake or after a round."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    side: Side
    version: Version
    state: OrderState
    reason: Reason
    sequence: Count = Field(description="Rises by one with every status of the order")
    round_id: RoundId | None = None
    chip_hours_allocated: ChipHoursOrNone = 0
    chip_hours_left: ChipHoursOrNone = 0


# --- rounds ---------------------------------------------------------------------------------


class OffsetRange(Model):
    """A contiguous run of records of one partition, ``end`` exclusive."""

    topic: Name
    partition: Annotated[StrictInt, Field(ge=0, le=100_000)]
    start: Count
    end: Count


class RoundSealed(Event):
    """The book is frozen: exactly these records were taken in since the last round."""

    round_id: RoundId
    market_id: Slug
    seq: Count
    epoch: Count
    market_time: Instant
    manifest: Annotated[tuple[OffsetRange, ...], Field(max_length=64)]
    book_digest: Sha256Hex
    rules_digest: Sha256Hex
    offers: Count
    demands: Count


class RoundCleared(Event):
    """A round's result in numbers; the parts follow."""

    round_id: RoundId
    market_id: Slug
    seq: Count
    market_time: Instant
    status: Literal["optimal", "feasible", "fallback"]
    welfare: SignedMoney
    bound: Money
    gap_ppm: Count
    total_regret: Money
    payment: Money
    chip_hours: ChipHoursOrNone
    chip_hours_domestic: ChipHoursOrNone
    tflops_hours: ChipHoursOrNone
    tflops_hours_domestic: ChipHoursOrNone
    offers: Count
    demands: Count
    demands_filled: Count
    demands_part_filled: Count
    paradoxically_rejected: Count
    allocations: Count
    result_digest: Sha256Hex
    solve_ms: Count


class PoolCurve(Model):
    """A pool's prices, and what was traded and offered there, period by period."""

    pool: PoolName
    prices: Curve
    chips: Annotated[tuple[Count, ...], Field(max_length=HORIZON_PERIODS_MAX)] = ()
    offered: Annotated[tuple[Count, ...], Field(max_length=HORIZON_PERIODS_MAX)] = ()


class RoundPrices(Event):
    """Clearing prices of some of a round's pools (several events make the whole)."""

    round_id: RoundId
    market_id: Slug
    first_period: PeriodStart
    part: Count
    parts: Count
    pools: Annotated[tuple[PoolCurve, ...], Field(max_length=64)]


class RoundFilePart(Event):
    """A piece of the round file ``suanli.round.v1`` (zlib, base64), joined by part."""

    round_id: RoundId
    market_id: Slug
    part: Count
    parts: Annotated[StrictInt, Field(ge=1, le=4096)]
    sha256: Sha256Hex = Field(description="Of the whole file before compression")
    data: Annotated[str, StringConstraints(max_length=60_000, pattern=r"^[A-Za-z0-9+/=]*$")]


# --- allocations ----------------------------------------------------------------------------


class AllocatedPeriod(Model):
    """Chips and price of one period of an allocation."""

    start: PeriodStart
    chips: Chips
    price: Price


class AllocationMade(Event):
    """An offer serves a demand: record ``index`` of the round's ``count``."""

    allocation_id: AllocationId
    round_id: RoundId
    market_id: Slug
    index: Count
    demand_id: OrderId
    enterprise_id: ParticipantId
    demand_version: Version
    offer_id: OrderId
    provider_id: ParticipantId
    offer_version: Version
    pool: PoolName
    alternative: Annotated[StrictInt, Field(ge=0, le=15)]
    periods: Annotated[
        tuple[AllocatedPeriod, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)
    ]
    payment: Money


class HoldAdjusted(Event):
    """After this round's captures, a demand's hold must be ``keep``; 0 releases it."""

    round_id: RoundId
    market_id: Slug
    index: Count
    demand_id: OrderId
    enterprise_id: ParticipantId
    keep: Money
    reason: Reason


class RoundClosed(Event):
    """Last record of a round on ``allocations``: the set is whole if count and digest agree.

    The digest is SHA-256 over the concatenated SHA-256 of the values of records 0..count-1.
    """

    round_id: RoundId
    market_id: Slug
    seq: Count
    count: Count
    digest: Sha256Hex
    market_time: Instant
    fee_ppm: Annotated[StrictInt, Field(ge=0, le=200_000)]
    offers_through: Annotated[tuple[OffsetRange, ...], Field(max_length=8)] = Field(
        description="Records of `offers` that the round had read; capacity is judged by them"
    )
    demand_through: Annotated[tuple[OffsetRange, ...], Field(max_length=8)] = Field(
        default=(),
        description="Records of `demand` that the round had read; holds for later ones stand",
    )


# --- deliveries -----------------------------------------------------------------------------


class DeliveredPeriod(Model):
    """Chips delivered in one period of an allocation."""

    start: PeriodStart
    chips: Annotated[StrictInt, Field(ge=0, le=100_000)]


class DeliveryReported(Event):
    """What a provider delivered of an allocation, period by period."""

    delivery_id: Annotated[str, StringConstraints(pattern=r"^dlv_[a-z2-7]{26}$")]
    allocation_id: AllocationId
    market_id: Slug
    provider_id: ParticipantId
    periods: Annotated[
        tuple[DeliveredPeriod, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)
    ]


# --- journal --------------------------------------------------------------------------------


class PostingMade(Model):
    """One side of a journal entry: signed, debits positive."""

    account: Name
    layer: Literal["posted", "pending"]
    amount: SignedMoney
    balance_after: SignedMoney = Field(
        description="Sum of the account's amounts in this layer so far; what it has is negative"
    )
    account_version: Count = Field(
        default=0, description="Number of the posting on its account, from 1, without gaps"
    )


class JournalEntryRecorded(Event):
    """A transfer was booked; its postings sum to zero per layer.

    The value on the topic is the entry of the transparency log byte for byte, see
    ``docs/reference/journal.md``.
    """

    entry_id: Name
    kind: Literal["single", "hold", "post", "void", "expire", "reversal"]
    purpose: ReasonCode
    market_id: Slug | None = None
    round_id: RoundId | None = None
    order_id: OrderId | None = None
    unit: Name
    amount: Money
    postings: Annotated[tuple[PostingMade, ...], Field(min_length=2, max_length=16)]
    leaf_index: Count
    pending_id: Name | None = Field(default=None, description="The hold that this resolves")
    occurred_at: Instant | None = Field(default=None, description="On the market's clock")
    cause: Name | None = Field(default=None, description="Id of the event that caused it")


class CheckpointPublished(Event):
    """The transparency log's tree head."""

    origin: Name
    size: Count
    root: Sha256Hex


# --- findings -------------------------------------------------------------------------------


class FindingRaised(Event):
    """An auditor's verdict on a round or an entry."""

    finding_id: Name
    market_id: Slug
    round_id: RoundId | None = None
    kind: Literal["round_verified", "round_refuted", "journal_verified", "journal_refuted"]
    ok: StrictBool
    summary: Reason
    problems: Annotated[tuple[Text, ...], Field(max_length=20)] = ()
