"""A gateway behind a real socket, and somebody who listens to its streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from services.gateway.main import _Server, build
from tests.integration.gateway.conftest import Gateway, Json


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a stream."""

    id: str
    kind: str
    data: Json


@asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[str]:
    """Serve a fresh app over the gateway's stores; leaving stops it as a signal would."""
    settings = gateway.settings.model_copy(update={"gateway_port": 0, "shutdown_s": 10.0})
    app = build(settings, gateway.clock, gateway.pool, gateway.reader, gateway.writer)
    stop = asyncio.Event()
    server = _Server(app, settings)
    streams = asyncio.create_task(app.state.api.streams.run(stop))
    serving = asyncio.create_task(server.run_until(stop))
    try:
        yield f"http://127.0.0.1:{await server.port()}"
    finally:
        stop.set()
        await streams
        await serving


@asynccontextmanager
async def listening(
    url: str, path: str, key: str | None, **params: str
) -> AsyncIterator[AsyncIterator[Told]]:
    """Listen to a stream; ``last`` among the parameters is sent as `Last-Event-ID`."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    if last := params.pop("last", None):
        headers["Last-Event-ID"] = last
    timeout = httpx.Timeout(30)
    async with (
        httpx.AsyncClient(base_url=url, timeout=timeout) as http,
        http.stream("GET", path, headers=headers, params=params) as reply,
    ):
        assert reply.status_code == 200, await reply.aread()
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield _events(reply)


async def _events(reply: httpx.Response) -> AsyncIterator[Told]:
    fields: dict[str, str] = {}
    async for line in reply.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            yield Told(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
        fields = {}


async def take(events: AsyncIterator[Told], count: int) -> list[Told]:
    """Return the next events."""
    found: list[Told] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found.append(await anext(events))
    return found
