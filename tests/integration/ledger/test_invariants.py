"""Each invariant is refused by the database itself, whatever code runs above it."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.integration.ledger.bookings import (
    DEPOSIT,
    HOLD,
    REFUSED,
    RESOLVES,
    again,
    leaf_sql,
    reversal_sql,
    third,
    transfer_sql,
)

if TYPE_CHECKING:
    from tests.integration.ledger.bookings import Roles

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "sql",
    [
        transfer_sql("post", 30, **RESOLVES),
        transfer_sql("post", 40, **RESOLVES),
        transfer_sql("void", 0, **RESOLVES),
        transfer_sql("single", 1),
        transfer_sql("hold", 1),
        leaf_sql(2) + leaf_sql(3),
        leaf_sql(2).replace(";", ", (3, 1, 1, 'd')"),
        "INSERT INTO allocation_period VALUES ('al_1', 101, 'off_1', 1, 10, 5)",
        "INSERT INTO allocation_period VALUES ('al_1', 101, 'off_1', 1, 10, 5, -50)",
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
        + again(transfer_sql("void", 0, {"debit_version": 5, "credit_version": 4}, **RESOLVES)),
        transfer_sql("post", 10, **(RESOLVES | {"credit_id": 1})),
        transfer_sql("post", 10, **(RESOLVES | {"debit_id": 3, "credit_id": 2})),
        transfer_sql("post", 10, pending_id=f"'{uuid.UUID(int=5)}'", pending_amount=40),
        transfer_sql("post", 10, pending_id=f"'{DEPOSIT}'", pending_amount=100),
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
        # The same id twice, in another place.
        transfer_sql("single", 5, id=f"'{DEPOSIT}'"),
        # What came of it: another balance, a version left out or used twice, a layer too many or
        # too few, a leaf that commits to something else or to nothing.
        transfer_sql("single", 5, {"debit_posted": -94}),
        transfer_sql("single", 5, {"credit_posted": -4}),
        transfer_sql("single", 5, {"debit_version": 4}),
        transfer_sql("single", 5, {"credit_version": 1}),
        transfer_sql("single", 5, {"debit_posted": "NULL"}),
        transfer_sql("single", 5, {"credit_posted": "NULL"}),
        transfer_sql("single", 5, {"debit_pending": 40}),
        transfer_sql("hold", 5, {"debit_posted": -100, "credit_posted": 0}),
        transfer_sql("post", 10, {"debit_pending": "NULL"}, **RESOLVES),
        transfer_sql("single", 5, {"entry": "'\\x7b7d'"}),
        transfer_sql("single", 5, {"opening": "NULL"}),
        transfer_sql("single", 5, {"opening": "'\\x00'"}),
        # More than is free: the counters follow, and the account refuses.
        transfer_sql("single", 61),
        transfer_sql("hold", 61),
        # Accounts: overdrawn by a posting or by a hold, counters back, other columns.
        "UPDATE account SET debits_posted = 61, version = 3 WHERE id = 2",
        "UPDATE account SET debits_pending = 101, version = 3 WHERE id = 2",
        "UPDATE account SET credits_posted = 99, version = 3 WHERE id = 2",
        "UPDATE account SET credits_posted = 101 WHERE id = 2",
        "UPDATE account SET floor_zero = false WHERE id = 2",
        "UPDATE account SET credits_pending = -1, version = 3 WHERE id = 2",
        # The log: a hole, another hash, the past.
        leaf_sql(3),
        leaf_sql(2) + leaf_sql(4),
        leaf_sql(1),
        leaf_sql(-1),
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
        reversal_sql(reverses="NULL"),
        reversal_sql()
        + third(
            reversal_sql(
                {
                    "debit_version": 5,
                    "credit_version": 3,
                    "debit_posted": 100,
                    "credit_posted": -100,
                }
            )
        ),
        # Accounts: a debt above zero, another account without a floor.
        "INSERT INTO account VALUES (9, 'debt:lab', 'lab', 'CNY-micro', false, 0, 0, 1, 2, 1)",
        "INSERT INTO account VALUES (9, 'cny:x', 'lab', 'CNY-micro', false, 0, 0, 2, 1, 1)",
        # Premiums: a fund below zero or without a floor, a claim above zero, more than the price.
        "INSERT INTO account VALUES (9, 'policy:jjj', NULL, 'CNY-micro', true, 0, 0, 2, 1, 1)",
        "INSERT INTO account VALUES (9, 'policy:jjj', NULL, 'CNY-micro', false, 0, 0, 1, 1, 1)",
        "INSERT INTO account VALUES (9, 'premiums:jjj', NULL, 'CNY-micro', false, 0, 0, 1, 2, 1)",
        "INSERT INTO allocation_period VALUES ('al_1', 101, 'off_1', 1, 10, 5, -51)",
        # Rounds and positions: twice, back.
        "INSERT INTO round_booked VALUES ('jjj:2', 'jjj', 1, sha256('r'), 1, 30, 0, now())",
        "UPDATE consumer_offset SET next_offset = 4",
        "UPDATE consumer_offset SET epoch = 0",
    ],
)
async def test_what_breaks_a_rule_is_refused(roles: Roles, sql: str) -> None:
    with pytest.raises(REFUSED):
        await roles.writer(sql)


async def test_a_temporary_table_does_not_shadow_the_one_that_a_trigger_looks_into(
    roles: Roles,
) -> None:
    await roles.writer(
        "CREATE TEMP TABLE shadow ON COMMIT DROP AS SELECT * FROM account;"
        "UPDATE shadow SET credits_posted = 1000 WHERE id = 2;"
        "ALTER TABLE shadow RENAME TO account"
    )
    with pytest.raises(REFUSED):
        await roles.writer(transfer_sql("single", 61).replace("'debit_posted', -39", "'x', -939"))


APPEND_ONLY = (
    "leaf",
    "checkpoint",
    "leaf_0",
    "transfer",
    "transfer_0",
    "transfer_key",
    "transfer_done",
    "journal_partition",
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
    hidden = table == "transfer" and "TRUNCATE" not in act
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
        "DROP TRIGGER transfer_books ON transfer",
        "UPDATE transfer_0 SET amount = 1",
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
        "DELETE FROM transfer",
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
