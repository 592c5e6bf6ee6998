"""What the API says an order would get."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from schemas.base import Chips, Count, Model, Money, PeriodStart, PoolName, Price, RoundId, Slug
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
    estimate: StrictBool = Field(
        description="Whether offers above the clearing prices are needed, so that prices would move"
    )
    reason: Reason
