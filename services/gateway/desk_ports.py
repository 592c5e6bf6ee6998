"""What a trader's pages need of the world: sums over its own orders and allocations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class DaySum:
    """What is delivered to or by a participant on a day of Beijing time.

    Attributes:
        day: Its first instant.
        chip_hours: What was allocated for it.
        amount: At clearing prices, micro-yuan.
    """

    day: datetime
    chip_hours: int
    amount: int


@dataclass(frozen=True, slots=True)
class SiteSum:
    """What a provider offered and sold in a pool.

    Attributes:
        zone: The campus.
        chip: The chip class.
        offered: Chip-hours of its offers, refused ones left out.
        sold: Chip-hours of its allocations.
        delivered: Chip-hours of them that it reported as delivered.
        revenue: At clearing prices, micro-yuan.
    """

    zone: str
    chip: str
    offered: int
    sold: int
    delivered: int
    revenue: int


@dataclass(frozen=True, slots=True)
class HourSum:
    """A provider's chips in an hour.

    Attributes:
        period: The hour.
        offered: Chips of offers that are or were in the book for it and were not withdrawn.
        sold: Chips that are allocated in it.
    """

    period: int
    offered: int
    sold: int


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What a live demand with a budget has come to.

    Attributes:
        order_id: The demand.
        budget: Of its terms in force, micro-yuan.
        held: What the ledger holds for it.
        spent: At clearing prices, over all rounds.
        chip_hours_allocated: What it was given.
        chip_hours_left: What it still wants.
    """

    order_id: str
    budget: int
    held: int
    spent: int
    chip_hours_allocated: int
    chip_hours_left: int


class Desks(Protocol):
    """Sums over what one participant may see."""

    async def days(self, participant_id: str, since: datetime) -> list[DaySum]:
        """Return what rounds since an instant allocated, by day of delivery, oldest first."""
        ...

    async def sites(self, participant_id: str, since: datetime) -> list[SiteSum]:
        """Return what was offered and sold since an instant, by pool."""
        ...

    async def hours(self, participant_id: str, first: int, end: int) -> list[HourSum]:
        """Return chips offered and sold in each hour of [first, end)."""
        ...

    async def budgets(self, participant_id: str) -> tuple[int, int, int]:
        """Return of live demand: how many, how many with a budget, and its sum in micro-yuan."""
        ...

    async def budget_use(self, participant_id: str, limit: int) -> list[BudgetUse]:
        """Return live demand with a budget, the newest first."""
        ...
