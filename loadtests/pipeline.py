"""Orders in: the whole way from HTTP to the ledger's hold, against what bounds it.

In one run, on one machine: (1) a bare FastAPI endpoint that parses and echoes the same body,
(2) the same records written straight to the broker with ``acks=all``, (3) the gateway, and
(4) how far behind the ledger's holds are. The figures are ratios of (3) to (1) and (2).
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import shutil
import socket
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI

from infra.demo import world
from infra.local.exchange import Exchange
from suanli import operations as ops
from suanli.client import AsyncClient
from suanli.errors import ApiError

ORDERS = 1_500
CONCURRENCY = 32
ENTERPRISES = 8
_DEPOSIT = 10_000_000 * world.MICRO
_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls a second and their latency in milliseconds."""

    per_s: float
    p50_ms: float
    p99_ms: float


def terms(number: int) -> dict[str, Any]:
    """Return a demand such as a service would send."""
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    return {
        "shape": {"type": "flow", "chips": 1 + number % 4},
        "alternatives": [{"chips_any_of": ["t4", "a10"], "limit": 5_000_000}],
        "earliest": first.isoformat(),
        "deadline": (first + timedelta(hours=4)).isoformat(),
    }


async def measure(clients: list[AsyncClient], path: str, label: str) -> Rate:
    """Submit `ORDERS` bodies over the clients in parallel and return the rate."""
    took_ms: list[float] = []
    numbers = iter(range(ORDERS))

    async def worker(client: AsyncClient) -> None:
        for number in numbers:
            body = {"market_id": world.MARKET_ID, "terms": terms(number)}
            began = time.perf_counter()
            await client.send(
                ops.Operation("POST", path, body=body, idempotency_key=f"{label}-{number}")
            )
            took_ms.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(worker(clients[i % len(clients)]) for i in range(CONCURRENCY)))
    cuts = statistics.quantiles(took_ms, n=100)
    return Rate(ORDERS / (time.perf_counter() - began), cuts[49], cuts[98])


async def produce(bootstrap: str) -> float:
    """Return records a second written straight to the broker, every one acknowledged."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        body = json.dumps({"market_id": "bench", "terms": terms(1)}).encode()
        began = time.perf_counter()
        # Not a topic of ours that anyone decodes: the dead letters take any bytes.
        sent = [await producer.send("dead-letters", body, key=b"bench") for _ in range(ORDERS)]
        await asyncio.gather(*sent)
        return ORDERS / (time.perf_counter() - began)
    finally:
        await producer.stop()


def serve_echo(port: int) -> None:
    """Run the bare FastAPI peer."""
    app = FastAPI()

    @app.post("/echo")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", loop="uvloop")


async def prepare(exchange: Exchange) -> tuple[list[AsyncClient], list[str]]:
    """Define the market and return one client per enterprise, with money, and their keys."""
    keys = []
    async with AsyncClient(exchange.api_url, exchange.config.operator_key) as operator:
        market = world.market(round_every_s=86_400, effort=1)
        await operator.send(ops.Operation("POST", "/v1/markets", body=market))
        for number in range(ENTERPRISES):
            name = f"bench-{number}"
            reply = await operator.send(ops.register(name, "enterprise", name))
            keys.append(str(reply["api_key"]))
            await operator.send(ops.deposit(name, _DEPOSIT, "bench"))
        await _until_known(operator)
    return [AsyncClient(exchange.api_url, key) for key in keys], keys


async def _until_known(operator: AsyncClient) -> None:
    async with asyncio.timeout(_WAIT_S):
        while True:
            try:
                await operator.send(ops.read(f"/v1/markets/{world.MARKET_ID}"))
            except ApiError:
                await asyncio.sleep(0.1)
            else:
                return


async def until_open(client: AsyncClient) -> float:
    """Return seconds until the client's last order is in the book, hold in place."""
    began = time.perf_counter()
    async with asyncio.timeout(_WAIT_S):
        while True:
            page = await client.send(ops.read("/v1/demand", state="accepted", limit=1))
            if not page["items"]:
                return time.perf_counter() - began
            await asyncio.sleep(0.05)


async def run(exchange: Exchange, echo_url: str) -> list[str]:
    """Measure everything and return the lines of the report."""
    clients, _keys = await prepare(exchange)
    peers = [AsyncClient(echo_url) for _ in range(ENTERPRISES)]
    try:
        await _until_echo(peers[0])
        echo = await measure(peers, "/echo", "echo")
        gateway = await measure(clients, "/v1/demand", "demand")
        behind_s = max(await asyncio.gather(*(until_open(client) for client in clients)))
        raw = await produce(exchange.stack.kafka_bootstrap)
    finally:
        await asyncio.gather(*(client.aclose() for client in clients + peers))
    lines = [
        f"{ORDERS} orders, {CONCURRENCY} at a time, client on the same machine",
        f"bare FastAPI echo   {_shown(echo)}",
        f"gateway, acks=all   {_shown(gateway)}   {gateway.per_s / echo.per_s:.2f} of the echo",
        f"broker alone        {raw:7.0f}/s   {gateway.per_s / raw:.3f} of it is used",
        f"holds in place      {behind_s:7.2f} s after the last reply",
    ]
    memory = [(row.name, row.memory_bytes / 2**20) for row in exchange.status()]
    return lines + [f"memory {name:<10} {mib:5.0f} MiB" for name, mib in memory]


def _shown(rate: Rate) -> str:
    return f"{rate.per_s:7.0f}/s   p50 {rate.p50_ms:6.1f} ms   p99 {rate.p99_ms:6.1f} ms"


async def _until_echo(client: AsyncClient) -> None:
    await client.send(ops.Operation("POST", "/echo", body={}, idempotency_key="warm"))


def main() -> list[str]:
    """Run the measurement on an exchange of its own and return the report."""
    folder = Path(tempfile.mkdtemp(prefix="suanli-bench-"))
    exchange = Exchange(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    peer = multiprocessing.get_context("spawn").Process(target=serve_echo, args=(port,))
    peer.start()
    try:
        exchange.up(quiet=True)
        return asyncio.run(run(exchange, f"http://127.0.0.1:{port}"))
    finally:
        peer.terminate()
        exchange.wipe()
        shutil.rmtree(folder, ignore_errors=True)
