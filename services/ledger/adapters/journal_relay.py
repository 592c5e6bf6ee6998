"""Publishing the journal: the leaves are their own outbox, sent in the order of the log."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from services.kit.errors import SendUnknownError
from services.kit.postgres import Relay, lease_left_s
from services.kit.telemetry import METRICS
from services.ledger.adapters.postgres import LEASE, QUERIES
from services.ledger.books import SOURCE
from services.ledger.journal import Erased, Published, erased_records, journal_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.kit.outbox import Writer
    from services.kit.postgres import Pool
    from services.kit.records import OutRecord

# Entries are at most a few kilobytes; more at once only makes a crash repeat more.
_ENTRIES_MAX = 1_000
_ERASURES_MAX = 1_000


class JournalRelay(Relay):
    """Sends journal entries, each at least once, and keeps how far it has come.

    Entries commit with the bookings that they tell of, so that nothing is to be kept beside them.
    One that was erased before it was sent is never sent. What stands in the place of an erased one
    is sent after it, by the same hand, so that it is the later record of their key.

    So it must be one hand. A relay that stood still while another took the lease would send what
    it had read, and with it what was erased since. It therefore sends only within the time for
    which the lease was its own when it read, and throws away what is not sent by then. That time
    goes on while the process stands still; what is left is the time between the last look at the
    clock and the network.

    Args:
        pool: Pool of the ledger's schema, in the writer's role.
        writer: Log to send to, started.
        epoch: Fencing epoch of the ledger's lease; ``None`` where there is no other relay.
    """

    def __init__(self, pool: Pool, writer: Writer, *, epoch: int | None) -> None:
        super().__init__()
        self._pool = pool
        self._writer = writer
        self._epoch = epoch
        self._sent = METRICS.counter("ledger_entries_sent_total", "Journal entries published")

    async def relay_once(self) -> int:
        """Send and mark the next entries, at most 1,000; return how many.

        Raises:
            SendUnknownError: if not all were acknowledged, or in time; none is marked.
            StaleWriterError: if another holds the lease.
        """
        until = await self._lease_until()
        rows = await self._pool.fetch(QUERIES.load_unsent, _ENTRIES_MAX)
        if not rows:
            return await self._relay_erased(until)
        first, last = rows[0]["idx"], rows[-1]["idx"]
        assert last - first + 1 == len(rows), f"a gap between {first} and {last}"
        entries = [
            Published(
                row["id"],
                row["opening"],
                row["occurred_at"],
                row["recorded_at"],
                row["order_id"],
                row["cause"],
            )
            for row in rows
            if row["opening"] is not None
        ]
        await self._send(journal_records(entries, SOURCE), until)
        await self._pool.execute(QUERIES.mark_sent, first, last + 1)
        self._sent.inc(len(entries))
        if len(rows) < _ENTRIES_MAX:
            await self._relay_erased(until)
        return len(rows)

    async def _lease_until(self) -> float:
        """Return until when, by this process's clock, nobody else can have the lease."""
        if self._epoch is None:
            return math.inf
        asked_at = time.monotonic()
        return asked_at + await lease_left_s(self._pool, LEASE, self._epoch)

    async def _send(self, records: Sequence[OutRecord], until: float) -> None:
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise SendUnknownError("journal-entries", "not sent, the lease had run out")
        await self._writer.send_many(records, within_s=left_s)

    async def _relay_erased(self, until: float) -> int:
        rows = await self._pool.fetch(QUERIES.load_unsent_erasures, _ERASURES_MAX)
        if rows:
            erased = [Erased(**dict(row)) for row in rows]
            await self._send(erased_records(erased, SOURCE), until)
            await self._pool.execute(QUERIES.mark_erasures_sent, erased[-1].seq)
        return len(rows)
