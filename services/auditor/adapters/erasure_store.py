"""Orders to erase and erasures, in the auditor's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.auditor.adapters.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.auditor.journal_state import ErasureSeen, JournalChanges
    from services.kit.postgres import Conn


async def put_erased(conn: Conn, erased: Iterable[ErasureSeen]) -> None:
    """Keep erasures, each once, and do not ask again about those that have their order."""
    rows = list(erased)
    await conn.execute(
        QUERIES.put_erased,
        [row.leaf_index for row in rows],
        [row.erasure_id for row in rows],
        [row.leaf_hash for row in rows],
    )
    await conn.execute(QUERIES.settle_erasures, [])


async def put_erasures(conn: Conn, changes: JournalChanges) -> None:
    """Keep what a batch says about erasures, and which of them have their order now."""
    if changes.ordered:
        pairs = sorted(changes.ordered)
        await conn.execute(
            QUERIES.put_ordered, [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        )
    if changes.erased:
        await put_erased(conn, changes.erased)
    if changes.ordered or changes.erased or changes.unordered:
        await conn.execute(QUERIES.settle_erasures, changes.unordered)
