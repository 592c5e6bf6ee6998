"""The listeners of `loadtests.sse`, in a process of their own.

``python -m loadtests.sse_driver`` reads one JSON object a line: what to do; it answers each with
one line. A listener keeps no more than the last id and what it counts, so that thousands fit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
from typing import Any, cast

import uvloop

# Whoever comes by and by: fewer than the server's backlog takes at once.
_AT_ONCE = 200
_ANSWER_S_MAX = 60.0
_IN_S_MAX = 180.0
_AGAIN_S = 1.0
_IDS = re.compile(rb"id: ([0-9a-z]+)-(\d+)\nevent: (\w+)\n")


class Listener(asyncio.Protocol):
    """One listener.

    Args:
        request: What it sends first.
    """

    __slots__ = (
        "count",
        "feed",
        "is_ready",
        "is_wrong",
        "last",
        "rest",
        "said",
        "transport",
        "waiting",
    )

    def __init__(self, request: bytes) -> None:
        self.said = request
        self.rest = b""
        self.feed = b""
        self.last = -1
        self.count = 0
        self.is_ready = self.is_wrong = False
        self.transport: asyncio.Transport | None = None
        self.waiting: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        # uvloop's transports are no subclass of it.
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.said)

    def data_received(self, data: bytes) -> None:
        """Count events; a number that does not rise is one that was heard twice."""
        data = self.rest + data
        end = data.rfind(b"\n\n") + 2
        if end < 2:
            self.rest = data
            return
        data, self.rest = data[:end], data[end:]
        for found in _IDS.finditer(data):
            feed, number, kind = found.groups()
            self.feed = feed
            if kind == b"ready":
                self.is_ready = True
                self._stop_waiting()
                self.last = max(self.last, int(number))
                continue
            self.is_wrong = self.is_wrong or int(number) <= self.last
            self.last = int(number)
            self.count += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Stay as it is; whoever lost its stream has no transport."""
        del exc
        self.transport = None
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)


class Crowd:
    """All listeners.

    Args:
        host: Where the gateway is.
        port: Its port.
        path: The stream.
    """

    def __init__(self, host: str, port: int, path: str) -> None:
        self._address = host, port
        self._path = path
        self.listeners: list[Listener] = []
        self._retries = 0

    async def join(self, count: int) -> dict[str, Any]:
        """Let so many listen, from what is new."""
        before = len(self.listeners)
        self.listeners += [Listener(self._request("")) for _ in range(count)]
        return await self._connect(self.listeners[before:], _AT_ONCE)

    async def rejoin(self) -> dict[str, Any]:
        """Let all listen again at once, each from the last id that it saw."""
        for listener in self.listeners:
            listener.is_ready, listener.rest = False, b""
            last = f"{listener.feed.decode()}-{listener.last}"
            listener.said = self._request(f"Last-Event-ID: {last}\r\n")
        return await self._connect(self.listeners, len(self.listeners))

    async def leave(self) -> dict[str, Any]:
        """Cut all connections, as a network does."""
        for listener in self.listeners:
            if listener.transport is not None:
                listener.transport.abort()
        await asyncio.sleep(0)
        return {"left": len(self.listeners)}

    async def hear(self, total: int) -> dict[str, Any]:
        """Wait until each has heard so many events in all."""
        until_s = time.monotonic() + _ANSWER_S_MAX
        while time.monotonic() < until_s:
            late = sum(listener.count < total for listener in self.listeners)
            if not late:
                break
            await asyncio.sleep(0.01)
        return {
            "at": time.time(),
            "heard_all": sum(listener.count == total for listener in self.listeners),
            "too_many": sum(listener.count > total for listener in self.listeners),
            "twice": sum(listener.is_wrong for listener in self.listeners),
            "lost": sum(listener.transport is None for listener in self.listeners),
        }

    async def pause(self, count: int) -> dict[str, Any]:
        """Let so many of them read no more."""
        for listener in self.listeners[:count]:
            if listener.transport is not None:
                listener.transport.pause_reading()
        return {"paused": count}

    async def resume(self, count: int) -> dict[str, Any]:
        """Let them read on."""
        for listener in self.listeners[:count]:
            if listener.transport is not None:
                listener.transport.resume_reading()
        return {"resumed": count}

    def _request(self, more: str) -> bytes:
        return f"GET {self._path} HTTP/1.1\r\nHost: {self._address[0]}\r\n{more}\r\n".encode()

    async def _connect(self, listeners: list[Listener], at_once: int) -> dict[str, Any]:
        began_s = time.perf_counter()
        self._retries = 0
        loop = asyncio.get_running_loop()
        gate = asyncio.Semaphore(at_once)

        async def one(listener: Listener) -> None:
            async with gate:
                # Who does not get in at once tries again, as browsers do.
                while not listener.is_ready and time.perf_counter() - began_s < _IN_S_MAX:
                    listener.waiting = loop.create_future()
                    with contextlib.suppress(OSError, TimeoutError):
                        await loop.create_connection(lambda: listener, *self._address)
                        await asyncio.wait_for(listener.waiting, _ANSWER_S_MAX)
                    if not listener.is_ready:
                        self._retries += 1
                        await asyncio.sleep(_AGAIN_S)

        await asyncio.gather(*map(one, listeners))
        ready = sum(listener.is_ready for listener in listeners)
        seconds = time.perf_counter() - began_s
        return {"ready": ready, "seconds": seconds, "retries": self._retries}


async def obey() -> None:
    """Do what the lines of the input say."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    where = json.loads(await reader.readline())
    crowd = Crowd(where["host"], where["port"], where["path"])
    acts = {
        "join": crowd.join,
        "hear": crowd.hear,
        "pause": crowd.pause,
        "resume": crowd.resume,
    }
    while line := await reader.readline():
        name, *arguments = json.loads(line)
        if name in acts:
            done = await acts[name](*arguments)
        else:
            done = await (crowd.leave() if name == "leave" else crowd.rejoin())
        sys.stdout.write(json.dumps(done) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(obey())
