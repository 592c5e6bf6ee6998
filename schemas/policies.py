"""Policies: the rules that a regulator sets for a market, as typed, versioned data.

A version is never edited: the next one takes its place from a stated round on, and one without a
rule withdraws the policy. What is in force is sealed into the book of every round.
"""

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from schemas.base import Instant, Model, ParticipantId, Price, Slug, Text, Version
from schemas.events import Event

RoundNumber = Annotated[StrictInt, Field(ge=1, le=10**12, description="Number of a round")]
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


PolicyRule = Annotated[PriceLimits | TradingHalt, Field(discriminator="kind")]
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
