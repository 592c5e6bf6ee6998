from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic import SecretStr

from services.kit.kafka import LogWriter
from services.kit.postgres import KIT_TABLES_SQL, create_pool, migrate
from services.kit.settings import KitSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from services.kit.postgres import Pool
    from tests.conftest import Stack


class MakeTopic(Protocol):
    async def __call__(self, name: str, partitions: int = 1) -> None: ...


@pytest.fixture
def settings(stack: Stack, topic_prefix: str, schema_prefix: str) -> KitSettings:
    return KitSettings(
        kafka_bootstrap=stack.kafka_bootstrap,
        postgres_dsn=SecretStr(stack.postgres_dsn),
        topic_prefix=topic_prefix,
        schema_prefix=schema_prefix,
        _env_file=None,
    )


@pytest.fixture
def make_topic(settings: KitSettings) -> MakeTopic:
    async def make(name: str, partitions: int = 1) -> None:
        await create_topic(settings, name, partitions)

    return make


@pytest_asyncio.fixture
async def writer(settings: KitSettings) -> AsyncIterator[LogWriter]:
    made = LogWriter(settings)
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def pool(settings: KitSettings, tmp_path: Path) -> AsyncIterator[Pool]:
    folder = tmp_path / "kit_migrations"
    folder.mkdir()
    (folder / "0001_kit.sql").write_text(f"-- migrate:up\n{KIT_TABLES_SQL}")
    schema = settings.schema_of("kit")
    await migrate(settings.postgres_dsn, schema, folder)
    made = await create_pool(settings.postgres_dsn, schema, min_size=0)
    yield made
    await made.close()


async def eventually(check: Callable[[], bool], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        done = check()
        while not done:
            await asyncio.sleep(0.02)
            done = check()


async def create_topic(settings: KitSettings, name: str, partitions: int) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await client.start()
    try:
        topic = NewTopic(f"{settings.topic_prefix}{name}", partitions, 1)
        await client.create_topics([topic])
    finally:
        await client.close()
