"""What happened to an order, from the gateway's own schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.events import Reason
from schemas.types import OrderState
from services.core.order_life import Happening
from services.gateway.adapters.queries import SQL

if TYPE_CHECKING:
    import asyncpg

    from services.kit.postgres import Pool


class PostgresLives:
    """Lives of orders."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def owner(self, order_id: str) -> str | None:
        """Return whose order it is, refused ones too."""
        found: str | None = await self._pool.fetchval(SQL.life_owner, order_id)
        return found

    async def happenings(self, order_id: str, limit: int) -> list[Happening]:
        """Return all that happened to an order, at most so many of each kind."""
        told = await self._pool.fetch(SQL.life_events, order_id, limit)
        fills = await self._pool.fetch(SQL.life_fills, order_id, limit)
        resales = await self._pool.fetch(SQL.life_resales, order_id, limit)
        entries = await self._pool.fetch(SQL.life_entries, order_id, limit)
        sold = [_fill(row, "resold") for row in resales]
        return [*map(_told, told), *map(_fill, fills), *sold, *map(_entry, entries)]


def _told(row: asyncpg.Record) -> Happening:
    return Happening(
        kind=row["kind"],
        event_id=row["event_id"],
        correlation_id=row["correlation"],
        cause=row["cause"],
        topic=row["log_topic"],
        partition=row["log_partition"],
        offset=row["log_offset"],
        round_id=row["round_id"],
        version=row["version"],
        state=row["state"] and OrderState(row["state"]),
        amount=row["amount"],
        held=row["held"],
        chip_hours_allocated=row["chip_hours_allocated"],
        chip_hours_left=row["chip_hours_left"],
        reason=row["reason"] and Reason.model_validate_json(row["reason"]),
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
    )


def _fill(row: asyncpg.Record, kind: str = "allocated") -> Happening:
    return Happening(
        kind=kind,
        event_id=row["event_id"] or "",
        correlation_id=row["correlation"],
        topic="allocations",
        partition=row["log_partition"],
        offset=row["log_offset"],
        round_id=row["round_id"],
        allocation_id=row["allocation_id"],
        counter_order_id=row["counter_order_id"],
        resale_of=row["resale_of"],
        resale_order_id=row["resale_order_id"],
        amount=row["payment"],
        chip_hours=row["chip_hours"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
    )


def _entry(row: asyncpg.Record) -> Happening:
    return Happening(
        kind="booked",
        cause=row["cause"] or "",
        round_id=row["round_id"],
        entry_id=row["entry_id"],
        leaf_index=row["leaf_index"],
        purpose=row["purpose"],
        amount=row["amount"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
    )
