"""Orders a second over HTTP, against a bare FastAPI echo of the same body in the same run.

One driver sends the same bodies over the same connections, three times:

1. to the echo;
2. to the whole exchange: every service takes the orders in while they come;
3. to the front door: the gateway, the broker and the database. The other services are stopped for
   the time of the burst and started after it, and the time until every order has its verdict is
   told: what the front door accepted waits on the log, and none of it may be lost.

Beside rates it says what an order costs each process in processor time, which other work on the
machine changes less than rates.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import psutil

from infra.demo import world
from infra.local.exchange import KEEPER, SERVICES, Exchange
from loadtests.pipeline import prepare
from services.kit.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS = 32
ORDERS = 100_000
SECONDS = 15.0
_WARM_SECONDS = 3.0
_START_S_MAX = 30.0
_VERDICTS_S_MAX = 300.0
_LOOK_S = 0.1
# What waits for work and does none is not worth a word.
_SHOWN_US_MIN = 0.5
_SQL = Queries.load(Path(__file__).parent / "sql")
_ROOT = Path(__file__).parents[1]
# Of each participant; else the driver would measure the limits.
_LIMITS = {"SUANLI_GATEWAY_WRITES_PER_S": "100000", "SUANLI_GATEWAY_ANONYMOUS_PER_S": "100000"}


@dataclass(frozen=True, slots=True)
class Load:
    """What a driver measured.

    Attributes:
        orders: Requests answered.
        per_s: Of them a second.
        p50_ms: Half were answered within.
        p99_ms: 99 % were answered within.
        refused: Replies other than 2xx.
        refusals: Some of them.
        cost_us: Microseconds of processor time for each, by process.
    """

    orders: int
    per_s: float
    p50_ms: float
    p99_ms: float
    refused: int
    refusals: list[str]
    cost_us: dict[str, float]

    def line(self) -> str:
        """Return it as a line of the report."""
        return f"{self.per_s:7.0f}/s   p50 {self.p50_ms:6.1f} ms   p99 {self.p99_ms:6.1f} ms"


def drive(
    url: str, keys: list[str], pids: dict[str, int], label: str, seconds: float = SECONDS
) -> Load:
    """Send orders for so many seconds and return what was measured."""
    address = urlsplit(url)
    wanted = {
        "host": address.hostname,
        "port": address.port,
        "path": address.path,
        "keys": keys,
        "connections": CONNECTIONS,
        "orders": ORDERS,
        "seconds": seconds,
        "label": label,
        "market_id": world.MARKET_ID,
    }
    before = {name: _cpu_s(pid) for name, pid in pids.items()}
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.http_driver"],
        input=json.dumps(wanted),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=_ROOT,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    took_ms = found["took_ms"]
    count = len(took_ms)
    cuts = statistics.quantiles(took_ms, n=100)
    spent = {name: _cpu_s(pid) - before[name] for name, pid in pids.items()}
    spent["driver"] = found["cpu_s"]
    return Load(
        orders=count,
        per_s=count / found["seconds"],
        p50_ms=cuts[49],
        p99_ms=cuts[98],
        refused=found["refused"],
        refusals=found["refusals"],
        cost_us={name: seconds / count * 1e6 for name, seconds in spent.items()},
    )


def _cpu_s(pid: int) -> float:
    """Return the processor time of a process and of those that it started."""
    process = psutil.Process(pid)
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if one is process:
            total += times.children_user + times.children_system
    return total


@contextmanager
def echo_peer(folder: Path) -> Iterator[tuple[str, int]]:
    """Run the bare FastAPI peer; yield its address and its process."""
    port_file = folder / "echo-port"
    peer = subprocess.Popen(
        [sys.executable, "-m", "loadtests.http_echo", str(port_file)], cwd=_ROOT
    )
    try:
        yield _address_of(port_file, peer), peer.pid
    finally:
        peer.terminate()
        peer.wait()


def _address_of(port_file: Path, peer: subprocess.Popen[bytes]) -> str:
    until_s = time.monotonic() + _START_S_MAX
    while not port_file.exists():
        assert peer.poll() is None, "the echo must run, it ended"
        assert time.monotonic() < until_s, f"the echo must listen within {_START_S_MAX:g} s"
        time.sleep(0.05)
    return f"http://127.0.0.1:{port_file.read_text(encoding='utf-8')}/echo"


def compare(exchange: Exchange, folder: Path, seconds: float = SECONDS) -> Iterator[str]:
    """Measure all three and yield the lines of the report."""
    keys = asyncio.run(_admit(exchange))
    sent = 0

    def orders(label: str, most_s: float) -> Load:
        nonlocal sent
        load = drive(f"{exchange.api_url}/v1/demand", keys, _pids(exchange), label, most_s)
        sent += load.orders - load.refused
        return load

    yield f"{CONNECTIONS} connections, {seconds:g} s each; load {os.getloadavg()[0]:.1f} before"
    orders("warm", min(seconds, _WARM_SECONDS))
    with echo_peer(folder) as (echo_url, echo_pid):
        echo = drive(echo_url, keys, {"echo": echo_pid}, "echo", seconds)
    yield from _report("bare FastAPI echo", echo, echo)
    _until_verdicts(exchange, sent)
    whole = orders("whole", seconds)
    yield from _report("whole exchange", whole, echo)
    yield f"  verdicts on all {whole.orders} after {_until_verdicts(exchange, sent):.1f} s more"
    _stop_readers(exchange)
    orders("alone", min(seconds, _WARM_SECONDS))
    door = orders("door", seconds)
    yield from _report("front door alone", door, echo)
    waiting = _without_verdict(exchange, sent)
    exchange.start_services()
    took_s = _until_verdicts(exchange, sent)
    yield (
        f"  {waiting} waited on the log for a verdict; the services were started, and all had "
        f"one {took_s:.1f} s after they were up: {waiting / took_s:.0f} a second"
    )
    yield f"load {os.getloadavg()[0]:.1f} after"


def _report(name: str, load: Load, echo: Load) -> Iterator[str]:
    share = "" if load is echo else f"   {load.per_s / echo.per_s:.2f} of the echo"
    yield f"{name:<18}  {load.line()}{share}"
    costs = sorted(load.cost_us.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{part} {us:.0f}" for part, us in costs if us >= _SHOWN_US_MIN)
    yield f"  microseconds of processor time each: {shown}; in all {sum(load.cost_us.values()):.0f}"
    if load.refused:
        yield f"  {load.refused} were refused: {'; '.join(load.refusals)}"


def _pids(exchange: Exchange) -> dict[str, int]:
    return {row.name: row.pid for row in exchange.status() if row.pid is not None}


def _stop_readers(exchange: Exchange) -> None:
    """Stop every service but the gateway, and the keeper first, which would start them again."""
    for name in (KEEPER, *(name for name in SERVICES if name != "gateway")):
        exchange.stack.supervisor.stop(name)


def _until_verdicts(exchange: Exchange, sent: int) -> float:
    """Return seconds until no order waits for its verdict, and none is lost."""
    began = time.monotonic()
    while waiting := _without_verdict(exchange, sent):
        took_s = time.monotonic() - began
        assert took_s < _VERDICTS_S_MAX, f"{waiting} orders without a verdict after {took_s:.0f} s"
        time.sleep(_LOOK_S)
    return time.monotonic() - began


def _without_verdict(exchange: Exchange, sent: int) -> int:
    """Return how many of the orders that were answered as accepted have had no verdict yet."""

    async def look() -> asyncpg.Record | None:
        conn = await asyncpg.connect(exchange.stack.postgres_dsn)
        try:
            return await conn.fetchrow(_SQL.verdicts)
        finally:
            await conn.close()

    found = asyncio.run(look())
    assert found is not None, "counts make one row"
    assert found["orders"] == sent, f"{sent} orders were accepted, {found['orders']} are there"
    return int(found["waiting"])


async def _admit(exchange: Exchange) -> list[str]:
    clients, keys = await prepare(exchange)
    await asyncio.gather(*(client.aclose() for client in clients))
    return keys


def main() -> Iterator[str]:
    """Run the measurement on an exchange of its own and yield the report."""
    folder = Path(tempfile.mkdtemp(prefix="suanli-bench-"))
    exchange = Exchange(folder)
    os.environ.update({name: os.environ.get(name, value) for name, value in _LIMITS.items()})
    try:
        exchange.up(quiet=True)
        yield from compare(exchange, folder)
    finally:
        exchange.wipe()
        shutil.rmtree(folder, ignore_errors=True)
