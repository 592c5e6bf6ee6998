"""Models of policies; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypedDict

from suanli.models.markets import (
    CircuitBreaker,
    DomesticShare,
    LargestShare,
    PriceLimits,
    TradingHalt,
)


class RegionGain(TypedDict):
    """What a region's supply gave and what both sides gained of it."""

    region: str

    chip_hours: int
    """Chip-hours."""

    buyers: int
    """Limit values less payments of what it supplied."""

    sellers: int
    """Revenues less asks of what it supplied."""


class Gains(TypedDict):
    """A clearing's welfare and whose it is."""

    welfare: int
    """Micro-yuan, negative for a loss."""

    welfare_most: int
    """No clearing of this book has more."""

    chip_hours: int
    """Chip-hours."""

    payment: int
    """Of buyers, links included."""

    buyers: int
    """Limit values less payments."""

    sellers: int
    """Revenues less asks."""

    links: int
    """Prices of links less tariffs, for all that is sent."""

    fund: int
    """What is left for policies' own accounts."""
    regions: list[RegionGain]


class ShareBound(TypedDict):
    """Hours in which a largest share kept participants from more, none of them named."""

    policy_id: str
    chip: str

    region: str | None
    """Null: every region of the market."""

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    end: str
    """Exclusive."""

    allowed: int
    """Chips that one participant may have in each hour."""

    participants: int
    """Whom it bound."""

    taken: int
    """Chips that these got in the round in each hour."""

    price: int
    """What a chip more was worth to one of these at most, per chip-hour; nobody pays."""

    demands_kept_out: int
    """That it kept out first in the first of these hours."""


class PolicyCost(TypedDict):
    """What a policy cost in a round: the same book, cleared again without it."""

    policy_id: str

    version: int
    """Version of the order's terms."""
    kind: str

    offers_kept_out: int
    """More than without it; negative for fewer."""
    demands_kept_out: int

    with_it: Gains
    """The round as it was published."""
    without_it: Gains

    cost: int
    """Welfare without it less welfare with it."""

    cost_least: int
    """Micro-yuan, negative for a loss."""

    cost_most: int
    """Micro-yuan, negative for a loss."""

    within_gap: bool
    """The gaps of the two clearings hide the difference."""

    bound: NotRequired[list[ShareBound]]
    """Where a largest share bound, the highest prices if they are many."""


class RoundPolicyCosts(TypedDict):
    """What each policy in force cost in a round."""

    round_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    seq: int

    market_time: str
    """UTC instant, ISO 8601."""

    state: Literal["pending", "ready", "failed", "passed_over"]
    # Worked out after the round, so that it delays none; failed: could not be; passed_over:
    # was not within 1000 rounds.
    costs: NotRequired[list[PolicyCost]]


class PolicySimulationNew(TypedDict):
    """A rule to be tried on past rounds: those of a day, or of a range of numbers."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    rule: PriceLimits | TradingHalt | CircuitBreaker | DomesticShare | LargestShare | None
    """Null: as if the named policy were withdrawn."""

    replaces: NotRequired[str | None]
    """Policy whose place it takes; what rules the same is replaced too."""
    day: NotRequired[str | None]
    from_round: NotRequired[int | None]

    to_round: NotRequired[int | None]
    """The last one."""

    every: NotRequired[int]
    """Take each so many-th round alone; a circuit breaker needs all."""


class SimulationTotals(TypedDict):
    """What a simulation's rounds come to; each was taken by itself."""

    rounds_not_run: int

    cost: int
    """Micro-yuan, negative for a loss."""

    cost_least: int
    """Micro-yuan, negative for a loss."""

    cost_most: int
    """Micro-yuan, negative for a loss."""

    welfare_with: int
    """Micro-yuan, negative for a loss."""

    welfare_without: int
    """Micro-yuan, negative for a loss."""

    buyers_with: int
    """Micro-yuan, negative for a loss."""

    buyers_without: int
    """Micro-yuan, negative for a loss."""

    sellers_with: int
    """Micro-yuan, negative for a loss."""

    sellers_without: int
    """Micro-yuan, negative for a loss."""

    chip_hours_with: int
    """Chip-hours."""

    chip_hours_without: int
    """Chip-hours."""


class PolicySimulationView(TypedDict):
    """A simulation and how far it is."""

    simulation_id: str
    asked: PolicySimulationNew
    asked_by: str

    asked_at: str
    """UTC instant, ISO 8601."""
    state: Literal["waiting", "running", "ready", "failed"]

    cause: NotRequired[str]
    """Why it failed."""

    rounds: int
    """Rounds to be taken."""
    rounds_done: int

    totals: SimulationTotals
    """Of the rounds that are done."""


class ChipPrices(TypedDict):
    """ChipPrices of the contract.

    What a chip class cost on average, micro-yuan per chip-hour rounded down; null: no
    trade.
    """

    chip: str
    with_it: int | None
    without_it: int | None


class SimulatedRound(TypedDict):
    """A past round as it was, and as it would have been under another rule."""

    round_id: str
    seq: int

    state: Literal["cleared", "not_run"]
    """A halt or a pause keeps it from it."""
    cost: PolicyCost
    prices: list[ChipPrices]
