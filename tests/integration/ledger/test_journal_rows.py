"""Leaves and transfers: bytes, counters, partitions, and who sees which side."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.core.postings import Layer, Posting, Transfer, TransferKind
from services.ledger.journal import entry_bytes
from services.ledger.state import Entry
from tests.integration.ledger.bookings import DEPOSIT, REFUSED, RESOLVES, leaf_sql, transfer_sql

if TYPE_CHECKING:
    from tests.conftest import Stack
    from tests.integration.ledger.bookings import Roles

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "journal.md"


async def test_a_booking_moves_the_counters_of_its_accounts_and_nothing_else_does(
    roles: Roles,
) -> None:
    await roles.writer(transfer_sql("post", 30, **RESOLVES))
    await roles.conn.execute(f'SET LOCAL ROLE "{roles.schema}_regulator"')
    found = await roles.conn.fetch(
        "SELECT debits_pending, credits_pending, debits_posted, credits_posted, version "
        "FROM account ORDER BY id"
    )
    assert [tuple(row) for row in found] == [
        (0, 0, 100, 0, 1),
        (0, 0, 30, 100, 4),
        (0, 0, 0, 30, 3),
        (0, 0, 0, 0, 0),
    ]
    rows = await roles.conn.fetch(
        "SELECT account_id, layer, amount, account_version, balance_after FROM posting "
        "WHERE leaf_idx = 2 ORDER BY account_id, account_version"
    )
    assert [tuple(row) for row in rows] == [
        (2, "pending", -40, 3, 0),
        (2, "posted", 30, 4, -70),
        (3, "pending", 40, 2, 0),
        (3, "posted", -30, 3, -30),
    ]


async def test_the_database_writes_the_bytes_that_the_page_specifies(roles: Roles) -> None:
    """The entry of docs/reference/journal.md, by the function that each leaf is compared with."""
    text = PAGE.read_text(encoding="utf-8")
    # Before it the page shows what stands in the place of an entry that was erased.
    rows = re.findall(r"```json\n(.*)\n```", text)
    example = next(row for row in rows if row.startswith('{"amount"'))
    found = await roles.conn.fetchval(
        "SELECT journal_opening(41, '31662ecc-99ae-8ae7-9fb7-9b6ec18aaaab', 'post', 11500000, "
        "20000000, '2026-11-24T08:15:00Z', 'CNY-micro', 'hold_captured', 'jjj-spot', 'jjj-spot:7', "
        "$1, '93bd6102-ffca-8e3f-bf64-5c708434fb0c', $2, $3, 'cny:lab', 'escrow:jjj-spot', 4, 3, "
        "-88500000, -11500000, 0, 0)",
        "dem_" + "e" * 26,
        "5f" * 16,
        bytes(range(32)),
    )
    assert found.decode() == example


@pytest.mark.parametrize("cause", ['"quoted"', "back\\slash", "京津冀", "a\x01\x7f\u2028\tb", "x"])
@pytest.mark.parametrize("micros", [0, 1, 120_000])
async def test_the_database_and_the_ledger_write_the_same_bytes(
    roles: Roles, cause: str, micros: int
) -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, micros, tzinfo=UTC)
    transfer = Transfer(DEPOSIT, TransferKind.SINGLE, "cny:a", "bank", "CNY-micro", 7)
    postings = (
        Posting("cny:a", Layer.POSTED, 7, 2, -(10**17)),
        Posting("bank", Layer.POSTED, -7, 9, 0),
    )
    entry = Entry(transfer, postings, "withdrawal", at, cause)
    found = await roles.conn.fetchval(
        "SELECT journal_opening(5, $1, 'single', 7, NULL, $2, 'CNY-micro', 'withdrawal', NULL, "
        "NULL, NULL, NULL, $3, $4, 'cny:a', 'bank', 2, 9, -100000000000000000, 0, NULL, NULL)",
        DEPOSIT,
        at,
        cause,
        bytes(32),
    )
    assert found == entry_bytes(entry, 5, bytes(32))


async def test_a_participant_does_not_see_the_other_sides_balance(roles: Roles) -> None:
    await roles.conn.execute(f'SET LOCAL ROLE "{roles.schema}_participant"')
    await roles.conn.execute("SELECT set_config('suanli.participant_id', 'lab', true)")
    found = await roles.conn.fetch("SELECT DISTINCT account_id FROM posting")
    assert [row["account_id"] for row in found] == [2]
    for part in ("leaf", "leaf_0", "transfer_0", "journal_entry", "transfer_key"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with roles.conn.transaction():
                await roles.conn.execute(f"SELECT FROM {part}")


async def test_partitions_are_made_ahead_while_others_write_and_take_what_comes(
    roles: Roles, stack: Stack
) -> None:
    size = 2**20
    other = await asyncpg.connect(stack.postgres_dsn)
    try:
        # A batch that is not committed yet, of another connection: nothing waits for it.
        transaction = other.transaction()
        await transaction.start()
        await other.execute(f'SET LOCAL ROLE "{roles.schema}_writer"')
        await other.execute(f'SET LOCAL search_path = "{roles.schema}"')
        await other.execute(leaf_sql(2))
        await roles.writer(
            f"SET LOCAL lock_timeout = '2s'; SELECT add_partitions({3 * size}, {size})"
        )
    finally:
        await transaction.rollback()
        await other.close()
    found = await roles.conn.fetch("SELECT first_idx, end_idx FROM journal_partition ORDER BY 1")
    assert [tuple(row) for row in found] == [(at * size, (at + 1) * size) for at in range(3)]
    with pytest.raises(REFUSED):
        await roles.owner(f"TRUNCATE transfer_{2 * size}")
    with pytest.raises(REFUSED):
        await roles.writer(f"DROP TABLE transfer_{2 * size}")
