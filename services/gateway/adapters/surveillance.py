"""Cases of surveillance in the gateway's schema: written from the log, read by regulators."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING

from schemas.surveillance import (
    CaseChangeView,
    CaseView,
    SurveillanceCaseRaised,
    SurveillanceCaseStateChanged,
)
from services.gateway.adapters.queries import SQL, sql_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.filters import Filter
    from services.gateway.ports import Sent
    from services.kit.postgres import Conn, Pool


async def put_cases(conn: Conn, batch: list[Sent]) -> None:
    """Show cases, each as its latest revision tells it."""
    found = []
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, SurveillanceCaseRaised)
        found.append(
            (
                data.case_id,
                data.market_id,
                date.fromisoformat(data.day),
                data.kind,
                data.severity,
                data.revision,
                data.model_dump_json(),
                sent.envelope.occurred_at,
            )
        )
    await conn.executemany(SQL.put_case, found)


async def put_changes(conn: Conn, batch: list[Sent]) -> None:
    """Show what regulators made of cases, in the order of the log."""
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, SurveillanceCaseStateChanged)
        await conn.execute(
            SQL.put_case_change,
            sent.envelope.id,
            data.case_id,
            data.version,
            data.state,
            data.reason,
            data.changed_by,
            sent.envelope.occurred_at,
        )


class PostgresCases:
    """`services.gateway.app.surveillance.Cases` on Postgres."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def case(self, case_id: str) -> CaseView | None:
        """Return a case with its changes."""
        row = await self._pool.fetchrow(SQL.case, case_id)
        return None if row is None else (await self._views([row]))[0]

    async def cases(
        self,
        *,
        market_id: str | None,
        day: date | None,
        state: str | None,
        kind: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, CaseView]]:
        """Return (sequence, case), latest first."""
        rows = await self._pool.fetch(
            SQL.cases, market_id, day, state, kind, before, limit, sql_of(where)
        )
        views = await self._views(rows)
        return [(row["seq"], view) for row, view in zip(rows, views, strict=True)]

    async def _views(self, rows: Sequence[asyncpg.Record]) -> list[CaseView]:
        changes: dict[str, list[CaseChangeView]] = defaultdict(list)
        for one in await self._pool.fetch(SQL.case_changes, [row["case_id"] for row in rows]):
            fields = {name: one[name] for name in CaseChangeView.model_fields}
            changes[one["case_id"]].append(CaseChangeView(**fields))
        return [_view(row, changes[row["case_id"]]) for row in rows]


def _view(row: asyncpg.Record, changes: Sequence[CaseChangeView]) -> CaseView:
    told = SurveillanceCaseRaised.model_validate_json(row["body"])
    return CaseView(
        **told.model_dump(),
        state=row["state"],
        version=row["state_version"],
        raised_at=row["raised_at"],
        changes=tuple(changes),
    )
