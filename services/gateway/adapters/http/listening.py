"""The server of the HTTP API."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator

    from fastapi import FastAPI

# As many as come back at once after a break; the kernel has a limit of its own (somaxconn).
_BACKLOG = 16_384


class Server(uvicorn.Server):
    """Uvicorn inside the kit's loop; the kit owns the signals and the logs.

    Args:
        app: The API.
        host: Address to listen at.
        port: Its port; 0 lets the system choose.
        proxies: Addresses whose word on the caller's address is taken, separated by commas.
        shutdown_s: Time for what is under way when it should stop.
    """

    def __init__(
        self, app: FastAPI, *, host: str, port: int, proxies: str, shutdown_s: float
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                backlog=_BACKLOG,
                lifespan="off",
                server_header=False,
                # Limits rest on the caller's address, so nobody else may claim one.
                proxy_headers=bool(proxies),
                forwarded_allow_ips=proxies,
                timeout_graceful_shutdown=int(shutdown_s),
            )
        )
        self._listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell so."""
        await super().startup(sockets)
        self._listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the kit."""
        yield

    async def run_until(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set, then finish what is under way."""
        serving = asyncio.ensure_future(self.serve())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        self.should_exit = True
        await serving

    async def port(self) -> int:
        """Return the port once the server listens."""
        await self._listening.wait()
        chosen: int = self.servers[0].sockets[0].getsockname()[1]
        return chosen
