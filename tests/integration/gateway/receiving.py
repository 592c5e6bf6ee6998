"""A server that webhooks are sent to, as badly as it likes to behave."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from suanli import webhooks as client

Json = dict[str, Any]


@dataclass
class Receiver:
    """What it is to answer, and what it got.

    Attributes:
        answers: Status of each further answer, or ``"hang"``; when they run out, 204.
        got: (headers, body) of every request, whatever was answered.
        taken: Those that were answered 2xx.
    """

    port: int = 0
    answers: deque[int | str] = field(default_factory=deque)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def told(self, secret: str) -> list[Json]:
        """Return the messages that it took, each checked, in the order in which they came."""
        return [
            dict(client.verify(secret, headers, body), id=headers["webhook-id"])
            for headers, body in self.taken
        ]

    async def count(self) -> int:
        return len(self.taken)

    async def arrived(self) -> int:
        return len(self.got)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.got.append((headers, body))
        answer = self.answers.popleft() if self.answers else 204
        if answer == "hang":
            await self.let_go.wait()
            return False
        if answer == 204:
            self.taken.append((headers, body))
        writer.write(
            f"HTTP/1.1 {answer} X\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n".encode()
        )
        await writer.drain()
        return True


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Listen on a port of this machine."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.accept, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.let_go.set()
        server.close()
