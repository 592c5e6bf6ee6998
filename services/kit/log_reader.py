"""Reading the log from positions that the caller keeps; no group, hence no rebalance.

aiokafka's consumer can stand still after a broker restart (its issues 1154 and 703). A
watchdog compares positions with the ends of the partitions and builds a new consumer.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from services.kit.errors import LogGapError, LogUnavailableError
from services.kit.log_options import client_options
from services.kit.logging import get_logger
from services.kit.records import Record
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from services.kit.records import Positions
    from services.kit.settings import KitSettings

_START_S_MAX = 30.0
_CLOSE_S_MAX = 3.0
_STALL_S = 10.0
_PAUSE_S = 0.5
# How long the broker keeps a fetch open when there is nothing; new records end it at once.
_FETCH_WAIT_MS = 250
# What came alone is worth waiting for its successors: a transaction costs as much as 100 records.
# Where some came at once more will, and whoever reads does much at once for a little more waiting.
_FEW_RECORDS, _SOME_RECORDS = 20, 500
_BUSY_LINGERS = 3
# With fewer reads than this since the last look, a slow caller explains a position that
# stands still; with more, or with an empty read, a stuck partition does.
_READS_MIN = 10


@dataclass(slots=True)
class _Watch:
    """What the watchdog saw at its last look."""

    looked_at_s: float
    reads: int = 0
    empty_reads: int = 0
    positions: Positions = field(default_factory=dict)
    ends: Positions = field(default_factory=dict)


class LogReader:
    """Reads all partitions of some topics, or the ones named, each in order.

    Broker restarts are survived inside `read`, which then returns nothing for a while.

    Args:
        settings: Where the broker is; the topic prefix is put before every topic.
        topics: Topics without prefix.
        partitions: Topic to the partitions of it that are read; a topic that is not in it
            is read whole.
        stall_s: Seconds without progress, while there is something to read, after which the
            consumer is built anew.
        linger_s: Seconds that the next read waits after one that found only a few records, and
            thrice as long after one that found some, so that whoever reads does more at once
            while much comes. What comes after a silence is never waited for.
    """

    def __init__(
        self,
        settings: KitSettings,
        topics: Sequence[str],
        partitions: Mapping[str, Collection[int]] | None = None,
        *,
        stall_s: float = _STALL_S,
        linger_s: float = 0.0,
    ) -> None:
        assert topics, "topics must not be empty"
        self._settings = settings
        self._topics = tuple(topics)
        self._partitions = dict(partitions or {})
        self._stall_s = stall_s
        self._linger_s = linger_s
        self._found_last = 0
        self._consumer: AIOKafkaConsumer | None = None
        self._positions: Positions = {}
        self._watch = _Watch(looked_at_s=0.0)
        self._log = get_logger("kit.log_reader").bind(topics=list(topics))
        self._read_total = METRICS.counter("log_records_read_total", "Records read", ("topic",))
        self._lag = METRICS.gauge("log_lag_records", "Offsets not yet read", ("topic",))
        self._rebuilds = METRICS.counter("log_reader_rebuilds_total", "Consumers built anew")

    async def start(self, positions: Positions, timeout_s: float = _START_S_MAX) -> None:
        """Connect and go to the positions; a partition that is not in them starts at 0.

        Raises:
            LogUnavailableError: if the broker or a topic is not there within ``timeout_s``.
            LogGapError: if the log does not hold a position (any more).
            TopicAuthorizationFailedError: if this client may not read a topic.
        """
        assert self._consumer is None, "start once"
        self._positions = dict(positions)
        last = "no answer"
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    try:
                        await self._build()
                        return
                    except TopicAuthorizationFailedError:
                        raise
                    except KafkaError as error:
                        last = repr(error)
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            raise LogUnavailableError(", ".join(self._topics), last, timeout_s) from None

    async def read(self, max_records: int = 500, timeout_ms: int = 500) -> list[Record]:
        """Return the next records, in order per partition; empty after ``timeout_ms``.

        A broker that is away is waited for: the answer is empty until it is back.

        Raises:
            LogGapError: if the log lost what comes next, or was re-created.
            TopicAuthorizationFailedError: if this client may not read a topic.
        """
        if self._linger_s > 0 and 0 < self._found_last < _SOME_RECORDS:
            is_few = self._found_last < _FEW_RECORDS
            await asyncio.sleep(self._linger_s * (1 if is_few else _BUSY_LINGERS))
        self._found_last = 0
        consumer = self._consumer or await self._rebuild()
        if consumer is None:
            await asyncio.sleep(min(timeout_ms / 1000, _PAUSE_S))
            return []
        try:
            found = await consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        except TopicAuthorizationFailedError:
            raise
        except UnicodeDecodeError:
            return await self._read_around(consumer)
        except KafkaError as error:
            # Among them an offset out of range: building anew tells whether it is a gap.
            await self._drop(repr(error))
            return []
        records = self._take(found)
        self._found_last = len(records)
        self._watch.reads += 1
        self._watch.empty_reads += not records
        if asyncio.get_running_loop().time() - self._watch.looked_at_s >= self._stall_s:
            await self._look(consumer)
        return records

    def positions(self) -> Positions:
        """Return a copy of (topic, partition) -> offset of the next record."""
        return dict(self._positions)

    async def seek(self, positions: Positions) -> None:
        """Read again from these positions, for example after a transaction was given up."""
        for (topic, partition), offset in positions.items():
            assert (topic, partition) in self._positions, f"{topic}/{partition} is not read"
            self._positions[topic, partition] = offset
            if self._consumer is not None:
                self._consumer.seek(self._tp(topic, partition), offset)
        self._watch = _Watch(asyncio.get_running_loop().time())

    async def end_offsets(self) -> Positions:
        """Return (topic, partition) -> offset that the next record to be written will have.

        Raises:
            LogUnavailableError: if the broker does not answer.
        """
        if self._consumer is None:
            raise LogUnavailableError("broker", "not connected", 0)
        try:
            return await self._ends(self._consumer)
        except KafkaError as error:
            raise LogUnavailableError("broker", repr(error), _CLOSE_S_MAX) from error

    async def lag(self) -> int:
        """Return how many offsets there are between the positions and the ends.

        Raises:
            LogUnavailableError: if the broker does not answer.
        """
        ends = await self.end_offsets()
        return sum(max(0, end - self._positions[key]) for key, end in ends.items())

    @property
    def connected(self) -> bool:
        """Return whether there is a consumer; without one `read` tries to build it."""
        return self._consumer is not None

    async def stop(self) -> None:
        """Close; positions stay readable."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await _close(consumer)

    async def _build(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            # A position that the log does not hold is a finding, never a place to jump from.
            auto_offset_reset="none",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
        )
        try:
            await consumer.start()
            assigned = await self._discover(consumer)
            consumer.assign(assigned)
            positions = {key: self._positions.get(key, 0) for key in map(self._key_of, assigned)}
            await self._check_held(consumer, positions)
            for (topic, partition), position in positions.items():
                consumer.seek(self._tp(topic, partition), position)
        except BaseException:
            await _close(consumer)
            raise
        self._consumer = consumer
        self._positions = positions
        self._watch = _Watch(asyncio.get_running_loop().time())
        return consumer

    async def _rebuild(self) -> AIOKafkaConsumer | None:
        try:
            consumer = await self._build()
        except TopicAuthorizationFailedError:
            raise
        except KafkaError as error:
            self._log.warning("log cannot be read, will try again", reason=repr(error))
            return None
        self._rebuilds.inc()
        self._log.info("consumer built anew")
        return consumer

    async def _drop(self, reason: str) -> None:
        self._log.warning("consumer thrown away", reason=reason)
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await _close(consumer)

    async def _discover(self, consumer: AIOKafkaConsumer) -> list[TopicPartition]:
        assigned: list[TopicPartition] = []
        for topic in self._topics:
            # The public calls answer from metadata that only a subscription fetches.
            there = await consumer._client._wait_on_metadata(  # noqa: SLF001
                f"{self._settings.topic_prefix}{topic}"
            )
            wanted = set(self._partitions.get(topic, there))
            assert wanted <= there, f"{topic} must have partitions {wanted}, was {there}"
            assigned += [self._tp(topic, partition) for partition in sorted(wanted)]
        return assigned

    async def _check_held(self, consumer: AIOKafkaConsumer, positions: Positions) -> None:
        tps = [self._tp(topic, partition) for topic, partition in positions]
        begins = await consumer.beginning_offsets(tps)
        ends = await consumer.end_offsets(tps)
        for (topic, partition), position in positions.items():
            tp = self._tp(topic, partition)
            if not begins[tp] <= position <= ends[tp]:
                held = f"{begins[tp]}..{ends[tp]}"
                raise LogGapError(topic, partition, position, held)

    async def _read_around(self, consumer: AIOKafkaConsumer) -> list[Record]:
        """Return one record per partition, an empty one where the client cannot decode it.

        aiokafka cannot read past a header whose name is not UTF-8. Nobody takes an empty record
        for an event, so it is refused like any other bytes and the partition goes on. The rest
        of such a record's batch, which has the same author, may be lost with it.
        """
        records: list[Record] = []
        for key, offset in self._positions.items():
            # What the failed read had in hand for the other partitions is fetched again.
            consumer.seek(self._tp(*key), offset)
        try:
            ends = await self._ends(consumer)
        except KafkaError as error:
            await self._drop(repr(error))
            return []
        for key in [key for key, end in ends.items() if self._positions[key] < end]:
            tp, offset = self._tp(*key), self._positions[key]
            try:
                found = await consumer.getmany(tp, timeout_ms=_FETCH_WAIT_MS * 2, max_records=1)
            except UnicodeDecodeError as error:
                self._log.warning(
                    "record cannot be decoded", place=[*key, offset], reason=str(error)
                )
                consumer.seek(tp, offset + 1)
                self._positions[key] = offset + 1
                records.append(Record(*key, offset, 0, None, None, ()))
            except KafkaError as error:
                # What was taken so far must be returned, its positions have moved.
                await self._drop(repr(error))
                break
            else:
                records += self._take(found)
        return records

    def _take(self, found: Mapping[TopicPartition, list[ConsumerRecord]]) -> list[Record]:
        order = {topic: place for place, topic in enumerate(self._topics)}
        by_key = {self._key_of(tp): batch for tp, batch in found.items()}
        records: list[Record] = []
        for key in sorted(by_key, key=lambda key: (order[key[0]], key[1])):
            topic, partition = key
            for raw in by_key[key]:
                assert raw.offset >= self._positions[key], f"{key} went back to {raw.offset}"
                self._positions[key] = raw.offset + 1
                records.append(
                    Record(
                        topic, partition, raw.offset, raw.timestamp, raw.key, raw.value, raw.headers
                    )
                )
            self._read_total.labels(topic).inc(len(by_key[key]))
        return records

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        """Throw the consumer away if a partition had records at the last look and stands still."""
        before = self._watch
        now = _Watch(asyncio.get_running_loop().time())
        try:
            now.ends = await self._ends(consumer)
            now.positions = await self._reached(consumer)
        except (KafkaError, TimeoutError) as error:
            self._watch = now
            if before.empty_reads == before.reads:
                await self._drop(f"ends unknown: {error!r}")
            return
        self._watch = now
        for topic in self._topics:
            behind = [end - now.positions[key] for key, end in now.ends.items() if key[0] == topic]
            self._lag.labels(topic).set(max(0, sum(behind)))
        if before.reads < _READS_MIN and not before.empty_reads:
            return
        stuck = [
            key
            for key, position in before.positions.items()
            if now.positions[key] == position < before.ends[key]
        ]
        if stuck:
            await self._drop(f"no progress in {self._stall_s:g} s at {stuck}")

    async def _ends(self, consumer: AIOKafkaConsumer) -> Positions:
        tps = [self._tp(topic, partition) for topic, partition in self._positions]
        ends = await consumer.end_offsets(tps)
        return {self._key_of(tp): end for tp, end in ends.items()}

    async def _reached(self, consumer: AIOKafkaConsumer) -> Positions:
        """Return how far the consumer is, past offsets that hold no record (markers)."""
        async with asyncio.timeout(1.0):
            return {
                key: max(position, await consumer.position(self._tp(*key)))
                for key, position in self._positions.items()
            }

    def _tp(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(f"{self._settings.topic_prefix}{topic}", partition)

    def _key_of(self, tp: TopicPartition) -> tuple[str, int]:
        return tp.topic.removeprefix(self._settings.topic_prefix), tp.partition


async def _close(consumer: AIOKafkaConsumer) -> None:
    with contextlib.suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(_CLOSE_S_MAX):
            await consumer.stop()
