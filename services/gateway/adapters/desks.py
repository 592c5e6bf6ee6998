"""Sums for a trader's pages, from the gateway's own schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.adapters.queries import SQL
from services.gateway.desk_ports import BudgetUse, DaySum, HourSum, SiteSum

if TYPE_CHECKING:
    from datetime import datetime

    from services.kit.postgres import Pool


class PostgresDesks:
    """Sums over orders and allocations.

    Args:
        pool: Reads with the caller's eyes.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def days(self, participant_id: str, since: datetime) -> list[DaySum]:
        """Return what rounds since an instant allocated, by day of delivery, oldest first."""
        return [
            DaySum(**row) for row in await self._pool.fetch(SQL.desk_days, participant_id, since)
        ]

    async def sites(self, participant_id: str, since: datetime) -> list[SiteSum]:
        """Return what was offered and sold since an instant, by pool."""
        found = await self._pool.fetch(SQL.desk_sites, participant_id, since)
        return [SiteSum(**row) for row in found]

    async def hours(self, participant_id: str, first: int, end: int) -> list[HourSum]:
        """Return chips offered and sold in each hour of [first, end)."""
        found = await self._pool.fetch(SQL.desk_hours, participant_id, first, end)
        return [HourSum(**row) for row in found]

    async def budgets(self, participant_id: str) -> tuple[int, int, int]:
        """Return of live demand: how many, how many with a budget, and its sum in micro-yuan."""
        row = await self._pool.fetchrow(SQL.desk_budgets, participant_id)
        assert row is not None
        return row["live"], row["capped"], row["budget"]

    async def budget_use(self, participant_id: str, limit: int) -> list[BudgetUse]:
        """Return live demand with a budget, the newest first."""
        found = await self._pool.fetch(SQL.desk_budget_use, participant_id, limit)
        return [BudgetUse(**row) for row in found]
