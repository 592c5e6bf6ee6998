"""Everything that the gateway shows, read from the log into its own schema.

One instance at a time holds the lease and reads; all instances serve what it wrote. A batch and
the positions after it commit together. Topics are read side by side, so handlers do not rely on
the order between them: each fills its own columns, guarded by sequence numbers or offsets.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

import asyncpg

from schemas import events, money
from schemas.api import MarketView, ParticipantView
from schemas.codec import DecodeError, decode
from schemas.erasures import ErasureOrdered, ErasureRefused, JournalEntryErased
from schemas.links import RoundLinks
from schemas.mobilisation import MobilisationDisplaced, MobilisationServed
from schemas.policies import MarketPaused, MarketPolicySet
from schemas.shares import PremiumSettled, RoundShares
from schemas.signing_keys import SigningKeySet
from schemas.surveillance import (
    ParticipantOwned,
    SurveillanceCaseRaised,
    SurveillanceCaseStateChanged,
)
from schemas.transparency import (
    AuditProgressed,
    CheckpointCosigned,
    CheckpointSigned,
    JournalEntrySalted,
)
from schemas.types import period_of
from services.gateway.adapters import (
    bookings,
    erasures,
    intents,
    links,
    log_tree,
    mobilisations,
    order_states,
    policies,
    postgres,
    streams,
    surveillance,
)
from services.gateway.adapters.dead_letters import put_dead_letters
from services.gateway.adapters.leased_reading import read_under_lease
from services.gateway.adapters.queries import SQL
from services.gateway.adapters.round_files import put_file_parts
from services.gateway.adapters.signing_keys import put_told_keys
from services.gateway.ports import Position, Sent
from services.kit.errors import LogUnavailableError
from services.kit.logging import get_logger
from services.kit.postgres import LOST_ERRORS, advance_all, assert_lease
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from services.kit.kafka import LogReader, Record
    from services.kit.postgres import Conn, LeaseKeeper, Pool

    Handler = Callable[[Conn, list[Sent]], Awaitable[None]]

LEASE = "projection"
DEAD_LETTERS = "dead-letters"
TOPICS = (
    "participants",
    "policies",
    "offers",
    "demand",
    "holds",
    "order-status",
    "rounds",
    "allocations",
    "deliveries",
    "journal-entries",
    "settlements",
    "checkpoints",
    "findings",
    "surveillance-cases",
    DEAD_LETTERS,
)
# What callers ask for is shown by whichever gateway they asked.
_OF_CALLERS = frozenset({"offers", "demand"})
# A batch is one transaction; 2,000 records take some 100 ms, so readers never wait long.
_BATCH_RECORDS = 2000
_READ_MS = 200
# A few records are worth waiting for their successors: a transaction costs as much as 100 rows.
# While much comes, larger batches leave more of the processor to whoever asks: requests are served
# by the same loop. (Records at most, seconds to the next read.)
_FEW_RECORDS = 100
_LINGER: tuple[tuple[int, float], ...] = ((_FEW_RECORDS, 0.05), (1000, 0.15))
_LAG_EVERY_S = 1.0
# A restart of the database takes some seconds; the lease (10 s) bounds how often this is tried.
_STORE_PAUSE_S = 0.5
STORE_LOST: tuple[type[Exception], ...] = (
    *LOST_ERRORS,
    # Two writers of copies of one event met crosswise; one of them tries again.
    asyncpg.DeadlockDetectedError,
)
_NOT_TOLD: tuple[type[Exception], ...] = (LogUnavailableError, *STORE_LOST)


class Projection:
    """Reads the log into the gateway's schema.

    Args:
        pool: Pool of the gateway's schema.
        reader: Reader of `TOPICS`, not started.
        keeper: Keeper of the lease `LEASE`.
    """

    def __init__(self, pool: Pool, reader: LogReader, keeper: LeaseKeeper) -> None:
        self._pool = pool
        self._reader = reader
        self._keeper = keeper
        self._log = get_logger("gateway.projection")
        self._read = METRICS.counter(
            "projection_records_total", "Records read for the schema", ("topic",)
        )
        self._skipped = METRICS.counter(
            "projection_records_skipped_total",
            "Records that are no event of ours; their owners dead-letter them",
            ("topic", "code"),
        )
        self._lag = METRICS.gauge("projection_lag_records", "Records that are still to be read")
        self._batch_seconds = METRICS.histogram("projection_batch_seconds", "Time to write a batch")

    async def run(self, stop: asyncio.Event) -> None:
        """Take the lease, then read until ``stop`` is set.

        Raises:
            StaleWriterError: if another instance took over; this one must start anew.
        """
        await read_under_lease(self._pool, self._reader, self._keeper, TOPICS, stop, self._read_on)

    async def _read_on(self, stop: asyncio.Event, epoch: int) -> None:
        loop = asyncio.get_running_loop()
        lag_at = 0.0
        while not stop.is_set():
            before = self._reader.positions()
            found = await self._reader.read(_BATCH_RECORDS, _READ_MS)
            after = self._reader.positions()
            if before != after:
                try:
                    with self._batch_seconds.time():
                        await self.apply(found, before, after, epoch)
                except STORE_LOST as error:
                    # Nothing is lost: positions and output commit together or not at all.
                    self._log.warning("store lost, batch is read again", error=repr(error))
                    await self._reader.seek(before)
                    await asyncio.sleep(_STORE_PAUSE_S)
                    continue
            await asyncio.sleep(linger_s(len(found)))
            if loop.time() >= lag_at:
                await self._tell_lag()
                lag_at = loop.time() + _LAG_EVERY_S

    async def apply(
        self,
        found: Sequence[Record],
        before: dict[tuple[str, int], int],
        after: dict[tuple[str, int], int],
        epoch: int,
    ) -> None:
        """Write what the records tell and move the positions, in one commit.

        Raises:
            StaleWriterError: if this writer no longer holds the lease.
        """
        by_type: dict[type[events.Event], list[Sent]] = {}
        buried = [record for record in found if record.topic == DEAD_LETTERS]
        for topic, count in Counter(record.topic for record in found).items():
            self._read.labels(topic).inc(count)
        shown = await self._shown(found)
        for number, record in enumerate(found):
            if number % _FEW_RECORDS == _FEW_RECORDS - 1:
                # Whoever asks something meanwhile is not to wait for all of it.
                await asyncio.sleep(0)
            if record.topic == DEAD_LETTERS:
                # Whatever a stranger wrote: it is no event, only the reason beside it is read.
                continue
            if _place(record) in shown:
                continue
            sent = self._decoded(record)
            if sent is not None:
                by_type.setdefault(type(sent.envelope.data), []).append(sent)
        async with self._pool.acquire() as conn, conn.transaction():
            await assert_lease(conn, LEASE, epoch)
            # What a crash of the database loses is read again: output and positions go together.
            await conn.execute(SQL.relax)
            for types, handler in _HANDLERS:
                batch = [sent for kind in types for sent in by_type.get(kind, [])]
                if batch:
                    await handler(conn, batch)
            await streams.put_told(conn, by_type)
            await put_dead_letters(conn, buried)
            await advance_all(conn, before, after, epoch)

    async def _shown(self, found: Sequence[Record]) -> set[tuple[str, int, int]]:
        """Return places of records that a gateway has shown already, with the reply to its caller.

        Their rows were committed before the positions after them are. Commits reach the disk in
        their order, so a crash of the database that takes the rows takes these positions, too.
        """
        ids = [
            value.decode(errors="replace")
            for record in found
            if record.topic in _OF_CALLERS
            for name, value in record.headers
            # Ids of ours are of letters and digits; a stranger may have written anything.
            if name == "ce_id" and value.isalnum()
        ]
        if not ids:
            return set()
        return {tuple(row) for row in await self._pool.fetch(SQL.shown, ids)}

    def _decoded(self, record: Record) -> Sent | None:
        try:
            envelope = decode(record.value, record.headers)
        except DecodeError as error:
            self._skipped.labels(record.topic, error.code).inc()
            self._log.warning(
                "record skipped",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                reason=str(error),
            )
            return None
        position = Position(record.topic, record.partition, record.offset, sha256="")
        return Sent(envelope, position, record.value or b"")

    async def _tell_lag(self) -> None:
        try:
            lag = await self._reader.lag()
            self._lag.set(lag)
            await self._pool.execute(SQL.put_projection_state, lag)
        except _NOT_TOLD as error:
            # The state grows old then, which is how every instance learns that it is not ready.
            self._log.warning("lag not known", error=repr(error))


def _place(record: Record) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset


def linger_s(records: int) -> float:
    """Return the seconds from a batch of so many records to the next read."""
    if not records:
        return 0.0
    return next((seconds for most, seconds in _LINGER if records < most), 0.0)


async def _participants(conn: Conn, batch: list[Sent]) -> None:
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, events.ParticipantRegistered)
        view = ParticipantView(**data.model_dump(), registered_at=sent.envelope.occurred_at)
        await postgres.put_participant(conn, view, sent.position.offset)


async def _markets(conn: Conn, batch: list[Sent]) -> None:
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, events.MarketDefined)
        view = MarketView(market=data.market, defined_at=sent.envelope.occurred_at)
        await postgres.put_market(conn, view, sent.position.offset)


def _round_key(data: Any) -> tuple[str, str, int]:  # noqa: ANN401 - several event types
    return data.round_id, data.market_id, int(data.round_id.rpartition(":")[2])


async def _rounds(conn: Conn, batch: list[Sent]) -> None:
    for sent in batch:
        data = sent.envelope.data
        if isinstance(data, events.RoundClosed):
            stamps = (data.market_time, sent.envelope.recorded_at)
            await conn.execute(SQL.put_round_closed, *_round_key(data), *stamps)
            continue
        assert isinstance(data, events.RoundSealed | events.RoundCleared)
        sealed = isinstance(data, events.RoundSealed)
        query = SQL.put_round_sealed if sealed else SQL.put_round_cleared
        await conn.execute(query, *_round_key(data), data.market_time, data.model_dump_json())


async def _prices(conn: Conn, batch: list[Sent]) -> None:
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, events.RoundPrices)
        round_id, market_id, seq = _round_key(data)
        first = period_of(data.first_period)
        curves = [
            (curve.pool, first, list(curve.prices), list(curve.chips), list(curve.offered))
            for curve in data.pools
        ]
        await conn.executemany(SQL.put_curve, [(round_id, market_id, seq, *row) for row in curves])


async def _files(conn: Conn, batch: list[Sent]) -> None:
    await put_file_parts(
        conn,
        [
            (sent.envelope.data, sent.envelope.occurred_at)
            for sent in batch
            if isinstance(sent.envelope.data, events.RoundFilePart)
        ],
    )


async def _allocations(conn: Conn, batch: list[Sent]) -> None:
    found = []
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, events.AllocationMade)
        periods = [item.model_dump(mode="json") for item in data.periods]
        found.append(
            (
                data.allocation_id,
                data.round_id,
                data.market_id,
                data.demand_id,
                data.enterprise_id,
                data.offer_id,
                data.provider_id,
                data.pool,
                json.dumps(periods),
                data.payment,
                sent.envelope.occurred_at,
                sent.envelope.id,
                sent.envelope.correlation_id,
                sent.position.partition,
                sent.position.offset,
                sent.envelope.recorded_at,
            )
        )
    await conn.executemany(SQL.put_allocation, found)


async def _deliveries(conn: Conn, batch: list[Sent]) -> None:
    found = [
        (data.allocation_id, period_of(item.start), item.chips, data.delivery_id)
        for sent in batch
        if isinstance(data := sent.envelope.data, events.DeliveryReported)
        for item in data.periods
    ]
    await conn.executemany(SQL.put_delivered, found)


async def _findings(conn: Conn, batch: list[Sent]) -> None:
    found = []
    for sent in batch:
        data = sent.envelope.data
        assert isinstance(data, events.FindingRaised)
        found.append(
            (
                data.finding_id,
                data.market_id,
                data.round_id,
                data.kind,
                data.ok,
                data.summary.model_dump_json(),
                json.dumps(data.problems, ensure_ascii=False),
                sent.envelope.occurred_at,
            )
        )
    await conn.executemany(SQL.put_finding, found)


_INTENTS = (
    events.OfferSubmitted,
    events.DemandSubmitted,
    events.OfferAmended,
    events.DemandAmended,
    events.OfferCancelled,
    events.DemandCancelled,
)

# In the order of an order's life, so that a batch that holds it all leaves a history in order.
_HANDLERS: tuple[tuple[tuple[type[events.Event], ...], Handler], ...] = (
    ((events.ParticipantRegistered, ParticipantOwned), _participants),
    ((SigningKeySet,), put_told_keys),
    ((events.MarketDefined,), _markets),
    ((MarketPolicySet,), policies.put_all),
    ((MarketPaused,), policies.put_pauses),
    ((RoundShares,), policies.put_shares),
    (mobilisations.TOLD, mobilisations.put_told),
    ((MobilisationServed,), mobilisations.put_served),
    ((MobilisationDisplaced,), mobilisations.put_displaced),
    (_INTENTS, intents.put_intents),
    (order_states.HOLDS, order_states.put_holds),
    (order_states.CAPACITIES, order_states.put_capacities),
    ((events.RoundSealed, events.RoundCleared, events.RoundClosed), _rounds),
    ((events.OrderStatusChanged,), order_states.put_statuses),
    ((events.RoundPrices,), _prices),
    ((RoundLinks,), links.put_links),
    ((events.RoundFilePart,), _files),
    ((events.AllocationMade,), _allocations),
    ((events.DeliveryReported,), _deliveries),
    ((events.JournalEntryRecorded, JournalEntrySalted), bookings.put_entries),
    ((ErasureOrdered,), erasures.put_ordered),
    ((ErasureRefused,), erasures.put_refused),
    ((JournalEntryErased,), erasures.put_erased),
    ((money.AllocationSettled,), bookings.put_settlements),
    ((PremiumSettled,), bookings.put_premiums),
    ((money.MoneyRefused,), bookings.put_refusals),
    ((money.SettlementTermsSet,), bookings.put_terms),
    ((events.CheckpointPublished, CheckpointSigned), log_tree.put_heads),
    ((CheckpointCosigned,), log_tree.put_cosignatures),
    ((events.FindingRaised,), _findings),
    ((AuditProgressed,), log_tree.put_progress),
    ((SurveillanceCaseRaised,), surveillance.put_cases),
    ((SurveillanceCaseStateChanged,), surveillance.put_changes),
)
