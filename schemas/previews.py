"""What the API says an order would come to, if it were placed now."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from schemas.base import (
    Count,
    Model,
    Money,
    OrderId,
    PeriodStart,
    PoolName,
    Price,
    RoundId,
    SignedMoney,
    Slug,
)
from schemas.events import Reason
from schemas.quotes import QuoteView
from schemas.types import HORIZON_PERIODS_MAX, Side

# 64 zones and 64 chip classes, and the budget.
_UNFIT_MAX = 129
_POOLS_MAX = 4_096


class UnfitView(Model):
    """A zone, a chip class or a budget that does not serve an alternative."""

    kind: Literal["zone", "chip", "budget"]
    name: str = Field(max_length=64, description="The zone or chip class; empty for the budget")
    reason: Reason


class FitView(Model):
    """Where an alternative could be served. An offer has one, its own pool."""

    alternative: Count
    pools: Annotated[tuple[PoolName, ...], Field(max_length=_POOLS_MAX)]
    unfit: Annotated[tuple[UnfitView, ...], Field(max_length=_UNFIT_MAX)] = ()


class HoldPreview(Model):
    """What a demand would reserve, against what is free."""

    amount: Money = Field(description="What it would reserve, micro-yuan: the most it can cost")
    held: Money = Field(default=0, description="What is reserved for it already, if it is amended")
    free: SignedMoney = Field(
        description="Free balance; in a bulk, less what the lines before would reserve"
    )
    is_covered: StrictBool = Field(description="Whether amount - held is free")


class SoldPeriod(Model):
    """What an offer's pool cost in a period, by the last round."""

    period: PeriodStart
    price: Price = Field(description="Micro-yuan per chip-hour")
    is_in_the_money: StrictBool = Field(description="Whether it traded at the ask or above")


class OfferQuote(Model):
    """What an offer would have earned at the prices of the last round; nothing is promised."""

    round_id: RoundId
    chip_hours: Count = Field(
        description="At most sold: its chips in the periods whose price reached the ask"
    )
    revenue: Money = Field(description="What they would have earned, micro-yuan, before fees")
    periods: Annotated[tuple[SoldPeriod, ...], Field(max_length=HORIZON_PERIODS_MAX)]


class OrderPreview(Model):
    """What an order would come to; nothing was stored, written or claimed."""

    side: Side
    market_id: Slug
    order_id: OrderId | None = Field(default=None, description="The order that would be amended")
    fits: tuple[FitView, ...]
    hold: HoldPreview | None = Field(default=None, description="Of a demand")
    quote: QuoteView | None = Field(
        default=None, description="Of a demand; null before the market's first round"
    )
    offer_quote: OfferQuote | None = Field(default=None, description="Of an offer; the same")
