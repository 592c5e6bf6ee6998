"""A gateway of before gets a place for orders to erase, which no request reads by itself."""

from __future__ import annotations

import asyncpg
import pytest

from services.gateway.main import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration


async def test_orders_to_erase_are_the_gateways_own_and_end_one_way(stack: Stack) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0010") as before:
        await before.upgrade()
        conn = before.conn
        insert = "INSERT INTO erasure (erasure_id, entry_id, erased_at, refusal) VALUES "
        await conn.execute(insert + "('era_1', 'e', now(), NULL), ('era_2', 'e', NULL, '{}')")
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute(insert + "('era_3', 'e', now(), '{}')")
        for role in ("reader", "overseer"):
            async with conn.transaction():
                await conn.execute(f'SET LOCAL ROLE "{before.schema}_{role}"')
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with conn.transaction():
                        await conn.execute("SELECT * FROM erasure")
