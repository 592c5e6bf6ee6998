"""Policies: the rules that a regulator sets for a market, as typed, versioned data.

A version is never edited: the next one takes its place from a stated round on, and one without a
rule withdraws the policy. What is in force is sealed into the book of every round.
"""

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from schemas.base import (
    ChipHours,
    Count,
    Instant,
    Model,
    Money,
    ParticipantId,
    Price,
    RoundId,
    Slug,
    Text,
    Version,
)
from schemas.events import Event
from schemas.shares import PREMIUM_MAX_MICRO_YUAN

RoundNumber = Annotated[StrictInt, Field(ge=1, le=10**12, description="Number of a round")]
BREAKER_ROUNDS_MAX = 24
PolicyReason = Annotated[Text, Field(min_length=1, description="Why, for everybody to read")]


class PriceLimits(Model):
    """The lowest ask and the highest ask, limit and clearing price of a chip class."""

    kind: Literal["price_limits"]
    chip: Slug | None = Field(default=None, description="Every chip class if left out")
    floor: Price = 0
    cap: Price


class TradingHalt(Model):
    """No round is run while it is in force; orders are taken, and the next round calls them all."""

    kind: Literal["trading_halt"]


class CircuitBreaker(Model):
    """Pauses the market when a round's prices are too far from those of the rounds before it."""

    kind: Literal["circuit_breaker"]
    chip: Slug | None = Field(default=None, description="Every chip class together if left out")
    move_bp: StrictInt = Field(
        ge=1, le=100_000, description="Rise or fall that is borne, in hundredths of a percent"
    )
    rounds: StrictInt = Field(
        default=12, ge=1, le=BREAKER_ROUNDS_MAX, description="Rounds looked back on"
    )
    pause_s: StrictInt = Field(ge=1, le=86_400, description="Seconds without a round")
    chip_hours_min: ChipHours = Field(
        default=1, description="Chip-hours traded again below which nothing is compared"
    )


class DomesticShare(Model):
    """Least share of the TFLOPS-hours allocated in a region that domestic chips supply.

    Kept by a premium: imported supply is charged, domestic supply credited. At the cap of the
    premium the share may be missed; what is missed is counted over rounds.
    """

    kind: Literal["domestic_share"]
    region: Slug | None = Field(default=None, description="Every region if left out")
    share_bp: StrictInt = Field(ge=1, le=10_000, description="Of 10,000 for all")
    premium_max: StrictInt = Field(
        ge=1, le=PREMIUM_MAX_MICRO_YUAN, description="Micro-yuan per TFLOPS-hour"
    )


class LargestShare(Model):
    """The largest share of a chip class that one participant may get in any period of a round.

    Of the chips that the offers of a round have in the region, rounded up. It binds who buys.
    """

    kind: Literal["largest_share"]
    chip: Slug | None = Field(default=None, description="Each chip class by itself if left out")
    region: Slug | None = Field(default=None, description="All regions together if left out")
    share_bp: StrictInt = Field(ge=0, le=10_000, description="Of 10,000 for all")
    chips_free: StrictInt = Field(
        default=0, ge=0, le=1_000_000, description="Chips that everybody may have in any case"
    )


PolicyRule = Annotated[
    PriceLimits | TradingHalt | CircuitBreaker | DomesticShare | LargestShare,
    Field(discriminator="kind"),
]
PolicyState = Literal["coming", "in_force", "past"]


class MarketPolicySet(Event):
    """A version of a policy: in force from the round named on, withdrawn if it has no rule."""

    market_id: Slug
    policy_id: Slug
    version: Version
    in_force_from_round: RoundNumber
    rule: PolicyRule | None
    reason: PolicyReason
    set_by: ParticipantId


class MarketPaused(Event):
    """A circuit breaker paused a market after a round; orders are taken, no round is run."""

    market_id: Slug
    round_id: RoundId
    seq: Count
    policy_id: Slug
    version: Version
    chip: Slug | None = None
    chip_hours: ChipHours = Field(description="Traded again, of hours that were traded before")
    value: Money = Field(description="What they cost in this round")
    reference: Money = Field(description="What they would have cost at the prices they last had")
    move_bp: StrictInt = Field(ge=1, le=100_000, description="What the policy bears")
    since: Instant
    until: Instant


class PolicyNew(Model):
    """The next version of a policy, as a regulator sets it."""

    market_id: Slug
    policy_id: Slug
    version: Version = Field(description="One more than the latest version in this market")
    in_force_from_round: RoundNumber | None = Field(
        default=None, description="The next round if left out"
    )
    rule: PolicyRule | None = Field(description="Null withdraws the policy")
    reason: PolicyReason


class PolicyView(Model):
    """A version of a policy, and whether it is in force."""

    policy: MarketPolicySet
    state: PolicyState
    set_at: Instant
