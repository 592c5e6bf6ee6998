"""Listeners to public streams take the short way, and are answered as their routes would."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from services.gateway.adapters.http import stream_way
from services.gateway.app.limits import Limit, Limits, OwnShares
from tests.unit.gateway.memory import MemoryGateway
from tests.unit.gateway.memory_streams import FEED

if TYPE_CHECKING:
    from starlette.types import Message

Headers = list[tuple[bytes, bytes]]
CASES: dict[str, tuple[str, Headers]] = {
    "new": ("/v1/streams/prices", []),
    "rounds": ("/v1/streams/rounds", []),
    "oldest": ("/v1/streams/rounds", [(b"last-event-id", b"oldest")]),
    "an empty id": ("/v1/streams/rounds", [(b"last-event-id", b"")]),
    "an id": ("/v1/streams/rounds", [(b"last-event-id", f"{FEED}-0".encode())]),
    "an id of another feed": ("/v1/streams/rounds", [(b"last-event-id", b"00000000-1")]),
    "no id": ("/v1/streams/rounds", [(b"last-event-id", b"\xff"), (b"accept-language", b"zh")]),
    "two ids": ("/v1/streams/rounds", [(b"last-event-id", b"oldest")] * 2),
    "an id too long": ("/v1/streams/rounds", [(b"last-event-id", b"9" * 500)]),
    "with a key": ("/v1/streams/prices", [(b"authorization", b"Bearer sk_nobody")]),
    "orders": ("/v1/streams/orders", []),
}


@dataclass
class Listening:
    """One who hears what comes first, and leaves."""

    path: str
    headers: Headers
    said: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._heard = asyncio.Event()

    async def receive(self) -> Message:
        await self._heard.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.said.append(message)
        if message["type"] == "http.response.body":
            self._heard.set()

    async def shown(self, app: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:  # noqa: ANN401
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"gateway"), *self.headers],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        async with asyncio.timeout(20):
            await app(scope, self.receive, self.send)
        begun, told = self.said[0], self.said[1]
        return begun["status"], sorted(begun["headers"]), told["body"]


def limits_of(per_s: float) -> Limits:
    limit = Limit("anonymous", per_s, 1)
    none = Limit("none", 0.0, 1)
    return Limits(OwnShares(lambda: 0.0), reads=none, writes=none, anonymous=limit)


async def replies(path: str, headers: Headers, per_s: float) -> list[Any]:
    gateway = MemoryGateway(limits=limits_of(per_s))
    async with gateway.http() as http:
        app: Any = http._transport.app  # type: ignore[attr-defined]
        stop = asyncio.Event()
        telling = asyncio.create_task(app.state.api.streams.run(stop))
        # The second one from there is one too many, where there is a limit.
        found = [await Listening(path, headers).shown(app) for _ in range(2)]
        stop.set()
        await telling
    return found


@pytest.mark.parametrize("per_s", [0.0, 0.001], ids=["free", "limited"])
@pytest.mark.parametrize("name", CASES)
async def test_the_short_way_to_a_stream_answers_as_the_route_does(
    name: str, per_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = await replies(*CASES[name], per_s)
    monkeypatch.setattr(stream_way, "_WAYS", {})
    assert short == await replies(*CASES[name], per_s)


async def test_a_listener_without_a_query_does_not_reach_the_routes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: object) -> None:
        pytest.fail("the route was asked")

    monkeypatch.setattr("starlette.routing.Router.__call__", refuse)
    first, _ = await replies(*CASES["an id"], 0.0)
    assert (first[0], b"event: ready" in first[2]) == (200, True)
