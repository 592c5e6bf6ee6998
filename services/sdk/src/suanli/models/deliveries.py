"""Models of deliveries; generated from the contract by `make gen`."""

from typing import TypedDict

from suanli.models.allocations import DeliveredPeriod


class DeliveryNew(TypedDict):
    """What a provider delivered of an allocation; each period is told once."""

    allocation_id: str
    periods: list[DeliveredPeriod]
