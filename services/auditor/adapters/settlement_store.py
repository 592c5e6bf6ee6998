"""Settlements and the entries that they come to, kept until both are there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from services.auditor.adapters.queries import QUERIES
from services.auditor.journal_state import Settling
from suanli.check_settlement import Move

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from services.auditor.journal_state import JournalChanges
    from services.kit.postgres import Conn, Pool


class PostgresSettlementStore:
    """`services.auditor.journal_state.SettlementStore` on Postgres.

    Args:
        pool: Pool of the auditor's schema.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def waiting(self, limit: int) -> list[Settling]:
        """Return the first settlements of each market that were not judged, in order."""
        return [
            Settling(
                market_id=row["market_id"],
                place=row["place"],
                told=json.loads(row["told"]),
                allocation=None if row["allocation"] is None else json.loads(row["allocation"]),
                settled=json.loads(row["settled"] or "{}"),
                premiums=json.loads(row["premiums"] or "{}"),
                terms=None if row["terms"] is None else json.loads(row["terms"]),
                fee_ppm=row["fee_ppm"],
                resale_of=row["resale_of"],
                round=row["round"],
            )
            for row in await self._pool.fetch(QUERIES.settlements_waiting, limit)
        ]

    async def entries(self, entry_ids: Iterable[str]) -> dict[str, tuple[int, Move]]:
        """Return entry id -> (place, movement) of entries that settle something."""
        return _entries(await self._pool.fetch(QUERIES.settling_entries, list(entry_ids)))

    async def entries_before(
        self, market_id: str, place: int, limit: int
    ) -> dict[str, tuple[int, Move]]:
        """Return the first of a market before a place."""
        return _entries(await self._pool.fetch(QUERIES.settling_before, market_id, place, limit))

    async def is_seen(self, entry_ids: Iterable[str], before: int) -> bool:
        """Tell whether one of these entries is before a place."""
        return bool(await self._pool.fetchval(QUERIES.is_seen, list(entry_ids), before))

    async def is_settling(self, allocation_id: str) -> bool:
        """Tell whether a settlement of an allocation waits to be judged."""
        return bool(await self._pool.fetchval(QUERIES.is_settling, allocation_id))

    async def sold_on(
        self, allocation_id: str
    ) -> dict[str, tuple[dict[str, Any], dict[str, list[Any]]]]:
        """Return an allocation and what was sold on of it, each with its settled hours."""
        rows = await self._pool.fetch(QUERIES.sold_on, allocation_id)
        return {
            row["allocation_id"]: (json.loads(row["told"]), json.loads(row["settled"]))
            for row in rows
        }


def _entries(rows: Iterable[asyncpg.Record]) -> dict[str, tuple[int, Move]]:
    return {
        row["entry_id"]: (
            row["leaf_index"],
            Move(row["purpose"], row["debit"], row["credit"], row["amount"]),
        )
        for row in rows
    }


async def put_settlements(conn: Conn, changes: JournalChanges) -> None:
    """Keep what a batch brought of settlements, and drop what was judged.

    Args:
        conn: Connection inside the batch's transaction.
        changes: The batch.
    """
    if changes.closed:
        rounds = [body.round_id for body in changes.closed]
        fees = {body.round_id: body.fee_ppm for body in changes.closed}
        rounds = sorted(set(rounds))
        await conn.execute(QUERIES.put_settling_fee, rounds, [fees[one] for one in rounds])
    for body in changes.terms:
        text = body.model_dump_json()
        await conn.execute(QUERIES.put_settling_terms, body.market_id, body.version, text)
    if changes.settlements:
        await conn.execute(
            QUERIES.put_settlements,
            [body.market_id for _, body in changes.settlements],
            [place for place, _ in changes.settlements],
            [body.model_dump_json() for _, body in changes.settlements],
        )
    if changes.passed:
        await conn.execute(QUERIES.put_settling_passed, sorted(changes.passed))
    if changes.settling:
        rows = list(changes.settling.values())
        await conn.execute(
            QUERIES.put_settling_entries,
            list(changes.settling),
            [market for _, market, _ in rows],
            [place for place, _, _ in rows],
            *(list(column) for column in zip(*(move for _, _, move in rows), strict=True)),
        )
    if changes.settled_hours:
        hours = changes.settled_hours
        texts = [json.dumps(one) for one in hours.values()]
        await conn.execute(QUERIES.put_settled_hours, list(hours), texts)
    if changes.judged:
        columns = map(list, zip(*changes.judged, strict=True))
        await conn.execute(QUERIES.drop_settlements, *columns)
    if changes.matched:
        await conn.execute(QUERIES.drop_settling_entries, sorted(changes.matched))
