"""Models of streams; generated from the contract by `make gen`."""

from typing import Literal, NotRequired, TypedDict

from suanli.models.offers import OrderState, Reason, Side


class OrderStatusTold(TypedDict):
    """Event `status`: an order's state after intake or after a round."""

    order_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    participant_id: str
    side: Side

    version: int
    """Version of the order's terms."""
    state: OrderState
    reason: Reason

    sequence: int
    """Rises by one with every status of the order."""
    round_id: str | None
    chip_hours_allocated: int
    chip_hours_left: int

    occurred_at: str
    """UTC instant, ISO 8601."""


class OrderFillTold(TypedDict):
    """Event `fill`: what a round allocated to an order, once the round is whole."""

    order_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    participant_id: str
    side: Side
    allocation_id: str
    counter_order_id: str
    round_id: str

    pool: str
    """Pool as zone/chip."""

    chip_hours: int
    """Chip-hours."""

    payment: int
    """Micro-yuan."""

    occurred_at: str
    """UTC instant, ISO 8601."""


class StreamReady(TypedDict):
    """Event `ready`: the first of a stream; whoever is cut before the next resumes by its id."""

    stream: Literal["orders", "rounds", "prices"]


class StreamCut(TypedDict):
    """Event `cut`: the exchange ends the stream; connect again with the last id that you saw."""

    reason: Literal["slow", "stopping", "key", "unavailable"]
    en: str
    zh: str


class RoundTold(TypedDict):
    """Event `sealed`, `cleared` or `closed`: a round got that far."""

    round_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    seq: int
    stage: Literal["sealed", "cleared", "closed"]

    market_time: str
    """UTC instant, ISO 8601."""

    next_freeze_at: NotRequired[str | None]
    # From when on orders may only improve; null if the market has no freeze; not if trading
    # is halted or paused.

    next_cut_at: NotRequired[str | None]
    """When the next round takes the book, unless trading is halted or paused."""


class PoolPricesTold(TypedDict):
    """Event `prices`: a round's prices of one pool, hour by hour from `first_period`."""

    round_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    pool: str
    """Pool as zone/chip."""

    first_period: str
    """Start of a period: a full hour, UTC, ISO 8601."""
    prices: list[int]
    chips: list[int]
    offered: list[int]
