"""Orders a second over HTTP, against a bare FastAPI echo of the same body in the same run.

One driver sends the same bodies over the same connections:

1. to the echo, one process;
2. if there are several gateways, to as many processes of the echo;
3. to the whole exchange: every service takes the orders in while they come;
4. to the front door: the gateways, the broker and the database. The other services are stopped for
   the time of the burst and started after it, and the time until every order has its verdict is
   told: what the front door accepted waits on the log, and none of it may be lost.

The front door and the echo take turns, and what is told is the median of their turns: a shared
machine is faster in one minute than in the next. Beside rates it says what an order costs each
process in processor time, which other work on the machine changes less than rates.
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
from dataclasses import dataclass, replace
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

CONNECTIONS = 384
GATEWAYS = 2
ORDERS = 1_000_000
SECONDS = 15.0
_WARM_SECONDS = 3.0
_TURNS = 5
# Each of them takes a third of the time of the others, to be over before the machine changes.
_TURN_SHARE = 3
_START_S_MAX = 30.0
# Who waits for verdicts gives up when none came for so long.
_STILL_S_MAX = 60.0
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


@dataclass(frozen=True, slots=True)
class Way:
    """How orders are sent.

    Attributes:
        keys: API keys, which connections take in turn.
        connections: Connections, each with one request at a time.
        seconds: For how long.
    """

    keys: list[str]
    connections: int
    seconds: float


def drive(url: str, way: Way, pids: dict[str, int], label: str) -> Load:
    """Send orders and return what was measured."""
    address = urlsplit(url)
    wanted = {
        "host": address.hostname,
        "port": address.port,
        "path": address.path,
        "keys": way.keys,
        "connections": way.connections,
        "orders": ORDERS,
        "seconds": way.seconds,
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
def echo_peer(folder: Path, processes: int) -> Iterator[tuple[str, dict[str, int]]]:
    """Run the bare FastAPI peer; yield its address and its processes."""
    folder.mkdir(exist_ok=True)
    peers: list[subprocess.Popen[bytes]] = []
    port = 0
    try:
        for number in range(processes):
            port_file = folder / f"echo-{processes}-{number}"
            peer = subprocess.Popen(
                [sys.executable, "-m", "loadtests.http_echo", str(port_file), str(port)], cwd=_ROOT
            )
            peers.append(peer)
            port = _port_of(port_file, peer)
        yield f"http://127.0.0.1:{port}/echo", {f"echo {n}": one.pid for n, one in enumerate(peers)}
    finally:
        for peer in peers:
            peer.terminate()
        for peer in peers:
            peer.wait()


def _port_of(port_file: Path, peer: subprocess.Popen[bytes]) -> int:
    until_s = time.monotonic() + _START_S_MAX
    while not port_file.exists():
        assert peer.poll() is None, "the echo must run, it ended"
        assert time.monotonic() < until_s, f"the echo must listen within {_START_S_MAX:g} s"
        time.sleep(0.05)
    return int(port_file.read_text(encoding="utf-8"))


def compare(exchange: Exchange, folder: Path, way: Way) -> Iterator[str]:
    """Measure all and yield the lines of the report."""
    sent = 0
    warm = replace(way, seconds=min(way.seconds, _WARM_SECONDS))

    def orders(label: str, how: Way) -> Load:
        nonlocal sent
        load = drive(f"{exchange.api_url}/v1/demand", how, _pids(exchange), label)
        sent += load.orders - load.refused
        return load

    gateways = exchange.config.gateways
    yield (
        f"{way.connections} connections, {gateways} gateways, {way.seconds:g} s each; "
        f"load {os.getloadavg()[0]:.1f} before"
    )
    orders("warm", warm)
    echo = _echo(folder, way, 1)
    yield from _report("bare FastAPI echo", echo, echo)
    if gateways > 1:
        yield from _report(f"the same, {gateways} processes", _echo(folder, way, gateways), echo)
    _until_verdicts(exchange, sent)
    whole = orders("whole", way)
    yield from _report("whole exchange", whole, echo)
    yield f"  verdicts on all {whole.orders} after {_until_verdicts(exchange, sent):.1f} s more"
    _stop_readers(exchange)
    orders("alone", warm)
    turn = replace(way, seconds=way.seconds / _TURN_SHARE)
    turns: list[tuple[Load, Load]] = []
    with echo_peer(folder / "turns", 1) as (url, pids):
        for number in range(_TURNS):
            beside = drive(url, turn, pids, f"echo-{number}")
            turns.append((orders(f"turn-{number}", turn), beside))
    yield from _report_turns(f"front door alone, {_TURNS} turns of {turn.seconds:g} s", turns)
    waiting = _without_verdict(exchange, sent)
    exchange.start_services()
    took_s = _until_verdicts(exchange, sent)
    yield (
        f"  {waiting} waited on the log for a verdict; the services were started, and all had "
        f"one {took_s:.1f} s after they were up: {waiting / took_s:.0f} a second"
    )
    yield f"load {os.getloadavg()[0]:.1f} after"


def _echo(folder: Path, way: Way, processes: int) -> Load:
    with echo_peer(folder, processes) as (url, pids):
        return drive(url, way, pids, f"echo{processes}")


def _report(name: str, load: Load, echo: Load) -> Iterator[str]:
    share = "" if load is echo else f"   {load.per_s / echo.per_s:.2f} of the echo"
    yield f"{name:<22}  {load.line()}{share}"
    yield f"  microseconds of processor time each: {_costs(load.cost_us)}"
    if load.refused:
        yield f"  {load.refused} were refused: {'; '.join(load.refusals)}"


def _report_turns(name: str, turns: list[tuple[Load, Load]]) -> Iterator[str]:
    loads = [load for load, _ in turns]
    yield (
        f"{name}: {_middle([load.per_s for load in loads], ',.0f')} a second, "
        f"{_middle([load.per_s / beside.per_s for load, beside in turns], '.2f')} of the echo's "
        f"{_middle([beside.per_s for _, beside in turns], ',.0f')} beside each; "
        f"p50 {_middle([load.p50_ms for load in loads], '.1f')} ms, "
        f"p99 {_middle([load.p99_ms for load in loads], '.1f')} ms"
    )
    shares = ", ".join(f"{load.per_s / beside.per_s:.2f}" for load, beside in turns)
    yield f"  in the order of the turns: {shares}"
    costs = {
        part: statistics.median(load.cost_us[part] for load in loads) for part in loads[0].cost_us
    }
    yield f"  microseconds of processor time each: {_costs(costs)}"
    for load in loads:
        if load.refused:
            yield f"  {load.refused} were refused: {'; '.join(load.refusals)}"


def _middle(found: list[float], form: str) -> str:
    """Return the median, and from the least to the most."""
    return f"{statistics.median(found):{form}} ({min(found):{form}} to {max(found):{form}})"


def _costs(cost_us: dict[str, float]) -> str:
    costs = sorted(cost_us.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{part} {us:.0f}" for part, us in costs if us >= _SHOWN_US_MIN)
    return f"{shown}; in all {sum(cost_us.values()):.0f}"


def _pids(exchange: Exchange) -> dict[str, int]:
    return {row.name: row.pid for row in exchange.status() if row.pid is not None}


def _stop_readers(exchange: Exchange) -> None:
    """Stop every service but gateways, and the keeper first, which would start them again."""
    for name in (KEEPER, *(name for name in SERVICES if name != "gateway")):
        exchange.stack.supervisor.stop(name)


def _until_verdicts(exchange: Exchange, sent: int) -> float:
    """Return seconds until no order waits for its verdict, and none is lost."""
    began = moved = time.monotonic()
    least = sent
    while waiting := _without_verdict(exchange, sent):
        now = time.monotonic()
        if waiting < least:
            least, moved = waiting, now
        assert now - moved < _STILL_S_MAX, (
            f"{waiting} orders without a verdict after {now - began:.0f} s, and none came for "
            f"{_STILL_S_MAX:.0f} s"
        )
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


def main(*arguments: str) -> Iterator[str]:
    """Run the measurement on an exchange of its own and yield the report.

    Args:
        arguments: Connections, gateways and seconds; each has a default. A turn takes a third of
            the seconds.
    """
    given = [int(word) for word in arguments]
    connections, gateways, seconds = (*given, *(CONNECTIONS, GATEWAYS, int(SECONDS))[len(given) :])
    folder = Path(tempfile.mkdtemp(prefix="suanli-bench-"))
    exchange = Exchange(folder)
    exchange.configure()
    exchange.resize(gateways)
    os.environ.update({name: os.environ.get(name, value) for name, value in _LIMITS.items()})
    try:
        exchange.up(quiet=True)
        way = Way(asyncio.run(_admit(exchange)), connections, seconds)
        yield from compare(exchange, folder, way)
    finally:
        exchange.wipe()
        shutil.rmtree(folder, ignore_errors=True)
