"""The client of `loadtests.http`, in a process of its own: keep-alive connections, plain bytes.

``python -m loadtests.http_driver`` reads one JSON object from its input: host, port, path, keys,
connections, orders, seconds and label. It prints one JSON object: what it measured. It does no more
for a request than it must, since it shares the two cores with what it measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator

_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_STATUS = slice(9, 12)
_REFUSALS_SHOWN = 3


def terms(number: int) -> dict[str, Any]:
    """Return a demand such as a service would send."""
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    return {
        "shape": {"type": "flow", "chips": 1 + number % 4},
        "alternatives": [{"chips_any_of": ["t4", "a10"], "limit": 5_000_000}],
        "earliest": first.isoformat(),
        "deadline": (first + timedelta(hours=4)).isoformat(),
    }


def requests_of(wanted: dict[str, Any], key: str) -> Iterator[bytes]:
    """Yield requests of one connection; the bodies are made before the clock runs."""
    bodies = [
        json.dumps({"market_id": wanted["market_id"], "terms": terms(number)}).encode()
        for number in range(4)
    ]
    numbers = wanted["numbers"]
    for number in numbers:
        body = bodies[number % len(bodies)]
        head = (
            f"POST {wanted['path']} HTTP/1.1\r\nHost: {wanted['host']}\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: {wanted['label']}-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


class Client(asyncio.Protocol):
    """One connection: sends the next request when the reply to the one before is whole.

    Args:
        requests: What it sends.
        until_s: When it sends no more, on the steady clock.
    """

    def __init__(self, requests: Iterator[bytes], until_s: float) -> None:
        self._requests = requests
        self._until_s = until_s
        self._buffer = b""
        self._sent_s = 0.0
        self._transport: asyncio.Transport | None = None
        self.took_ms: list[float] = []
        self.refused: list[str] = []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        # uvloop's transports are no subclass of it.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take a part of a reply."""
        self._buffer += data
        head, found, body = self._buffer.partition(_END)
        if not found:
            return
        _, _, rest = head.lower().partition(_LENGTH)
        if len(body) < int(rest.partition(b"\r\n")[0]):
            return
        self._buffer = b""
        self.took_ms.append((time.perf_counter() - self._sent_s) * 1000)
        if not head[_STATUS].startswith(b"2"):
            self.refused.append(f"{head[_STATUS].decode()} {body[:300].decode()}")
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if not self.done.done():
            self.refused.append(f"connection lost: {exc!r}")
            self.done.set_result(None)

    def _send(self) -> None:
        assert self._transport is not None
        request = next(self._requests, None) if time.perf_counter() < self._until_s else None
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._sent_s = time.perf_counter()
        self._transport.write(request)


async def drive(wanted: dict[str, Any]) -> dict[str, Any]:
    """Send what is wanted and return what was measured."""
    loop = asyncio.get_running_loop()
    # All connections take their numbers from one source, so a slow one holds nothing up.
    wanted["numbers"] = iter(range(wanted["orders"]))
    keys = wanted["keys"]
    clients: list[Client] = []
    began_cpu_s, began_s = time.process_time(), time.perf_counter()
    until_s = began_s + wanted["seconds"]
    for index in range(wanted["connections"]):
        requests = requests_of(wanted, keys[index % len(keys)])
        _, client = await loop.create_connection(
            partial(Client, requests, until_s), wanted["host"], wanted["port"]
        )
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    refused = [line for client in clients for line in client.refused]
    return {
        "took_ms": sorted(ms for client in clients for ms in client.took_ms),
        "seconds": took_s,
        "cpu_s": cpu_s,
        "refused": len(refused),
        "refusals": refused[:_REFUSALS_SHOWN],
    }


def main() -> None:
    """Drive as the input says."""
    wanted = json.load(sys.stdin)
    with contextlib.suppress(KeyboardInterrupt):
        json.dump(uvloop.run(drive(wanted)), sys.stdout)


if __name__ == "__main__":
    main()
