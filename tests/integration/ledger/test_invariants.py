"""Each invariant is refused by the database itself, whatever code runs above it."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from services.ledger.settings import LedgerSettings
from tests.conftest import Stack
from tests.integration.ledger.conftest import migrated

pytestmark = pytest.mark.integration

REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)
HOLD = uuid.UUID(int=1)

SETUP = """
INSERT INTO participant VALUES ('lab', 'enterprise', 'Lab', NULL, 'active'),
  ('cloud', 'provider', 'Cloud', NULL, 'active');
INSERT INTO account (id, name, participant_id, unit, floor_zero, debits_pending, credits_pending,
  debits_posted, credits_posted, version) VALUES
  (1, 'bank', NULL, 'CNY-micro', false, 0, 0, 100, 0, 1),
  (2, 'cny:lab', 'lab', 'CNY-micro', true, 40, 0, 0, 100, 2),
  (3, 'escrow:jjj', NULL, 'CNY-micro', true, 0, 40, 0, 0, 1),
  (4, 'hours:lab', 'lab', 'chip-hour', true, 0, 0, 0, 0, 0);
INSERT INTO leaf (idx, entry, hash) VALUES (0, 'a', sha256('\\x00'::bytea || 'a')),
  (1, 'b', sha256('\\x00'::bytea || 'b'));
INSERT INTO transfer (id, kind, purpose, debit_id, credit_id, unit, amount, occurred_at, leaf_idx,
  body_hash) VALUES
  ('00000000-0000-0000-0000-000000000009', 'single', 'deposit', 1, 2, 'CNY-micro', 100, now(), 0,
   sha256('x')),
  ('00000000-0000-0000-0000-000000000001', 'hold', 'hold_placed', 2, 3, 'CNY-micro', 40, now(), 1,
   sha256('y'));
INSERT INTO posting VALUES
  ('00000000-0000-0000-0000-000000000009', 1, 'CNY-micro', 'posted', 100, 1, 100),
  ('00000000-0000-0000-0000-000000000009', 2, 'CNY-micro', 'posted', -100, 1, -100),
  ('00000000-0000-0000-0000-000000000001', 2, 'CNY-micro', 'pending', 40, 2, 40),
  ('00000000-0000-0000-0000-000000000001', 3, 'CNY-micro', 'pending', -40, 1, -40);
INSERT INTO checkpoint (size, root, frontier, note)
  VALUES (2, sha256('root'), sha256('root'), 'note');
INSERT INTO demand_hold VALUES ('dem_1', 'jjj', 'lab', 1, 40, 40,
  '00000000-0000-0000-0000-000000000001', false, sha256('d'), 0, 0);
INSERT INTO offer_version VALUES ('off_1', 1, 0, 0, 'jjj', 'cloud', 'z/c', 100, 110, 10, 5,
  sha256('o'));
INSERT INTO round_booked VALUES ('jjj:1', 'jjj', 1, sha256('r'), 1, 30, 0, now());
INSERT INTO allocation VALUES ('al_1', 'jjj:1', 'jjj', 'dem_1', 'lab', 'off_1', 'cloud', 1, 'z/c',
  30, sha256('a'));
INSERT INTO allocation_period VALUES ('al_1', 100, 'off_1', 1, 6, 5);
INSERT INTO settlement VALUES
  ('s_whole', 'al_1', sha256('v'), false, 30, 0, 0, 0, 0, 0, 0, 0, '{}'),
  ('s_part', 'al_1', sha256('w'), false, 15, 0, 0, 15, 3, 0, 3, 0, '{}'),
  ('s_none', 'al_1', sha256('x'), true, 0, 0, 0, 30, 6, 2, 0, 0, '{}');
INSERT INTO consumer_offset (topic, partition, next_offset, epoch) VALUES ('demand', 0, 5, 1);
"""


@pytest_asyncio.fixture(scope="module")
async def made(stack: Stack) -> AsyncIterator[tuple[asyncpg.Connection, str]]:
    """Return the owner's connection to a schema with a deposit of 100, a hold of 40, a round."""
    settings = LedgerSettings(postgres_dsn=SecretStr(stack.postgres_dsn), _env_file=None)
    schema = f"t_{secrets.token_hex(4)}_ledger"
    async with migrated(settings, schema) as conn:
        await conn.execute(f'SET ROLE "{schema}_writer"')
        await conn.execute(SETUP)
        await conn.execute("RESET ROLE")
        yield conn, schema


