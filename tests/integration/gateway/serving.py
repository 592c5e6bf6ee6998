"""A gateway that listens on a port, for clients that want a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope, Send

from services.gateway.adapters.http.listening import Server
from services.gateway.main import build
from tests.integration.gateway.conftest import Gateway


@asynccontextmanager
async def served(
    gateway: Gateway, port: int = 0, *, shares_port: bool = False, asked: list[str] | None = None
) -> AsyncIterator[str]:
    """Serve a fresh app over the gateway's stores; leaving stops it as a signal would.

    Paths that it is asked for are added to ``asked``.
    """
    app = build(gateway.settings, gateway.clock, gateway.pool, gateway.reader, gateway.writer)
    stop = asyncio.Event()

    async def heard(scope: Scope, receive: Receive, send: Send) -> None:
        if asked is not None:
            asked.append(scope["path"])
        await app(scope, receive, send)

    server = Server(
        heard, host="127.0.0.1", port=port, proxies="", shutdown_s=10.0, shares_port=shares_port
    )
    streams = asyncio.create_task(app.state.api.streams.run(stop))
    serving = asyncio.create_task(server.run_until(stop))
    try:
        yield f"http://127.0.0.1:{await server.port()}"
    finally:
        stop.set()
        await streams
        await serving
