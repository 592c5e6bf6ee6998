"""What policies cost: in a round that was run under them, and in past rounds if one had been set.

A cost is a difference of two clearings, and each is proven only to within its gap. So it comes
with the least and the most that it can be; between them lies nought where the gap hides it.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StringConstraints, model_validator

from schemas.base import (
    ChipHoursOrNone,
    Count,
    Instant,
    Model,
    ParticipantId,
    PeriodStart,
    RoundId,
    Slug,
    Text,
    Version,
)
from schemas.funds import Day
from schemas.policies import PolicyRule, RoundNumber

REGIONS_MAX = 256
COSTS_MAX = 256
BOUND_MAX = 500
"""Rows that tell where a largest share bound."""
SIMULATED_ROUNDS_MAX = 1_000
"""Rounds that one simulation clears again at most."""
COSTED_ROUNDS = 1_000
"""So many rounds of a market may pass before what policies cost in one is not worked out."""
_Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_Change = Annotated[StrictInt, Field(ge=-(10**9), le=10**9)]
# A book's sums of money leave the range of one order's; they stay within 64 bits.
Amount = Annotated[
    StrictInt, Field(ge=-(2**63) + 1, le=2**63 - 1, description="Micro-yuan, negative for a loss")
]


class RegionGain(Model):
    """What a region's supply gave and what both sides gained of it."""

    region: _Text
    chip_hours: ChipHoursOrNone
    buyers: Amount = Field(description="Limit values less payments of what it supplied")
    sellers: Amount = Field(description="Revenues less asks of what it supplied")


class Gains(Model):
    """A clearing's welfare and whose it is."""

    welfare: Amount
    welfare_most: Amount = Field(description="No clearing of this book has more")
    chip_hours: ChipHoursOrNone
    payment: Amount = Field(description="Of buyers, links included")
    buyers: Amount = Field(description="Limit values less payments")
    sellers: Amount = Field(description="Revenues less asks")
    links: Amount = Field(description="Prices of links less tariffs, for all that is sent")
    fund: Amount = Field(description="What is left for policies' own accounts")
    regions: Annotated[tuple[RegionGain, ...], Field(max_length=REGIONS_MAX)]


class ShareBound(Model):
    """Hours in which a largest share kept participants from more, none of them named."""

    policy_id: _Text
    chip: _Text
    region: _Text | None = Field(description="Null: every region of the market")
    start: PeriodStart
    end: PeriodStart = Field(description="Exclusive")
    allowed: ChipHoursOrNone = Field(description="Chips that one participant may have in each hour")
    participants: Count = Field(description="Whom it bound")
    taken: ChipHoursOrNone = Field(description="Chips that these got in the round in each hour")
    price: Amount = Field(
        description="What a chip more was worth to one of these at most, per chip-hour; nobody pays"
    )
    demands_kept_out: Count = Field(
        description="That it kept out first in the first of these hours"
    )


class PolicyCost(Model):
    """What a policy cost in a round: the same book, cleared again without it."""

    policy_id: _Text
    version: Version
    kind: _Text
    offers_kept_out: _Change = Field(description="More than without it; negative for fewer")
    demands_kept_out: _Change
    with_it: Gains = Field(description="The round as it was published")
    without_it: Gains
    cost: Amount = Field(description="Welfare without it less welfare with it")
    cost_least: Amount
    cost_most: Amount
    within_gap: StrictBool = Field(description="The gaps of the two clearings hide the difference")
    bound: Annotated[tuple[ShareBound, ...], Field(max_length=BOUND_MAX)] = Field(
        default=(), description="Where a largest share bound, the highest prices if they are many"
    )


class ChipPrices(Model):
    """What a chip class cost on average, micro-yuan per chip-hour rounded down; null: no trade."""

    chip: _Text
    with_it: Amount | None
    without_it: Amount | None


class SimulatedRound(Model):
    """A past round as it was, and as it would have been under another rule."""

    round_id: RoundId
    seq: Count
    state: Literal["cleared", "not_run"] = Field(description="A halt or a pause keeps it from it")
    cost: PolicyCost
    prices: Annotated[tuple[ChipPrices, ...], Field(max_length=1_000)]


class RoundPolicyCosts(Model):
    """What each policy in force cost in a round."""

    round_id: RoundId
    market_id: Slug
    seq: Count
    market_time: Instant
    state: Literal["pending", "ready", "failed", "passed_over"] = Field(
        description=(
            "Worked out after the round, so that it delays none; failed: could not be; "
            f"passed_over: was not within {COSTED_ROUNDS} rounds"
        )
    )
    costs: Annotated[tuple[PolicyCost, ...], Field(max_length=COSTS_MAX)] = ()


# --- simulations ----------------------------------------------------------------------------

SimulationId = Annotated[str, StringConstraints(pattern=r"^sim_[a-z2-7]{26}$")]


class PolicySimulationNew(Model):
    """A rule to be tried on past rounds: those of a day, or of a range of numbers."""

    market_id: Slug
    rule: PolicyRule | None = Field(description="Null: as if the named policy were withdrawn")
    replaces: Slug | None = Field(
        default=None, description="Policy whose place it takes; what rules the same is replaced too"
    )
    day: Day | None = None
    from_round: RoundNumber | None = None
    to_round: RoundNumber | None = Field(default=None, description="The last one")
    every: Annotated[StrictInt, Field(ge=1, le=1_000)] = Field(
        default=1, description="Take each so many-th round alone; a circuit breaker needs all"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.rule is None and self.replaces is None:
            raise ValueError("rule: must be a rule unless replaces names a policy, was null")
        rounds = self.from_round is not None and self.to_round is not None
        ends = (self.from_round, self.to_round)
        if (self.day is None) != rounds or (self.day is not None and ends != (None, None)):
            raise ValueError("day: must be a day, or from_round and to_round, was neither or both")
        return self


class SimulationTotals(Model):
    """What a simulation's rounds come to; each was taken by itself."""

    rounds_not_run: Count
    cost: Amount
    cost_least: Amount
    cost_most: Amount
    welfare_with: Amount
    welfare_without: Amount
    buyers_with: Amount
    buyers_without: Amount
    sellers_with: Amount
    sellers_without: Amount
    chip_hours_with: ChipHoursOrNone
    chip_hours_without: ChipHoursOrNone


class PolicySimulationView(Model):
    """A simulation and how far it is."""

    simulation_id: SimulationId
    asked: PolicySimulationNew
    asked_by: ParticipantId
    asked_at: Instant
    state: Literal["waiting", "running", "ready", "failed"]
    cause: Text = Field(default="", description="Why it failed")
    rounds: Count = Field(description="Rounds to be taken")
    rounds_done: Count
    totals: SimulationTotals = Field(description="Of the rounds that are done")
