"""The ledger's own leaves, read as the regulator of its schema and held against the auditor's.

Whoever owns the ledger's database can rewrite an entry with every hash above it. The copy that
the auditor made when the entry was published does not change with it, and so names the entry.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import asyncpg

from services.auditor.adapters.queries import QUERIES
from services.auditor.journal_state import ErasureSeen, Found
from services.core.tlog.openings import is_commitment
from services.kit.postgres import connect

if TYPE_CHECKING:
    from pydantic import SecretStr

    from services.auditor.adapters.journal_store import PostgresJournalStore

LEAVES_A_STEP = 5_120
_FOUND_MAX = 20


class LedgerLeaves:
    """Looks at one stretch of the ledger's leaves after the other.

    Args:
        dsn: Database; the user may act as the regulator of the ledger's schema.
        schema: Schema of the ledger.
        store: Where the auditor's own leaf hashes are.
    """

    def __init__(self, dsn: str | SecretStr, schema: str, store: PostgresJournalStore) -> None:
        self._dsn = dsn
        self._schema = schema
        self._store = store
        self._next = 0

    async def step(self, size: int) -> tuple[list[Found], list[ErasureSeen]]:
        """Compare the next stretch, and past the last entry begin anew.

        Args:
            size: Entries that the auditor has checked.

        Returns:
            What is wrong, and what was erased, by whomever.

        Raises:
            asyncpg.PostgresError: if the ledger's leaves may not be read.
        """
        first = self._next if self._next < size else 0
        end = min(size, first + LEAVES_A_STEP)
        self._next = end
        if first == end:
            return [], []
        rows = await self._read(first, end)
        kept = await self._store.hashes(range(first, end))
        held = {row["idx"]: row for row in rows}
        found = []
        for index, leaf in kept.items():
            row = held.get(index)
            if row is None:
                problem = f"entry {index}: was published, the ledger's database has it no more"
            elif _leaf(row["entry"]) != leaf or row["hash"] != leaf:
                problem = f"entry {index}: the ledger's database holds another than was published"
            else:
                continue
            found.append(Found("journal.rewritten", str(index), (problem,), {"leaf_index": index}))
        erased = [
            ErasureSeen(row["idx"], row["erasure_id"], row["hash"].hex())
            for row in rows
            if row["is_closed"] and is_commitment(row["entry"])
        ]
        return found[:_FOUND_MAX], erased

    async def _read(self, first: int, end: int) -> list[asyncpg.Record]:
        conn = await connect(self._dsn, self._schema)
        try:
            async with conn.transaction(readonly=True):
                role = f"{self._schema}_regulator"
                if await conn.fetchval(QUERIES.may_be, role):
                    await conn.execute(f'SET LOCAL ROLE "{role}"')
                rows: list[asyncpg.Record] = await conn.fetch(QUERIES.ledger_leaves, first, end)
                return rows
        finally:
            await conn.close()


def _leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()
