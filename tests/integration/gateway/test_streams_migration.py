"""A gateway of before gets a feed for its streams, numbered from 1 and seen row by row."""

from __future__ import annotations

import asyncpg
import pytest

from services.gateway.main import MIGRATIONS
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration

INSERT = """
INSERT INTO stream_event (seq, source, stream, kind, market_id, participant_id, subject, body)
VALUES ($1, $2, $3, 'status', 'm', $4, 's', '{}')
"""


async def test_the_feed_begins_empty_and_each_sees_its_own_rows_of_it(stack: Stack) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0013") as before:
        conn = before.conn
        with pytest.raises(asyncpg.UndefinedTableError):
            await conn.fetchval("SELECT count(*) FROM stream_event")
        await before.upgrade()
        head = await conn.fetchrow("SELECT feed, next_seq, kept_from FROM stream_head")
        assert head is not None
        assert (len(head["feed"]), head["next_seq"], head["kept_from"]) == (8, 1, 1)
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute("INSERT INTO stream_head DEFAULT VALUES")

        await conn.execute(INSERT, 1, "a", "orders", "mine")
        await conn.execute(INSERT, 2, "b", "orders", "others")
        await conn.execute(INSERT, 3, "c", "rounds", None)
        # Private and nobody's, public and somebody's, of no stream, before the first, told twice.
        for wrong in (
            (4, "d", "orders", None),
            (4, "d", "prices", "mine"),
            (4, "d", "gossip", None),
            (0, "d", "rounds", None),
        ):
            with pytest.raises(asyncpg.CheckViolationError):
                await conn.execute(INSERT, *wrong)
        for again in ((3, "d", "rounds", None), (4, "c", "rounds", None)):
            with pytest.raises(asyncpg.UniqueViolationError):
                await conn.execute(INSERT, *again)

        for role, who, seen in (
            ("reader", "", [3]),
            ("reader", "mine", [1, 3]),
            ("overseer", "", [1, 2, 3]),
        ):
            async with conn.transaction():
                await conn.execute(f'SET LOCAL ROLE "{before.schema}_{role}"')
                await conn.execute("SELECT set_config('suanli.participant_id', $1, true)", who)
                rows = await conn.fetch("SELECT seq FROM stream_event ORDER BY seq")
                assert [row["seq"] for row in rows] == seen, (role, who)
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with conn.transaction():
                        await conn.execute("DELETE FROM stream_event")
