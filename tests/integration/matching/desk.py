"""A tiny market with its topics, and a hand on the matching process that clears it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from schemas import events
from schemas.codec import Envelope, decode, derive_id, encode
from schemas.market import Market
from schemas.orders import DemandTerms, OfferTerms
from schemas.registry import BY_MODEL, TOPICS
from services.core.eligibility import max_spend
from services.kit.clock import ManualClock
from services.kit.kafka import LogReader, LogWriter, OutRecord, Record
from services.kit.run import ServiceContext
from services.matching.app.loop import Matching
from services.matching.main import open_matching
from services.matching.settings import MatchingSettings
from tests.conftest import Stack

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
OUTPUTS = ("rounds", "allocations", "order-status", "dead-letters", "findings")
MARKET = Market.model_validate(
    {
        "id": "jjj",
        "name_en": "Beijing-Tianjin-Hebei",
        "name_zh": "京津冀",
        "zones": [
            {"id": "bj-1", "region": "beijing", "name_en": "B", "name_zh": "京", "cloud": "a"},
            {"id": "he-1", "region": "hebei", "name_en": "H", "name_zh": "冀", "cloud": "b"},
        ],
        "chips": [
            {"id": "a910b", "name": "Ascend 910B", "vendor": "Huawei", "domestic": True}
            | {"memory_gb": 64, "tflops": 320, "lot": 8},
        ],
        "links": [
            {"source": "he-1", "destination": "bj-1", "capacity_gb_per_period": 100, "tariff": 500},
        ],
        "rules": {"round_every_s": 900, "horizon_periods": 24, "effort": 1},
    }
)


def hours(count: int) -> str:
    """Return the instant some hours after the start, as the wire writes it."""
    return (START + timedelta(hours=count)).isoformat().replace("+00:00", "Z")


def order_id(side: str, name: str) -> str:
    """Return an order's id, derived from a short name."""
    digest = hashlib.sha256(name.encode()).digest()
    return f"{side}_{base64.b32encode(digest).decode().lower()[:26]}"


def offer(name: str, **changes: object) -> events.OfferSubmitted:
    """Return an offer of 8 chips for 8 hours at 1 yuan, with some terms replaced."""
    terms = {
        "zone": "bj-1",
        "chip": "a910b",
        "chips": 8,
        "start": hours(1),
        "end": hours(9),
        "ask": 1_000_000,
        "resource_code": "CN.11.0108.BJ01-A910B",
    }
    return events.OfferSubmitted(
        order_id=order_id("off", name),
        market_id=MARKET.id,
        participant_id=f"p-{name}",
        terms=OfferTerms.model_validate(terms | changes),
    )


def demand(name: str, **changes: object) -> events.DemandSubmitted:
    """Return a demand for 4 chips for 2 hours at up to 2 yuan, with some terms replaced."""
    terms = {
        "shape": {"type": "block", "chips": 4, "duration": 2},
        "alternatives": [{"chips_any_of": ["a910b"], "limit": 2_000_000}],
        "earliest": hours(1),
        "deadline": hours(9),
    }
    return events.DemandSubmitted(
        order_id=order_id("dem", name),
        market_id=MARKET.id,
        participant_id=f"e-{name}",
        terms=DemandTerms.model_validate(terms | changes),
    )


def hold(submitted: events.DemandSubmitted, version: int = 1) -> events.HoldPlaced:
    """Return the ledger's answer that the money for a demand is held."""
    return events.HoldPlaced(
        hold_id=f"h-{submitted.order_id}-{version}",
        order_id=submitted.order_id,
        market_id=submitted.market_id,
        participant_id=submitted.participant_id,
        version=version,
        amount=max_spend(submitted.terms),
    )


def record(event: events.Event, cause: str = "") -> OutRecord:
    """Return the record of an event as another service would write it."""
    value = event.model_dump_json()
    key, body, headers = encode(
        Envelope(
            id=derive_id("test", type(event).__name__, value),
            source="/suanli/test",
            occurred_at=START,
            recorded_at=datetime.now(UTC),
            participant_id="test",
            correlation_id="story",
            causation_id=cause,
            traceparent="",
            data=event,
        )
    )
    return OutRecord(BY_MODEL[type(event)].topic, key, body, headers)


