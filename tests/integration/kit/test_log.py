from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from services.kit.errors import (
    LogGapError,
    LogUnavailableError,
    SendRefusedError,
    SendUnknownError,
)
from services.kit.kafka import LogReader, LogWriter, OutRecord, partition_of
from services.kit.postgres import advance_all, load_positions
from services.kit.settings import KitSettings
from tests.integration.kit.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from services.kit.kafka import Positions, Record
    from services.kit.postgres import Pool
    from tests.integration.kit.conftest import MakeTopic

pytestmark = pytest.mark.integration


@asynccontextmanager
async def reading(
    settings: KitSettings,
    *topics: str,
    positions: Positions | None = None,
    partitions: Mapping[str, Collection[int]] | None = None,
    stall_s: float = 10.0,
) -> AsyncIterator[LogReader]:
    reader = LogReader(settings, topics, partitions, stall_s=stall_s)
    await reader.start(positions or {})
    try:
        yield reader
    finally:
        await reader.stop()


async def read_count(reader: LogReader, count: int, within_s: float = 20.0) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(within_s):
        while len(found) < count:
            found += await reader.read(timeout_ms=200)
    return found


def numbered(topic: str, count: int, keys: int = 1) -> list[OutRecord]:
    return [OutRecord(topic, b"key %d" % (n % keys), b"%d" % n) for n in range(count)]


