"""Ten thousand listeners on one gateway: time until all have heard, memory, breaks, slow readers.

Events go the whole way: onto the log, through the gateway's reader into the feed, to each
listener over a connection of its own. The listeners are in a process of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import psutil

from infra.local.exchange import Exchange
from schemas.codec import Envelope, derive_id, encode
from schemas.events import PoolCurve, RoundPrices
from schemas.registry import BY_MODEL
from services.kit.kafka import LogWriter, OutRecord
from services.kit.settings import KitSettings

if TYPE_CHECKING:
    from types import TracebackType

LISTENERS = 10_000
SLOW = 50
# 2,000 prices of about 1.6 KB for each slow reader; the sockets' own memory may hold that much.
_SLOW_ROUNDS = 50
_LOOK_S = 0.05
_POOLS = 40
_PERIODS = 168
_MARKET_ID = "bench-sse"
_ROOT = Path(__file__).parents[1]
# All come from one address.
_LIMITS = {"SUANLI_GATEWAY_ANONYMOUS_PER_S": "0", "SUANLI_GATEWAY_LISTENERS_MAX": "100000"}


class Crowd:
    """The listeners' process.

    Args:
        url: The stream.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._where = {"host": address.hostname, "port": address.port, "path": address.path}

    def __enter__(self) -> Self:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadtests.sse_driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        self._write(self._where)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def do(self, name: str, *arguments: int) -> dict[str, Any]:
        """Let the listeners do something; return what they say of it."""
        self._write([name, *arguments])
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        return said

    def _write(self, value: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()


async def publish(bootstrap: str, rounds: range, pools: int, periods: int) -> float:
    """Put prices of rounds on the log; return when the last was acknowledged."""
    writer = LogWriter(KitSettings(kafka_bootstrap=bootstrap))
    await writer.start()
    try:
        await writer.send_many([_record(number, pools, periods) for number in rounds])
    finally:
        at = time.time()
        await writer.stop()
    return at


def _record(number: int, pools: int, periods: int) -> OutRecord:
    now = datetime.now(UTC)
    curve = tuple([9_500_000] * periods)
    data = RoundPrices(
        round_id=f"{_MARKET_ID}:{number}",
        market_id=_MARKET_ID,
        first_period=now.replace(minute=0, second=0, microsecond=0),
        part=0,
        parts=1,
        pools=tuple(PoolCurve(pool=f"z-{pool}/h800", prices=curve) for pool in range(pools)),
    )
    envelope = Envelope(
        id=derive_id("bench", str(number)),
        source="/suanli/matching",
        occurred_at=now,
        recorded_at=now,
        participant_id="exchange",
        correlation_id=data.round_id,
        causation_id="",
        traceparent="",
        data=data,
    )
    key, value, headers = encode(envelope)
    return OutRecord(topic=BY_MODEL[RoundPrices].topic, key=key, value=value, headers=headers)


class Highest:
    """The most memory that a process has while this is entered.

    Args:
        process: The process.
    """

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.mib = 0.0

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop to look."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_S):
            self.mib = max(self.mib, self._process.memory_info().rss / 2**20)


class Bench:
    """One run.

    Args:
        exchange: With a gateway that runs.
        crowd: The listeners.
        after_round: Last round that was told before.
    """

    def __init__(self, exchange: Exchange, crowd: Crowd, after_round: int = 0) -> None:
        self._crowd = crowd
        self._kafka = exchange.stack.kafka_bootstrap
        pid = exchange.stack.supervisor.status("gateway").pid
        assert pid is not None, "the gateway must run, it did not"
        self._gateway = psutil.Process(pid)
        self._round = after_round
        self.lines: list[str] = []

    def many(self, count: int) -> None:
        """Let many listen, be cut off, and come back at once."""
        before = self._mib()
        joined = self._crowd.do("join", count)
        after = self._mib()
        each_kib = (after - before) * 1024 / count
        self._tell(
            f"{joined['ready']} of {count} listen after {joined['seconds']:.1f} s; gateway "
            f"{before:.0f} MiB before, {after:.0f} MiB after: {each_kib:.1f} KiB each"
        )
        self._hear("5 prices", self._publish(1, 5, 24), 5, count)
        self._hear("50 prices", self._publish(10, 5, 24), 55, count)
        self._crowd.do("leave")
        self._publish(10, 5, 24)
        before, spent_s = self._mib(), self._cpu_s()
        with Highest(self._gateway) as highest:
            back = self._crowd.do("rejoin")
        each_us = (self._cpu_s() - spent_s) / count * 1e6
        self._tell(
            f"all cut off and back at once: {back['ready']} of {count} after "
            f"{back['seconds']:.1f} s and {back['retries']} tries more; gateway {before:.0f} MiB "
            f"before, at most {highest.mib:.0f} MiB, {each_us:.0f} us each"
        )
        self._hear("50 prices that they missed", time.time(), 105, count)
        self._crowd.do("leave")

    def slow(self, count: int) -> None:
        """Let some read nothing while much is told, then read on."""
        self._crowd.do("join", count)
        self._crowd.do("pause", count)
        before = self._mib()
        began = self._publish(_SLOW_ROUNDS, _POOLS, _PERIODS)
        total = _SLOW_ROUNDS * _POOLS
        most = max(self._mib_after(0.5) for _ in range(10))
        self._crowd.do("resume", count)
        said = self._crowd.do("hear", total)
        self._tell(
            f"{count} that read nothing while {total} prices were told: gateway from "
            f"{before:.0f} to {most:.0f} MiB; read on: {said['heard_all']} heard all, "
            f"{said['twice']} something twice, {said['lost']} cut off, {said['at'] - began:.1f} s"
        )

    def _publish(self, rounds: int, pools: int, periods: int) -> float:
        numbers = range(self._round + 1, self._round + 1 + rounds)
        self._round += rounds
        return asyncio.run(publish(self._kafka, numbers, pools, periods))

    def _hear(self, what: str, began: float, total: int, count: int) -> None:
        said = self._crowd.do("hear", total)
        self._tell(
            f"{what}: {said['heard_all']} of {count} had all {said['at'] - began:.2f} s after; "
            f"{said['twice'] + said['too_many']} heard one twice, {said['lost']} were cut off; "
            f"gateway {self._mib():.0f} MiB"
        )

    def _cpu_s(self) -> float:
        spent = self._gateway.cpu_times()
        return float(spent.user + spent.system)

    def _mib(self) -> float:
        return float(self._gateway.memory_info().rss / 2**20)

    def _mib_after(self, seconds: float) -> float:
        time.sleep(seconds)
        return self._mib()

    def _tell(self, line: str) -> None:
        self.lines.append(line)
        sys.stderr.write(f"{line}\n")


def measure(listeners: int, slow: int) -> list[str]:
    """Measure with so many listeners and return the lines of the report."""
    folder = Path(tempfile.mkdtemp(prefix="suanli-bench-"))
    exchange = Exchange(folder)
    os.environ.update(_LIMITS)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    load_before = os.getloadavg()[0]
    lines: list[str] = []
    try:
        exchange.configure()
        exchange.start_stack(quiet=True)
        exchange.start_service("gateway")
        url = f"{exchange.api_url}/v1/streams/prices"
        with Crowd(url) as crowd:
            bench = Bench(exchange, crowd)
            lines = bench.lines
            bench.many(listeners)
        with Crowd(url) as crowd:
            bench = Bench(exchange, crowd, after_round=1_000)
            bench.slow(slow)
            lines += bench.lines
    finally:
        exchange.wipe()
        shutil.rmtree(folder, ignore_errors=True)
    return [*lines, f"load {load_before:.1f} before, {os.getloadavg()[0]:.1f} after"]


def main() -> list[str]:
    """Run the measurement on an exchange of its own and return the report."""
    return measure(LISTENERS, SLOW)
