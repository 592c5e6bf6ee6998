"""What demands pay for links between zones."""

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
    tariff: Annotated[StrictInt, Field(ge=0, le=10**12, description="Micro-yuan per GB")]
    periods: Annotated[tuple[LinkPeriod, ...], Field(min_length=1, max_length=HORIZON_PERIODS_MAX)]
    payment: Money