@pytest_asyncio.fixture
async def roles(made: tuple[asyncpg.Connection, str]) -> AsyncIterator[Roles]:
    """Return the ledger's roles inside a transaction that is rolled back."""
    conn, schema = made
    transaction = conn.transaction()
    await transaction.start()
    yield Roles(conn, schema)
    await transaction.rollback()


@dataclass
class Roles:
    """Acts as one role after another on one connection."""

    conn: asyncpg.Connection
    schema: str

    async def writer(self, sql: str) -> None:
        await self._as(f"{self.schema}_writer", sql)

    async def regulator(self, sql: str) -> None:
        await self._as(f"{self.schema}_regulator", sql)

    async def owner(self, sql: str) -> None:
        await self._as(None, sql)

    async def count(self, role: str, table: str, identity: str | None = None) -> int:
        await self.conn.execute(f'SET LOCAL ROLE "{self.schema}_{role}"')
        if identity is not None:
            await self.conn.execute(
                "SELECT set_config('suanli.participant_id', $1, true)", identity
            )
        return int(await self.conn.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608

    async def _as(self, role: str | None, sql: str) -> None:
        await self.conn.execute(f'SET LOCAL ROLE "{role}"' if role else "SET LOCAL ROLE NONE")
        async with self.conn.transaction():
            await self.conn.execute(sql)


def leaf_sql(idx: int) -> str:
    return (
        f"INSERT INTO leaf (idx, entry, hash) VALUES "  # noqa: S608
        f"({idx}, 'c{idx}', sha256('\\x00'::bytea || 'c{idx}'));"
    )


def transfer_sql(kind: str, amount: int, **columns: object) -> str:
    """Return a transfer from the lab to the escrow that resolves the hold, as far as it says."""
    values: dict[str, object] = {
        "id": f"'{uuid.UUID(int=77)}'",
        "kind": f"'{kind}'",
        "purpose": "'test'",
        "debit_id": 2,
        "credit_id": 3,
        "unit": "'CNY-micro'",
        "amount": amount,
        "occurred_at": "now()",
        "leaf_idx": 2,
        "body_hash": "sha256('t')",
    } | columns
    return (
        leaf_sql(2) + f"INSERT INTO transfer ({', '.join(values)}) "  # noqa: S608
        f"VALUES ({', '.join(str(value) for value in values.values())});"
    )


def reversal_sql(**columns: object) -> str:
    """Return the reversal of the lab's deposit of 100, as far as it says."""
    mirrored: dict[str, object] = {
        "debit_id": 2,
        "credit_id": 1,
        "reverses": "'00000000-0000-0000-0000-000000000009'",
        "reverses_kind": "'single'",
    }
    changed = mirrored | columns
    return transfer_sql("reversal", int(str(changed.pop("amount", 100))), **changed)


RESOLVES = {"pending_id": f"'{HOLD}'", "pending_amount": 40}


@pytest.mark.parametrize(
    "sql",
    [
        transfer_sql("post", 30, **RESOLVES),
        transfer_sql("post", 40, **RESOLVES),
        transfer_sql("void", 0, **RESOLVES),
        transfer_sql("single", 1),
        transfer_sql("hold", 1),
        leaf_sql(2) + leaf_sql(3),
        "INSERT INTO allocation_period VALUES ('al_1', 101, 'off_1', 1, 10, 5)",
        "INSERT INTO settled_period VALUES ('al_1', 100, 's_whole', 6, 5, 6)",
        "INSERT INTO settled_period VALUES ('al_1', 100, 's_part', 6, 5, 3)",
        "INSERT INTO settled_period VALUES ('al_1', 100, 's_none', 6, 5, 0)",
        reversal_sql(),
        "UPDATE consumer_offset SET next_offset = 6",
        "UPDATE account SET debits_posted = 60, debits_pending = 40, version = 3 WHERE id = 2",
    ],
)
async def test_the_writer_may_do_what_the_rules_allow(roles: Roles, sql: str) -> None:
    await roles.writer(sql)


@pytest.mark.parametrize(
    "sql",
    [
        # A hold: more than it held, twice, between other accounts, of another unit, unknown.
        transfer_sql("post", 41, **RESOLVES),
        transfer_sql("post", 41, **(RESOLVES | {"pending_amount": 41})),
        transfer_sql("post", 10, **RESOLVES)
        + transfer_sql("void", 0, **(RESOLVES | {"id": f"'{uuid.UUID(int=78)}'", "leaf_idx": 3}))
        .replace("(2, 'c2'", "(3, 'c3'")
        .replace("'c2')", "'c3')"),
        transfer_sql("post", 10, **(RESOLVES | {"credit_id": 1})),
        transfer_sql("post", 10, **(RESOLVES | {"debit_id": 3, "credit_id": 2})),
        transfer_sql("post", 10, pending_id=f"'{uuid.UUID(int=5)}'", pending_amount=40),
        transfer_sql(
            "post", 10, pending_id="'00000000-0000-0000-0000-000000000009'", pending_amount=100
        ),
        transfer_sql("post", 10),
        transfer_sql("single", 10, **RESOLVES),
        transfer_sql("void", 5, **RESOLVES),
        transfer_sql("expire", 0, **RESOLVES),
        transfer_sql("post", 10, pending_expires_at="'2020-01-01'", **RESOLVES),
        # A transfer: no amount, one account, two units, an unknown account, no leaf.
        transfer_sql("single", 0),
        transfer_sql("single", -5),
        transfer_sql("single", 5, credit_id=2),
        transfer_sql("single", 5, credit_id=4),
        transfer_sql("single", 5, credit_id=99),
        transfer_sql("single", 5, leaf_idx=3),
        transfer_sql("single", 5, leaf_idx=1),
        # Accounts: overdrawn by a posting or by a hold, counters back, other columns.
        "UPDATE account SET debits_posted = 61, version = 3 WHERE id = 2",
        "UPDATE account SET debits_pending = 101, version = 3 WHERE id = 2",
        "UPDATE account SET credits_posted = 99, version = 3 WHERE id = 2",
        "UPDATE account SET credits_posted = 101 WHERE id = 2",
        "UPDATE account SET floor_zero = false WHERE id = 2",
        "UPDATE account SET credits_pending = -1, version = 3 WHERE id = 2",
        # The log: a hole, another hash, the past.
        leaf_sql(3),
        "INSERT INTO leaf (idx, entry, hash) VALUES (2, 'c', sha256('c'))",
        "INSERT INTO leaf (idx, entry, hash) VALUES (1, 'c', sha256('\\x00'::bytea || 'c'))",
        "INSERT INTO checkpoint (size, root, frontier, note) VALUES (3, sha256('r'), '', '')",
        "INSERT INTO checkpoint (size, root, frontier, note) VALUES (2, sha256('r'), '', '')",
        # Capacity: oversold, outside the window, an unknown version, another offer.
        "INSERT INTO allocation_period VALUES ('al_1', 101, 'off_1', 1, 11, 5)",
        "INSERT INTO allocation_period VALUES ('al_1', 110, 'off_1', 1, 1, 5)",
        "INSERT INTO allocation_period VALUES ('al_1', 101, 'off_1', 2, 1, 5)",
        "INSERT INTO allocation_period VALUES ('al_1', 101, 'off_2', 1, 1, 5)",
        "INSERT INTO offer_period VALUES ('off_1', 101, 1000, 0)",
        "UPDATE offer_period SET chips = 1000",
        # Deliveries: a period twice, more than allocated, at another price.
        "INSERT INTO settled_period VALUES ('al_1', 100, 's_whole', 6, 5, 7)",
        "INSERT INTO settled_period VALUES ('al_1', 100, 's_whole', 6, 6, 5)",
        "INSERT INTO settled_period VALUES ('al_1', 100, 's_whole', 6, 5, 5)",
        "INSERT INTO settled_period VALUES ('al_1', 100, 's_part', 3, 5, 3)",
        "INSERT INTO settled_period VALUES ('al_1', 101, 's_none', 6, 5, 0)",
        2 * "INSERT INTO settled_period VALUES ('al_1', 100, 's_part', 6, 5, 3);",
        # Only the triggers open and close periods; what the old rule paid is history.
        "DELETE FROM open_period",
        "UPDATE open_period SET chips = 1",
        "INSERT INTO period_paid VALUES ('al_1', 100, 'dlv_1', 6, 5, 6)",
        # A settlement: more penalty than what was not delivered, a payment for what lapsed.
        (
            "INSERT INTO settlement VALUES "
            "('s', 'al_1', sha256('v'), false, 0, 0, 0, 30, 31, 0, 0, 0, '{}')"
        ),
        (
            "INSERT INTO settlement VALUES "
            "('s', 'al_1', sha256('v'), true, 30, 0, 0, 0, 0, 0, 0, 0, '{}')"
        ),
        # A reversal: of another amount, twice, of a hold, of nothing, the same way round.
        reversal_sql(amount=99),
        reversal_sql(debit_id=1, credit_id=2),
        reversal_sql(reverses=f"'{HOLD}'", amount=40, debit_id=3),
        reversal_sql(reverses=f"'{uuid.UUID(int=5)}'"),
        reversal_sql(reverses="NULL", reverses_kind="NULL"),
        reversal_sql()
        + reversal_sql(id=f"'{uuid.UUID(int=78)}'", leaf_idx=3)
        .replace("(2, 'c2'", "(3, 'c3'")
        .replace("'c2')", "'c3')"),
        # Accounts: a debt above zero, another account without a floor.
        "INSERT INTO account VALUES (9, 'debt:lab', 'lab', 'CNY-micro', false, 0, 0, 1, 2, 1)",
        "INSERT INTO account VALUES (9, 'cny:x', 'lab', 'CNY-micro', false, 0, 0, 2, 1, 1)",
        # Rounds and positions: twice, back.
        "INSERT INTO round_booked VALUES ('jjj:2', 'jjj', 1, sha256('r'), 1, 30, 0, now())",
        "UPDATE consumer_offset SET next_offset = 4",
        "UPDATE consumer_offset SET epoch = 0",
    ],
)
async def test_what_breaks_a_rule_is_refused(roles: Roles, sql: str) -> None:
    with pytest.raises(REFUSED):
        await roles.writer(sql)


def posting_sql(*rows: tuple[int, str, int]) -> str:
    """Return postings of a transfer of 10 from the lab to the escrow."""
    values = ", ".join(
        f"('{uuid.UUID(int=77)}', {account}, 'CNY-micro', '{layer}', {amount}, {9 + n}, 0)"
        for n, (account, layer, amount) in enumerate(rows)
    )
    return transfer_sql("single", 10) + f"INSERT INTO posting VALUES {values}"  # noqa: S608


async def test_postings_that_are_what_the_transfer_says_are_taken(roles: Roles) -> None:
    await roles.writer(posting_sql((2, "posted", 10), (3, "posted", -10)))


@pytest.mark.parametrize(
    "sql",
    [
        posting_sql((2, "posted", 10)),
        posting_sql((2, "posted", 10), (3, "posted", -9)),
        posting_sql((2, "posted", 9), (3, "posted", -9)),
        posting_sql((2, "posted", -10), (3, "posted", 10)),
        posting_sql((2, "pending", 10), (3, "pending", -10)),
        posting_sql((2, "posted", 10), (3, "pending", -10)),
        posting_sql((2, "posted", 10), (1, "posted", -10)),
        posting_sql((2, "posted", 10), (3, "posted", -20), (1, "posted", 10)),
        posting_sql((2, "posted", 0), (3, "posted", 0)),
        # Of no transfer, in another unit, once more.
        posting_sql((2, "posted", 10), (3, "posted", -10)).replace("004d', 2,", "0005', 2,"),
        posting_sql((2, "posted", 10), (3, "posted", -10)).replace(
            "3, 'CNY-micro'", "3, 'chip-hour'"
        ),
        (
            "INSERT INTO posting VALUES "
            "('00000000-0000-0000-0000-000000000009', 1, 'CNY-micro', 'posted', 100, 8, 200),"
            "('00000000-0000-0000-0000-000000000009', 2, 'CNY-micro', 'posted', -100, 8, -200)"
        ),
    ],
)
async def test_postings_that_are_not_what_it_says_are_refused(roles: Roles, sql: str) -> None:
    with pytest.raises(REFUSED):
        await roles.writer(sql)


async def test_a_temporary_table_does_not_shadow_the_one_that_a_trigger_looks_into(
    roles: Roles,
) -> None:
    unbalanced = posting_sql((2, "posted", 20), (3, "posted", -20))
    await roles.writer(
        "CREATE TEMP TABLE shadow ON COMMIT DROP AS SELECT * FROM transfer;"
        "UPDATE shadow SET id = '00000000-0000-0000-0000-00000000004d', kind = 'single',"
        "amount = 20; ALTER TABLE shadow RENAME TO transfer"
    )
    with pytest.raises(REFUSED):
        await roles.writer(
            unbalanced.replace("INSERT INTO transfer", f"INSERT INTO {roles.schema}.transfer")
        )


APPEND_ONLY = (
    "leaf",
    "checkpoint",
    "transfer",
    "posting",
    "offer_version",
    "round_booked",
    "allocation",
    "allocation_period",
    "settlement",
)


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("act", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0}"])
async def test_journal_rows_are_never_changed_not_even_by_their_owner(
    roles: Roles, table: str, act: str
) -> None:
    column = await roles.conn.fetchval(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 "
        "AND attgenerated = '' LIMIT 1",
        table,
    )
    sql = act.format(table, column) + (" CASCADE" if "TRUNCATE" in act else "")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await roles.writer(sql)
    # Row-level security hides these from the owner, so nothing would be changed anyway.
    hidden = table in ("transfer", "posting") and "TRUNCATE" not in act
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await roles.owner(
            f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY; {sql}" if hidden else sql
        )


async def test_the_guards_also_fire_in_replica_mode(roles: Roles) -> None:
    found = await roles.conn.fetch(
        "SELECT tgname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid "
        "WHERE c.relnamespace = $1::regnamespace AND NOT tgisinternal AND tgenabled <> 'A' "
        "AND tgname <> 'consumer_offset_forward'",
        roles.schema,
    )
    assert not found


@pytest.mark.parametrize("table", ["account", "participant", "demand_hold", "offer_period"])
async def test_standing_rows_are_never_deleted(roles: Roles, table: str) -> None:
    unhidden = "ALTER TABLE account NO FORCE ROW LEVEL SECURITY;"
    for sql in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):  # noqa: S608
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await roles.owner(unhidden + sql)


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE transfer DISABLE TRIGGER ALL",
        "DROP TRIGGER posting_balanced ON posting",
        "DROP TABLE leaf CASCADE",
        "ALTER TABLE account DROP CONSTRAINT account_no_overdraft",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (n integer)",
        "DELETE FROM schema_migrations",
    ],
)
async def test_the_writer_owns_nothing_and_cannot_switch_a_guard_off(
    roles: Roles, sql: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await roles.writer(sql)


async def test_the_regulator_reads_all_and_writes_nothing(roles: Roles) -> None:
    assert await roles.count("regulator", "transfer") == 2
    assert await roles.count("regulator", "account") == 4
    for sql in (
        transfer_sql("single", 1),
        "UPDATE account SET version = 9",
        "DELETE FROM posting",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await roles.regulator(sql)


async def test_a_participant_sees_its_own_rows_and_an_unset_identity_sees_none(
    roles: Roles,
) -> None:
    counts = [
        [
            await roles.count("participant", table, identity)
            for table in ("account", "transfer", "posting")
        ]
        for identity in (None, "", "cloud", "lab")
    ]
    assert counts == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [2, 2, 2]]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await roles.count("participant", "leaf")


def test_the_hash_check_is_the_leaf_hash_of_rfc_6962() -> None:
    empty = hashlib.sha256(b"\x00").hexdigest()
    assert empty == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
