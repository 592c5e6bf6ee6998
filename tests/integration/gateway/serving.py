"""A gateway that listens on a port, for clients that want a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.gateway.main import _Server
from tests.integration.gateway.conftest import Gateway


@asynccontextmanager
async def served(gateway: Gateway) -> AsyncIterator[str]:
    """Serve a gateway's app from this loop; yield its address."""
    at_any_port = gateway.settings.model_copy(update={"gateway_port": 0})
    server, stop = _Server(gateway.app, at_any_port), asyncio.Event()
    serving = asyncio.create_task(server.run_until(stop))
    try:
        yield f"http://127.0.0.1:{await server.port()}"
    finally:
        stop.set()
        await serving
