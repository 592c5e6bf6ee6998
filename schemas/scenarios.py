"""Scenarios: a market, what is sent before each round, and in sentences what must be seen after it.

For people to read and write; `suanli-exchange replay` plays them without any service.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt

from schemas.base import Instant, Model, Name, ParticipantId, Price, Slug
from schemas.market import Market
from schemas.mobilisation import MobilisationTerms
from schemas.policies import PolicyRule
from schemas.shares import PREMIUM_MAX_MICRO_YUAN, BasisPoints, Premium

_ROUNDS_MAX = 1_000
_ROWS_MAX = 100_000
_Amount = Annotated[StrictInt, Field(ge=-(10**17), le=10**17, description="Micro-yuan")]
_Hours = Annotated[StrictInt, Field(ge=0, le=10**12)]


class ScenarioOrder(Model):
    """An offer or a demand: terms as the API takes them, over the scenario's defaults."""

    name: Slug
    by: ParticipantId
    terms: dict[str, Any] = Field(default_factory=dict)


class ScenarioPolicy(Model):
    """The next version of a policy, in force from the round that follows."""

    policy_id: Slug
    rule: PolicyRule | None


class ScenarioMobilisation(Model):
    """A need that is declared before the round."""

    name: Slug
    terms: MobilisationTerms


class ScenarioLink(Model):
    """A link that carries nothing from the next round on."""

    source: Slug
    destination: Slug


class SeeOrders(Model):
    """How orders leave the round."""

    say: Name
    check: Literal["orders"]
    names: Annotated[tuple[Slug, ...], Field(min_length=1)]
    state: Literal["filled", "part-filled", "open", "kept_out", "not_there"]


class SeeServedIn(Model):
    """Where a demand is served."""

    say: Name
    check: Literal["served_in"]
    name: Slug
    regions: tuple[Slug, ...]


class SeeHours(Model):
    """Chip-hours of an order, a region, a chip class or a participant."""

    say: Name
    check: Literal["chip_hours"]
    of: Slug
    at_least: _Hours = 0
    at_most: _Hours = 10**12


class SeePrice(Model):
    """The clearing price of a pool in a period."""

    say: Name
    check: Literal["price"]
    pool: Name
    period: Instant
    at_least: Price = 0
    at_most: Price = 10_000_000_000


class SeeUrgent(Model):
    """Whether the round is a mobilisation's."""

    say: Name
    check: Literal["urgent"]
    mobilisation: Slug | None


class SeeLink(Model):
    """What goes over a link, and whether it is congested: dearer than its tariff somewhere."""

    say: Name
    check: Literal["link"]
    link: Name
    gb_at_least: _Hours = 0
    gb_at_most: _Hours = 10**12
    congested: StrictBool | None = None


class SeeCost(Model):
    """What a policy costs in the round."""

    say: Name
    check: Literal["policy_cost"]
    policy: Slug
    at_least: _Amount
    at_most: _Amount


class SeeShare(Model):
    """What a domestic share came to in the round, and at which premium."""

    say: Name
    check: Literal["share"]
    policy: Slug
    bp_at_least: BasisPoints = 0
    bp_at_most: BasisPoints = 10_000
    premium_at_least: Premium = 0
    premium_at_most: Premium = PREMIUM_MAX_MICRO_YUAN
    kept: StrictBool


class SeePivotal(Model):
    """Whether some pool and period would sell less than it does without a participant's offers."""

    say: Name
    check: Literal["pivotal"]
    participant: ParticipantId
    holds: StrictBool = True


See = Annotated[
    SeeOrders
    | SeeServedIn
    | SeeHours
    | SeePrice
    | SeeUrgent
    | SeeLink
    | SeeCost
    | SeeShare
    | SeePivotal,
    Field(discriminator="check"),
]


class ScenarioRound(Model):
    """What is sent before a round, and what must be seen after it."""

    at: Instant
    policies: tuple[ScenarioPolicy, ...] = ()
    mobilisations: tuple[ScenarioMobilisation, ...] = ()
    cut: tuple[ScenarioLink, ...] = ()
    offers: Annotated[tuple[ScenarioOrder, ...], Field(max_length=_ROWS_MAX)] = ()
    demands: Annotated[tuple[ScenarioOrder, ...], Field(max_length=_ROWS_MAX)] = ()
    see: tuple[See, ...] = ()


class ScenarioDefaults(Model):
    """Terms of every offer and of every demand that its own leave out."""

    offer: dict[str, Any] = Field(default_factory=dict)
    demand: dict[str, Any] = Field(default_factory=dict)


class Scenario(Model):
    """A scenario file."""

    format: Literal["suanli.scenario.v1"]
    title: Name
    about: Name
    market: Market
    defaults: ScenarioDefaults = ScenarioDefaults()
    rounds: Annotated[tuple[ScenarioRound, ...], Field(min_length=1, max_length=_ROUNDS_MAX)]
