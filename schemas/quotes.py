"""What the API says an order would get."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from schemas.base import (
    Chips,
    Count,
    Model,
    Money,
    PeriodStart,
    PoolName,
    Price,
    RoundId,
    SignedMoney,
    Slug,
)
from schemas.events import Reason

QUOTED_PERIODS_MAX = 20_000
"""168 periods in some 100 pools."""


class QuotedPeriod(Model):
    """Chips of a pool in a period."""

    pool: PoolName
    period: PeriodStart
    chips: Chips
    price: Price = Field(description="Micro-yuan per chip-hour")


class QuotedLink(Model):
    """GB over a link in a period."""

    source: Slug
    destination: Slug
    period: PeriodStart
    gb: Annotated[StrictInt, Field(ge=0, le=10**12, description="GB")]
    price: Price = Field(description="Micro-yuan per GB, at least the tariff")


class QuotedShare(Model):
    """What a largest share leaves the account that asks, where that is least."""

    policy: Slug
    chip: Slug
    pool: PoolName
    period: PeriodStart
    share: Count = Field(description="Chips that one account may have there in all")
    held: Count = Field(description="Chips of the class that it has already")
    wanted: Count = Field(description="Most chips that its other open orders could get")
    asked: Count = Field(description="Chips that the demand would take, were there no rule")
    left: StrictInt = Field(
        ge=-(2**53),
        le=2**53,
        description="What all of that leaves of the share; below 0, the orders compete for it",
    )


class QuoteView(Model):
    """What a demand would get and cost, at the prices and with the chips that a round left.

    Nothing is placed and nothing is promised: the next round clears all orders together.
    """

    market_id: Slug
    round_id: RoundId = Field(description="Round that the quote rests on, the latest with a file")
    state: Literal["filled", "part-filled", "open"]
    alternative: Count | None = Field(description="Which alternative would be used")
    periods: Annotated[tuple[QuotedPeriod, ...], Field(max_length=QUOTED_PERIODS_MAX)]
    links: Annotated[tuple[QuotedLink, ...], Field(max_length=QUOTED_PERIODS_MAX)] = Field(
        default=(), description="What its data and traffic would take of links"
    )
    chip_hours: Count
    cost: Money = Field(description="What it would pay, links included, micro-yuan")
    value: Money = Field(description="The same at its limit, micro-yuan")
    hold: Money = Field(description="What placing it would reserve, micro-yuan")
    free: SignedMoney | None = Field(
        default=None,
        description="What open orders leave of the caller's money, micro-yuan; null for those who "
        "have none, and in a dry run, whose `hold` tells it",
    )
    largest_share: QuotedShare | None = Field(
        default=None, description="What largest shares leave the caller; null if none rules it"
    )
    estimate: StrictBool = Field(
        description="Whether offers above the clearing prices are needed, so that prices would move"
    )
    reason: Reason
