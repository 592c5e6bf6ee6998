"""An auditor of before reads half-read rounds again: what it passed over is not missing."""

from __future__ import annotations

import asyncpg
import pytest

from services.auditor.adapters.postgres import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration

OLD = """
INSERT INTO verdict VALUES ('jjj:1', 'jjj', true, '[]', 'f', 1, now());
INSERT INTO round_part VALUES ('jjj:3', 'sealed', 0, '{}');
INSERT INTO consumer_offset (topic, partition, next_offset, epoch)
VALUES ('rounds', 0, 9, 1), ('allocations', 0, 9, 1), ('offers', 0, 9, 1);
INSERT INTO round_audit (round_id, market_id, seq, judged, offers_through, allocations_compared)
VALUES ('jjj:1', 'jjj', 1, true, '[]', true), ('jjj:2', 'jjj', 2, false, '[]', false);
INSERT INTO round_payment VALUES ('jjj:1', 'd', 5);
INSERT INTO claim VALUES ('jjj:1', 'd', 5, 'cny:e', '{}', 7);
"""
BREACHES = [
    "INSERT INTO round_part VALUES ('jjj:4', 'rumour', 0, '{}')",
    "INSERT INTO round_charge VALUES ('jjj:4', 'file', 'rumour', 's', '', 1, 'x')",
    "INSERT INTO round_charge VALUES ('jjj:4', 'rumour', 'link', 's', '', 1, 'x')",
    "INSERT INTO round_audit (round_id, market_id, seq, charges) VALUES ('jjj:4', 'jjj', 4, -1)",
]


async def test_what_was_passed_over_is_read_again_and_old_rounds_stay_judged(stack: Stack) -> None:
    async with schema_before(stack, "auditor", MIGRATIONS, "0006_charges") as before:
        conn = before.conn
        await conn.execute(OLD)
        await before.upgrade()
        rows = await conn.fetch("SELECT topic FROM consumer_offset")
        assert [row["topic"] for row in rows] == ["offers"]
        assert await conn.fetchval("SELECT count(*) FROM round_part") == 0
        assert await conn.fetchval("SELECT told::text FROM verdict") == "{}"
        rows = await conn.fetch("SELECT charges, offers_through FROM round_audit ORDER BY seq")
        assert [tuple(row) for row in rows] == [(None, "[]"), (None, None)]
        assert await conn.fetchval("SELECT tariffs + rents FROM round_payment") == 0
        assert await conn.fetchval("SELECT waits FROM claim") is False
        await conn.execute("INSERT INTO round_part VALUES ('jjj:3', 'shares', 0, '{}')")
        for statement in BREACHES:
            with pytest.raises(asyncpg.CheckViolationError):
                await conn.execute(statement)
