"""What happened on a market's day, from the gateway's schema."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from schemas.shares import RoundShares
from schemas.types import period_of
from services.gateway.adapters.policy_studies import costs_of
from services.gateway.adapters.queries import SQL
from services.gateway.app.convergence_report import LinkDay, PeriodPrice
from services.gateway.app.emergency_report import DisplacedRow, DisplacementRow, EmergencyRow
from services.gateway.app.policy_cost_report import CostRow
from services.gateway.app.report_tables import (
    CaseRow,
    ClockRow,
    FlowRow,
    LetterRow,
    LinkageRow,
    TradeRow,
)

if TYPE_CHECKING:
    from typing import Any

    import asyncpg

    from services.gateway.app.day_reports import DayOf, Timeline
    from services.kit.postgres import Pool

# The far end of the calendar: any round after the day will do.
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)


class PostgresDays:
    """`services.gateway.app.day_reports.Days` on Postgres."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def rounds(self, day: DayOf) -> tuple[int, datetime | None]:
        """Return how many rounds closed on a day, and the market's latest closed round."""
        row = await self._pool.fetchrow(SQL.day_rounds, day.market_id, day.start, day.end)
        later = await self._pool.fetchrow(SQL.day_rounds, day.market_id, day.start, _LATEST)
        assert row is not None, "a count has a row"
        assert later is not None, "a count has a row"
        return row["rounds"], later["latest"]

    async def trades(self, day: DayOf) -> list[TradeRow]:
        """Return what was allocated, by pool, hour and owners."""
        rows = await self._pool.fetch(SQL.day_trades, day.market_id, day.start, day.end)
        return [_made(TradeRow, row) for row in rows]

    async def flows(self, day: DayOf) -> list[FlowRow]:
        """Return what was allocated, by pool and where the demand is."""
        rows = await self._pool.fetch(SQL.day_flows, day.market_id, day.start, day.end)
        return [_made(FlowRow, row) for row in rows]

    async def period_prices(self, day: DayOf) -> list[PeriodPrice]:
        """Return the prices of the day's hours of delivery, by pool."""
        hours = period_of(day.start), period_of(day.end)
        rows = await self._pool.fetch(SQL.day_period_prices, day.market_id, *hours)
        return [_made(PeriodPrice, row) for row in rows]

    async def links(self, day: DayOf) -> list[LinkDay]:
        """Return what was given away of links in the day's hours of delivery."""
        hours = period_of(day.start), period_of(day.end)
        rows = await self._pool.fetch(SQL.link_flows, day.market_id, *hours)
        return [_made(LinkDay, row) for row in rows]

    async def emergencies(self, day: DayOf, limit: int) -> list[EmergencyRow]:
        """Return the urgent rounds."""
        asked = (day.market_id, day.start, day.end, limit)
        found = await self._pool.fetch(SQL.day_emergencies, *asked)
        return [_made(EmergencyRow, row) for row in found]

    async def displacements(self, day: DayOf, limit: int) -> list[DisplacementRow]:
        """Return what urgent rounds cost other demand, by cycle."""
        asked = (day.market_id, day.start, day.end, limit)
        found = await self._pool.fetch(SQL.day_displacements, *asked)
        return [_made(DisplacementRow, row) for row in found]

    async def displaced(self, day: DayOf, limit: int) -> list[DisplacedRow]:
        """Return the demand that got less by urgent rounds."""
        asked = (day.market_id, day.start, day.end, limit)
        found = await self._pool.fetch(SQL.day_displaced, *asked)
        return [_made(DisplacedRow, row) for row in found]

    async def policy_costs(self, day: DayOf, limit: int) -> list[CostRow]:
        """Return what policies cost, by round, of so many rounds at most."""
        asked = (day.market_id, day.start, day.end, limit)
        return [
            CostRow(row["round_id"], row["market_time"], cost)
            for row in await self._pool.fetch(SQL.day_policy_costs, *asked)
            for cost in costs_of(row["body"])
        ]

    async def shares(self, day: DayOf, limit: int) -> list[RoundShares]:
        """Return what domestic shares asked of so many rounds at most, the earliest first."""
        found = await self._pool.fetch(SQL.day_shares, day.market_id, day.start, day.end, limit)
        return [RoundShares.model_validate_json(row["body"]) for row in found]

    async def clock(self, day: DayOf, timeline: Timeline, bound_us: int) -> list[ClockRow]:
        """Return how far stamps were from the market's clock, by source."""
        rows = await self._pool.fetch(
            SQL.day_clock,
            day.market_id,
            day.start,
            day.end,
            timeline.market,
            timeline.real,
            timeline.speed,
            bound_us,
        )
        return [_made(ClockRow, row) for row in rows]

    async def linkage(self, day: DayOf, limit: int) -> tuple[int, list[LinkageRow]]:
        """Return how many events were looked at, and those that lead nowhere."""
        looked_at = await self._pool.fetchval(SQL.day_linked, day.market_id, day.start, day.end)
        rows = await self._pool.fetch(SQL.day_linkage, day.market_id, day.start, day.end, limit)
        return looked_at, [_made(LinkageRow, row) for row in rows]

    async def dead_letters(self, start: datetime, end: datetime, limit: int) -> list[LetterRow]:
        """Return the records that nobody could take, by real instants."""
        rows = await self._pool.fetch(SQL.day_dead_letters, start, end, limit)
        return [_made(LetterRow, row) for row in rows]

    async def cases(self, day: DayOf, limit: int) -> list[CaseRow]:
        """Return the cases of surveillance."""
        rows = await self._pool.fetch(SQL.day_cases, day.market_id, day.day, limit)
        return [_case(row) for row in rows]


def _made(kind: Any, row: asyncpg.Record) -> Any:  # noqa: ANN401 - one of the row types
    return kind(**{item.name: _whole(row[item.name]) for item in fields(kind)})


def _whole(value: object) -> object:
    # A sum of 64-bit numbers is numeric, as it may pass them; it is whole all the same.
    return int(value) if isinstance(value, Decimal) else value


def _case(row: asyncpg.Record) -> CaseRow:
    told = json.loads(row["body"])
    return CaseRow(
        case_id=row["case_id"],
        kind=row["kind"],
        severity=row["severity"],
        state=row["state"],
        revision=row["revision"],
        raised_at=row["raised_at"],
        participants=tuple(told["participants"]),
        evidence_total=told["evidence_total"],
        en=told["summary"]["en"],
        zh=told["summary"]["zh"],
    )
