"""The outbox: records commit with the state that they tell of and are sent afterwards.

Numbers are given out by one locked row, so that their order is the order of the commits and
no number is ever skipped: a reader that passes number n has seen everything before it. (A
sequence gives numbers before commit, and commits overtake each other.)
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import math
import time
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from services.kit.errors import SendUnknownError
from services.kit.logging import get_logger
from services.kit.pgconnect import LOST_ERRORS
from services.kit.records import OutRecord
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    import asyncpg

    from services.kit.pgtypes import Conn, Pool
    from services.kit.records import Headers, Receipt

# 500 records of at most 64 KiB are 32 MiB in memory.
_BATCH_ROWS_MAX = 500
_POLL_S = 0.25
_PAUSE_S_MAX = 5.0
_PRUNE_EVERY_S = 600.0
_PASSING: tuple[type[Exception], ...] = (SendUnknownError, *LOST_ERRORS)

_quoted = json.encoder.encode_basestring
_NUMBER = "UPDATE outbox_head SET next_seq = next_seq + $1 RETURNING next_seq - $1"
_UNSENT = """
SELECT seq, topic, key, headers, value FROM outbox
WHERE sent_at IS NULL ORDER BY seq LIMIT $1
"""
_MARK = """
UPDATE outbox SET sent_at = clock_timestamp()
WHERE seq BETWEEN $1 AND $2 AND sent_at IS NULL
"""
_PRUNE = "DELETE FROM outbox WHERE sent_at < clock_timestamp() - $1::interval"


class Writer(Protocol):
    """What the relay needs of a log."""

    async def send_many(
        self, records: Sequence[OutRecord], *, within_s: float | None = None
    ) -> list[Receipt]:
        """Write in order; return when all are acknowledged, else raise SendUnknownError."""
        ...


async def append_outbox(conn: Conn, rows: Sequence[OutRecord]) -> range:
    """Add records in the caller's transaction; they are sent after it commits.

    Appending locks the outbox until the transaction ends, so append last.

    Returns:
        The numbers of the rows, without gaps from 1 over the life of the outbox.
    """
    if not rows:
        return range(0)
    first: int | None = await conn.fetchval(_NUMBER, len(rows))
    assert first is not None, "outbox_head must have its row"
    await conn.copy_records_to_table(
        "outbox",
        records=[
            (first + n, row.topic, row.key, headers_to_json(row.headers), row.value)
            for n, row in enumerate(rows)
        ],
        columns=["seq", "topic", "key", "headers", "value"],
    )
    return range(first, first + len(rows))


async def prune_outbox(conn: Conn, older_than: timedelta) -> int:
    """Delete rows that were sent longer ago than this; return how many."""
    done = await conn.execute(_PRUNE, older_than)
    return int(done.removeprefix("DELETE "))


def headers_to_json(headers: Headers) -> str:
    """Return headers as JSON: ``[name, text]``, or Base64 where that is no text for Postgres.

    ``[name, null, base64]`` if only the value is none, ``[null, base64, base64]`` if the name
    is none: a name in a dead letter is whatever a stranger wrote.
    """
    return f"[{', '.join([_pair_json(name, raw) for name, raw in headers])}]"


# Most headers of a batch are the same in every record.
@lru_cache(maxsize=4096)
def _pair_json(name: str, raw: bytes) -> str:
    # Written directly: a list of lists through json.dumps takes five times as long, per record.
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    # Postgres's jsonb cannot hold U+0000.
    if "\0" in name:
        return f'[null, "{_base64(name.encode())}", "{_base64(raw)}"]'
    if "\0" in text:
        return f'[{_quoted(name)}, null, "{_base64(raw)}"]'
    return f"[{_quoted(name)}, {_quoted(text)}]"


def headers_from_json(text: str) -> Headers:
    """Return the headers that `headers_to_json` wrote, byte for byte."""
    return tuple(_pair(found) for found in json.loads(text))


def _pair(found: list[str | None]) -> tuple[str, bytes]:
    name, text, *packed = found
    if packed:
        raw = base64.b64decode(packed[0] or "")
        return (base64.b64decode(text or "").decode() if name is None else name), raw
    assert name is not None
    assert text is not None
    return name, text.encode()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


class Relay(ABC):
    """Sends what a database holds, in its order, each record at least once.

    Args:
        poll_s: Seconds between looks at the table when nobody calls `wake`.
    """

    def __init__(self, *, poll_s: float = _POLL_S) -> None:
        self._poll_s = poll_s
        self._woken = asyncio.Event()
        self._log = get_logger("kit.outbox")

    def wake(self) -> None:
        """Look at the table now; call it after a commit that appended rows."""
        self._woken.set()

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Relay until ``stop`` is set or the task is cancelled.

        An unknown outcome, or a database that is lost for a while, is tried again after a pause
        that doubles up to 5 s.

        Raises:
            SendRefusedError: if a row can never be sent; the outbox stands still at it.
        """
        stop = stop or asyncio.Event()
        pause_s = self._poll_s
        while not stop.is_set():
            self._woken.clear()
            try:
                sent = await self.relay_once()
            except _PASSING as error:
                self._log.warning("outbox not sent, will send again", error=repr(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _PAUSE_S_MAX)
                continue
            pause_s = self._poll_s
            if sent == 0:
                await self._wait(stop)

    @abstractmethod
    async def relay_once(self) -> int:
        """Send and mark the next unsent rows; return how many.

        Raises:
            SendUnknownError: if not all were acknowledged; none is marked.
            SendRefusedError: if a row can never be sent; none is marked.
        """

    async def _wait(self, stop: asyncio.Event) -> None:
        waiters = [asyncio.ensure_future(event.wait()) for event in (stop, self._woken)]
        try:
            await asyncio.wait(waiters, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiter


class OutboxRelay(Relay):
    """Sends the outbox's rows in the order of their numbers, each at least once.

    A row is marked only after its acknowledgement. A crash between the two sends it again,
    with the same bytes.

    Args:
        pool: Pool of the service's schema.
        writer: Log to send to, started.
        poll_s: Seconds between looks at the table when nobody calls `wake`.
        keep: How long rows stay after they were sent; None leaves it to somebody else to prune.
    """

    def __init__(
        self, pool: Pool, writer: Writer, *, poll_s: float = _POLL_S, keep: timedelta | None = None
    ) -> None:
        super().__init__(poll_s=poll_s)
        self._keep = keep
        self._pruned_at = -math.inf
        self._pool = pool
        self._writer = writer
        self._unsent = METRICS.gauge("outbox_unsent_rows", "Rows of the outbox not yet sent")
        self._sent = METRICS.counter("outbox_sent_total", "Rows of the outbox sent")

    async def relay_once(self) -> int:
        """Send and mark the next unsent rows, at most 500; return how many.

        Raises:
            SendUnknownError: if not all were acknowledged; none is marked.
            SendRefusedError: if a row can never be sent; none is marked.
        """
        rows = await self._pool.fetch(_UNSENT, _BATCH_ROWS_MAX)
        if not rows:
            self._unsent.set(0)
            await self._prune()
            return 0
        first, last = rows[0]["seq"], rows[-1]["seq"]
        assert last - first + 1 == len(rows), f"a gap between {first} and {last}"
        await self._writer.send_many([_record(row) for row in rows])
        await self._pool.execute(_MARK, first, last)
        self._sent.inc(len(rows))
        head = await self._pool.fetchval("SELECT next_seq FROM outbox_head")
        self._unsent.set(head - 1 - last)
        return len(rows)

    async def _prune(self) -> None:
        now = time.monotonic()
        if self._keep is None or now - self._pruned_at < _PRUNE_EVERY_S:
            return
        async with self._pool.acquire() as conn:
            await prune_outbox(conn, self._keep)
        self._pruned_at = now


def _record(row: asyncpg.Record) -> OutRecord:
    return OutRecord(row["topic"], row["key"], row["value"], headers_from_json(row["headers"]))
