"""The login that the ledger runs with is stolen: what it cannot do, and that it suffices.

That the writer's role posts nothing unbalanced, overdrawn or out of order is in
``test_invariants.py``; here a login acts that has that role and no other rights.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from services.gateway.main import MIGRATIONS as GATEWAY
from services.kit.errors import MigrationError
from services.kit.postgres import check_migrated, migrate
from services.ledger.adapters.login import prepare
from services.ledger.main import MIGRATIONS
from tests.integration.ledger.bookings import BOOK, SETUP
from tests.integration.ledger.conftest import record_of
from tests.integration.ledger.test_faults import kill
from tests.integration.ledger.test_pipeline import check
from tests.integration.ledger.test_stopped_and_cut import start, until
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.kit.kafka import LogWriter
    from services.ledger.settings import LedgerSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

REFUSED = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.InvalidAuthorizationSpecificationError,
)
# Moved by the writer's work; everything else only ever gets rows added.
UPDATED = {
    "account",
    "consumer_offset",
    "demand_hold",
    "lease",
    "offer_period",
    "outbox",
    "journal_sent",
    "outbox_head",
    "participant",
    "tree_tile",
}
DELETED = {"lease", "outbox", "waiting_record"}

ATTACKS = (
    # Out of the role, to the owner or to more rights.
    "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}",
    "ALTER ROLE {owner} PASSWORD 'mine'",
    "ALTER ROLE {login} SUPERUSER",
    "ALTER ROLE {login} BYPASSRLS",
    "ALTER ROLE {login} CREATEROLE",
    "GRANT {owner} TO {login}",
    "CREATE ROLE {login}_2 LOGIN",
    "CREATE DATABASE mine",
    # Off with the guards.
    "SET session_replication_role = replica",
    "ALTER TABLE transfer DISABLE TRIGGER ALL",
    "ALTER TABLE leaf DISABLE TRIGGER leaf_append_only",
    "DROP TRIGGER transfer_books ON transfer",
    "DROP TRIGGER account_counters ON account",
    "ALTER TABLE account DROP CONSTRAINT account_no_overdraft",
    "ALTER TABLE transfer DISABLE ROW LEVEL SECURITY",
    "DROP POLICY participant ON transfer",
    "CREATE POLICY mine ON transfer USING (true)",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS ''",
    "ALTER FUNCTION book_transfers() RESET ALL",
    "DROP TABLE leaf CASCADE",
    "DROP SCHEMA {schema} CASCADE",
    "CREATE TABLE mine (n integer)",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE leaf OWNER TO {login}",
    # The past, and what is not the ledger's to do.
    "INSERT INTO erasure (idx, reason) VALUES (0, 'mine')",
    "UPDATE leaf SET opening = NULL",
    "DELETE FROM erasure_order",
    "SELECT erase_entry('era_x', id, 'mine') FROM transfer_key",
    "UPDATE journal_sent SET erasures_sent = -1",
    "INSERT INTO signed_checkpoint (size, root, note) VALUES (1000, sha256('r'), 'n')",
    "UPDATE account SET floor_zero = false",
    "UPDATE consumer_offset SET next_offset = 0",
    "INSERT INTO open_period VALUES ('al', 1, 'm', 'p', 1, 1, 1)",
    "DELETE FROM schema_migrations",
    # Keys, files and other services.
    "SELECT * FROM {gateway}.api_key",
    "SELECT * FROM {gateway}.idempotency",
    "SELECT rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_shadow",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY leaf TO PROGRAM 'cat'",
    "COPY leaf TO '/tmp/leaf'",
    "CREATE EXTENSION file_fdw",
    "SELECT lo_import('/etc/passwd')",
    "ALTER SYSTEM SET fsync = off",
    "SELECT pg_reload_conf()",
)


@pytest_asyncio.fixture
async def service(
    owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> AsyncIterator[LedgerSettings]:
    """Return settings whose login has the schema's roles and owns nothing."""
    login, password = f"{schema}_login", secrets.token_hex(16)
    await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{password}'")
    parts = urlsplit(settings.postgres_dsn.get_secret_value())
    place = f"{login}:{password}@{parts.hostname}:{parts.port}"
    dsn = SecretStr(urlunsplit(parts._replace(netloc=place)))
    with pytest.raises(MigrationError, match=r"0001_kit\.sql must be applied"):
        await check_migrated(dsn, schema, MIGRATIONS)
    assert await prepare(settings.postgres_dsn, schema, MIGRATIONS, login) == []
    await check_migrated(dsn, schema, MIGRATIONS)
    yield settings.model_copy(
        update={
            "postgres_dsn": dsn,
            # The ledger itself has no credential of the owner; the test's own attacks do.
            "ledger_migrates": False,
            "ledger_owner_dsn": settings.postgres_dsn,
        }
    )
    await owner.execute(f"DROP ROLE {login}")


async def test_the_ledger_runs_with_a_login_that_owns_nothing(
    service: LedgerSettings, owner: asyncpg.Connection, schema: str, sender: LogWriter
) -> None:
    assert service.ledger_owner_dsn is not None
    told = [w.registered("lab"), w.deposited("lab", 9 * w.YUAN), w.demanded("d", "lab", chips=1)]
    await sender.send_many([record_of(body) for body in told])
    process = await start(service, "mine")
    try:
        await until(owner, "SELECT count(*) FROM demand_hold", 1)
        await until(owner, "SELECT count(*) FROM outbox WHERE sent_at IS NULL", 0)
    finally:
        await kill(process)
    await check(service, schema)


async def test_whoever_steals_that_login_changes_nothing_that_is_booked(
    service: LedgerSettings, owner: asyncpg.Connection, schema: str
) -> None:
    gateway = service.schema_of("gateway")
    await migrate(service.ledger_owner_dsn or "", gateway, GATEWAY)
    names = {
        "owner": await owner.fetchval("SELECT current_user"),
        "login": f"{schema}_login",
        "schema": schema,
        "gateway": gateway,
    }
    await owner.execute(BOOK.format(schema))
    async with owner.transaction():
        await owner.execute(f'SET LOCAL ROLE "{schema}_writer"')
        await owner.execute(SETUP)
    found = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
    tables = [row["tablename"] for row in found]
    attacks = [attack.format(**names) for attack in ATTACKS]
    attacks += [f"TRUNCATE {table} CASCADE" for table in tables]
    attacks += [f"DELETE FROM {name}" for name in tables if name not in DELETED]  # noqa: S608
    for table in set(tables) - UPDATED:
        column = await owner.fetchval(
            "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 "
            "AND attgenerated = '' LIMIT 1",
            table,
        )
        attacks.append(f"UPDATE {table} SET {column} = {column}")  # noqa: S608
    assert len(attacks) > 100
    dsn = service.postgres_dsn.get_secret_value()
    thief = await asyncpg.connect(dsn, server_settings={"search_path": schema})
    taken = []
    try:
        for role in (f"SET ROLE {schema}_writer", "RESET ROLE", f"SET ROLE {schema}_regulator"):
            await thief.execute(role)
            for attack in attacks:
                try:
                    async with asyncio.timeout(10):
                        await thief.execute(attack)
                except REFUSED:
                    continue
                taken.append((role, attack))
    finally:
        await thief.close()
    assert not taken
