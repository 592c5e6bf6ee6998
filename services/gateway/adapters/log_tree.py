"""The transparency log in the gateway's schema: grown from the topics, never taken on trust.

The gateway reads entries and builds the tree itself, so the ledger's head is served only if its
root is also what the published entries give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import events
from schemas.erasures import JournalEntryErased
from schemas.transparency import CheckpointCosigned, CheckpointSigned
from services.core.merkle import leaf_hash
from services.core.tlog.notes import Note, Signature
from services.core.tlog.openings import logged
from services.gateway.adapters.queries import SQL
from services.gateway.ports import SignedHead
from services.kit import tree_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import asyncpg

    from services.gateway.ports import Sent
    from services.kit.postgres import Conn, Pool

# Bounds what one look at the leaves reads; a batch of records has at most 2,000.
_LEAVES_MAX = 5_000
# The first of them is right unless somebody writes cosignatures that are none.
_HEADS_MAX = 20


class PostgresLog:
    """`services.gateway.ports.LogStore` on the gateway's schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def size(self) -> int:
        """Return how many entries the tree has."""
        return (await tree_store.load_edge(self._pool)).size

    async def signed_head(self, size: int) -> SignedHead | None:
        """Return the latest signed head up to a size, with what witnesses said to it."""
        row = await self._pool.fetchrow(SQL.signed_head, size)
        return None if row is None else await self._with_cosignatures(row)

    async def cosigned_heads(self, size: int, until: int, needed: int) -> list[SignedHead]:
        """Return signed heads in (size, until] with as many cosignatures, nothing verified."""
        rows = await self._pool.fetch(SQL.cosigned_heads, size, until, needed, _HEADS_MAX)
        return [await self._with_cosignatures(row) for row in rows]

    async def _with_cosignatures(self, row: asyncpg.Record) -> SignedHead:
        lines = await self._pool.fetch(SQL.log_cosignatures, row["size"], row["root"])
        cosigned = [Signature.parse(item["line"].removesuffix("\n")) for item in lines]
        note = Note.parse(row["note"]).with_signatures(cosigned)
        return SignedHead(row["size"], bytes.fromhex(row["root"]), note)

    async def forked_at(self) -> int | None:
        """Return the first size for which two roots were published."""
        found: int | None = await self._pool.fetchval(SQL.log_fork)
        return found

    async def tiles(self, names: Iterable[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]:
        """Return the tiles (level, n) that there are, as long as they are now."""
        return await tree_store.read_tiles(self._pool, names)

    async def entries(self, first: int, end: int) -> list[bytes]:
        """Return the canonical bytes of the entries in [first, end) that there are."""
        rows = await self._pool.fetch(SQL.log_entries, first, end)
        return [bytes(row["entry"]) for row in rows]

    async def index_of(self, entry_id: str) -> int | None:
        """Return the place of an entry in the log."""
        found: int | None = await self._pool.fetchval(SQL.leaf_of_entry, entry_id)
        return found


async def put_leaves(conn: Conn, batch: list[Sent]) -> None:
    """Keep entries byte for byte, and grow the tree as far as there is no gap."""
    rows = [
        (data.leaf_index, sent.value, leaf_hash(logged(sent.value)))
        for sent in batch
        if isinstance(data := sent.envelope.data, events.JournalEntryRecorded | JournalEntryErased)
    ]
    await conn.execute(SQL.put_journal, *map(list, zip(*rows, strict=True)))
    while True:
        edge = await tree_store.load_edge(conn)
        found = await conn.fetch(SQL.next_leaves, edge.size, _LEAVES_MAX)
        # Partitions are read side by side, so an entry may come before its predecessor.
        leaves = [
            bytes(row["leaf_hash"])
            for index, row in enumerate(found, start=edge.size)
            if row["leaf_index"] == index
        ]
        await tree_store.append_leaves(conn, edge, leaves)
        if len(leaves) < _LEAVES_MAX:
            return


async def put_heads(conn: Conn, batch: list[Sent]) -> None:
    """Keep heads, signed or not; a second root for a size is kept as a fork."""
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, events.CheckpointPublished)
        if not data.size:
            continue
        note = data.note if isinstance(data, CheckpointSigned) else None
        told_at = sent.envelope.occurred_at
        await conn.execute(SQL.put_log_head, data.size, data.origin, data.root, told_at, note)
        await conn.execute(SQL.put_log_fork, data.size, data.root, note, told_at)


async def put_progress(conn: Conn, batch: list[Sent]) -> None:
    """Keep what the auditor said last; a copy that comes late changes nothing."""
    for sent in batch:
        told = sent.envelope.data.model_dump_json(exclude={"market_id"})
        await conn.execute(SQL.put_audit_progress, told, sent.envelope.occurred_at)


async def put_cosignatures(conn: Conn, batch: list[Sent]) -> None:
    """Keep what witnesses said."""
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, CheckpointCosigned)
        await conn.execute(SQL.put_log_cosignature, data.size, data.root, data.witness, data.line)
