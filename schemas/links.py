"""Links between zones: their prices in a round, and what demands pay for them."""

from typing import Annotated

from pydantic import Field, StrictInt

from schemas.base import (
    PRICE_MAX_MICRO_YUAN,
    Count,
    Model,
    Money,
    OrderId,
    ParticipantId,
    PeriodStart,
    RoundId,
    Slug,
)
from schemas.events import Event
from schemas.types import HORIZON_PERIODS_MAX

Tariff = Annotated[StrictInt, Field(ge=0, le=10**12, description="Micro-yuan per GB")]
_Gb = Annotated[StrictInt, Field(ge=0, le=10**12, description="GB")]
_GbSum = Annotated[StrictInt, Field(ge=0, le=10**18, description="GB")]
_Periods = Field(min_length=1, max_length=HORIZON_PERIODS_MAX)
LINKS_MAX = 64
"""Links that an event tells of; several events make the whole."""


class LinkPeriod(Model):
    """GB over a link in one period, and their price."""

    start: PeriodStart
    gb: Annotated[StrictInt, Field(ge=1, le=10**9)]
    price: Annotated[
        StrictInt, Field(ge=0, le=PRICE_MAX_MICRO_YUAN, description="Micro-yuan per GB")
    ]


class LinkCharged(Event):
    """What a demand pays for a link in this round: record ``index`` of the round's ``count``.

    Of each GB's price the link's operator gets the tariff, the rest is congestion rent.
    """

    round_id: RoundId
    market_id: Slug
    index: Count
    demand_id: OrderId
    enterprise_id: ParticipantId
    source: Slug
    destination: Slug
    tariff: Tariff
    periods: Annotated[tuple[LinkPeriod, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)]
    payment: Money


class LinkCurve(Model):
    """A link in a round, period by period."""

    source: Slug
    destination: Slug
    tariff: Tariff
    prices: Annotated[tuple[Tariff, ...], _Periods]
    used: Annotated[tuple[_Gb, ...], _Periods] = Field(description="GB that the round gave away")
    capacity: Annotated[tuple[_Gb, ...], _Periods] = Field(description="GB left before the round")


class RoundLinks(Event):
    """Prices and use of some of a round's links (several events make the whole)."""

    round_id: RoundId
    market_id: Slug
    first_period: PeriodStart
    part: Count
    parts: Count
    links: Annotated[tuple[LinkCurve, ...], Field(max_length=LINKS_MAX)]


class LinkPriceView(Model):
    """A link in a period of delivery: as the latest round left it, and over all rounds."""

    market_id: Slug
    source: Slug
    destination: Slug
    period: PeriodStart
    round_id: RoundId = Field(description="Latest round that had the period in its horizon")
    tariff: Tariff
    price: Tariff = Field(description="At least the tariff; what is above it is congestion")
    gb: _Gb = Field(description="GB that the latest round gave away")
    gb_left: _Gb = Field(description="GB left after it")
    gb_total: _GbSum = Field(description="GB given away by all rounds")
    rent_total: Money = Field(description="Congestion rent of all rounds, micro-yuan")


class LinkFlowView(Model):
    """A link over a stretch of periods."""

    source: Slug
    destination: Slug
    gb: _GbSum
    gb_left: _GbSum
    rent: Money
    surcharge_max: Tariff = Field(description="Highest price above the tariff, micro-yuan per GB")
    periods_congested: Count
    periods: Count
