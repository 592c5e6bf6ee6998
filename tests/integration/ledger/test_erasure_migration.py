"""A ledger of before that had erased by hand: that stays, is told to nobody, and cannot go back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.core.tlog.openings import log_entry
from services.ledger.adapters.postgres import QUERIES
from services.ledger.main import MIGRATIONS
from tests.integration.migrating import schema_before

if TYPE_CHECKING:
    from tests.conftest import Stack

pytestmark = pytest.mark.integration

SALT = bytes(range(32))


async def test_what_was_erased_by_hand_keeps_its_reason_and_is_not_published(stack: Stack) -> None:
    async with schema_before(stack, "ledger", MIGRATIONS, "0009") as before:
        conn = before.conn
        rows = [(index, 1, 1, log_entry(SALT), SALT, "cause") for index in range(2)]
        columns = ["idx", "debit_version", "credit_version", "entry", "opening", "cause"]
        await conn.copy_records_to_table("leaf", records=rows, columns=columns)
        await conn.execute("INSERT INTO erasure (idx, reason) VALUES (0, 'a court')")
        await conn.execute("UPDATE leaf SET opening = NULL WHERE idx = 0")
        await conn.execute("UPDATE journal_sent SET next_idx = 2")
        await before.upgrade()

        kept = await conn.fetch("SELECT idx, reason, erasure_id FROM erasure")
        assert [tuple(row) for row in kept] == [(0, "a court", None)]
        assert await conn.fetch(QUERIES.load_unsent_erasures, 10) == []
        # The cause may go with the salt, and only with it.
        await conn.execute("INSERT INTO erasure (idx, reason) VALUES (1, 'a court')")
        await conn.execute("UPDATE journal_sent SET erasures_sent = 2")
        for statement in (
            "UPDATE leaf SET cause = NULL WHERE idx = 1",
            "UPDATE leaf SET opening = NULL, cause = 'other' WHERE idx = 1",
            "UPDATE journal_sent SET erasures_sent = 1",
            "UPDATE erasure SET erasure_id = 'era_x' WHERE idx = 0",
        ):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await conn.execute(statement)
        await conn.execute("UPDATE leaf SET opening = NULL, cause = NULL WHERE idx = 1")
