"""What was allocated and paid under the old rule goes on under the new one."""

from __future__ import annotations

import asyncpg
import pytest

from services.ledger.main import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration

OLD = """
INSERT INTO participant VALUES ('lab', 'enterprise', 'Lab', NULL, 'active'),
  ('cloud', 'provider', 'Cloud', NULL, 'active');
INSERT INTO demand_hold VALUES ('dem_1', 'jjj', 'lab', 1, 0, 0, NULL, false, sha256('d'), 0, 0);
INSERT INTO offer_version VALUES ('off_1', 1, 0, 0, 'jjj', 'cloud', 'z/c', 100, 110, 10, 5,
  sha256('o'));
INSERT INTO round_booked VALUES ('jjj:1', 'jjj', 1, sha256('r'), 1, 90, 5000, now());
INSERT INTO allocation VALUES ('al_1', 'jjj:1', 'jjj', 'dem_1', 'lab', 'off_1', 'cloud', 1, 'z/c',
  90, sha256('a'));
INSERT INTO allocation_period VALUES ('al_1', 100, 'off_1', 1, 6, 5),
  ('al_1', 101, 'off_1', 1, 6, 5), ('al_1', 102, 'off_1', 1, 6, 5);
INSERT INTO delivery_booked VALUES ('dlv_1', 'al_1', sha256('v'), 0, 0, NULL, NULL);
INSERT INTO period_paid VALUES ('al_1', 100, 'dlv_1', 6, 5, 6), ('al_1', 101, 'dlv_1', 6, 5, 2);
"""


async def test_what_was_not_paid_before_is_open_and_falls_due(stack: Stack) -> None:
    async with schema_before(stack, "ledger", MIGRATIONS, "0005_money") as before:
        conn = before.conn
        await conn.execute(OLD)
        await before.upgrade()
        found = await conn.fetch("SELECT period, chips, price, due FROM open_period ORDER BY 1")
        assert [tuple(row) for row in found] == [(101, 4, 5, 174), (102, 6, 5, 175)]
        await conn.execute(
            "INSERT INTO settlement VALUES ('s', 'al_1', sha256('s'), true, 0, 0, 0, 20, 0, 0, 0,"
            " 0, '{}'); INSERT INTO settled_period VALUES ('al_1', 101, 's', 4, 5, 0)"
        )
        assert await conn.fetchval("SELECT count(*) FROM open_period") == 1
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await conn.execute("INSERT INTO settled_period VALUES ('al_1', 100, 's', 6, 5, 0)")
