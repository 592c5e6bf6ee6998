"""A gateway of before reads the journal again, and has what its statements need."""

from __future__ import annotations

from services.gateway.main import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

OLD = """
INSERT INTO account_entry (entry_id, line, account, unit, kind, purpose, layer, amount,
  balance_after, leaf_index, recorded_at)
VALUES ('e', 0, 'cny:lab', 'CNY-micro', 'single', 'deposit', 'posted', -5, -5, 0, now());
INSERT INTO account VALUES ('cny:lab', 'CNY-micro', -5, 0, 1, now());
INSERT INTO journal_entry VALUES (0, '{}');
INSERT INTO consumer_offset (topic, partition, next_offset, epoch) VALUES
  ('journal-entries', 0, 1, 1), ('policies', 0, 4, 1), ('rounds', 0, 7, 1);
"""


async def test_what_follows_from_the_journal_is_read_again_and_the_rest_stays(stack: Stack) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0004_money") as before:
        conn = before.conn
        await conn.execute(OLD)
        await before.upgrade()
        kept = await conn.fetch("SELECT topic, next_offset FROM consumer_offset")
        assert [tuple(row) for row in kept] == [("rounds", 7)]
        left = await conn.fetchval(
            "SELECT (SELECT count(*) FROM account_entry) + (SELECT count(*) FROM account)"
        )
        assert left == 0
