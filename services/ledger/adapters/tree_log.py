"""The log's tiles, signed heads and cosignatures in Postgres, and what the topic says of them."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.codec import DecodeError, Envelope, decode, derive_id, encode
from schemas.events import Event, FindingRaised, Reason
from schemas.registry import BY_MODEL
from schemas.transparency import CheckpointCosigned, CheckpointSigned
from services.core.tlog.notes import Note, NoteError
from services.kit import tree_store
from services.kit.kafka import LogReader, OutRecord
from services.kit.postgres import append_outbox, assert_lease
from services.ledger.adapters.postgres import LEASE, PASSING, QUERIES
from services.ledger.books import SOURCE
from services.ledger.ports import StoreFailedError
from services.ledger.publisher import Head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from services.core.errors import SettleError
    from services.core.tlog.checkpoints import Cosignature
    from services.kit.postgres import Conn, Pool
    from services.kit.settings import KitSettings

_TOPIC = "checkpoints"
# A beat of 2 s at 20,000 entries a second; what is left comes with the next beat.
_LEAVES_MAX = 50_000
_TEXT_MAX = 1000
# A head and its cosignatures are a few records; the last head is among the last this many.
_LAST_RECORDS = 200


class PostgresTreeLog:
    """`services.ledger.publisher.TreeLog` under the ledger's lease.

    Args:
        pool: Pool of the ledger's schema, in the writer's role.
        epoch: Fencing epoch of the lease.
        origin: Name of the log.
    """

    def __init__(self, pool: Pool, epoch: int, origin: str) -> None:
        self._pool = pool
        self._epoch = epoch
        self._origin = origin

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Conn]:
        try:
            async with self._pool.acquire() as conn, conn.transaction():
                await assert_lease(conn, LEASE, self._epoch)
                yield conn
        except PASSING as error:
            raise StoreFailedError(repr(error)) from error

    async def extend(self) -> int:
        """Take the leaves that were committed since; return the size of the tree.

        Raises:
            NoteError: if a leaf is missing.
        """
        while True:
            async with self._transaction() as conn:
                edge = await tree_store.load_edge(conn)
                rows = await conn.fetch(QUERIES.load_new_leaves, edge.size, _LEAVES_MAX)
                for index, row in enumerate(rows, start=edge.size):
                    if row["idx"] != index:
                        raise NoteError(f"leaf {index} must be there, was missing")
                size = await tree_store.append_leaves(conn, edge, [row["hash"] for row in rows])
                if not rows:
                    last = await conn.fetchval(QUERIES.load_last_leaf)
                    # Leaves that were in the tree and are gone: the log went back.
                    return min(size, 0 if last is None else last + 1)
            if len(rows) < _LEAVES_MAX:
                return size

    async def last_signed(self) -> Head | None:
        """Return the last head that was signed."""
        async with self._transaction() as conn:
            row = await conn.fetchrow(QUERIES.load_last_signed)
        return None if row is None else Head(row["size"], bytes(row["root"]))

    async def signed_note(self, size: int) -> Note:
        """Return the signed head of a size for which there is one."""
        async with self._transaction() as conn:
            return Note.parse(await conn.fetchval(QUERIES.load_signed_note, size))

    async def root_at(self, size: int) -> bytes:
        """Return the root of the first ``size`` entries, computed from the tiles."""
        async with self._transaction() as conn:
            return await tree_store.root_at(conn, size)

    async def consistency(self, old_size: int, size: int) -> Sequence[bytes]:
        """Return the proof from one size to the other, computed from the tiles."""
        async with self._transaction() as conn:
            return await tree_store.consistency_proof(conn, old_size, size)

    async def publish(self, head: Head, note: Note) -> None:
        """Store a signed head and queue its event."""
        event = CheckpointSigned(
            origin=self._origin, size=head.size, root=head.root.hex(), note=str(note)
        )
        async with self._transaction() as conn:
            await conn.execute(QUERIES.add_signed, head.size, head.root, str(note))
            await append_outbox(conn, [_record(event, event.origin, str(event.size), event.root)])

    async def add_cosignature(self, head: Head, cosigned: Cosignature) -> None:
        """Store a witness's cosignature and queue its event; a repeat changes nothing."""
        line = str(cosigned.line())
        event = CheckpointCosigned(
            origin=self._origin,
            size=head.size,
            root=head.root.hex(),
            witness=cosigned.key.name,
            line=line,
        )
        key = str(cosigned.key)
        async with self._transaction() as conn:
            added = await conn.execute(QUERIES.add_cosignature, head.size, key, line)
            if added == "INSERT 0 1":
                await append_outbox(conn, [_record(event, self._origin, str(head.size), key)])

    async def raise_finding(self, error: SettleError) -> None:
        """Queue a finding about the log; the same break gives the same id."""
        event = FindingRaised(
            finding_id=derive_id("ledger", error.code, self._origin, error.allowed, error.value),
            market_id="exchange",
            kind="journal_refuted",
            ok=False,
            summary=Reason(
                code=error.code,
                en=error.message.en[:_TEXT_MAX],
                zh=error.message.zh[:_TEXT_MAX],
                params={"allowed": error.allowed, "value": error.value},
            ),
            problems=(error.message.en[:_TEXT_MAX],),
        )
        async with self._transaction() as conn:
            await append_outbox(conn, [_record(event, event.finding_id)])


async def last_published(settings: KitSettings, origin: str) -> Head | None:
    """Return the last head of a log on the topic, read from its end.

    Raises:
        LogUnavailableError: if the broker does not answer.
    """
    reader = LogReader(settings, (_TOPIC,))
    await reader.start({})
    try:
        ends = await reader.end_offsets()
        await reader.seek({place: max(0, end - _LAST_RECORDS) for place, end in ends.items()})
        last = None
        while any(reader.positions().get(place, 0) < end for place, end in ends.items()):
            for record in await reader.read():
                try:
                    event = decode(record.value, record.headers).data
                except DecodeError:
                    continue
                if not isinstance(event, CheckpointSigned) or event.origin != origin:
                    continue
                if last is None or event.size > last.size:
                    last = Head(event.size, bytes.fromhex(event.root))
        return last
    finally:
        await reader.stop()


def _record(event: Event, *parts: str) -> OutRecord:
    row = BY_MODEL[type(event)]
    now = datetime.now(UTC)
    event_id = derive_id(row.type, *parts)
    envelope = Envelope(
        id=event_id,
        source=SOURCE,
        occurred_at=now,
        recorded_at=now,
        participant_id="exchange",
        correlation_id=event_id,
        causation_id="",
        traceparent="",
        data=event,
    )
    key, value, headers = encode(envelope)
    return OutRecord(row.topic, key, value, headers)
