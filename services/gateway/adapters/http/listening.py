"""The server of the HTTP API."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.types import ASGIApp

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
        shares_port: Whether other processes of this user may listen at the same address, too; the
            system then gives each new connection to one of them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        proxies: str,
        shutdown_s: float,
        shares_port: bool,
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
        self._shares_port = shares_port

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
        sockets = [_shared(self.config.host, self.config.port)] if self._shares_port else None
        serving = asyncio.ensure_future(self.serve(sockets))
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


def _shared(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=True)
