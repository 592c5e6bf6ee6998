"""The health server: ``/livez``, ``/readyz`` and ``/metrics`` over plain HTTP/1.1.

Small enough to have no dependency, so that it answers whatever else is broken.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from http import HTTPStatus

from services.kit.telemetry import METRICS

_HEAD_BYTES_MAX = 8 * 1024
_REQUEST_S_MAX = 5.0


class Health:
    """What is ready and what is known, and the server that shows it."""

    def __init__(self) -> None:
        self._checks: dict[str, bool] = {}
        self._facts: dict[str, str | float | bool] = {}
        self._server: asyncio.Server | None = None

    @property
    def ready(self) -> bool:
        """Return whether at least one part is named and all named parts are ready."""
        return bool(self._checks) and all(self._checks.values())

    def set_check(self, name: str, *, ready: bool) -> None:
        """Say whether a part is ready."""
        self._checks[name] = ready

    def set_fact(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001
        """Show a fact; it does not count for readiness."""
        self._facts[name] = value

    async def start(self, host: str, port: int) -> int:
        """Listen and return the port, chosen by the system if ``port`` is 0."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_HEAD_BYTES_MAX)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            try:
                async with asyncio.timeout(_REQUEST_S_MAX):
                    try:
                        head = await reader.readuntil(b"\r\n\r\n")
                        writer.write(self._answer(head))
                        await writer.drain()
                    except asyncio.IncompleteReadError:
                        pass
                    except asyncio.LimitOverrunError:
                        # A close with input unread is a reset, which the other end takes for a
                        # fault of the network.
                        writer.write_eof()
                        while await reader.read(_HEAD_BYTES_MAX):
                            pass
            finally:
                writer.close()
                await writer.wait_closed()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"GET or HEAD\n", method)
        if path == b"/livez":
            return _response(HTTPStatus.OK, "application/json", b'{"live": true}\n', method)
        if path == b"/readyz":
            status = HTTPStatus.OK if self.ready else HTTPStatus.SERVICE_UNAVAILABLE
            shown = {"ready": self.ready, "checks": self._checks, "facts": self._facts}
            body = json.dumps(shown, ensure_ascii=False).encode() + b"\n"
            return _response(status, "application/json", body, method)
        if path == b"/metrics":
            content_type, body = METRICS.render()
            return _response(HTTPStatus.OK, content_type, body, method)
        return _response(
            HTTPStatus.NOT_FOUND, "text/plain", b"/livez, /readyz or /metrics\n", method
        )


def _response(status: HTTPStatus, content_type: str, body: bytes, method: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == b"HEAD" else body)
