"""What rounds charged for links before they were kept: told by the journal that was read."""

from __future__ import annotations

import asyncpg
import pytest

from services.gateway.main import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

OLD = """
INSERT INTO account_entry (entry_id, line, account, unit, kind, purpose, layer, amount,
  balance_after, market_id, round_id, order_id, leaf_index, recorded_at, occurred_at)
SELECT entry_id, line, account, 'CNY-micro', 'single', purpose, 'posted', amount, 0, 'm', round_id,
  'dem_a', leaf_index, now(), now()
FROM (VALUES
  ('c1', 0, 'cny:lab', 'hold_captured', 12, 'm:1', 0),
  ('c1', 1, 'escrow:m', 'hold_captured', -12, 'm:1', 0),
  ('t1', 0, 'escrow:m', 'link_tariff', 4, 'm:1', 1),
  ('t1', 1, 'links:m', 'link_tariff', -4, 'm:1', 1),
  ('r1', 0, 'escrow:m', 'link_rent', 3, 'm:1', 2),
  ('r1', 1, 'rents:m', 'link_rent', -3, 'm:1', 2),
  ('t2', 0, 'escrow:m', 'link_tariff', 9, 'm:2', 3)
) AS e (entry_id, line, account, purpose, amount, round_id, leaf_index);
"""


async def test_charges_for_links_of_before_are_those_of_whom_they_were_captured_from(
    stack: Stack,
) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0029") as before:
        conn = before.conn
        await conn.execute(OLD)
        await before.upgrade()
        told = "SELECT participant_id, item, amount, round_id, order_id FROM charge"
        rows = await conn.fetch(f"{told} ORDER BY leaf_index")
        assert [tuple(row) for row in rows] == [
            ("lab", "link_tariff", 4, "m:1", "dem_a"),
            ("lab", "link_rent", 3, "m:1", "dem_a"),
            (None, "link_tariff", 9, "m:2", "dem_a"),
        ]
        parts = "SELECT amount, link_tariff, link_rent FROM statement_posting WHERE account = $1"
        assert tuple(await conn.fetchrow(parts, "cny:lab") or ()) == (12, 4, 3)
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute("UPDATE link_entry SET amount = 0")
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute(
                "INSERT INTO link_entry SELECT 'twice', purpose, 9, amount, market_id, round_id, "
                "order_id, enterprise_id FROM link_entry LIMIT 1"
            )
