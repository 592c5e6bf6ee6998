"""Signed records over SASL: good ones become orders once, bad ones are refused and do no harm."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from schemas.codec import decode
from schemas.direct import KEY_HEADER, SIGNATURE_HEADER, DirectAnswered, signed_bytes
from services.core.direct_audit import cause_of
from services.core.errors import ValidationError
from services.gateway import direct_access
from services.gateway.app.direct import key_id_of
from services.gateway.crash import POINTS
from services.gateway.main import build_direct
from services.gateway.settings import GatewaySettings
from services.kit.crash import EXIT_CODE
from services.kit.kafka import LogReader
from tests.conftest import Stack
from tests.integration.gateway.conftest import Gateway, Market, demand, offer

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
UNSENT = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"


def public_of(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


@dataclass(frozen=True)
class Signed:
    """A record, ready to be sent or tampered with."""

    topic: str
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str, value: bytes) -> Signed:
        kept = tuple(item for item in self.headers if item[0] != name)
        return replace(self, headers=(*kept, (name, value)))


def sign(
    key: Ed25519PrivateKey, participant: str, intent: str, *, side: str = "offer", **more: object
) -> Signed:
    now = datetime.now(UTC)
    topic = "offers.direct" if side == "offer" else "demand.direct"
    body = {
        "participant_id": participant,
        "market_id": "jingjinji",
        "idempotency_key": intent,
        "issued_at": now.isoformat(),
        "expires_at": (now + timedelta(minutes=5)).isoformat(),
        "topic": topic,
        "terms": (offer() if side == "offer" else demand())["terms"],
    } | more
    value = json.dumps(body).encode()
    kind = f"suanli.direct.{side}.v1"
    signature = key.sign(signed_bytes(kind, value))
    headers = {
        "ce_specversion": "1.0",
        "ce_id": intent,
        "ce_type": kind,
        "ce_source": f"/participants/{participant}",
        "ce_time": now.isoformat(),
        KEY_HEADER: key_id_of(public_of(key)),
        SIGNATURE_HEADER: base64.b64encode(signature).decode(),
    }
    pairs = tuple((name, text.encode()) for name, text in headers.items())
    return Signed(topic, "jingjinji", value, pairs)


@dataclass
class Direct:
    """A gateway that takes in signed records, and a provider that writes them."""

    market: Market
    address: str
    key: Ed25519PrivateKey
    granted: direct_access.Granted
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def gateway(self) -> Gateway:
        return self.market.gateway

    def settings(self) -> GatewaySettings:
        return GatewaySettings(
            _env_file=None,
            kafka_bootstrap=self.address,
            kafka_security="sasl_plaintext",
            kafka_user=self.granted.user,
            kafka_password=SecretStr(self.granted.password),
            topic_prefix=self.gateway.settings.topic_prefix,
        )

    def producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self.address,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username=self.granted.user,
            sasl_plain_password=self.granted.password,
            enable_idempotence=True,
        )

    async def write(self, *records: Signed) -> None:
        prefix = self.gateway.settings.topic_prefix
        async with self.producer() as producer:
            # Not awaited one by one, so that they are read together.
            sends = [
                await producer.send(
                    f"{prefix}{one.topic}", one.value, one.key.encode(), headers=list(one.headers)
                )
                for one in records
            ]
            await asyncio.gather(*sends)

    async def answers(self, count: int) -> list[DirectAnswered]:
        """Return the provider's answers, read with its own password, once there are so many."""
        topic = self.granted.read.removeprefix(self.gateway.settings.topic_prefix)
        reader = LogReader(self.settings(), [topic])
        await reader.start({})
        found: list[DirectAnswered] = []
        try:
            async with asyncio.timeout(40):
                while len(found) < count:
                    for record in await reader.read(timeout_ms=200):
                        data = decode(record.value, record.headers).data
                        assert isinstance(data, DirectAnswered)
                        found.append(data)
        finally:
            await reader.stop()
        assert len(found) == count
        return found

    async def letters(self) -> list[str]:
        rows = await self.gateway.pool.fetch("SELECT reason FROM dead_letter ORDER BY reason")
        return [row["reason"] for row in rows]


