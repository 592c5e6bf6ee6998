"""What policies cost: in a round that was run under them, and in past rounds if one had been set.

A cost is a difference of two clearings, and each is proven only to within its gap. So it comes
with the least and the most that it can be; between them lies nought where the gap hides it.
"""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt, StringConstraints

from schemas.base import ChipHoursOrNone, Count, Instant, Model, RoundId, Slug, Version

REGIONS_MAX = 256
COSTS_MAX = 256
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
    state: Literal["pending", "ready", "failed"] = Field(
        description="Worked out after the round, so that it delays none; failed: not to be had"
    )
    costs: Annotated[tuple[PolicyCost, ...], Field(max_length=COSTS_MAX)] = ()
