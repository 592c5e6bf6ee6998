"""Prices of a gateway of before are told by their trades alone from now on."""

from __future__ import annotations

import asyncpg
import pytest

from services.gateway.main import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

OLD = """
INSERT INTO round_curve (round_id, kind, pool, first_period, prices, chips, offered) VALUES
  ('m:1', 'clearing', 'bj-1/h800', 10, '{0,300,500}', '{0,4,2}', '{0,9,9}'),
  ('m:2', 'clearing', 'bj-1/h800', 10, '{0,0,400}', '{0,0,6}', '{0,9,9}'),
  ('m:2', 'certificate', 'bj-1/h800', 10, '{1,1,1}', '{9,9,9}', '{0,0,0}');
INSERT INTO price (market_id, pool, period, price, chips, offered, round_id, round_seq, low, high,
  chips_total, value_total) VALUES
  ('m', 'bj-1/h800', 10, 0, 0, 0, 'm:2', 2, 0, 0, 0, 0),
  ('m', 'bj-1/h800', 11, 0, 0, 9, 'm:2', 2, 0, 300, 4, 1200),
  ('m', 'bj-1/h800', 12, 400, 6, 9, 'm:2', 2, 400, 500, 8, 3400);
"""


async def test_a_zero_without_a_trade_is_the_lowest_price_no_more(stack: Stack) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0011") as before:
        conn = before.conn
        await conn.execute(OLD)
        await before.upgrade()
        rows = await conn.fetch(
            "SELECT low, high, last_price, last_chips, last_seq FROM price ORDER BY period"
        )
        assert [tuple(row) for row in rows] == [
            (None, None, None, None, None),
            (300, 300, 300, 4, 1),
            (400, 500, 400, 6, 2),
        ]
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute("UPDATE price SET low = NULL WHERE period = 12")