async def test_a_record_comes_back_byte_for_byte_and_its_receipt_tells_where_it_is(
    settings: KitSettings, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a", 4)
    value = b"\x00\xffraw"
    receipt = await writer.send(OutRecord("a", b"k", value, (("h", b"\xfe"), ("h", b"2"))))
    assert receipt.topic == "a"
    assert receipt.partition == partition_of(b"k", 4)
    assert receipt.sha256 == hashlib.sha256(value).hexdigest()
    async with reading(settings, "a") as reader:
        (record,) = await read_count(reader, 1)
    assert (record.topic, record.partition, record.offset) == ("a", receipt.partition, 0)
    assert (record.key, record.value) == (b"k", value)
    assert record.headers == (("h", b"\xfe"), ("h", b"2"))


async def test_many_records_keep_their_order_per_partition(
    settings: KitSettings, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a", 4)
    sent = numbered("a", 3000, keys=9)
    receipts = await writer.send_many(sent)
    assert [r.partition for r in receipts] == [partition_of(r.key, 4) for r in sent]
    async with reading(settings, "a") as reader:
        found = await read_count(reader, 3000)
    by_place = {(r.partition, r.offset): r.value for r in found}
    assert len(by_place) == 3000
    assert [by_place[r.partition, r.offset] for r in receipts] == [r.value for r in sent]
    for partition in range(4):
        offsets = [r.offset for r in found if r.partition == partition]
        assert offsets == list(range(len(offsets)))


async def test_the_reader_resumes_from_positions_stored_with_the_output(
    settings: KitSettings, writer: LogWriter, make_topic: MakeTopic, pool: Pool
) -> None:
    await make_topic("a", 2)
    await writer.send_many(numbered("a", 50, keys=8))
    seen: list[Record] = []
    for _ in range(5):
        async with pool.acquire() as conn:
            stored = await load_positions(conn, ["a"])
        # Each time a new process: only the database knows where the last one stopped.
        async with reading(settings, "a", positions=stored) as reader:
            while len(seen) < 50:
                before = reader.positions()
                records = await reader.read(max_records=7)
                if not records:
                    continue
                async with pool.acquire() as conn, conn.transaction():
                    await advance_all(conn, before, reader.positions(), epoch=0)
                seen += records
                if len(seen) % 2:
                    break
            else:
                assert await reader.read(timeout_ms=100) == []
    assert sorted(int(r.value or b"") for r in seen) == list(range(50))


async def test_records_that_were_read_but_not_stored_are_read_again_after_seek(
    settings: KitSettings, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    await writer.send_many(numbered("a", 10))
    async with reading(settings, "a") as reader:
        before = reader.positions()
        first = await read_count(reader, 10)
        await reader.seek(before)
        assert reader.positions() == before
        assert await read_count(reader, 10) == first


async def test_the_reader_reads_only_the_partitions_that_are_named(
    settings: KitSettings, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a", 4)
    await make_topic("b")
    await writer.send_many(numbered("a", 40, keys=16) + numbered("b", 3))
    async with reading(settings, "b", "a", partitions={"a": [2]}) as reader:
        assert set(reader.positions()) == {("a", 2), ("b", 0)}
        ends = await reader.end_offsets()
        assert await reader.lag() == sum(ends.values())
        found = await read_count(reader, sum(ends.values()))
        assert await reader.lag() == 0
    assert {(r.topic, r.partition) for r in found} == {("a", 2), ("b", 0)}


@pytest.mark.parametrize("position", [6, 1_000_000])
async def test_a_position_past_the_end_of_the_log_stops_the_reader(
    position: int, settings: KitSettings, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    await writer.send_many(numbered("a", 5))
    with pytest.raises(LogGapError, match=rf"a/0: .* within 0\.\.5, was {position}"):
        async with reading(settings, "a", positions={("a", 0): position}):
            pass


async def test_a_log_whose_head_is_gone_stops_the_reader_that_needs_it(
    settings: KitSettings, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    await writer.send_many(numbered("a", 5))
    client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await client.start()
    tp = TopicPartition(f"{settings.topic_prefix}a", 0)
    await client.delete_records({tp: RecordsToDelete(3)})
    await client.close()
    with pytest.raises(LogGapError, match=r"within 3\.\.5, was 2"):
        async with reading(settings, "a", positions={("a", 0): 2}):
            pass
    async with reading(settings, "a", positions={("a", 0): 3}) as reader:
        assert [r.offset for r in await read_count(reader, 2)] == [3, 4]


async def test_the_watchdog_replaces_a_consumer_that_stands_still_while_it_lags(
    settings: KitSettings, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a", 2)
    async with reading(settings, "a", stall_s=0.3) as reader:
        await writer.send_many(numbered("a", 20, keys=8))
        stuck = reader._consumer
        assert stuck is not None
        # What aiokafka's issues 1154 and 703 look like from outside.
        stuck.pause(TopicPartition(f"{settings.topic_prefix}a", 1))
        found = await read_count(reader, 20)
        assert reader._consumer is not stuck
        rebuilt = reader._consumer
        assert sorted(int(r.value or b"") for r in found) == list(range(20))
        # And one that has nothing to read is left alone.
        for _ in range(8):
            await reader.read(timeout_ms=100)
        assert reader._consumer is rebuilt


class _NoText(str):
    """A header name that no UTF-8 is."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


async def test_a_header_name_that_is_no_text_costs_its_record_and_no_other(
    settings: KitSettings, writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a", 2)
    await writer.send_many(numbered("a", 20, keys=4))
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
    await producer.start()
    batch = producer.create_batch()
    # aiokafka's encoder in C takes only text; the one in Python asks the text.
    batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 16_384)
    batch.append(key=None, value=b"poison", timestamp=None, headers=[(_NoText(), b"x")])
    await (await producer.send_batch(batch, f"{settings.topic_prefix}a", partition=0))
    await producer.stop()
    await writer.send_many(numbered("a", 20, keys=4))

    async with reading(settings, "a") as reader:
        found = await read_count(reader, 41)
        assert await reader.lag() == 0

    assert [record.value for record in found].count(None) == 1
    places = {(record.partition, record.offset) for record in found}
    assert len(places) == 41
    numbers = sorted(int(record.value) for record in found if record.value is not None)
    assert numbers == sorted([*range(20), *range(20)])


async def test_a_record_that_is_too_large_is_refused_and_the_writer_goes_on(
    writer: LogWriter, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    with pytest.raises(SendRefusedError, match="MessageSizeTooLarge"):
        await writer.send(OutRecord("a", b"k", b"x" * 2_000_000))
    assert (await writer.send(OutRecord("a", b"k", b"small"))).offset == 0


async def test_a_lost_acknowledgement_is_an_unknown_outcome_and_the_writer_recovers(
    settings: KitSettings, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    async with Proxy.before(settings) as (proxy, through):
        writer = LogWriter(through, send_s_max=1.0)
        await writer.start()
        await writer.send(OutRecord("a", b"k", b"0"))
        proxy.drop_replies = True
        started_s = time.monotonic()
        with pytest.raises(SendUnknownError, match="TimeoutError"):
            await writer.send(OutRecord("a", b"k", b"1"))
        assert time.monotonic() - started_s < 3
        proxy.drop_replies = False
        proxy.reset()
        receipt = await writer.send(OutRecord("a", b"k", b"1"))
        await writer.stop()
    async with reading(settings, "a") as reader:
        found = await read_count(reader, receipt.offset + 1)
    # The first copy did arrive; the second carries the same bytes.
    assert [r.value for r in found] == [b"0", b"1", b"1"]


async def test_sends_of_other_tasks_survive_one_that_is_given_up(
    settings: KitSettings, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    async with Proxy.before(settings) as (proxy, through):
        writer = LogWriter(through, send_s_max=1.0)
        await writer.start()
        proxy.drop_replies = True
        outcomes = await asyncio.gather(
            *(writer.send(OutRecord("a", b"k", b"%d" % n)) for n in range(20)),
            return_exceptions=True,
        )
        assert all(isinstance(outcome, SendUnknownError) for outcome in outcomes)
        proxy.drop_replies = False
        proxy.reset()
        receipts = await asyncio.gather(
            *(writer.send(OutRecord("a", b"k", b"%d" % n)) for n in range(20))
        )
        assert len({receipt.offset for receipt in receipts}) == 20
        await writer.stop()


async def test_a_reset_connection_is_survived_by_reader_and_writer(
    settings: KitSettings, make_topic: MakeTopic
) -> None:
    await make_topic("a")
    async with Proxy.before(settings) as (proxy, through):
        writer = LogWriter(through)
        await writer.start()
        async with reading(through, "a", stall_s=1.0) as reader:
            for n in range(3):
                await writer.send(OutRecord("a", b"k", b"%d" % n))
                (record,) = await read_count(reader, 1)
                assert record.value == b"%d" % n
                proxy.reset()
        await writer.stop()


async def test_a_topic_that_is_not_there_is_an_unknown_outcome_in_bounded_time(
    settings: KitSettings,
) -> None:
    writer = LogWriter(settings, send_s_max=0.5)
    await writer.start()
    with pytest.raises(SendUnknownError):
        await writer.send(OutRecord("nowhere", b"k", b"v"))
    await writer.stop()


async def test_start_says_what_is_missing_within_the_time_allowed(settings: KitSettings) -> None:
    # Port 1 of this machine: nobody listens.
    away = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    with pytest.raises(LogUnavailableError, match=r"broker must be available within 0\.5 s"):
        await LogWriter(away).start(timeout_s=0.5)
    with pytest.raises(LogUnavailableError, match="a must be available"):
        await LogReader(away, ["a"]).start({}, timeout_s=0.5)
    with pytest.raises(LogUnavailableError, match="nowhere must be available"):
        await LogReader(settings, ["nowhere"]).start({}, timeout_s=0.5)
