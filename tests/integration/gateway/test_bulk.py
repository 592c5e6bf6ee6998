"""NDJSON as it comes: a verdict for each line, in order, once, whatever breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from services.gateway.adapters.http import middleware, routes_bulk
from tests.integration.gateway.conftest import Json, Market, demand
from tests.integration.gateway.serving import served

PATH = "/v1/demand:bulk"
NDJSON = {"Content-Type": "application/x-ndjson"}


def lines_of(count: int) -> list[bytes]:
    return [json.dumps(demand(budget=2_000_000_000 + at)).encode() + b"\n" for at in range(count)]


async def sent(url: str, key: str, body: list[bytes], intent: str | None = "whole") -> list[Json]:
    async def pieces() -> AsyncIterator[bytes]:
        # Cut where no line ends.
        text = b"".join(body)
        for at in range(0, len(text), 10_007):
            yield text[at : at + 10_007]

    headers = NDJSON | {"Authorization": f"Bearer {key}"}
    headers |= {} if intent is None else {"Idempotency-Key": intent}
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        reply = await http.post(PATH, content=pieces(), headers=headers)
    assert reply.status_code == 202, reply.text
    assert reply.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in reply.text.splitlines()]


async def test_each_line_has_its_verdict_in_order_and_a_retry_does_nothing_twice(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = market.gateway
    monkeypatch.setattr(routes_bulk, "_BATCH_LINES", 100)
    body = lines_of(300)
    body[3] = b"{not json\n"
    body[5] = json.dumps(demand(budget=1)).encode() + b"\n"
    body[7] = b" " * 70_000 + b"\n"
    body.insert(9, b"\n")
    async with served(gateway) as url:
        # The connection breaks within a line after a batch was taken in, all but three of it.
        cut = b"".join(body)[: 3 * len(b"".join(body)) // 4]
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {market.enterprise}\r\n"
            "Idempotency-Key: whole\r\nContent-Type: application/x-ndjson\r\n"
            f"Content-Length: {len(cut) * 2}\r\n\r\n"
        )
        writer.write(head.encode() + cut)
        await writer.drain()
        await gateway.eventually(
            lambda: gateway.pool.fetchval("SELECT count(*) FROM orders"), lambda n: n >= 97
        )
        writer.close()
        assert await reader.read() == b""

        found = await sent(url, market.enterprise, body)
        again = await sent(url, market.enterprise, body)
    assert [item["index"] for item in found] == list(range(300))
    refused = {item["index"]: item["problem"] for item in found if "problem" in item}
    assert {at: problem["code"] for at, problem in refused.items()} == {
        3: "validation.not_json",
        5: "validation.budget_too_small",
        7: "validation.too_large",
    }
    assert refused[3]["detail_zh"].startswith("line：须为有效的 JSON（")
    assert refused[3]["detail_zh"].endswith("列有误），实为其他内容")
    fault = refused[5]["errors"][0]
    assert (fault["field"], fault["value"]) == ("terms.budget", "1")
    assert again == found
    orders = {item["receipt"]["order_id"] for item in found if "receipt" in item}
    assert len(orders) == 297
    assert await gateway.pool.fetchval("SELECT count(*) FROM orders") == 297
    offsets = [item["receipt"]["offset"] for item in found if "receipt" in item]
    assert offsets == list(range(297))


async def test_what_stops_a_bulk_is_told_after_the_lines_before_it(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = market.gateway
    monkeypatch.setattr(routes_bulk, "BULK_LINES_MAX", 3)
    monkeypatch.setattr(routes_bulk, "_BATCH_LINES", 2)
    monkeypatch.setattr(middleware, "BULK_STREAM_BYTES_MAX", 100_000)
    async with served(gateway) as url:
        many = await sent(url, market.enterprise, lines_of(5))
        assert ["receipt" in item for item in many] == [True, True, True, False]
        assert (many[3]["index"], many[3]["problem"]["code"]) == (3, "validation.item_count")
        large = await sent(url, market.enterprise, [*lines_of(2), b"x" * 100_001])
        assert ["receipt" in item for item in large] == [True, True, False]
        assert (large[2]["index"], large[2]["problem"]["status"]) == (2, 413)
        # Its key stood for other lines before.
        other = await sent(url, market.enterprise, lines_of(2)[::-1])
        assert [item["problem"]["code"] for item in other] == ["idempotency_key_reused"] * 2
        keyless = await sent(url, market.enterprise, lines_of(1), intent=None)
        assert keyless[0]["problem"]["errors"][0]["field"] == "idempotency_key"
    for body, status in ((b"\n\n", 422), (b"x" * 100_001, 413)):
        reply = await gateway.call(
            "POST", PATH, content=body, headers=NDJSON, key=market.enterprise
        )
        assert reply.status_code == status, reply.text
    wrong = await gateway.call("POST", PATH, content=b"{}", headers=NDJSON, key=market.provider)
    assert wrong.status_code == 403
