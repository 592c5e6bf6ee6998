"""Somebody who listens to the streams of a served gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.integration.gateway.conftest import Json


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a stream."""

    id: str
    kind: str
    data: Json


@asynccontextmanager
async def listening(
    url: str, path: str, key: str | None, **params: str
) -> AsyncIterator[AsyncIterator[Told]]:
    """Listen to a stream; ``last`` among the parameters is sent as `Last-Event-ID`."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    if last := params.pop("last", None):
        headers["Last-Event-ID"] = last
    timeout = httpx.Timeout(30)
    async with (
        httpx.AsyncClient(base_url=url, timeout=timeout) as http,
        http.stream("GET", path, headers=headers, params=params) as reply,
    ):
        assert reply.status_code == 200, await reply.aread()
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield _events(reply)


async def _events(reply: httpx.Response) -> AsyncIterator[Told]:
    fields: dict[str, str] = {}
    async for line in reply.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "data" in fields:
            yield Told(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
        fields = {}


async def take(events: AsyncIterator[Told], count: int) -> list[Told]:
    """Return the next events."""
    found: list[Told] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            found.append(await anext(events))
    return found
