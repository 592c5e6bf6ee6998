"""A gateway on the real broker and the real database, spoken to over ASGI."""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest_asyncio
from fastapi import FastAPI
from playwright.async_api import Browser
from pydantic import SecretStr

from schemas.codec import Envelope, derive_id, encode
from schemas.events import Event
from schemas.registry import BY_MODEL
from services.gateway.adapters.http import examples
from services.gateway.adapters.intents import PostgresIntents
from services.gateway.adapters.projection import LEASE, TOPICS, Projection
from services.gateway.adapters.sight import reader_pool
from services.gateway.main import build
from services.gateway.settings import GatewaySettings
from services.kit.clock import ManualClock
from services.kit.kafka import LogReader, LogWriter, OutRecord
from services.kit.postgres import LeaseKeeper, Pool, create_pool
from services.kit.signing import NoteSigner
from tests.conftest import Stack
from tests.integration.gateway.browsing import browsing
from tests.integration.logins import login_of

OPERATOR_KEY = "operator-key-of-the-tests"
RECEIPT_SEED = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
LOG_SIGNER = NoteSigner("suanli-exchange/test", bytes(range(32)))
NOW = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gateway:
    """The app with what it stands on."""

    http: httpx.AsyncClient
    pool: Pool
    reader: Pool
    writer: LogWriter
    settings: GatewaySettings
    clock: ManualClock
    # Of the login that the gateway acts with; `pool` is the owner's.
    service: Pool

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str = OPERATOR_KEY,
        **kwargs: Any,  # noqa: ANN401 - httpx's own
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} | kwargs.pop("headers", {})
        if body is not None:
            kwargs["json"] = body
        return await self.http.request(method, path, headers=headers, **kwargs)

    async def submit(self, side: str, body: object, key: str, intent: str) -> httpx.Response:
        return await self.call(
            "POST", f"/v1/{side}", body, key=key, headers={"Idempotency-Key": intent}
        )

    async def admit(self, participant_id: str, role: str) -> str:
        body = {"participant_id": participant_id, "role": role, "name": participant_id.title()}
        reply = await self.call("POST", "/v1/participants", body)
        assert reply.status_code == 201, reply.text
        return str(reply.json()["api_key"])

    async def publish(self, *found: Event, cause: str = "") -> None:
        """Put events of other services on the log, so close that one read finds them all."""
        records = []
        for data in found:
            envelope = Envelope(
                id=derive_id("test", secrets.token_hex(8)),
                source="/suanli/test",
                occurred_at=self.clock.now(),
                recorded_at=datetime.now(UTC),
                participant_id="exchange",
                correlation_id="test",
                causation_id=cause,
                traceparent="",
                data=data,
            )
            key, value, headers = encode(envelope)
            records.append(OutRecord(BY_MODEL[type(data)].topic, key, value, headers))
        await self.writer.send_many(records)

    async def eventually(
        self, look: Callable[[], Awaitable[Any]], want: Callable[[Any], bool], within_s: float = 30
    ) -> Any:  # noqa: ANN401 - whatever look returns
        """Return what ``look`` returns once ``want`` holds for it."""
        found: Any = None
        async with asyncio.timeout(within_s):
            while not want(found := await look()):  # noqa: ASYNC110 - a table cannot be awaited
                await asyncio.sleep(0.05)
        return found


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Open one browser for all tests of a worker: its start costs as much as a journey's step."""
    async with browsing() as found:
        yield found


@pytest_asyncio.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """Return the browser without anybody's windows, and close those that a test opens."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


_FIRST: list[FastAPI] = []


def _with_known_routes(app: FastAPI) -> FastAPI:
    """Return the first app of this process with the state of this one.

    An app reads its routes' signatures at the first request, for longer than a test takes.
    """
    if not _FIRST:
        _FIRST.append(app)
    _FIRST[0].state = app.state
    return _FIRST[0]


@pytest_asyncio.fixture
async def gateway(stack: Stack, topics: str, schema_prefix: str) -> AsyncIterator[Gateway]:
    settings = GatewaySettings(
        _env_file=None,
        kafka_bootstrap=stack.kafka_bootstrap,
        postgres_dsn=SecretStr(stack.postgres_dsn),
        topic_prefix=topics,
        schema_prefix=schema_prefix,
        gateway_operator_key=SecretStr(OPERATOR_KEY),
        gateway_receipt_key=SecretStr(RECEIPT_SEED),
        gateway_log_key=str(LOG_SIGNER.verifier),
    )
    schema = settings.schema_of("gateway")
    # The gateway acts with a login of its own, the tests as the owner.
    own = await login_of("gateway", settings)
    owners = await create_pool(settings.postgres_dsn, schema, max_size=8)
    pool = await create_pool(own, schema, max_size=8)
    writer = LogWriter(settings, send_s_max=8)
    await writer.start()
    clock = ManualClock(NOW)
    reader = await reader_pool(own, schema, max_size=8)
    intents = PostgresIntents(pool)
    app = _with_known_routes(build(settings, clock, pool, reader, writer, intents))
    stop = asyncio.Event()
    keeper = LeaseKeeper(pool, LEASE, "gateway-test")
    projection = Projection(pool, LogReader(settings, TOPICS), keeper)
    reading = asyncio.create_task(projection.run(stop))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield Gateway(http, owners, reader, writer, settings, clock, pool)
    stop.set()
    await reading
    await writer.stop()
    for one in (reader, pool, owners):
        await one.close()


@dataclass(frozen=True, slots=True)
class Market:
    """A market with one participant of each kind, by their keys."""

    gateway: Gateway
    provider: str
    enterprise: str
    regulator: str


@pytest_asyncio.fixture
async def market(gateway: Gateway) -> Market:
    reply = await gateway.call("POST", "/v1/markets", examples.MARKET)
    assert reply.status_code == 202, reply.text
    return Market(
        gateway,
        await gateway.admit("provider-1", "provider"),
        await gateway.admit("enterprise-1", "enterprise"),
        await gateway.admit("regulator-1", "regulator"),
    )


def offer(**changes: Any) -> Json:  # noqa: ANN401 - any JSON
    terms = copy.deepcopy(examples.OFFER_TERMS) | changes
    return {"market_id": "jingjinji", "terms": terms}


def demand(**changes: Any) -> Json:  # noqa: ANN401 - any JSON
    terms = copy.deepcopy(examples.DEMAND_TERMS) | changes
    return {"market_id": "jingjinji", "terms": terms}
