"""Verdicts from before prices were judged keep what they know, and say nothing of prices."""

from __future__ import annotations

import json

import asyncpg
import pytest

from services.auditor.adapters.postgres import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration

OLD = """
INSERT INTO verdict VALUES ('jjj:1', 'jjj', true, '[]', 'f', 1, now());
INSERT INTO verdict VALUES ('jjj:2', 'jjj', true, '[]', 'f', 1, now(), '');
INSERT INTO verdict VALUES ('jjj:3', 'jjj', true, '[]', 'f', 1, now(), 'abc');
INSERT INTO round_part VALUES ('jjj:4', 'sealed', 0, '{}');
INSERT INTO consumer_offset (topic, partition, next_offset, epoch)
VALUES ('rounds', 0, 9, 1), ('offers', 0, 9, 1);
"""


async def test_old_verdicts_keep_their_shares_and_half_read_rounds_are_read_again(
    stack: Stack,
) -> None:
    async with schema_before(stack, "auditor", MIGRATIONS, "0008_told") as before:
        conn = before.conn
        await conn.execute(OLD)
        await before.upgrade()
        rows = await conn.fetch("SELECT told::text AS told FROM verdict ORDER BY round_id")
        assert [json.loads(row["told"]) for row in rows] == [
            {},
            {"shares": {}},
            {"shares": {"0": "abc"}},
        ]
        rows = await conn.fetch("SELECT topic FROM consumer_offset")
        assert [row["topic"] for row in rows] == ["offers"]
        assert await conn.fetchval("SELECT count(*) FROM round_part") == 0
        await conn.execute("INSERT INTO round_part VALUES ('jjj:4', 'prices', 0, '{}')")
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute("INSERT INTO round_part VALUES ('jjj:4', 'rumour', 0, '{}')")
