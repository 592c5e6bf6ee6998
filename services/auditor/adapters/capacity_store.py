"""What is kept of chips: offered, given out, bought and sold on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from schemas.events import OfferSubmitted
from services.auditor.adapters.queries import QUERIES
from suanli.check_capacity import SALES_MAX, Bought, Shared, bought_by

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.auditor.journal_state import JournalChanges
    from services.kit.postgres import Conn, Pool


class PostgresCapacityStore:
    """`services.auditor.journal_state.CapacityStore` on Postgres.

    Args:
        pool: Pool of the auditor's schema.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def offers(self, offer_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """Return all terms that offers had."""
        found: dict[str, list[dict[str, Any]]] = {}
        for row in await self._pool.fetch(QUERIES.offers, list(offer_ids)):
            found.setdefault(row["offer_id"], []).append(json.loads(row["terms"]))
        return found

    async def given(self, offer_ids: Iterable[str]) -> dict[tuple[str, str, str], int]:
        """Return (offer, pool, hour) -> chips given out."""
        rows = await self._pool.fetch(QUERIES.given, list(offer_ids))
        return {(row["offer_id"], row["pool"], row["hour"]): row["chips"] for row in rows}

    async def bought(self, allocation_ids: Iterable[str]) -> dict[str, Bought]:
        """Return what allocations gave, of those that were told."""
        wanted = list(allocation_ids)
        rows = await self._pool.fetch(QUERIES.bought, wanted) if wanted else ()
        return {
            row["allocation_id"]: Bought(
                row["enterprise_id"], row["offer_id"], row["pool"], json.loads(row["hours"])
            )
            for row in rows
        }

    async def sales_through(self, allocation_ids: Iterable[str]) -> dict[str, int]:
        """Return allocation -> sales that its chips came through, itself among them."""
        rows = await self._pool.fetch(QUERIES.sales_through, list(allocation_ids), SALES_MAX)
        return {row["wanted"]: row["sales"] for row in rows}

    async def shared(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Shared]:
        """Return (capacity, hour) -> what was sold of it over all markets."""
        columns = map(list, zip(*places, strict=True))
        rows = await self._pool.fetch(QUERIES.shared, *columns)
        return {(row["capacity"], row["hour"]): Shared(row["sold"], row["most"]) for row in rows}


async def put_capacity(conn: Conn, changes: JournalChanges) -> None:
    """Keep what a batch brought of chips.

    Args:
        conn: Connection inside the batch's transaction.
        changes: The batch.
    """
    if changes.offers:
        bodies = changes.offers
        await conn.execute(
            QUERIES.put_offers,
            [body.order_id for body in bodies],
            [1 if isinstance(body, OfferSubmitted) else body.expected_version + 1
             for body in bodies],
            [body.terms.model_dump_json() for body in bodies],
        )  # fmt: skip
    if changes.bought:
        gave = [bought_by(body.model_dump(mode="json")) for body in changes.bought]
        await conn.execute(
            QUERIES.put_bought,
            [body.allocation_id for body in changes.bought],
            [one.enterprise for one in gave],
            [one.offer for one in gave],
            [one.pool for one in gave],
            [json.dumps(one.hours) for one in gave],
        )
    if changes.given:
        columns = map(list, zip(*changes.given, strict=True))
        await conn.execute(QUERIES.put_given, *columns, list(changes.given.values()))
    if changes.shared:
        columns = map(list, zip(*changes.shared, strict=True))
        sold = changes.shared.values()
        await conn.execute(
            QUERIES.put_shared, *columns, [one.sold for one in sold], [one.most for one in sold]
        )
