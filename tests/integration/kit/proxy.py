"""A broker's address of our own, behind which replies can be dropped and connections reset."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.kit.settings import KitSettings


class Proxy:
    """Passes bytes between clients and one broker.

    The broker names its own address in metadata; the proxy puts its own port in the place of
    the broker's, which works while both are four bytes in the same protocol field.
    """

    def __init__(self, host: str, port: int) -> None:
        self.drop_replies = False
        self._broker = (host, port)
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @classmethod
    @asynccontextmanager
    async def before(cls, settings: KitSettings) -> AsyncIterator[tuple[Proxy, KitSettings]]:
        host, _, port = settings.kafka_bootstrap.partition(":")
        proxy = cls(host, int(port))
        server = await asyncio.start_server(proxy._accept, host, 0)
        proxy._port = server.sockets[0].getsockname()[1]
        try:
            yield proxy, settings.model_copy(update={"kafka_bootstrap": f"{host}:{proxy._port}"})
        finally:
            server.close()
            proxy.reset()
            await asyncio.gather(*proxy._tasks, return_exceptions=True)

    def reset(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_connection(*self._broker)
        pair = {writer, broker_writer}
        self._writers |= pair
        for coro in (
            self._pump(reader, broker_writer, replies=False),
            self._pump(broker_reader, writer, replies=True),
        ):
            task = asyncio.create_task(coro)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, replies: bool
    ) -> None:
        real, shown = (part.to_bytes(4, "big") for part in (self._broker[1], self._port))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                size = await source.readexactly(4)
                frame = await source.readexactly(int.from_bytes(size, "big"))
                if replies and self.drop_replies:
                    continue
                if replies:
                    host = self._broker[0].encode()
                    frame = frame.replace(host + real, host + shown)
                target.write(size + frame)
                await target.drain()
        self._writers.discard(target)
        target.close()
