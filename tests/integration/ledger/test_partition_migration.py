"""What was booked before each fact was stored once is the same journal afterwards, and goes on."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from services.core.merkle import leaf_hash
from services.core.postings import Account, Booking, Hold, Transfer, TransferKind, book
from services.core.tlog.openings import log_entry
from services.ledger.audit import audit
from services.ledger.journal import entry_bytes
from services.ledger.main import MIGRATIONS
from services.ledger.state import UNIT, Entry
from tests.conftest import Stack
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 24, 8, 15, 0, 250_000, tzinfo=UTC)
NAMES = ("bank", "cny:lab", "escrow:jjj")
HOLD = Hold(UUID(int=2), "cny:lab", "escrow:jjj", UNIT, 40)


def booked() -> tuple[list[Entry], dict[str, Account]]:
    """Return a deposit, a hold, what a round took of it, and a withdrawal that is taken back."""
    accounts = {name: Account(name, UNIT, floor_zero=name != "bank") for name in NAMES}
    entries = []
    for number, (kind, debit, credit, amount) in enumerate(
        (
            (TransferKind.SINGLE, "bank", "cny:lab", 100),
            (TransferKind.HOLD, "cny:lab", "escrow:jjj", 40),
            (TransferKind.POST, "cny:lab", "escrow:jjj", 30),
            (TransferKind.SINGLE, "cny:lab", "bank", 7),
            (TransferKind.REVERSAL, "bank", "cny:lab", 7),
        ),
        start=1,
    ):
        transfer = Transfer(
            UUID(int=number),
            kind,
            debit,
            credit,
            UNIT,
            amount,
            HOLD.id if kind is TransferKind.POST else None,
            UUID(int=4) if kind is TransferKind.REVERSAL else None,
        )
        hold = HOLD if kind is TransferKind.POST else None
        done: Booking = book(transfer, accounts[debit], accounts[credit], hold)
        accounts |= {done.debit.id: done.debit, done.credit.id: done.credit}
        held = HOLD.amount if hold else None
        entries.append(
            Entry(transfer, done.postings, "test", AT, f'cause "{number}"', held, "jjj", "jjj:1")
        )
    return entries, accounts


async def store_as_before(conn: asyncpg.Connection) -> list[bytes | None]:
    """Write the entries as the ledger did; return their canonical bytes, None if erased."""
    entries, accounts = booked()
    numbers = {name: at for at, name in enumerate(NAMES, start=1)}
    for name, account in accounts.items():
        await conn.execute(
            "INSERT INTO account (id, name, unit, floor_zero, debits_pending, credits_pending, "
            "debits_posted, credits_posted, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            numbers[name],
            name,
            UNIT,
            account.floor_zero,
            account.debits_pending,
            account.credits_pending,
            account.debits_posted,
            account.credits_posted,
            account.version,
        )
    openings: list[bytes | None] = []
    for index, entry in enumerate(entries):
        transfer = entry.transfer
        # The first is of version 1, in clear; the last but one was erased.
        is_clear, is_erased = index == 0, index == 3
        opening = entry_bytes(entry, index, None if is_clear else hashlib.sha256(b"s").digest())
        logged = opening if is_clear else log_entry(opening)
        openings.append(None if is_erased else opening)
        await conn.execute(
            "INSERT INTO leaf (idx, entry, hash, opening) VALUES ($1, $2, $3, $4)",
            index,
            logged,
            leaf_hash(logged),
            None if is_clear or is_erased else opening,
        )
        if is_erased:
            await conn.execute("INSERT INTO erasure (idx, reason) VALUES ($1, 'a court')", index)
        await conn.execute(
            "INSERT INTO transfer (id, kind, purpose, debit_id, credit_id, unit, amount, "
            "occurred_at, market_id, round_id, leaf_idx, body_hash, pending_id, pending_amount, "
            "reverses, reverses_kind) VALUES ($1, $2, 'test', $3, $4, $5, $6, $7, 'jjj', 'jjj:1', "
            "$8, sha256('x'), $9, $10, $11, $12)",
            transfer.id,
            transfer.kind,
            numbers[transfer.debit],
            numbers[transfer.credit],
            UNIT,
            transfer.amount,
            AT,
            index,
            transfer.pending_id,
            entry.held,
            transfer.reverses,
            None if transfer.reverses is None else "single",
        )
        await conn.execute(
            "INSERT INTO posting SELECT $1, a, $2, l, m, v, b FROM unnest($3::integer[], "
            "$4::text[], $5::bigint[], $6::bigint[], $7::bigint[]) AS p (a, l, m, v, b)",
            transfer.id,
            UNIT,
            [numbers[item.account] for item in entry.postings],
            [item.layer for item in entry.postings],
            [item.amount for item in entry.postings],
            [item.account_version for item in entry.postings],
            [item.balance_after for item in entry.postings],
        )
    return openings


async def test_a_journal_of_before_is_the_same_one_afterwards(stack: Stack) -> None:
    async with schema_before(stack, "ledger", MIGRATIONS, "0008") as before:
        conn = before.conn
        await conn.execute("ALTER TABLE account NO FORCE ROW LEVEL SECURITY")
        await conn.execute("ALTER TABLE transfer NO FORCE ROW LEVEL SECURITY")
        await conn.execute("ALTER TABLE posting NO FORCE ROW LEVEL SECURITY")
        openings = await store_as_before(conn)
        hashes = [row["hash"] for row in await conn.fetch("SELECT hash FROM leaf ORDER BY idx")]
        for table in ("account", "transfer", "posting"):
            await conn.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        await before.upgrade()
        report = await audit(before.dsn, before.schema)
        kept = {check.code: check.problems for check in report.checks}
        for code in ("sums_zero", "counters", "free_balance", "holds", "outbox", "log_consistent"):
            assert kept[code] == (), code
        await conn.execute(f'SET ROLE "{before.schema}_regulator"')
        rows = await conn.fetch("SELECT opening, hash FROM journal_entry ORDER BY idx")
        assert [row["opening"] for row in rows] == openings
        assert [row["hash"] for row in rows] == hashes
        assert await conn.fetchval("SELECT next_idx FROM journal_sent") == len(rows)
        assert await conn.fetchval("SELECT count(*) FROM transfer_done") == 2
        assert await conn.fetchval("SELECT count(*) FROM posting") == 12
        await conn.execute("SET ROLE NONE")
        # What was resolved or taken back stays so.
        for done in (HOLD.id, UUID(int=4)):
            with pytest.raises(asyncpg.UniqueViolationError):
                await conn.execute("INSERT INTO transfer_done VALUES ($1, 9)", done)
