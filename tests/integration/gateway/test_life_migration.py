"""A gateway of before reads orders again; what it had gets its place in the log, once."""

from __future__ import annotations

from datetime import UTC, datetime

from services.gateway.adapters.intents import put_events
from services.gateway.main import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
OLD = """
INSERT INTO order_event (event_id, order_id, kind, occurred_at, recorded_at)
VALUES ('old', 'off_1', 'status', now(), now());
INSERT INTO consumer_offset (topic, partition, next_offset, epoch) VALUES
  ('order-status', 0, 4, 1), ('journal-entries', 0, 9, 1);
"""
FACTS = ("off_1", "status", 1, "open", None, None, None, None, 3, 5, "cause", NOW, NOW, "off_1")


async def test_histories_are_read_again_and_told_once(stack: Stack) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0006") as before:
        conn = before.conn
        await conn.execute(OLD)
        await before.upgrade()
        kept = await conn.fetch("SELECT topic FROM consumer_offset")
        assert [row["topic"] for row in kept] == ["journal-entries"]
        told = ("old", *FACTS, "order-status", 2, 7)
        await put_events(conn, [told, told])
        await put_events(conn, [("old", *FACTS, "order-status", 2, 8)])
        rows = await conn.fetch("SELECT log_offset, chip_hours_left, cause FROM order_event")
        assert [tuple(row) for row in rows] == [(7, 5, "")]
