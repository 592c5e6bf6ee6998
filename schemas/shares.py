"""Domestic shares: the premium of a round, what offers pay and receive by it, what was settled."""

from typing import Annotated

from pydantic import Field, StrictInt

from schemas.base import (
    AllocationId,
    Count,
    Instant,
    Model,
    Money,
    ParticipantId,
    PeriodStart,
    RoundId,
    Slug,
    Version,
)
from schemas.events import Event
from schemas.types import HORIZON_PERIODS_MAX

PREMIUM_MAX_MICRO_YUAN = 10_000_000
"""Ten yuan per TFLOPS-hour: a chip of 300 TFLOPS would cost thousands an hour."""

Premium = Annotated[
    StrictInt, Field(ge=0, le=PREMIUM_MAX_MICRO_YUAN, description="Micro-yuan per TFLOPS-hour")
]
BasisPoints = Annotated[StrictInt, Field(ge=0, le=10_000, description="Of 10,000 for all")]
TflopsHours = Annotated[StrictInt, Field(ge=0, le=2**63 - 1, description="TFLOPS-hours")]
SHARES_MAX = 64
"""Domestic shares of a market that are told of a round."""
_PremiumMoney = Annotated[
    StrictInt,
    Field(ge=-(10**17), le=10**17, description="Micro-yuan received; a charge is negative"),
]


class PremiumPeriod(Model):
    """What an allocation's provider receives for one period beside the price."""

    start: PeriodStart
    amount: _PremiumMoney


class PremiumAssigned(Event):
    """What the premiums of a round mean for an allocation: record ``index`` of its ``count``.

    Due as chips are delivered; a charge is also due for those that are not.
    """

    round_id: RoundId
    market_id: Slug
    index: Count
    allocation_id: AllocationId
    provider_id: ParticipantId
    periods: Annotated[
        tuple[PremiumPeriod, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)
    ]
    amount: _PremiumMoney = Field(description="Of all periods")


class ShareOfRound(Model):
    """What a domestic share asked of a round, and what came of it."""

    policy_id: Slug
    version: Version
    region: Slug | None = Field(description="Null: every region of the market")
    share_bp: BasisPoints = Field(description="Least share, of 10,000 for all")
    premium_max: Premium
    premium: Premium = Field(description="0 if the share came by itself")
    premium_certified: Premium = Field(description="Of the certificate's bound")
    split_bp: BasisPoints = Field(description="Part of the premium that imported asks rose by")
    tflops_hours: TflopsHours
    tflops_hours_domestic: TflopsHours
    shortfall: TflopsHours = Field(description="Missed, at the cap of the premium")
    account: TflopsHours = Field(description="Missed by rounds so far and not made good since")
    charges: Money = Field(description="What imported supply pays")
    credits: Money = Field(description="What domestic supply receives, at most the charges")


class RoundShares(Event):
    """What domestic shares asked of a round; none is told where no policy asks one."""

    round_id: RoundId
    market_id: Slug
    seq: Count
    market_time: Instant
    shares: Annotated[tuple[ShareOfRound, ...], Field(min_length=1, max_length=SHARES_MAX)]


class PremiumSettled(Event):
    """What of a premium was paid and received when periods of an allocation were settled."""

    settlement_id: Annotated[str, Field(min_length=1, max_length=128)]
    allocation_id: AllocationId
    market_id: Slug
    round_id: RoundId
    enterprise_id: ParticipantId
    provider_id: ParticipantId
    credit: Money = Field(description="Out of the policy fund, for delivered domestic chips")
    charge: Money = Field(description="For delivered imported chips")
    charge_missed: Money = Field(description="For imported chips that were not delivered")
    owes: Money = Field(description="Part of what was missed that collateral did not cover")


class ShareView(Model):
    """A domestic share in a round."""

    market_id: Slug
    round_id: RoundId
    seq: Count
    market_time: Instant
    share: ShareOfRound
