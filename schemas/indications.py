"""Indications: what the next round would do with the book of now. They promise nothing."""

from typing import Annotated

from pydantic import Field, StrictInt

from schemas.base import Count, Instant, Model, OrderId, PeriodStart, PoolName, Price, Slug

Ppm = Annotated[StrictInt, Field(ge=0, le=1_000_000)]


class IndicativePriceView(Model):
    """What a chip-hour would cost if the book stayed as it was."""

    market_id: Slug
    pool: PoolName
    period: PeriodStart
    price: Price
    low: Price = Field(description="Lowest of all books that were cleared for the indication")
    high: Price = Field(description="Highest of all books that were cleared for the indication")
    seq: Count = Field(description="Number of the round to come")
    as_of: Instant


class LikelihoodView(Model):
    """How likely the next round fills an order, as its book stood."""

    order_id: OrderId
    market_id: Slug
    seq: Count = Field(description="Number of the round to come")
    as_of: Instant
    filled_ppm: Ppm = Field(
        description="Likelihood, in millionths, that all is filled that the round can give"
    )
    share_ppm: Ppm = Field(description="Share of it that is expected to be filled, in millionths")
    books: Count = Field(description="Books that it is taken from")
