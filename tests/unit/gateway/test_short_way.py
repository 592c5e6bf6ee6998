"""New orders take the short way, and are answered as their routes would."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from schemas.types import Role
from services.gateway.adapters.http import short_way
from tests.unit.gateway.bad_inputs import demand, offer
from tests.unit.gateway.memory import APP, KEYS, MemoryGateway

if TYPE_CHECKING:
    from httpx import Response
    from starlette.types import Message, Receive

JSON = {"Content-Type": "application/json"}
ENTERPRISE = {"Authorization": f"Bearer {KEYS[Role.ENTERPRISE]}"}
KEYED = ENTERPRISE | {"Idempotency-Key": "k1"} | JSON
# What a reply holds of chance, and of the wall clock.
_OF_THE_MOMENT = ("recorded_at", "signature", "sha256")

Headers = list[tuple[str, str]]


def pairs(headers: dict[str, str], **more: str) -> Headers:
    return [*headers.items(), *((name.replace("_", "-"), value) for name, value in more.items())]


def text(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


UNFIT = demand() | {"terms": demand()["terms"] | {"earliest": "2020-01-01T00:00:00Z"}}
CASES: dict[str, tuple[str, bytes, Headers]] = {
    "demand": ("/v1/demand", text(demand()), pairs(KEYED)),
    "offer of a provider": (
        "/v1/offers",
        text(offer()),
        pairs(KEYED | {"Authorization": f"Bearer {KEYS[Role.PROVIDER]}"}),
    ),
    "offer of an enterprise": ("/v1/offers", text(offer()), pairs(KEYED)),
    "traced": ("/v1/demand", text(demand()), pairs(KEYED, traceparent="nonsense")),
    "unknown key": (
        "/v1/demand",
        text(demand()),
        pairs(KEYED | {"Authorization": "Bearer sk_nobody"}),
    ),
    "no key": ("/v1/demand", text(demand()), pairs(JSON, Idempotency_Key="k1")),
    "no idempotency key": ("/v1/demand", text(demand()), pairs(ENTERPRISE | JSON)),
    "idempotency key with a blank": (
        "/v1/demand",
        text(demand()),
        pairs(KEYED | {"Idempotency-Key": "a b"}),
    ),
    "two idempotency keys": ("/v1/demand", text(demand()), pairs(KEYED, idempotency_key="k2")),
    "an idempotency key too long": (
        "/v1/demand",
        text(demand()),
        pairs(KEYED | {"Idempotency-Key": "k" * 500}),
    ),
    "with a charset": (
        "/v1/demand",
        text(demand()),
        pairs(KEYED | {"Content-Type": "application/json; charset=utf-8"}),
    ),
    "lines": (
        "/v1/demand",
        text(demand()),
        pairs(KEYED | {"Content-Type": "application/x-ndjson"}),
    ),
    "no JSON": ("/v1/demand", b"{", pairs(KEYED)),
    "not a number": ("/v1/demand", b'{"market_id": NaN}', pairs(KEYED)),
    "nothing": ("/v1/demand", b"", pairs(KEYED)),
    "a list": ("/v1/demand", b"[]", pairs(KEYED)),
    "a field too many": ("/v1/demand", text(demand() | {"more": 1}), pairs(KEYED)),
    "terms that no market takes": ("/v1/demand", text(UNFIT), pairs(KEYED, Accept_Language="zh")),
    "no such market": ("/v1/demand", text(demand() | {"market_id": "no"}), pairs(KEYED)),
    "dry run": ("/v1/demand?dry_run=true", text(demand()), pairs(KEYED)),
}


async def _replies(path: str, body: bytes, headers: Headers) -> list[Response]:
    gateway = MemoryGateway()
    async with gateway.http() as http:
        # The second time the key is known, or nothing was kept of the first.
        return [await http.post(path, content=body, headers=headers) for _ in range(2)]


def _shown(reply: Response) -> tuple[int, list[tuple[str, str]], dict[str, Any]]:
    body = {name: value for name, value in reply.json().items() if name not in _OF_THE_MOMENT}
    headers = [pair for pair in reply.headers.multi_items() if pair[0] != "content-length"]
    return reply.status_code, sorted(headers), body


@pytest.mark.parametrize("name", CASES)
async def test_the_short_way_answers_as_the_route_does(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = await _replies(*CASES[name])
    monkeypatch.setattr(short_way, "_WAYS", {})
    long = await _replies(*CASES[name])
    assert [_shown(reply) for reply in short] == [_shown(reply) for reply in long]


async def test_an_order_as_the_guides_say_does_not_reach_the_routes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: object) -> None:
        pytest.fail("the route was asked")

    monkeypatch.setattr("starlette.routing.Router.__call__", refuse)
    (first, second) = await _replies(*CASES["demand"])
    assert (first.status_code, second.json()) == (202, first.json())


async def _asked(receive: Receive) -> dict[str, Any]:
    """Ask the app for an order whose body comes as ``receive`` gives it; return the reply."""
    gateway = MemoryGateway()
    gateway.http()
    events: list[Message] = []

    async def send(event: Message) -> None:
        events.append(event)

    size = str(len(text(demand()))).encode()
    headers = [*((name.lower().encode(), value.encode()) for name, value in KEYED.items())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/demand",
        "query_string": b"",
        "headers": [*headers, (b"content-length", size)],
        "client": ("192.0.2.1", 1),
    }
    await APP(scope, receive, send)
    begin, *rest = events
    body = b"".join(event["body"] for event in rest)
    return {"status": begin["status"], "headers": dict(begin["headers"]), **json.loads(body)}


async def test_a_body_in_pieces_is_an_order_too() -> None:
    body = text(demand())
    pieces = iter([body[:10], body[10:11], body[11:]])

    async def receive() -> Message:
        piece = next(pieces)
        return {"type": "http.request", "body": piece, "more_body": not body.endswith(piece)}

    reply = await _asked(receive)
    assert (reply["status"], reply["topic"]) == (202, "demand")


async def test_a_body_that_does_not_come_is_refused_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(short_way, "BODY_S_MAX", 0.01)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    reply = await _asked(receive)
    assert (reply["status"], reply["code"]) == (408, "body_too_slow")
    assert reply["headers"][b"x-content-type-options"] == b"nosniff"
