"""Settlements that waited before the upgrade are found by their allocation after it."""

from __future__ import annotations

import asyncpg
import pytest

from services.auditor.adapters.postgres import MIGRATIONS
from services.auditor.adapters.settlement_store import PostgresSettlementStore
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration

OLD = """
INSERT INTO settlement_waiting (market_id, place, told)
VALUES ('jjj', 7, '{"allocation_id": "al_1"}')
"""


async def test_what_waits_is_found_by_its_allocation(stack: Stack) -> None:
    async with schema_before(stack, "auditor", MIGRATIONS, "0011_settlements_of") as before:
        await before.conn.execute(OLD)
        await before.upgrade()
        settings = {"search_path": before.schema}
        async with asyncpg.create_pool(
            before.dsn.get_secret_value(), server_settings=settings, min_size=1
        ) as pool:
            store = PostgresSettlementStore(pool)
            assert await store.is_settling("al_1")
            assert not await store.is_settling("al_2")