@pytest_asyncio.fixture
async def granted(stack: Stack, market: Market) -> AsyncIterator[Direct]:
    """Let the provider write; nobody takes its records yet."""
    if not stack.direct_bootstrap:
        pytest.skip("needs the embedded broker")
    settings = market.gateway.settings
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = base64.b64encode(public_of(key)).decode()
    access = await direct_access.grant(settings, "provider-1", public)
    yield Direct(market, stack.direct_bootstrap, key, access)
    await direct_access.revoke(settings, "provider-1")


@pytest_asyncio.fixture
async def direct(granted: Direct) -> AsyncIterator[Direct]:
    gateway = granted.gateway
    taking = build_direct(gateway.settings, gateway.clock, gateway.pool, gateway.writer)
    running = asyncio.create_task(taking.run(granted.stop))
    yield granted
    granted.stop.set()
    await running


async def test_a_signed_offer_becomes_an_order_and_its_repeat_the_same_one(direct: Direct) -> None:
    first = sign(direct.key, "provider-1", "k1")
    await direct.write(first, first)
    one, other = await direct.answers(2)
    assert one.outcome == other.outcome == "accepted"
    assert one.receipt is not None
    assert one.receipt == other.receipt
    assert one.receipt.signature
    shown = await direct.gateway.call(
        "GET", f"/v1/offers/{one.receipt.order_id}", key=direct.market.provider
    )
    assert shown.json()["terms"]["chips"] == 64
    # Whoever has the order finds the signature behind it.
    life = await direct.gateway.call(
        "GET", f"/v1/orders/{one.receipt.order_id}/life", key=direct.market.provider
    )
    record = cause_of("offers.direct", one.partition, min(one.offset, other.offset))
    assert life.json()["items"][0]["causation_id"] == record
    over_http = await direct.gateway.submit("offers", offer(), direct.market.provider, "k1")
    assert over_http.json()["order_id"] == one.receipt.order_id


async def test_bad_records_are_refused_told_buried_and_stop_nobody(direct: Direct) -> None:
    key, gateway = direct.key, direct.gateway
    good = sign(key, "provider-1", "good")
    early = datetime.now(UTC) - timedelta(hours=1)
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    times = {
        "issued_at": early.isoformat(),
        "expires_at": (early + timedelta(minutes=5)).isoformat(),
    }
    far = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    bad = {
        "direct.forged": replace(good, value=good.value.replace(b'"chips": 64', b'"chips": 32')),
        "direct.expired": sign(key, "provider-1", "b1", **times),
        "direct.validity": sign(key, "provider-1", "b2", expires_at=far),
        "direct.wrong_market": replace(sign(key, "provider-1", "b3"), key="another"),
        "direct.wrong_participant": sign(key, "provider-2", "b4"),
        "direct.wrong_topic": replace(
            sign(key, "provider-1", "b5", side="demand"), topic="offers.direct"
        ),
        "direct.invalid_body": sign(key, "provider-1", "b6", surprise=1),
        "direct.unknown_key": sign(stranger, "provider-1", "b7"),
        "direct.too_large": replace(good, value=b" " * 70_000),
        "direct.missing_attribute": good.header("ce_time", b""),
    }
    await direct.write(*bad.values(), good.header(SIGNATURE_HEADER, b"\xff"), good)
    untold = {"direct.unknown_key", "direct.too_large"}
    answers = await direct.answers(len(bad) - len(untold) + 2)
    told = sorted(one.reason.code for one in answers if one.reason is not None)
    assert told == sorted([*(bad.keys() - untold), "direct.forged"])
    assert [one.idempotency_key for one in answers if one.outcome == "accepted"] == ["good"]
    assert all(one.reason.zh and one.allowed for one in answers if one.reason is not None)
    buried = await gateway.eventually(direct.letters, lambda rows: len(rows) == len(bad) + 1)
    assert buried == sorted([*bad, "direct.forged"])
    orders = await gateway.call("GET", "/v1/offers", key=direct.market.provider)
    assert len(orders.json()["items"]) == 1


