"""Signed records from the broker: read, judged, submitted, answered.

One instance at a time holds the lease. Answers and dead letters go into the outbox in the
transaction that moves the positions, so that each record is answered once; its order has an id
derived from its idempotency key, so that submitting it again after a crash is the same order.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from schemas.codec import Envelope, derive_id, encode
from schemas.direct import DirectAnswered
from services.core.direct_audit import TOPICS
from services.gateway.adapters.leased_reading import read_under_lease
from services.gateway.adapters.queries import SQL
from services.gateway.adapters.status_topics import status_topic
from services.gateway.app.direct import (
    Judge,
    Refused,
    SigningKey,
    Wanted,
    key_ids_of,
    principal_of,
    refused,
)
from services.gateway.app.envelopes import SOURCE
from services.gateway.crash import crash_point
from services.gateway.errors import BusyError, UnavailableError
from services.kit.dead_letters import dead_letter_facts
from services.kit.kafka import OutRecord
from services.kit.logging import get_logger
from services.kit.postgres import (
    LOST_ERRORS,
    advance_all,
    append_outbox,
    assert_lease,
)
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.gateway.app.direct import DirectOrders
    from services.gateway.ports import Log, MarketClock, Position
    from services.kit.kafka import LogReader, Record
    from services.kit.postgres import LeaseKeeper, OutboxRelay, Pool
    from services.kit.records import Positions

LEASE = "direct"
CLAIMANT = "d1ec7000-0000-4000-8000-000000000001"
"""Token of this reader's claims of idempotency keys: the lease makes it a sole claimant."""

_BATCH_RECORDS = 500
_READ_MS = 200
_PAUSE_S = 0.5
# As matching's: leaves room for the headers below the megabyte that a broker takes.
_DEAD_LETTER_BYTES_MAX = 900_000
_HEADER_BYTES_MAX = 512
_AGAIN: tuple[type[Exception], ...] = (UnavailableError, BusyError, *LOST_ERRORS)


class CrashingLog:
    """The log, with the points around a send at which a test may end the process.

    Args:
        log: Where events are written.
    """

    def __init__(self, log: Log) -> None:
        self._log = log

    async def send(self, envelopes: Sequence[Envelope]) -> list[Position]:
        """Write events in order, as the log does."""
        crash_point("direct_verified")
        positions = await self._log.send(envelopes)
        crash_point("direct_sent")
        return positions


class DirectReader:
    """Takes in signed records until it is told to stop.

    Args:
        pool: Pool of the gateway's schema.
        reader: Reader of `TOPICS`, not started.
        keeper: Keeper of the lease `LEASE`.
        orders: Submits.
        relay: Sends the gateway's outbox.
        clock: The market's clock.
        verify: Returns whether an Ed25519 signature fits.
    """

    def __init__(
        self,
        pool: Pool,
        reader: LogReader,
        keeper: LeaseKeeper,
        orders: DirectOrders,
        relay: OutboxRelay,
        clock: MarketClock,
        verify: Callable[[bytes, bytes, bytes], bool],
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._keeper = keeper
        self._orders = orders
        self._relay = relay
        self._clock = clock
        self._verify = verify
        self._log = get_logger("gateway.direct")
        self._records = METRICS.counter(
            "direct_records_total", "Signed records answered", ("topic", "outcome")
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Take the lease, then read until ``stop`` is set.

        Raises:
            StaleWriterError: if another instance took over; this one must start anew.
        """
        await read_under_lease(
            self._pool, self._reader, self._keeper, TOPICS, stop, self._read_on, self._relay.run
        )

    async def _read_on(self, stop: asyncio.Event, epoch: int) -> None:
        while not stop.is_set():
            before = self._reader.positions()
            found = await self._reader.read(_BATCH_RECORDS, _READ_MS)
            after = self._reader.positions()
            if before == after:
                continue
            try:
                await self.take(found, before, after, epoch)
            except _AGAIN as error:
                self._log.warning("signed records are read again", error=repr(error))
                await self._reader.seek(before)
                await asyncio.sleep(_PAUSE_S)

    async def take(
        self, found: Sequence[Record], before: Positions, after: Positions, epoch: int
    ) -> None:
        """Submit what the records want; answer and move the positions in one commit.

        Raises:
            StaleWriterError: if this reader no longer holds the lease.
            UnavailableError: if an outcome is not known; nothing was answered.
            BusyError: if a key is under way elsewhere; nothing was answered.
        """
        judge = Judge(await self._keys(found), self._verify)
        judged = [judge.judge(record) for record in found]
        wanted = [item for item in judged if isinstance(item, Wanted)]
        answers = await self._orders.submit(wanted)
        letters = []
        for item in judged:
            if isinstance(item, Refused):
                letters.append(self._letter(item))
                told = refused(item)
                if told is not None:
                    answers.append(told)
        self._tell(answers)
        crash_point("direct_before_commit")
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, LEASE, epoch)
            await advance_all(conn, before, after, epoch)
            await append_outbox(conn, [*letters, *map(self._status, answers)])
        crash_point("direct_after_commit")
        self._relay.wake()

    async def _keys(self, found: Sequence[Record]) -> dict[str, list[SigningKey]]:
        keys: dict[str, list[SigningKey]] = {}
        for row in await self._pool.fetch(SQL.signing_keys, key_ids_of(found)):
            principal = principal_of(
                row["participant_id"],
                row["role"],
                row["key_id"],
                active=row["status"] == "active",
            )
            held = SigningKey(row["public_key"], principal, row["revoked"])
            keys.setdefault(row["key_id"], []).append(held)
        return keys

    def _tell(self, answers: Sequence[DirectAnswered]) -> None:
        for answer in answers:
            self._records.labels(answer.topic, answer.outcome).inc()
            if answer.reason is not None:
                self._log.warning(
                    "signed record refused",
                    participant=answer.participant_id,
                    place=[answer.topic, answer.partition, answer.offset],
                    reason=answer.reason.code,
                )

    def _status(self, answer: DirectAnswered) -> OutRecord:
        now = self._clock.now()
        place = (answer.topic, str(answer.partition), str(answer.offset))
        key, value, headers = encode(
            Envelope(
                id=derive_id("gateway", "direct", *place),
                source=SOURCE,
                occurred_at=now,
                recorded_at=now,
                participant_id=answer.participant_id,
                correlation_id=answer.receipt.order_id if answer.receipt else "/".join(place),
                causation_id="",
                traceparent="",
                data=answer,
            )
        )
        return OutRecord(status_topic(answer.participant_id), key, value, headers)

    def _letter(self, item: Refused) -> OutRecord:
        record, error = item.record, item.error
        self._log.warning(
            "signed record dead-lettered",
            place=[record.topic, record.partition, record.offset],
            reason=error.code,
        )
        value = record.value or b""
        facts = dead_letter_facts("gateway", record, error)
        headers = [
            (name, text.encode(errors="replace")[:_HEADER_BYTES_MAX])
            for name, text in facts.items()
        ]
        return OutRecord(
            "dead-letters",
            (record.key or record.topic.encode())[:_HEADER_BYTES_MAX],
            value[:_DEAD_LETTER_BYTES_MAX],
            tuple(headers),
        )
