"""Ten thousand orders in one request: how long it takes, and what the gateway needs for it.

The client sends them as NDJSON (`Client.submit_many`) to an exchange of its own, every service a
process; the time ends when the last verdict was read. Memory is the gateway's resident set, looked
at every 20 ms while it takes them in.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from infra.demo import world
from infra.local.exchange import Exchange
from loadtests.http_driver import terms
from loadtests.pipeline import prepare, until_open
from suanli.bulk import LINES_MAX
from suanli.client import AsyncClient, Client

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK_S = 0.02
# The limit of one participant is not what is measured.
_LIMITS = {"SUANLI_GATEWAY_WRITES_PER_S": "100000"}


class _Memory:
    """Watches a process's resident set, bytes, and its processor time, from a thread."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.before = self.most = self._process.memory_info().rss
        self._cpu_before_s = self._cpu_s()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def cpu_s(self) -> float:
        """Return the seconds of processor time since the beginning."""
        return self._cpu_s() - self._cpu_before_s

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_S):
            self.most = max(self.most, self._process.memory_info().rss)


def measure(exchange: Exchange) -> Iterator[str]:
    """Send them, and again under the same key, and as a dry run; yield lines of the report."""
    keys = asyncio.run(_admit(exchange))
    (pid,) = (row.pid for row in exchange.status() if row.name == "gateway" and row.pid)
    items: list[Any] = [
        {"market_id": world.MARKET_ID, "terms": terms(at)} for at in range(LINES_MAX)
    ]
    with Client(exchange.api_url, keys[0]) as client:
        # Plans of statements and pages of memory that a gateway has after its first minutes.
        list(client.submit_many("demand", items[:500]))
        yield f"{LINES_MAX} demands in one request; load {os.getloadavg()[0]:.1f} before"
        yield _one(client, pid, items, "new", {"key": "bench"})
        behind_s = asyncio.run(_until_held(exchange, keys[0]))
        yield f"holds in place {behind_s:.1f} s after the last verdict"
        yield _one(client, pid, items, "the same again", {"key": "bench"})
        yield _one(client, pid, items, "dry run", {"dry_run": True})
    yield f"load {os.getloadavg()[0]:.1f} after"


def _one(client: Client, pid: int, items: list[Any], label: str, more: dict[str, Any]) -> str:
    with _Memory(pid) as memory:
        began = time.perf_counter()
        found = list(client.submit_many("demand", items, **more))
        took_s = time.perf_counter() - began
    refused = [item for item in found if item.get("problem")]
    assert len(found) == len(items), f"{len(items)} verdicts must come, {len(found)} did"
    assert not refused, refused[0]
    mib = (memory.before / 2**20, memory.most / 2**20)
    return (
        f"{label:15} {took_s:6.2f} s, {took_s / len(items) * 1e3:5.2f} ms a line, of it "
        f"{memory.cpu_s() / len(items) * 1e3:5.2f} ms of the gateway's processor time; "
        f"its memory {mib[0]:.0f} MiB before, {mib[1]:.0f} MiB at most"
    )


async def _admit(exchange: Exchange) -> list[str]:
    clients, keys = await prepare(exchange)
    await asyncio.gather(*(client.aclose() for client in clients))
    return keys


async def _until_held(exchange: Exchange, key: str) -> float:
    async with AsyncClient(exchange.api_url, key) as client:
        return await until_open(client)


def main() -> Iterator[str]:
    """Run the measurement on an exchange of its own and yield the report."""
    folder = Path(tempfile.mkdtemp(prefix="suanli-bench-"))
    exchange = Exchange(folder)
    os.environ.update({name: os.environ.get(name, value) for name, value in _LIMITS.items()})
    try:
        exchange.up(quiet=True)
        yield from measure(exchange)
    finally:
        exchange.wipe()
        shutil.rmtree(folder, ignore_errors=True)
