"""Event bodies about money beside demand: payouts, collateral, reversals, terms, settlements."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, StringConstraints

from schemas.base import (
    AllocationId,
    Chips,
    ChipsOrNone,
    Count,
    Model,
    Money,
    Name,
    OrderId,
    ParticipantId,
    PeriodStart,
    Price,
    RoundId,
    Slug,
    Text,
    Version,
)
from schemas.events import Event, Reason
from schemas.types import HORIZON_PERIODS_MAX

FEE_PPM_MAX = 200_000
REPORT_PERIODS_MAX = 720
"""A month: nobody's money waits longer for a report."""

FeePpm = Annotated[StrictInt, Field(ge=0, le=FEE_PPM_MAX, description="Millionths")]
SharePpm = Annotated[StrictInt, Field(ge=0, le=1_000_000, description="Millionths")]
MoneyOrderId = Annotated[str, StringConstraints(pattern=r"^(wdr|col|rev)_[a-z2-7]{26}$")]


class WithdrawalOrdered(Event):
    """The operator pays out money of a participant; the ledger books or refuses it."""

    withdrawal_id: Annotated[str, StringConstraints(pattern=r"^wdr_[a-z2-7]{26}$")]
    participant_id: ParticipantId
    amount: Annotated[Money, Field(gt=0)]
    reference: Name


class CollateralOrdered(Event):
    """A participant's money becomes collateral, or is free again; booked or refused."""

    collateral_id: Annotated[str, StringConstraints(pattern=r"^col_[a-z2-7]{26}$")]
    participant_id: ParticipantId
    direction: Literal["in", "out"]
    amount: Annotated[Money, Field(gt=0)]


class ReversalOrdered(Event):
    """The operator takes a booking back by its mirror image, the only form of correction."""

    reversal_id: Annotated[str, StringConstraints(pattern=r"^rev_[a-z2-7]{26}$")]
    entry_id: Name
    participant_id: ParticipantId = Field(description="Who ordered it")
    reason: Annotated[Text, Field(min_length=1)]


class SettlementTermsSet(Event):
    """What settling a delivery costs whom, for rounds from ``in_force_from_round`` on.

    Terms are never in force backwards: a round that is booked keeps those it was booked under.
    """

    market_id: Slug
    version: Version
    in_force_from_round: Count
    provider_fee_ppm: FeePpm = Field(description="Of what a provider is paid, millionths")
    enterprise_fee_ppm: FeePpm = Field(description="On top of what an enterprise paid, millionths")
    penalty_ppm: SharePpm = Field(
        description="Of the price of what was not delivered, from the provider's collateral"
    )
    compensation_ppm: SharePpm = Field(
        description="Share of the penalty taken from collateral that the enterprise gets"
    )
    report_within_periods: Annotated[StrictInt, Field(ge=1, le=REPORT_PERIODS_MAX)] = Field(
        description="Hours after a period's end in which its delivery can be reported"
    )
    reason: Text


class MoneyRefused(Event):
    """A payout, a move of collateral or a reversal was not booked, and never will be."""

    order_ref: MoneyOrderId
    participant_id: ParticipantId
    amount: Money
    free: Money
    reason: Reason


class SettledPeriod(Model):
    """One period of an allocation, settled for good."""

    start: PeriodStart
    chips: Chips
    delivered: ChipsOrNone
    price: Price


class AllocationSettled(Event):
    """Periods of an allocation were settled, by a report or because none came in time.

    ``paid + refund`` is what those periods had cost. The provider got ``paid - provider_fee``.
    """

    settlement_id: Name
    allocation_id: AllocationId
    market_id: Slug
    round_id: RoundId
    demand_id: OrderId
    enterprise_id: ParticipantId
    provider_id: ParticipantId
    lapsed: StrictBool = Field(description="No report came in time: nothing counts as delivered")
    terms_version: Version | None = Field(description="Null: the market's rules alone")
    periods: Annotated[
        tuple[SettledPeriod, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)
    ]
    paid: Money
    provider_fee: Money
    enterprise_fee: Money
    refund: Money
    penalty: Money
    compensation: Money
    provider_owes: Money = Field(description="Part of the penalty that collateral did not cover")
    enterprise_owes: Money = Field(description="Part of the enterprise's fee that was not free")
