"""A database's address of our own, behind which replies can be lost, late, or in crumbs."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# CommandComplete: 'C', its length, the command's tag.
_COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


class PgProxy:
    """Passes bytes between clients and one database.

    Attributes:
        passes: How many replies to a COMMIT pass before.
        cuts: How many more are lost then, with their connections.
        lost: How many were.
        stalls_s: How long the next replies to a COMMIT are held back, one after the other.
        slices: Whether replies come byte by byte.
    """

    def __init__(self, host: str, port: int) -> None:
        self.passes = 0
        self.cuts = 0
        self.lost = 0
        self.stalls_s: list[float] = []
        self.slices = False
        self._database = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def before(cls, dsn: SecretStr) -> AsyncIterator[tuple[PgProxy, SecretStr]]:
        """Give a proxy and the DSN that leads through it."""
        parts = urlsplit(dsn.get_secret_value())
        assert parts.hostname is not None
        assert parts.port is not None
        proxy = cls(parts.hostname, parts.port)
        server = await asyncio.start_server(proxy._accept, parts.hostname, 0)
        port = server.sockets[0].getsockname()[1]
        netloc = parts.netloc.removesuffix(f":{parts.port}") + f":{port}"
        try:
            yield proxy, SecretStr(urlunsplit(parts._replace(netloc=netloc)))
        finally:
            server.close()
            for task in proxy._tasks:
                task.cancel()
            await asyncio.gather(*proxy._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        db_reader, db_writer = await asyncio.open_connection(*self._database)
        both = (writer, db_writer)
        for coro in (
            self._pump(reader, db_writer, both, is_reply=False),
            self._pump(db_reader, writer, both, is_reply=True),
        ):
            task = asyncio.create_task(coro)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, ...],
        *,
        is_reply: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                if is_reply and self.cuts and _COMMITTED in data:
                    self.passes -= 1
                    if self.passes < 0:
                        self.cuts -= 1
                        self.lost += 1
                        break
                if is_reply and self.stalls_s and _COMMITTED in data:
                    await asyncio.sleep(self.stalls_s.pop(0))
                for part in _sliced(data) if is_reply and self.slices else (data,):
                    target.write(part)
                    await target.drain()
        for one in both:
            one.transport.abort()


def _sliced(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))
