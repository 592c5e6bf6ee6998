"""The audit finds what an owner of the tables, with all guards switched off, has done to them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from schemas.types import Role
from services.core.merkle import Frontier
from services.kit.postgres import acquire_lease, create_pool
from services.ledger.adapters.postgres import LEASE, PostgresStore, writer_dsn
from services.ledger.app import decode_all, handle
from services.ledger.audit import AuditReport, _audit, audit
from services.ledger.keys import keys_of
from services.ledger.settings import LedgerSettings
from services.ledger.state import Checkpoint
from tests.conftest import Stack
from tests.integration.ledger.conftest import migrated
from tests.unit.ledger import world as w
from tests.unit.ledger.charges import link_charged

pytestmark = pytest.mark.integration


async def fill(store: PostgresStore) -> None:
    """Book a small market day: deposits, holds, a round, a delivery, a checkpoint."""
    topics = w.Topics()
    allocation = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, 900_000), (1, 5, 500_000)])
    first = topics.put(
        w.registered("lab"),
        w.registered("cloud", Role.PROVIDER),
        w.deposited("lab", 100 * w.YUAN),
        w.offered("o1", "cloud", chips=10),
        w.demanded("d1", "lab", chips=10),
        w.demanded("d2", "lab", chips=4),
    )
    link = link_charged(1, "d1", "lab", 10_000, [(0, 20, 10_000), (1, 10, 30_000)])
    kept = w.kept(1, "d1", "lab", 5 * w.YUAN), w.kept(1, "d2", "lab", 0)
    second = topics.round(1, allocation, link, *kept, fee_ppm=9000)
    third = topics.put(w.delivered(allocation, [(0, 7)]))
    frontier, before = Frontier(), await store.positions()
    for records in (first, second, third):
        inputs, _ = decode_all(records)
        after = before | {(r.topic, r.partition): r.offset + 1 for r in records}
        view = await store.load(keys_of(inputs, ()))
        outcome = handle(view, inputs, (), after, frontier, w.NOW)
        frontier = outcome.frontier
        head = Checkpoint(frontier.size, frontier.root(), frontier, "note")
        await store.commit(replace(outcome.batch, checkpoint=head), before, after)
        before = after


@pytest_asyncio.fixture(scope="module")
async def filled(stack: Stack) -> AsyncIterator[tuple[asyncpg.Connection, str]]:
    settings = LedgerSettings(postgres_dsn=SecretStr(stack.postgres_dsn), _env_file=None)
    schema = f"t_{secrets.token_hex(4)}_ledger"
    async with migrated(settings, schema) as conn:
        pool = await create_pool(await writer_dsn(settings.postgres_dsn, schema), schema)
        epoch = await acquire_lease(pool, LEASE, "test", 60)
        assert epoch is not None
        await fill(PostgresStore(pool, epoch))
        await pool.close()
        yield conn, schema


async def test_an_honest_ledger_passes(
    filled: tuple[asyncpg.Connection, str], stack: Stack
) -> None:
    report = await audit(stack.postgres_dsn, filled[1])
    assert report.ok, "\n".join(report.lines())
    assert (report.size, report.captured, report.paid) == (11, 12_000_000, 6_300_000)
    assert all(line.startswith("ok  ") for line in report.lines()[:-1])
    assert report.lines(chinese=True) != report.lines()


async def as_regulator(conn: asyncpg.Connection, schema: str) -> AuditReport:
    await conn.execute(f'SET LOCAL ROLE "{schema}_regulator"')
    report = await _audit(conn, schema)
    await conn.execute("RESET ROLE")
    return report


SWAP = (
    "UPDATE leaf SET idx = 1000 + idx WHERE idx IN (2, 3);"
    "UPDATE leaf SET idx = CASE idx WHEN 1002 THEN 3 ELSE 2 END WHERE idx > 1000"
)
OPEN = """
DO $$ DECLARE t text; c record; BEGIN
  FOR t IN SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
    AND relkind IN ('r', 'p') LOOP
    EXECUTE format('ALTER TABLE %I DISABLE TRIGGER USER', t);
    EXECUTE format('ALTER TABLE %I NO FORCE ROW LEVEL SECURITY', t);
  END LOOP;
  FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
    WHERE connamespace = current_schema()::regnamespace AND contype = 'f'
    AND conparentid = 0 LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname);
  END LOOP;
  FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
    WHERE connamespace = current_schema()::regnamespace AND contype = 'c'
    AND coninhcount = 0 LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname);
  END LOOP;
