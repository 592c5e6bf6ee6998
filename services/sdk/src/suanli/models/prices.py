"""Models of prices; generated from the contract by `make gen`."""

from typing import NotRequired, TypedDict


class PriceView(TypedDict):
    """Price of a pool in a period: latest, and over all rounds that priced it."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    pool: str
    """Pool as zone/chip."""

    period: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    price: int
    """Micro-yuan per chip-hour, on the tick."""

    chips: int
    """Chips traded in the round that set the price."""

    offered: int
    """Chips offered in the round that set the price."""
    round_id: str

    low: int
    """Micro-yuan per chip-hour, on the tick."""

    high: int
    """Micro-yuan per chip-hour, on the tick."""

    average: NotRequired[int | None]
    """Weighted by chips traded, rounded down; null if none were."""

    chips_total: int
    """Chips traded in this period, all rounds."""


class DepthLevel(TypedDict):
    """Chips at a price."""

    price: int
    """Micro-yuan per chip-hour, on the tick."""
    chips: int
    orders: int


class PoolDepth(TypedDict):
    """What is on offer in a pool, and which demand could use it."""

    pool: str
    """Pool as zone/chip."""
    offers: int

    offered_chips: int
    """Sum over open offers, as stated in their terms."""

    asks: list[DepthLevel]
    """Cheapest first, at most 20 levels."""

    demands: int
    """Open demands that may use this pool."""

    limits: list[DepthLevel]
    """Dearest first, at most 20 levels; a demand counts in every pool it may use."""


class BookView(TypedDict):
    """The open orders of a market in numbers."""

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    offers: int
    demands: int

    demands_waiting: int
    """Accepted, waiting for their hold."""
    pools: list[PoolDepth]
