"""Models of allocations; generated from the contract by `make gen`."""

from typing import NotRequired, TypedDict


class AllocatedPeriod(TypedDict):
    """Chips and price of one period of an allocation."""

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""

    chips: int
    """Whole chips."""

    price: int
    """Micro-yuan per chip-hour, on the tick."""


class DeliveredPeriod(TypedDict):
    """Chips delivered in one period of an allocation."""

    start: str
    """Start of a period: a full hour, UTC, ISO 8601."""
    chips: int


class AllocationView(TypedDict):
    """Capacity of an offer given to a demand."""

    allocation_id: str
    round_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    demand_id: str
    enterprise_id: str
    offer_id: str
    provider_id: str

    pool: str
    """Pool as zone/chip."""
    periods: list[AllocatedPeriod]

    payment: int
    """Micro-yuan."""

    made_at: str
    """UTC instant, ISO 8601."""
    delivered: NotRequired[list[DeliveredPeriod]]

    resale_of: NotRequired[str | None]
    """What its offer sells on; to the seller and those who see all."""

    resold: NotRequired[list[str]]
    """What was sold on of it; to its buyer and those who see all."""