async def test_what_the_market_refuses_is_told_and_leaves_the_key_free(direct: Direct) -> None:
    odd = sign(direct.key, "provider-1", "k1", terms=offer(chip="h9000")["terms"])
    other = sign(direct.key, "provider-1", "k2", market_id="nowhere")
    await direct.write(odd, replace(other, key="nowhere"), sign(direct.key, "provider-1", "k1"))
    by_key = {(one.idempotency_key, one.outcome): one for one in await direct.answers(3)}
    assert by_key["k1", "refused"].field == "terms.chip"
    assert by_key["k2", "refused"].field == "market_id"
    assert by_key["k1", "accepted"].receipt is not None


async def test_a_grant_reaches_as_far_as_it_says_and_a_revoked_key_nowhere(direct: Direct) -> None:
    settings = direct.gateway.settings
    async with direct.producer() as producer:
        for topic in ("offers", "demand.direct", "direct-status.provider-1", "dead-letters"):
            with pytest.raises(TopicAuthorizationFailedError):
                await producer.send_and_wait(f"{settings.topic_prefix}{topic}", b"{}")
    public = base64.b64encode(public_of(direct.key)).decode()
    for who, key, named in (
        ("nobody", public, "not registered"),
        ("regulator-1", public, "a regulator"),
        ("provider-1", "AAAA", "32 bytes"),
    ):
        with pytest.raises(ValidationError, match=named):
            await direct_access.grant(settings, who, key)
    await direct.gateway.pool.execute("UPDATE signing_key SET revoked_at = now()")
    await direct.write(sign(direct.key, "provider-1", "k1"))
    (answer,) = await direct.answers(1)
    assert answer.reason is not None
    assert answer.reason.code == "direct.revoked_key"


async def _gateway_process(stack: Stack, gateway: Gateway, **more: str) -> Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SUANLI_")}
    environment = kept | {
        "SUANLI_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
        "SUANLI_POSTGRES_DSN": stack.postgres_dsn,
        "SUANLI_TOPIC_PREFIX": gateway.settings.topic_prefix,
        "SUANLI_SCHEMA_PREFIX": gateway.settings.schema_prefix,
        "SUANLI_GATEWAY_PORT": "0",
        # The market's time is that of the fixture, which its terms are meant for.
        "SUANLI_CLOCK_MARKET_EPOCH": gateway.clock.now().isoformat(),
        "SUANLI_CLOCK_REAL_EPOCH": datetime.now(UTC).isoformat(),
        **more,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.gateway.main",
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


@pytest.mark.slow
async def test_a_gateway_killed_at_every_point_takes_each_record_in_once(
    stack: Stack, market: Market, granted: Direct
) -> None:
    gateway, key = market.gateway, granted.key
    good = [sign(key, "provider-1", f"k{number}") for number in range(3)]
    await granted.write(*good, replace(good[0], value=b"{}"))
    for point in POINTS:
        doomed = await _gateway_process(stack, gateway, SUANLI_CRASH_AT=point)
        async with asyncio.timeout(60):
            assert await doomed.wait() == EXIT_CODE, point
    healed = await _gateway_process(stack, gateway)
    try:
        answers = await granted.answers(4)
        # What was read is marked as sent a moment later.
        await gateway.eventually(lambda: gateway.pool.fetchval(UNSENT), lambda count: count == 0)
    finally:
        healed.terminate()
        await healed.wait()
    assert [one.outcome for one in answers].count("accepted") == 3
    assert len({(one.partition, one.offset) for one in answers}) == 4
    queued = await gateway.pool.fetchval("SELECT count(*) FROM outbox")
    assert queued == 5, "four answers and one dead letter"
    reader = LogReader(gateway.settings, ["offers"])
    await reader.start({})
    written = []
    while await reader.lag():
        written += await reader.read(timeout_ms=200)
    await reader.stop()
    # One of the points lies between the log and the note of it: that send is repeated as it was.
    assert len({decode(one.value, one.headers).id for one in written}) == 3
    assert len({one.value for one in written}) == 3
    orders = await gateway.call("GET", "/v1/offers", key=market.provider)
    assert len(orders.json()["items"]) == 3
