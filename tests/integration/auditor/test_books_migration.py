"""Parts that were kept before are all taken up, until they are kept again."""

from __future__ import annotations

import asyncpg
import pytest

from services.auditor.adapters.postgres import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration


async def test_what_was_kept_is_not_over_and_a_mark_is_a_whole_digest(stack: Stack) -> None:
    async with schema_before(stack, "auditor", MIGRATIONS, "0007_books_over") as before:
        conn = before.conn
        await conn.execute("INSERT INTO book_part VALUES ('jjj', 'replay._orders', '\"o\"', '1')")
        await before.upgrade()
        assert await conn.fetchval("SELECT count(*) FROM book_part WHERE over IS NULL") == 1
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute("UPDATE book_part SET over = 'x'")
        await conn.execute("UPDATE book_part SET over = sha256('x')")
