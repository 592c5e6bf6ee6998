"""Users of the broker: a password opens it, an ACL says what for, both can be taken away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from pydantic import SecretStr

from services.kit.kafka import LogReader, Record
from services.kit.log_access import AccessRefusedError, LogAccess
from services.kit.settings import KitSettings
from tests.conftest import Stack

pytestmark = pytest.mark.integration
TOPICS = ("orders", "answers.a", "answers.b")
PASSWORD = "the password of the tests"


@dataclass(frozen=True, slots=True)
class Broker:
    """The shared broker with some topics of this test's own."""

    access: LogAccess
    prefix: str
    address: str

    def user(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def client(self, name: str, password: str = PASSWORD) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.address,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": self.user(name),
            "sasl_plain_password": password,
        }

    def settings(self, name: str) -> KitSettings:
        return KitSettings(
            _env_file=None,
            kafka_bootstrap=self.address,
            kafka_security="sasl_plaintext",
            kafka_user=self.user(name),
            kafka_password=SecretStr(PASSWORD),
            topic_prefix=self.prefix,
        )

    async def write_on(self, producer: AIOKafkaProducer, topic: str) -> None:
        while True:
            await self.write(producer, topic)

    async def read(self, name: str, topic: str) -> list[Record]:
        reader = LogReader(self.settings(name), [topic])
        try:
            await reader.start({})
            # Longer than a fetch stays open, which is when a refusal is told.
            return await reader.read(timeout_ms=1_000)
        finally:
            await reader.stop()

    async def write(self, producer: AIOKafkaProducer, topic: str) -> None:
        async with asyncio.timeout(30):
            await producer.send_and_wait(f"{self.prefix}{topic}", b"{}")


@pytest_asyncio.fixture
async def broker(stack: Stack, topic_prefix: str) -> AsyncIterator[Broker]:
    if not stack.direct_bootstrap:
        pytest.skip("needs the embedded broker")
    settings = KitSettings(
        _env_file=None, kafka_bootstrap=stack.kafka_bootstrap, topic_prefix=topic_prefix
    )
    access = LogAccess(settings)
    await access.ensure_topics(TOPICS, {})
    rights = [("write", "orders"), ("read", "answers.a")]
    await access.grant(f"{topic_prefix}a", PASSWORD, rights)
    yield Broker(access, topic_prefix, stack.direct_bootstrap)
    for name in ("a", "b"):
        await access.revoke(f"{topic_prefix}{name}")


async def test_a_wrong_password_opens_nothing(broker: Broker) -> None:
    producer = AIOKafkaProducer(**broker.client("a", "another"))
    with pytest.raises(KafkaConnectionError):
        await producer.start()
    await producer.stop()


async def test_a_user_may_do_what_was_granted_and_nothing_else(broker: Broker) -> None:
    async with AIOKafkaProducer(**broker.client("a"), enable_idempotence=True) as producer:
        await broker.write(producer, "orders")
        for topic in ("answers.a", "answers.b"):
            with pytest.raises(TopicAuthorizationFailedError):
                await broker.write(producer, topic)
    assert await broker.read("a", "answers.a") == []
    for topic in ("answers.b", "orders"):
        with pytest.raises(TopicAuthorizationFailedError):
            await broker.read("a", topic)


async def test_a_revoked_user_writes_no_more_even_on_an_open_connection(broker: Broker) -> None:
    async with AIOKafkaProducer(**broker.client("a")) as producer:
        await broker.write(producer, "orders")
        assert await broker.access.revoke(broker.user("a"))
        async with asyncio.timeout(30):
            # Brokers learn it a moment after the controller.
            with pytest.raises(TopicAuthorizationFailedError):
                await broker.write_on(producer, "orders")
    assert not await broker.access.revoke(broker.user("a"))
    assert await broker.access.grants(broker.prefix) == []


async def test_a_grant_replaces_the_one_before(broker: Broker) -> None:
    await broker.access.grant(broker.user("a"), "another", [("write", "answers.b")])
    async with AIOKafkaProducer(**broker.client("a", "another")) as producer:
        await broker.write(producer, "answers.b")
    (found,) = await broker.access.grants(broker.prefix)
    assert (found.user, found.rights) == (broker.user("a"), (("write", "answers.b"),))
    producer = AIOKafkaProducer(**broker.client("a"))
    with pytest.raises(KafkaConnectionError):
        await producer.start()
    await producer.stop()


async def test_who_is_no_administrator_administers_nothing(broker: Broker) -> None:
    access = LogAccess(broker.settings("a"))
    attempts = (
        access.grant(broker.user("b"), PASSWORD, [("write", "orders")]),
        access.revoke(broker.user("a")),
        access.grants(""),
        access.ensure_topics(["another"], {}),
    )
    for attempt in attempts:
        with pytest.raises(AccessRefusedError, match=r"may not|AUTHORIZATION_FAILED"):
            await attempt
    (left,) = await broker.access.grants(broker.prefix)
    assert left.user == broker.user("a")
