"""Erased entries in the gateway's schema: what they said goes from everything that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.erasures import ErasureOrdered, ErasureRefused, ErasureView, JournalEntryErased
from schemas.events import Reason
from services.core.merkle import leaf_hash
from services.core.tlog.openings import is_erased, logged
from services.gateway.adapters import log_tree
from services.gateway.adapters.queries import SQL
from services.gateway.erasure_ports import ErasableEntry

if TYPE_CHECKING:
    import asyncpg

    from services.gateway.ports import Sent
    from services.kit.postgres import Conn, Pool


class PostgresErasures:
    """`services.gateway.erasure_ports.Erasures` on the gateway's schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def entry(self, entry_id: str) -> ErasableEntry | None:
        """Return an entry of the journal, ``None`` if it was not read yet."""
        row = await self._pool.fetchrow(SQL.erasable_entry, entry_id)
        if row is None:
            return None
        content = bytes(row["entry"])
        return ErasableEntry(
            leaf_hash=row["leaf_hash"].hex(),
            purpose=row["purpose"],
            is_salted=logged(content) != content,
            is_erased=is_erased(content),
            is_followed=row["is_followed"],
        )

    async def one(self, erasure_id: str) -> ErasureView | None:
        """Return an order and what became of it."""
        row = await self._pool.fetchrow(SQL.erasure, erasure_id)
        return None if row is None else _view(row)

    async def listed(self, *, before: int | None, limit: int) -> list[tuple[int, ErasureView]]:
        """Return (sequence, order), latest first."""
        found = await self._pool.fetch(SQL.erasures, before, limit)
        return [(row["seq"], _view(row)) for row in found]


def _view(row: asyncpg.Record) -> ErasureView:
    refusal = row["refusal"]
    is_done = row["erased_at"] is not None
    return ErasureView(
        erasure_id=row["erasure_id"],
        entry_id=row["entry_id"],
        state="erased" if is_done else "ordered" if refusal is None else "refused",
        reason=row["reason"],
        ordered_by=row["ordered_by"],
        ordered_at=row["ordered_at"],
        leaf_index=row["leaf_index"],
        commitment=row["commitment"],
        erased_at=row["erased_at"],
        refusal=None if refusal is None else Reason.model_validate_json(refusal),
    )


async def put_ordered(conn: Conn, batch: list[Sent]) -> None:
    """Show orders to erase."""
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, ErasureOrdered)
        told = (data.erasure_id, data.entry_id, data.reason, data.participant_id)
        await conn.execute(SQL.put_erasure_ordered, *told, sent.envelope.occurred_at)


async def put_refused(conn: Conn, batch: list[Sent]) -> None:
    """Show orders to erase that were refused."""
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, ErasureRefused)
        reason = data.reason.model_dump_json()
        await conn.execute(SQL.put_erasure_refused, data.erasure_id, data.entry_id, reason)


async def put_erased(conn: Conn, batch: list[Sent]) -> None:
    """Put what stands in the place of erased entries there, and drop what they said."""
    erased = [
        (data, sent.value)
        for sent in batch
        if isinstance(data := sent.envelope.data, JournalEntryErased)
    ]
    places = [data.leaf_index for data, _ in erased]
    known = {row["leaf_index"] for row in await conn.fetch(SQL.known_leaves, places)}
    # Before the bytes go that say what asked for them.
    await conn.execute(SQL.forget_requests, places)
    await log_tree.put_leaves(conn, batch)
    values = [value for _, value in erased]
    hashes = [leaf_hash(logged(value)) for value in values]
    await conn.execute(SQL.replace_entries, places, values, hashes)
    await conn.execute(SQL.erase_postings, [data.entry_id for data, _ in erased])
    fresh = {
        data.leaf_index: data.occurred_at for data, _ in erased if data.leaf_index not in known
    }
    if fresh:
        await conn.execute(SQL.count_hours, list(fresh), list(fresh.values()))
    for data, _ in erased:
        await conn.execute(
            SQL.put_erasure_done,
            data.erasure_id,
            data.entry_id,
            data.leaf_index,
            data.commitment,
            data.erased_at,
        )
