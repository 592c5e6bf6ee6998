"""Surcharges of links from before they were kept: what latest round and rent tell of them."""

from __future__ import annotations

import asyncpg
import pytest

from services.gateway.main import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

OLD = """
INSERT INTO link_period (market_id, source, destination, period, seq, tariff, price, used, capacity,
  used_total, rent_total) VALUES
  ('m', 'a', 'b', 1, 2, 10, 25, 0, 5, 0, 0),
  ('m', 'a', 'b', 2, 2, 10, 10, 0, 5, 4, 30),
  ('m', 'a', 'b', 3, 2, 10, 10, 3, 5, 3, 0);
"""


async def test_hours_that_took_rent_count_as_congested_though_the_latest_round_asked_the_tariff(
    stack: Stack,
) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0027") as before:
        await before.conn.execute(OLD)
        await before.upgrade()
        rows = await before.conn.fetch("SELECT surcharge_max FROM link_period ORDER BY period")
        assert [row["surcharge_max"] for row in rows] == [15, 8, 0]
        with pytest.raises(asyncpg.CheckViolationError):
            await before.conn.execute("UPDATE link_period SET surcharge_max = -1")