class Desk:
    """The market's topics and database, seen from outside."""

    def __init__(self, settings: MatchingSettings, writer: LogWriter, reader: LogReader) -> None:
        self.settings = settings
        self.writer = writer
        self._reader = reader
        self.records: list[Record] = []

    async def say(self, *said: events.Event, cause: str = "") -> None:
        """Write events to their topics, caused by another."""
        await self.writer.send_many([record(event, cause) for event in said])

    async def hear(self, enough: int = 1, timeout_s: float = 10.0) -> None:
        """Read all that matching writes until this many rounds are closed and all is sent."""
        async with asyncio.timeout(timeout_s):
            while len(self.closed()) < enough or await self.unsent() or await self._reader.lag():
                self.records += await self._reader.read(1000, 100)

    async def hear_published(self) -> None:
        """Read all that matching writes until every round that it published is closed."""
        (row,) = await self.rows("SELECT count(*) AS n FROM round WHERE state = 'PUBLISHED'")
        await self.hear(int(row["n"]))

    async def unsent(self) -> int:
        """Return how many records of the outbox are not marked as sent."""
        (row,) = await self.rows("SELECT count(*) AS n FROM outbox WHERE sent_at IS NULL")
        return int(row["n"])

    def all(self, topic: str) -> list[events.Event]:
        """Return all events of a topic, repeats included."""
        return [
            decode(item.value, item.headers).data for item in self.records if item.topic == topic
        ]

    def distinct(self, topic: str) -> list[events.Event]:
        """Return the events of a topic, each id once; a repeat must have the same bytes."""
        seen: dict[str, tuple[bytes | None, events.Event]] = {}
        for item in self.records:
            if item.topic != topic:
                continue
            envelope = decode(item.value, item.headers)
            known = seen.setdefault(envelope.id, (item.value, envelope.data))
            assert known[0] == item.value, f"{envelope.id} was sent with two bodies"
        return [event for _, event in seen.values()]

    def closed(self) -> list[events.Event]:
        """Return the last records of rounds."""
        found = self.distinct("allocations")
        return [event for event in found if isinstance(event, events.RoundClosed)]

    def statuses(
        self, submitted: events.OfferSubmitted | events.DemandSubmitted
    ) -> list[events.OrderStatusChanged]:
        """Return the statuses of an order in their order."""
        found = [
            event
            for event in self.distinct("order-status")
            if isinstance(event, events.OrderStatusChanged) and event.order_id == submitted.order_id
        ]
        return sorted(found, key=lambda status: status.sequence)

    async def rows(self, query: str, *values: object) -> list[asyncpg.Record]:
        """Return what the process's own schema holds."""
        connection = await asyncpg.connect(
            self.settings.postgres_dsn.get_secret_value(),
            server_settings={"search_path": self.settings.schema_of("matching")},
        )
        try:
            return await connection.fetch(query, *values)
        finally:
            await connection.close()


def settings_for(
    stack: Stack, topics: str, schema_prefix: str, **changes: object
) -> MatchingSettings:
    """Return settings for a process on this test's topics and schemas."""
    values: dict[str, Any] = {
        "kafka_bootstrap": stack.kafka_bootstrap,
        "postgres_dsn": stack.postgres_dsn,
        "topic_prefix": topics,
        "schema_prefix": schema_prefix,
        "matching_market": MARKET.id,
        "matching_lease_s": 2.0,
    }
    return MatchingSettings(_env_file=None, **(values | changes))


@asynccontextmanager
async def open_desk(settings: MatchingSettings) -> AsyncIterator[Desk]:
    """Give the market's topics; they exist already."""
    writer = LogWriter(settings)
    await writer.start()
    reader = LogReader(settings, OUTPUTS)
    await reader.start({})
    try:
        yield Desk(settings, writer, reader)
    finally:
        await reader.stop()
        await writer.stop()


@asynccontextmanager
async def open_process(settings: MatchingSettings, clock: ManualClock) -> AsyncIterator[Matching]:
    """Run matching inside the test, on a clock set by hand; the market must be defined."""
    context = ServiceContext("matching", settings)
    context.clock = clock
    matching = await open_matching(context)
    assert matching is not None
    try:
        assert await matching.start(context.stop_event)
        yield matching
    finally:
        context.stop_event.set()
        await context._end_tasks()
        await context._close()


async def settled(matching: Matching, *, least: int = 1) -> None:
    """Take in what was written; records need a moment to arrive."""
    taken = 0
    async with asyncio.timeout(10):
        while taken < least:
            taken += await matching.take_in(100)


def kinds(found: Sequence[events.Event]) -> list[str]:
    """Return the names of events."""
    return [type(event).__name__ for event in found]


assert set(OUTPUTS) <= TOPICS.keys()
