"""What accounts hold is kept in runs of hours that begin and end with chips."""

from __future__ import annotations

import asyncpg
import pytest

from services.matching.adapters.postgres import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration
PUT = "INSERT INTO held VALUES ($1, $2, $3, $4)"


async def test_nothing_is_held_after_the_upgrade_and_runs_are_bounded_by_chips(
    stack: Stack,
) -> None:
    async with schema_before(stack, "matching", MIGRATIONS, "0009_held") as before:
        conn = before.conn
        await before.upgrade()
        assert await conn.fetchval("SELECT count(*) FROM held") == 0
        await conn.execute(PUT, "e-1", "bj-1/t4", 490_000, [4, 0, 2])
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute(PUT, "e-1", "bj-1/t4", 490_001, [1])
        for chips in ([], [0, 1], [1, 0], [1, -1, 1], [1, None, 1]):
            with pytest.raises(asyncpg.CheckViolationError):
                await conn.execute(PUT, "e-2", "bj-1/t4", 490_000, chips)
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute(PUT, "e-2", "bj-1/t4", -1, [1])
