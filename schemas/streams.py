"""What the streams of the API tell: one model for the data of each kind of event."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import (
    AllocationId,
    ChipHours,
    Count,
    Instant,
    Model,
    Money,
    OrderId,
    ParticipantId,
    PeriodStart,
    PoolName,
    RoundId,
    Slug,
    Version,
)
from schemas.events import Reason
from schemas.types import HORIZON_PERIODS_MAX, OrderState, Side

CURSOR_PATTERN = r"^[0-9a-f]{8}-(0|[1-9][0-9]{0,17})$"
StreamCursor = Annotated[
    str, Field(pattern=CURSOR_PATTERN, description="Id of an event of a stream; opaque")
]


class OrderStatusTold(Model):
    """Event `status`: an order's state after intake or after a round."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    side: Side
    version: Version
    state: OrderState
    reason: Reason
    sequence: Count = Field(description="Rises by one with every status of the order")
    round_id: RoundId | None
    chip_hours_allocated: Count
    chip_hours_left: Count
    occurred_at: Instant


class OrderFillTold(Model):
    """Event `fill`: what a round allocated to an order, once the round is whole."""

    order_id: OrderId
    market_id: Slug
    participant_id: ParticipantId
    side: Side
    allocation_id: AllocationId
    counter_order_id: OrderId
    round_id: RoundId
    pool: PoolName
    chip_hours: ChipHours
    payment: Money
    occurred_at: Instant


class RoundTold(Model):
    """Event `sealed`, `cleared` or `closed`: a round got that far.

    Its allocations and prices can be read once it is closed.
    """

    round_id: RoundId
    market_id: Slug
    seq: Count
    stage: Literal["sealed", "cleared", "closed"]
    market_time: Instant
    next_freeze_at: Instant | None = Field(
        default=None,
        description="From when on orders may only improve; null if the market has no freeze; "
        "not if trading is halted or paused",
    )
    next_cut_at: Instant | None = Field(
        default=None,
        description="When the next round takes the book, unless trading is halted or paused",
    )


class PoolPricesTold(Model):
    """Event `prices`: a round's prices of one pool, hour by hour from `first_period`."""

    round_id: RoundId
    market_id: Slug
    pool: PoolName
    first_period: PeriodStart
    prices: Annotated[tuple[Count, ...], Field(max_length=HORIZON_PERIODS_MAX)]
    chips: Annotated[tuple[Count, ...], Field(max_length=HORIZON_PERIODS_MAX)]
    offered: Annotated[tuple[Count, ...], Field(max_length=HORIZON_PERIODS_MAX)]


class StreamReady(Model):
    """Event `ready`: the first of a stream; whoever is cut before the next resumes by its id."""

    stream: Literal["orders", "rounds", "prices"]


class StreamCut(Model):
    """Event `cut`: the exchange ends the stream; connect again with the last id that you saw."""

    reason: Literal["slow", "stopping", "key", "unavailable"]
    en: str
    zh: str


STREAM_MODELS: tuple[type[Model], ...] = (
    OrderStatusTold,
    OrderFillTold,
    RoundTold,
    PoolPricesTold,
    StreamReady,
    StreamCut,
)
