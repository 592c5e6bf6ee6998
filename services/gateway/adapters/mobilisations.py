"""Mobilisations in the gateway's schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from schemas.mobilisation import (
    MobilisationDeclared,
    MobilisationDisplaced,
    MobilisationEnded,
    MobilisationProposed,
    MobilisationServed,
    MobilisationState,
    MobilisationTerms,
    MobilisationView,
)
from services.gateway.adapters.queries import SQL

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from schemas.events import Event
    from services.gateway.ports import Sent
    from services.kit.postgres import Conn, Pool

TOLD = (MobilisationProposed, MobilisationDeclared, MobilisationEnded)


class PostgresMobilisations:
    """`services.gateway.mobilisation_ports.Mobilisations` on the gateway's schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, data: Event, at: datetime) -> None:
        """Show what was proposed, declared or withdrawn, told again or not."""
        await _put(self._pool, data, at)

    async def one(self, mobilisation_id: str, now: datetime) -> MobilisationView | None:
        """Return a mobilisation and where it stands at an instant of the market's clock."""
        row = await self._pool.fetchrow(SQL.mobilisations, mobilisation_id, None, None, 1)
        return None if row is None else _view(row, now)

    async def listed(
        self, market_id: str | None, now: datetime, *, before: int | None, limit: int
    ) -> list[tuple[int, MobilisationView]]:
        """Return (sequence, mobilisation), latest first."""
        found = await self._pool.fetch(SQL.mobilisations, None, market_id, before, limit)
        return [(row["seq"], _view(row, now)) for row in found]


async def declared_in(pool: Pool, market_id: str, now: datetime) -> list[MobilisationDeclared]:
    """Return the mobilisations of a market that were declared, and are neither over nor ended."""
    found = await pool.fetch(SQL.mobilisations_declared, market_id, now)
    return [
        MobilisationDeclared(
            mobilisation_id=row["mobilisation_id"],
            market_id=row["market_id"],
            terms=MobilisationTerms.model_validate_json(row["terms"]),
            proposed_by=row["proposed_by"],
            declared_by=row["declared_by"],
        )
        for row in found
    ]


def _view(row: asyncpg.Record, now: datetime) -> MobilisationView:
    terms = MobilisationTerms.model_validate_json(row["terms"])
    return MobilisationView(
        state=_state(row, terms, now),
        terms=terms,
        **{
            name: row[name]
            for name in MobilisationView.model_fields
            if name not in {"state", "terms"}
        },
    )


def _state(row: asyncpg.Record, terms: MobilisationTerms, now: datetime) -> MobilisationState:
    if row["ended_at"] is not None:
        return "cancelled"
    if terms.end <= now:
        return "ended"
    return "proposed" if row["declared_at"] is None else "declared"


async def put_told(conn: Conn, batch: list[Sent]) -> None:
    """Show what was proposed, declared and withdrawn."""
    for sent in batch:
        await _put(conn, sent.envelope.data, sent.envelope.occurred_at)


async def put_served(conn: Conn, batch: list[Sent]) -> None:
    """Show what urgent rounds gave."""
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, MobilisationServed)
        await conn.execute(
            SQL.put_mobilisation_round,
            data.round_id,
            data.mobilisation_id,
            data.market_id,
            data.market_time,
            data.price_cap,
            data.demands,
            data.demands_served,
            data.chip_hours,
            data.reserve_chip_hours,
            data.payment,
            data.price_max,
        )


async def put_displaced(conn: Conn, batch: list[Sent]) -> None:
    """Show what urgent rounds cost other demand."""
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, MobilisationDisplaced)
        await conn.execute(
            SQL.put_mobilisation_displaced,
            data.round_id,
            data.market_id,
            data.market_time,
            list(data.mobilisations),
            data.status,
            data.welfare,
            data.welfare_without,
            data.demands,
            data.chip_hours,
            data.value,
            json.dumps([row.model_dump() for row in data.displaced]),
        )


async def _put(conn: Conn | Pool, data: Event, at: datetime) -> None:
    assert isinstance(data, TOLD)
    own = (data.mobilisation_id, data.market_id)
    if isinstance(data, MobilisationProposed):
        terms = data.terms.model_dump_json()
        await conn.execute(SQL.put_mobilisation_proposed, *own, terms, data.proposed_by, at)
    elif isinstance(data, MobilisationDeclared):
        await conn.execute(SQL.put_mobilisation_declared, *own, data.declared_by, at)
    else:
        await conn.execute(SQL.put_mobilisation_ended, *own, data.ended_by, data.reason, at)
