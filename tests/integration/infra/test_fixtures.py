from __future__ import annotations

import asyncio
import socket

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import TopicPartition
from pytest_socket import SocketConnectBlockedError

from infra.local.topics import declared, ensure_topics
from tests.conftest import Stack

pytestmark = pytest.mark.integration


async def test_a_record_over_our_own_limit_reaches_the_reader(stack: Stack, topics: str) -> None:
    oversized = b"x" * (64 * 1024 + 1)
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.kafka_bootstrap, enable_idempotence=True, acks="all"
    )
    consumer = AIOKafkaConsumer(bootstrap_servers=stack.kafka_bootstrap, enable_auto_commit=False)
    await producer.start()
    await consumer.start()
    try:
        sent = await producer.send_and_wait(f"{topics}demand", oversized, key=b"jjj")
        place = TopicPartition(sent.topic, sent.partition)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        record = await asyncio.wait_for(consumer.getone(), timeout=10)
    finally:
        await producer.stop()
        await consumer.stop()
    assert (record.offset, record.key, record.value) == (0, b"jjj", oversized)


async def test_ensure_topics_creates_nothing_the_second_time(stack: Stack, topics: str) -> None:
    assert await ensure_topics(stack.kafka_bootstrap, topics) == []


async def test_ensure_topics_brings_a_topic_of_before_to_what_is_declared(
    stack: Stack, topics: str
) -> None:
    name = f"{topics}journal-entries"
    before = {"cleanup.policy": "delete", "retention.ms": "-1", "segment.bytes": "2097152"}
    client = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)

    async def once(policy: str) -> dict[str, str]:
        """Return the topic's settings once the broker has heard of a change."""
        asked = [ConfigResource(ConfigResourceType.TOPIC, name)]
        async with asyncio.timeout(20):
            while True:
                (found,) = await client.describe_configs(asked)
                values = {entry[0]: entry[1] for entry in found.resources[0][4]}
                if values["cleanup.policy"] == policy:
                    return values
                await asyncio.sleep(0.05)

    await client.start()
    try:
        await once("compact")
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, before)])
        await once("delete")
        assert await ensure_topics(stack.kafka_bootstrap, topics) == []
        values = await once("compact")
    finally:
        await client.close()
    (spec,) = [spec for spec in declared() if spec.name == "journal-entries"]
    assert spec.config.items() <= values.items()
    # What somebody set beside that stays.
    assert values["segment.bytes"] == "2097152"


async def test_ensure_topics_by_two_processes_at_once_leaves_each_topic_once(
    stack: Stack, topic_prefix: str
) -> None:
    created = await asyncio.gather(
        *(ensure_topics(stack.kafka_bootstrap, topic_prefix) for _ in range(2))
    )
    assert {name for names in created for name in names} == {
        f"{topic_prefix}{spec.name}" for spec in declared()
    }


async def test_the_services_role_owns_its_schemas_and_is_no_superuser(
    stack: Stack, schema_prefix: str
) -> None:
    connection = await asyncpg.connect(stack.postgres_dsn)
    try:
        await connection.execute(f"CREATE SCHEMA {schema_prefix}ledger")
        rows = await connection.fetch(
            "SELECT rolsuper, current_setting('server_version_num')::int / 10000 AS version,"
            " current_setting('timezone') AS zone FROM pg_roles WHERE rolname = current_user"
        )
    finally:
        await connection.close()
    assert [tuple(row) for row in rows] == [(False, 18, "UTC")]


def test_a_test_here_may_connect_to_loopback_alone(stack: Stack) -> None:
    blocked = pytest.warns(UserWarning, match="tried to use socket")
    with socket.socket() as own, blocked, pytest.raises(SocketConnectBlockedError):
        own.connect(("192.0.2.1", 9))
