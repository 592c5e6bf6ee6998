from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

import pytest

from infra.local.stack import LocalStack
from services.kit.errors import SendUnknownError
from services.kit.kafka import LogReader, LogWriter, OutRecord
from services.kit.settings import KitSettings
from tests.integration.kit.conftest import create_topic, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(150)]

LAST = 120


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    # Of its own, since the broker that the other tests use must stay up.
    stack = LocalStack(tmp_path_factory.mktemp("stack"), durable=False)
    stack.start(quiet=True)
    yield stack
    stack.wipe()


def kill(stack: LocalStack) -> None:
    status = next(status for status in stack.status() if status.name == "kafka")
    assert status.pid is not None
    os.kill(status.pid, signal.SIGKILL)


def stop(stack: LocalStack) -> None:
    stack.supervisor.stop("kafka")


@pytest.mark.parametrize("down", [stop, kill])
async def test_reader_and_writer_go_on_after_a_broker_restart_without_a_human(
    down: object, own_stack: LocalStack
) -> None:
    assert callable(down)
    settings = KitSettings(
        kafka_bootstrap=own_stack.kafka_bootstrap,
        topic_prefix=f"{getattr(down, '__name__', '')}.",
        _env_file=None,
    )
    await create_topic(settings, "a", 1)
    writer = LogWriter(settings, send_s_max=3.0)
    reader = LogReader(settings, ["a"], stall_s=2.0)
    await writer.start()
    await reader.start({})
    seen: list[int] = []
    reading = asyncio.create_task(read_until_last(reader, seen))
    writing = asyncio.create_task(write_all(writer))
    try:
        await eventually(lambda: len(seen) >= 20)
        await asyncio.to_thread(down, own_stack)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(own_stack.start, quiet=True)
        await asyncio.wait_for(asyncio.gather(reading, writing), 60)
        assert len(seen) < LAST * 3
        assert await reader.lag() == 0
    finally:
        reading.cancel()
        writing.cancel()
        await reader.stop()
        await writer.stop()
    # At least once: repeats may occur, a gap may not.
    assert list(dict.fromkeys(seen)) == list(range(LAST))


async def write_all(writer: LogWriter) -> None:
    for number in range(LAST):
        sent = False
        while not sent:
            with contextlib.suppress(SendUnknownError):
                await writer.send(OutRecord("a", b"k", b"%d" % number))
                sent = True
        await asyncio.sleep(0.02)


async def read_until_last(reader: LogReader, seen: list[int]) -> None:
    while LAST - 1 not in seen:
        seen += [int(record.value or b"") for record in await reader.read(timeout_ms=200)]
