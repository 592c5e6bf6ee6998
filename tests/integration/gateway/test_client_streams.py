"""The client's iterators over a line that breaks: no gap, no repeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import le
from urllib.parse import urlsplit

import suanli
from schemas.types import OrderState
from tests.integration.gateway.conftest import Market
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_orders import status_of
from tests.integration.gateway.test_streams import both_sides

COUNT, PART = 60, 15


@dataclass
class Line:
    """A line to a gateway that can be cut."""

    host: str
    port: int
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    cuts: int = 0

    def cut(self) -> None:
        self.cuts += len(self.writers)
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        self.writers |= {writer, far_writer}
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def breakable(url: str) -> AsyncIterator[tuple[Line, str]]:
    parts = urlsplit(url)
    line = Line(str(parts.hostname), int(parts.port or 0))
    server = await asyncio.start_server(line.accept, "127.0.0.1", 0)
    try:
        yield line, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        line.cut()


async def test_iterators_over_a_line_that_breaks_tell_all_once(market: Market) -> None:
    gateway = market.gateway
    _, need = await both_sides(market)
    heard: dict[str, list[int]] = {"sync": [], "async": []}

    def listen(url: str) -> None:
        with suanli.Client(url, market.enterprise) as exchange:
            for event in exchange.stream_orders(after="oldest"):
                if event.event == "status":
                    heard["sync"].append(event.data["sequence"])
                if len(heard["sync"]) >= COUNT:
                    return

    async def listen_awaited(url: str) -> None:
        async with suanli.AsyncClient(url, market.enterprise) as exchange:
            async for event in exchange.stream_orders(after="oldest"):
                if event.event == "status":
                    heard["async"].append(event.data["sequence"])
                if len(heard["async"]) >= COUNT:
                    return

    async def lengths() -> int:
        return min(map(len, heard.values()))

    async with served(gateway) as real, breakable(real) as (line, url):
        listeners = asyncio.gather(asyncio.to_thread(listen, url), listen_awaited(url))
        for first in range(1, COUNT + 1, PART):
            told = range(first, first + PART)
            await gateway.publish(
                *(status_of(need, sequence=at, state=OrderState.OPEN) for at in told)
            )
            # Cut in the midst: some of these were heard, some are on their way.
            await gateway.eventually(lengths, partial(le, first))
            line.cut()
        await asyncio.wait_for(listeners, 60)
    assert line.cuts >= 4
    for numbers in heard.values():
        assert numbers == list(range(1, COUNT + 1))