END $$;
"""


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        # A side that is missing; both sides always have the same amount.
        ("UPDATE leaf SET debit_posted = NULL WHERE idx = 0", "sums_zero"),
        (
            "UPDATE leaf SET debit_pending = NULL, credit_pending = NULL WHERE idx = 3",
            "sums_zero",
        ),
        ("DELETE FROM leaf WHERE idx = 3", "sums_zero"),
        ("UPDATE transfer_key SET id = gen_random_uuid() WHERE leaf_idx = 2", "sums_zero"),
        ("UPDATE transfer SET id = gen_random_uuid() WHERE leaf_idx = 2", "sums_zero"),
        ("UPDATE transfer SET amount = amount + 1 WHERE leaf_idx = 0", "counters"),
        (
            "UPDATE account SET credits_posted = credits_posted + 1 WHERE name = 'cny:lab'",
            "counters",
        ),
        (
            (
                "UPDATE account SET debits_posted = debits_posted + 7, credits_posted "
                "= credits_posted + 7"
                " WHERE name = 'cny:lab'"
            ),
            "counters",
        ),
        ("UPDATE leaf SET credit_posted = 0 WHERE credit_version = 2", "counters"),
        ("UPDATE leaf SET credit_version = 7 WHERE idx = 0", "counters"),
        ("UPDATE leaf SET debit_version = debit_version + 1", "counters"),
        (
            "UPDATE account SET debits_pending = credits_posted + 1 WHERE name = 'cny:lab'",
            "free_balance",
        ),
        (
            (
                "INSERT INTO transfer (id, kind, purpose, debit_id, credit_id, unit, "
                "amount, occurred_at,"
                " leaf_idx, pending_id, pending_amount) SELECT "
                "gen_random_uuid(), 'void',"
                " purpose, debit_id, credit_id, unit, 0, occurred_at, 900, pending_id,"
                " pending_amount FROM transfer WHERE pending_id IS NOT NULL LIMIT 1"
            ),
            "holds",
        ),
        ("UPDATE transfer_done SET leaf_idx = leaf_idx + 1", "holds"),
        ("DELETE FROM transfer_done", "holds"),
        ("UPDATE demand_hold SET amount = amount + 1 WHERE hold_id IS NOT NULL", "holds"),
        ("UPDATE demand_hold SET expires_at = now() WHERE hold_id IS NOT NULL", "holds"),
        ("UPDATE transfer SET amount = pending_amount + 1 WHERE kind = 'post'", "holds"),
        ("UPDATE offer_period SET allocated = chips + 1", "capacity"),
        ("UPDATE offer_period SET allocated = allocated - 1", "capacity"),
        ("DELETE FROM offer_period", "capacity"),
        ("UPDATE allocation_period SET chips = chips + 1", "capacity"),
        ("UPDATE allocation SET payment = payment - 1", "rounds"),
        ("UPDATE round_booked SET payment = payment - 1", "rounds"),
        ("UPDATE settled_period SET delivered = delivered + 1", "rounds"),
        ("DELETE FROM settlement", "rounds"),
        ("UPDATE settlement SET refund = refund + 1", "rounds"),
        ("UPDATE open_period SET price = price + 1", "rounds"),
        ("DELETE FROM open_period", "rounds"),
        (
            "UPDATE account SET name = 'debt:x', floor_zero = false WHERE name = 'cny:cloud'",
            "free_balance",
        ),
        (
            "UPDATE transfer SET kind = 'reversal', reverses = id WHERE leaf_idx = 0",
            "free_balance",
        ),
        ("DELETE FROM outbox WHERE seq = 5", "outbox"),
        ("UPDATE journal_sent SET next_idx = 12", "outbox"),
        ("DELETE FROM journal_sent", "outbox"),
        ("INSERT INTO market_halt VALUES ('jjj', 'jjj:2', 'settle.oversold', 'x')", "no_halt"),
        # The log: an entry, an entry with its hash, two leaves swapped, the tail, a head, a row.
        ("UPDATE leaf SET entry = entry || ' ' WHERE idx = 2", "log_consistent"),
        (
            (
                "UPDATE transfer SET amount = 200000000 WHERE leaf_idx = 0; UPDATE leaf AS l SET "
                "entry = substr(l.entry, 1, 15) || sha256(e.opening) FROM journal_entry AS e "
                "WHERE e.idx = l.idx"
            ),
            "log_consistent",
        ),
        (SWAP, "log_consistent"),
        ("UPDATE leaf SET opening = NULL WHERE idx = 4", "log_consistent"),
        ("DELETE FROM leaf WHERE idx = 4", "log_consistent"),
        ("DELETE FROM leaf WHERE idx = (SELECT max(idx) FROM leaf)", "log_consistent"),
        (
            (
                "UPDATE checkpoint SET root = sha256('x') WHERE size = (SELECT "
                "min(size) FROM checkpoint)"
            ),
            "log_consistent",
        ),
        ("UPDATE checkpoint SET frontier = sha256('x')", "log_consistent"),
        ("UPDATE transfer SET purpose = 'gift' WHERE leaf_idx = 0", "log_consistent"),
        ("UPDATE transfer SET occurred_at = now() WHERE leaf_idx = 0", "log_consistent"),
        ("UPDATE leaf SET cause = 'other' WHERE idx = 0", "log_consistent"),
        ("UPDATE leaf SET opening = sha256('x') WHERE idx = 0", "log_consistent"),
        ("DELETE FROM transfer WHERE leaf_idx = 0", "log_consistent"),
    ],
)
async def test_the_audit_finds_what_was_done_behind_its_back(
    filled: tuple[asyncpg.Connection, str], sql: str, code: str
) -> None:
    conn, schema = filled
    transaction = conn.transaction()
    await transaction.start()
    try:
        await conn.execute(OPEN)
        before = await as_regulator(conn, schema)
        assert before.ok, "\n".join(before.lines())
        await conn.execute(sql)
        report = await as_regulator(conn, schema)
    finally:
        await transaction.rollback()
    assert code in [check.code for check in report.checks if not check.ok]
