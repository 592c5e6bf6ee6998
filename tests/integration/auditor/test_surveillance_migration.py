"""Cases that were told before what they said was kept stay as they were told."""

from __future__ import annotations

import asyncpg
import pytest

from services.auditor.adapters.watch_store import MIGRATIONS, PostgresWatchStore
from services.auditor.surveillance import Told
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration

CASE = "sc_" + "a" * 26
DIGEST = "0" * 64
OLD = """
INSERT INTO told_case (case_id, market_id, day, revision, digest)
VALUES ($1, 'jjj', 20416, 1, $2)
"""


async def test_cases_of_before_have_no_body_and_still_only_grow(stack: Stack) -> None:
    async with schema_before(stack, "surveillance", MIGRATIONS, "0003_told_bodies") as before:
        await before.conn.execute(OLD, CASE, DIGEST)
        await before.upgrade()
        settings = {"search_path": before.schema}
        async with asyncpg.create_pool(
            before.dsn.get_secret_value(), server_settings=settings, min_size=1
        ) as pool:
            store = PostgresWatchStore(pool, lease="watch", epoch=1)
            assert await store.told_of("jjj", 20416) == [Told(CASE, "jjj", 20416, 1, DIGEST, None)]
            assert await store.told_of("jjj", 20417) == []
        with pytest.raises(asyncpg.RaiseError, match="revision must be 2"):
            await before.conn.execute("UPDATE told_case SET revision = 3, body = '{}'")
