"""Publishing the journal: the leaves are their own outbox, sent in the order of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.kit.postgres import Relay
from services.kit.telemetry import METRICS
from services.ledger.adapters.postgres import QUERIES
from services.ledger.books import SOURCE
from services.ledger.journal import Erased, Published, erased_records, journal_records

if TYPE_CHECKING:
    from services.kit.outbox import Writer
    from services.kit.postgres import Pool

# Entries are at most a few kilobytes; more at once only makes a crash repeat more.
_ENTRIES_MAX = 1_000
_ERASURES_MAX = 1_000


class JournalRelay(Relay):
    """Sends journal entries, each at least once, and keeps how far it has come.

    Entries commit with the bookings that they tell of, so that nothing is to be kept beside them.
    One that was erased before it was sent is never sent. What stands in the place of an erased one
    is sent after it, by the same hand, so that it is the later record of their key.

    Args:
        pool: Pool of the ledger's schema, in the writer's role.
        writer: Log to send to, started.
    """

    def __init__(self, pool: Pool, writer: Writer) -> None:
        super().__init__()
        self._pool = pool
        self._writer = writer
        self._sent = METRICS.counter("ledger_entries_sent_total", "Journal entries published")

    async def relay_once(self) -> int:
        """Send and mark the next entries, at most 1,000; return how many.

        Raises:
            SendUnknownError: if not all were acknowledged; none is marked.
        """
        rows = await self._pool.fetch(QUERIES.load_unsent, _ENTRIES_MAX)
        if not rows:
            return await self._relay_erased()
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
        await self._writer.send_many(journal_records(entries, SOURCE))
        await self._pool.execute(QUERIES.mark_sent, first, last + 1)
        self._sent.inc(len(entries))
        if len(rows) < _ENTRIES_MAX:
            await self._relay_erased()
        return len(rows)

    async def _relay_erased(self) -> int:
        rows = await self._pool.fetch(QUERIES.load_unsent_erasures, _ERASURES_MAX)
        if rows:
            erased = [Erased(**dict(row)) for row in rows]
            await self._writer.send_many(erased_records(erased, SOURCE))
            await self._pool.execute(QUERIES.mark_erasures_sent, erased[-1].seq)
        return len(rows)
