"""A gateway of before gets webhooks: seen row by row, never back, and their secrets by nobody."""

from __future__ import annotations

import asyncpg
import pytest

from services.gateway.main import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration

INSERT = """
INSERT INTO webhook (webhook_id, participant_id, sees_all, url, events, description, last_seq)
VALUES ('wh_' || repeat($1, 16), $2, false, 'https://a.example/', $3, '', 5)
"""


async def test_webhooks_only_go_forward_and_each_sees_its_own_of_them(stack: Stack) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0016") as before:
        conn = before.conn
        await before.upgrade()
        await conn.execute(INSERT, "a", "mine", ["orders.fill"])
        await conn.execute(INSERT, "b", "others", ["rounds.closed"])
        for events in ([], ["orders.gossip"]):
            with pytest.raises(asyncpg.CheckViolationError):
                await conn.execute(INSERT, "c", "mine", events)
        await conn.execute(
            "INSERT INTO webhook_secret SELECT webhook_id, $1 FROM webhook", b"k" * 32
        )
        await conn.execute(
            "INSERT INTO webhook_delivery"
            " (webhook_id, message_id, type, attempts, is_taken, duration_ms)"
            " SELECT webhook_id, 'm', 't', 1, true, 1 FROM webhook"
        )
        for wrong in (
            "last_seq = 4",
            "state = 'disabled'",
            "failures = 1",
            "disabled_because = 'owner'",
            "failing_since = now()",
        ):
            with pytest.raises(asyncpg.CheckViolationError):
                await conn.execute(f"UPDATE webhook SET {wrong}")  # noqa: S608 - from this list
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute(
                "INSERT INTO webhook_secret SELECT webhook_id, $1 FROM webhook", b"x" * 32
            )

        for role, who, seen in (("reader", "", 0), ("reader", "mine", 1), ("overseer", "", 2)):
            async with conn.transaction():
                await conn.execute(f'SET LOCAL ROLE "{before.schema}_{role}"')
                await conn.execute("SELECT set_config('suanli.participant_id', $1, true)", who)
                for table in ("webhook", "webhook_delivery"):
                    rows = await conn.fetch(f"SELECT * FROM {table}")  # noqa: S608 - from this list
                    assert len(rows) == seen, (role, who, table)
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with conn.transaction():
                        await conn.fetch("SELECT * FROM webhook_secret")
        await conn.execute("DELETE FROM webhook WHERE participant_id = 'mine'")
        for table in ("webhook_secret", "webhook_delivery"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 1  # noqa: S608


async def test_a_secret_is_as_long_as_its_seal_makes_it_and_stays_sealed(stack: Stack) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0023") as before:
        conn = before.conn
        await conn.execute(INSERT, "a", "mine", ["orders.fill"])
        secret = (
            "INSERT INTO webhook_secret (webhook_id, secret) SELECT webhook_id, $1 FROM webhook"
        )
        await conn.execute(secret, b"k" * 32)
        await before.upgrade()
        kept = "SELECT secret FROM webhook_secret WHERE key_id IS NULL"
        assert await conn.fetchval(kept) == b"k" * 32
        for wrong in ("key_id = 'k1'", "key_id = 'K:1', secret = repeat('x', 60)::bytea"):
            with pytest.raises(asyncpg.CheckViolationError):
                await conn.execute(f"UPDATE webhook_secret SET {wrong}")  # noqa: S608 - as above
        await conn.execute("UPDATE webhook_secret SET key_id = 'k1', secret = $1", b"x" * 60)
        with pytest.raises(asyncpg.CheckViolationError, match="key_id must be there"):
            await conn.execute("UPDATE webhook_secret SET key_id = NULL, secret = $1", b"k" * 32)
