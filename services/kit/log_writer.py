"""Writing to the log: all in-sync replicas acknowledge, or the outcome is called unknown.

aiokafka's idempotent producer retries for ever, and some broker errors kill its sender. So
every send has a deadline here, and a producer that misses one is thrown away.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, TopicAuthorizationFailedError
from aiokafka.partitioner import murmur2

from services.kit.errors import LogUnavailableError, SendRefusedError, SendUnknownError
from services.kit.log_options import client_options
from services.kit.logging import get_logger
from services.kit.records import Receipt
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from services.kit.records import OutRecord
    from services.kit.settings import KitSettings

# Longer than a broker's restart, shorter than a person waits.
_SEND_S_MAX = 15.0
_START_S_MAX = 30.0
_CLOSE_S_MAX = 5.0
# Longer than aiokafka's pause of 0.1 s before it queues a failed batch again.
_SENDER_S_MAX = 0.3
_PAUSE_S = 0.5
# Some records of at most 64 KiB; the default of 16 KiB would send each of those alone.
_BATCH_BYTES = 256 * 1024

# The broker or the client refused before anything was written.
_REFUSALS = (MessageSizeTooLargeError, TopicAuthorizationFailedError)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that a key leads to, the same for every Kafka client."""
    assert partitions >= 1, f"partitions must be at least 1, was {partitions}"
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class LogWriter:
    """Writes records and returns receipts.

    May be used by several tasks at once; each task's records keep their order per partition.

    Args:
        settings: Where the broker is; the topic prefix is put before every topic.
        send_s_max: Seconds after which the outcome of a send is called unknown.
    """

    def __init__(self, settings: KitSettings, *, send_s_max: float = _SEND_S_MAX) -> None:
        self._settings = settings
        self._send_s_max = send_s_max
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()
        self._stopped = False
        self._discards: set[asyncio.Task[None]] = set()
        self._log = get_logger("kit.log_writer")
        self._sends = METRICS.counter("log_records_sent_total", "Records written", ("topic",))
        self._unknown = METRICS.counter(
            "log_sends_unknown_total", "Sends with an unknown outcome", ("topic",)
        )

    async def start(self, timeout_s: float = _START_S_MAX) -> None:
        """Connect.

        Raises:
            LogUnavailableError: if the broker does not answer within ``timeout_s`` seconds.
        """
        last = "no answer"
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        await self._connected()
                        return
                    except KafkaError as error:
                        last = repr(error)
                        await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            raise LogUnavailableError("broker", last, timeout_s) from None

    async def send(self, record: OutRecord) -> Receipt:
        """Write one record.

        Raises:
            SendUnknownError: if no acknowledgement came; send the same bytes again.
            SendRefusedError: if the record was certainly not written and never will be.
        """
        return (await self.send_many([record]))[0]

    async def send_many(
        self, records: Sequence[OutRecord], *, within_s: float | None = None
    ) -> list[Receipt]:
        """Write records without waiting for each, in order per partition.

        Args:
            records: What to write.
            within_s: Seconds after which nothing more is sent, if fewer than usual.

        Returns:
            One receipt per record, in the order of ``records``.

        Raises:
            SendUnknownError: if not all were acknowledged; some may have been written.
            SendRefusedError: if one can never be written; others may have been.
        """
        assert not self._stopped, "send after stop"
        if not records:
            return []
        limit_s = self._send_s_max if within_s is None else min(within_s, self._send_s_max)
        deadline = asyncio.get_running_loop().time() + limit_s
        producer: AIOKafkaProducer | None = None
        topic = records[0].topic
        try:
            async with asyncio.timeout_at(deadline):
                producer = await self._connected()
                acknowledgements = await self._enqueue(producer, records)
                done = await asyncio.gather(*acknowledgements)
        except _REFUSALS as error:
            raise SendRefusedError(topic, repr(error)) from error
        except (TimeoutError, KafkaError) as error:
            self._unknown.labels(topic).inc()
            self._throw_away(producer, repr(error))
            raise SendUnknownError(topic, repr(error)) from error
        for name, count in Counter(record.topic for record in records).items():
            self._sends.labels(name).inc(count)
        return [_receipt(one, other) for one, other in zip(records, done, strict=True)]

    async def stop(self) -> None:
        """Wait a little for what is under way, then close."""
        self._stopped = True
        producer, self._producer = self._producer, None
        if producer is not None:
            await _discard(producer, flush_s=_CLOSE_S_MAX)
        if self._discards:
            await asyncio.wait(self._discards, timeout=_CLOSE_S_MAX)

    async def _connected(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **client_options(self._settings),
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=_BATCH_BYTES,
                )
                try:
                    await producer.start()
                except BaseException:
                    # Cancelled or refused half-way: its connections must not stay behind.
                    self._spawn_discard(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _enqueue(
        self, producer: AIOKafkaProducer, records: Sequence[OutRecord]
    ) -> list[asyncio.Future[Any]]:
        acknowledgements: list[asyncio.Future[Any]] = []
        try:
            for record in records:
                future = await producer.send(
                    f"{self._settings.topic_prefix}{record.topic}",
                    value=record.value,
                    key=record.key,
                    headers=list(record.headers),
                )
                acknowledgements.append(future)
        finally:
            # If this call gives up, nobody reads their errors any more.
            for future in acknowledgements:
                future.add_done_callback(_read_error)
        return acknowledgements

    def _throw_away(self, producer: AIOKafkaProducer | None, reason: str) -> None:
        # Another task may have replaced it already.
        if producer is None or producer is not self._producer:
            return
        self._producer = None
        self._log.warning("producer thrown away", reason=reason)
        self._spawn_discard(producer)

    def _spawn_discard(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.ensure_future(_discard(producer, flush_s=0))
        self._discards.add(task)
        task.add_done_callback(self._discards.discard)


def _receipt(record: OutRecord, metadata: Any) -> Receipt:  # noqa: ANN401
    return Receipt(
        topic=record.topic,
        partition=metadata.partition,
        offset=metadata.offset,
        sha256=hashlib.sha256(record.value).hexdigest(),
    )


async def _discard(producer: AIOKafkaProducer, *, flush_s: float) -> None:
    """Close a producer in bounded time, whatever state it is in.

    Its own ``stop`` waits for its batches, which never expire, and fails with them in the
    middle of a retry; so it is taken apart here (aiokafka 0.14).
    """
    if flush_s:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(flush_s):
                await producer.flush()
    closed = KafkaError("producer closed")
    accumulator = producer._message_accumulator  # noqa: SLF001
    # From here on nothing is taken, and nothing that failed is sent again.
    accumulator._exception = closed  # noqa: SLF001
    sender_task = producer._sender.sender_task  # noqa: SLF001
    if sender_task is not None:
        # The first time makes it stop taking batches and wait for its requests.
        sender_task.cancel()
        await asyncio.sleep(0)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_S_MAX):
            await producer.client.close()
    if sender_task is not None and not sender_task.done():
        # Requests end with their connections, but one may wait for metadata for ever.
        await asyncio.wait({sender_task}, timeout=_SENDER_S_MAX)
        sender_task.cancel()
        await asyncio.wait({sender_task}, timeout=_CLOSE_S_MAX)
    batches = [*accumulator._pending_batches]  # noqa: SLF001
    for queue in accumulator._batches.values():  # noqa: SLF001
        batches += queue
    for batch in batches:
        for future, _ in batch._msg_futures:  # noqa: SLF001
            if not future.done():
                future.set_exception(closed)
    # Says that it was not forgotten.
    producer._closed = True  # noqa: SLF001


def _read_error(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
