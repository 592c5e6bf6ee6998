"""The embedded stack's own life: start, stop, kill, recover, wipe. Each start takes seconds."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from infra.local.errors import SetupError
from infra.local.identity import start_mark
from infra.local.kafka import brokers_alive
from infra.local.ports import LOOPBACK, PortBook
from infra.local.stack import LocalStack
from infra.local.topics import ensure_topics

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[3]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalStack]:
    """Return a stack of this test's own, in a folder whose name is hard to take."""
    made = LocalStack(tmp_path / "a folder, 数据" / "state", durable=False)
    yield made
    made.wipe()


async def _put(stack: LocalStack, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap, acks="all")
    connection = await asyncpg.connect(stack.postgres_dsn)
    await producer.start()
    try:
        await producer.send_and_wait("rounds", value, partition=0)
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (value bytea)")
        await connection.execute("INSERT INTO kept VALUES ($1)", value)
    finally:
        await producer.stop()
        await connection.close()


async def _kept(stack: LocalStack, count: int) -> tuple[list[bytes], list[bytes]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka_bootstrap, enable_auto_commit=False)
    connection = await asyncpg.connect(stack.postgres_dsn)
    await consumer.start()
    try:
        consumer.assign([TopicPartition("rounds", 0)])
        await consumer.seek_to_beginning()
        records = [(await consumer.getone()).value for _ in range(count)]
        rows = [row["value"] for row in await connection.fetch("SELECT value FROM kept")]
    finally:
        await consumer.stop()
        await connection.close()
    return records, rows


def _pids(stack: LocalStack) -> dict[str, int | None]:
    return {row.name: row.pid for row in stack.status()}


async def test_a_stack_keeps_its_data_ports_and_processes_over_start_stop_and_kill(
    own: LocalStack,
) -> None:
    # Two commands at once: the lock lets one start it, and the other finds it running.
    with ThreadPoolExecutor(2) as workers:
        for future in [workers.submit(own.start) for _ in range(2)]:
            future.result()
    first, addresses = _pids(own), (own.kafka_bootstrap, own.postgres_dsn)
    own.start()
    assert _pids(own) == first
    assert all(row.running and row.memory_bytes > 10_000_000 for row in own.status())
    await ensure_topics(own.kafka_bootstrap)
    await _put(own, b"one")

    assert own.stop()
    assert not own.stop()
    assert _pids(own) == {"kafka": None, "postgres": None}
    own.start()
    assert (own.kafka_bootstrap, own.postgres_dsn) == addresses
    await _put(own, b"two")

    for pid in _pids(own).values():
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    own.start()
    assert (own.kafka_bootstrap, own.postgres_dsn) == addresses
    assert await _kept(own, 2) == ([b"one", b"two"], [b"one", b"two"])


def test_the_port_of_a_server_that_is_still_dying_is_waited_for(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json")
    port = book.claim("kafka")
    held = socket.create_server((LOOPBACK, port))
    leave = threading.Timer(0.2, held.close)
    leave.start()
    assert book.claim("kafka") == port
    leave.join()


def test_a_command_killed_while_it_starts_leaves_nothing_in_the_way(own: LocalStack) -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "infra.local", "up", "--state-dir", str(own.state_dir)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # Killed while PostgreSQL and Kafka are being set up, side by side, each under another name.
    deadline_s = time.monotonic() + 60
    while not list((own.state_dir / "kafka").glob("data.*.partial")):
        assert time.monotonic() < deadline_s, "the command never came to format Kafka's storage"
        time.sleep(0.005)
    command.kill()
    command.wait()
    # What the command had started lives on for a moment and still writes.
    own.start()
    assert all(row.running for row in own.status())

    # The records of a command that was killed between a start and its note of it.
    before, addresses = _pids(own), (own.kafka_bootstrap, own.postgres_dsn)
    for record in (own.state_dir / "run").glob("*.json"):
        record.unlink()
    own.start()
    assert (own.kafka_bootstrap, own.postgres_dsn) == addresses
    assert _pids(own)["postgres"] == before["postgres"]
    assert brokers_alive("127.0.0.1", int(addresses[0].rpartition(":")[2])) == 1

    foreign = own.state_dir / "mine.txt"
    foreign.write_text("not the stack's", encoding="utf-8")
    after = _pids(own)
    own.wipe()
    assert [path.name for path in own.state_dir.iterdir()] == ["mine.txt"]
    assert all(pid is not None and start_mark(pid) is None for pid in after.values())
    with pytest.raises(SetupError, match="never started"):
        _ = own.kafka_bootstrap


def test_a_port_that_was_taken_meanwhile_is_chosen_anew(own: LocalStack) -> None:
    remembered = own.ports.claim("kafka")
    assert own.ports.claim("kafka") == remembered
    with socket.socket() as other:
        other.bind(("127.0.0.1", remembered))
        other.listen()
        chosen = own.ports.claim("kafka")
    assert chosen != remembered
    assert own.ports.get("kafka") == chosen
