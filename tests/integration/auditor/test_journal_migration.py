"""An auditor of before judges its rounds again, and what is kept of the log is whole hashes."""

from __future__ import annotations

import asyncpg
import pytest

from services.auditor.adapters.postgres import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration

OLD = """
INSERT INTO verdict VALUES ('jjj:1', 'jjj', true, '[]', 'f', 1, now());
INSERT INTO round_part VALUES ('jjj:2', 'sealed', 0, '{}');
INSERT INTO consumer_offset (topic, partition, next_offset, epoch) VALUES ('rounds', 0, 9, 1);
INSERT INTO lease VALUES ('auditor', 4, 'a', now());
"""
BREACHES = [
    "INSERT INTO leaf_tile VALUES (0, '', sha256('x') || 'x')",
    "INSERT INTO leaf_tile VALUES (0, 'x', sha256('x'))",
    "INSERT INTO head_seen VALUES (1, 'ab', false, now(), null)",
    "INSERT INTO head_seen VALUES (0, repeat('a', 64), false, now(), null)",
    "INSERT INTO finding VALUES ('f', 'journal.entry', 'mild', now())",
    "INSERT INTO round_allocation VALUES ('r', 'rumour', 'd', 'o', 'p', 1, 1, 'x', null)",
]


async def test_rounds_are_judged_again_and_what_is_no_hash_is_refused(stack: Stack) -> None:
    async with schema_before(stack, "auditor", MIGRATIONS, "0003_journal") as before:
        conn = before.conn
        await conn.execute(OLD)
        await before.upgrade()
        for table in ("verdict", "round_part", "consumer_offset"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608
        assert await conn.fetchval("SELECT epoch FROM lease") == 4
        for statement in BREACHES:
            with pytest.raises(asyncpg.CheckViolationError):
                await conn.execute(statement)
        await conn.execute("INSERT INTO leaf_tile VALUES (0, '', sha256('x'))")
