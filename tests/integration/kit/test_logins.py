"""The login that a service runs with is stolen: it does what that service does, and no more.

The ledger's is in ``tests/integration/ledger/test_leaked_credential.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.kit.errors import MigrationError
from services.kit.logins import KIT_RIGHTS, make_ready, rights_in, statements_below
from services.logins import SERVICES, Home, homes_of, prepare
from tests.integration.logins import login_of

if TYPE_CHECKING:
    from services.kit.settings import KitSettings
    from tests.conftest import Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

LEAST = ("gateway", "matching", "auditor")
ATTACKS = (
    "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}",
    "ALTER ROLE {owner} PASSWORD 'mine'",
    "ALTER ROLE {login} SUPERUSER",
    "ALTER ROLE {login} BYPASSRLS",
    "ALTER ROLE {login} CREATEROLE",
    "GRANT {owner} TO {login}",
    "CREATE ROLE {login}_2 LOGIN",
    "CREATE DATABASE mine",
    "CREATE SCHEMA mine",
    "CREATE TABLE mine (n integer)",
    "CREATE TABLE public.mine (n integer)",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "DROP SCHEMA {schema} CASCADE",
    "DELETE FROM schema_migrations",
    "UPDATE schema_migrations SET checksum = 'mine'",
    "SET session_replication_role = replica",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY schema_migrations TO PROGRAM 'cat'",
    "CREATE EXTENSION file_fdw",
    "ALTER SYSTEM SET fsync = off",
)


async def refused(thief: asyncpg.Connection, statement: str) -> bool:
    """Return whether the database refuses a statement for want of a right."""
    if statement.startswith(("CREATE DATABASE", "ALTER SYSTEM")):
        # These take no part in a transaction; should one be let through, the test fails anyway.
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            await thief.execute(statement)
            return False
        return True
    turn = thief.transaction()
    await turn.start()
    try:
        async with asyncio.timeout(10):
            await thief.execute(statement)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError):
        return True
    except asyncpg.IntegrityConstraintViolationError:
        # It was let through to a rule of the table.
        return False
    finally:
        await turn.rollback()
    return False


async def tables_of(owner: asyncpg.Connection, schema: str) -> dict[str, str]:
    """Return table -> its first column that may be written."""
    found = await owner.fetch(
        "SELECT c.relname AS name, min(a.attname::text) AS col FROM pg_class AS c "
        "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attgenerated = '' "
        "AND a.attidentity = '' AND NOT a.attisdropped "
        "WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') GROUP BY 1",
        schema,
    )
    return {row["name"]: row["col"] for row in found}


async def beyond_its_statements(
    thief: asyncpg.Connection, owner: asyncpg.Connection, home: Home, login: str
) -> tuple[list[str], list[str]]:
    """Return what a login may do in its own schema that it must not, and must do and may not."""
    may = {**rights_in(statements_below(home.statements)), **KIT_RIGHTS}
    names = {"owner": await owner.fetchval("SELECT current_user"), "login": login}
    attacks = [one.format(schema=home.schema, **names) for one in ATTACKS]
    work = []
    for table, column in (await tables_of(owner, home.schema)).items():
        attacks += [
            f"TRUNCATE {table} CASCADE",
            f"DROP TABLE {table} CASCADE",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            f"ALTER TABLE {table} OWNER TO {login}",
        ]
        work.append(f"SELECT 1 FROM {table}")  # noqa: S608
        for verb, text in (
            ("INSERT", f"INSERT INTO {table} DEFAULT VALUES"),
            ("UPDATE", f"UPDATE {table} SET {column} = {column}"),  # noqa: S608
            ("DELETE", f"DELETE FROM {table}"),  # noqa: S608
        ):
            (work if verb in may.get(table, ()) else attacks).append(text)
    await thief.execute(f"SET search_path = {home.schema}")
    taken = [one for one in attacks if not await refused(thief, one)]
    return taken, [one for one in work if await refused(thief, one)]


async def seen_of(thief: asyncpg.Connection, owner: asyncpg.Connection, home: Home) -> list[str]:
    """Return what a login may do in the schema of another service."""
    looks = [
        f"SELECT 1 FROM {home.schema}.{table}"  # noqa: S608
        for table in await tables_of(owner, home.schema)
    ]
    for role in ("service", "reader", "overseer", "writer"):
        name = f"{home.schema}_{role}"
        if await owner.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", name):
            looks.append(f"SET ROLE {name}")
    return [one for one in looks if not await refused(thief, one)]


async def test_a_stolen_login_of_a_service_does_what_its_statements_do_and_sees_no_others_tables(
    stack: Stack, settings: KitSettings, schema_prefix: str
) -> None:
    homes = {name: list(homes_of(name, settings.schema_of, "matching")) for name in SERVICES}
    await prepare(settings.postgres_dsn, homes["ledger"][0], "")
    owner = await asyncpg.connect(stack.postgres_dsn)
    dsns = {service: await login_of(service, settings) for service in LEAST}
    for service, dsn in dsns.items():
        thief = await asyncpg.connect(dsn.get_secret_value())
        for home in homes[service]:
            login = f"{schema_prefix}{service}_login"
            assert await beyond_its_statements(thief, owner, home, login) == ([], [])
        for other in set(SERVICES) - {service}:
            for home in homes[other]:
                assert await seen_of(thief, owner, home) == []
        await thief.close()
    await owner.close()


async def test_a_service_whose_login_owns_nothing_waits_for_no_migration_but_says_what_lacks(
    stack: Stack, settings: KitSettings, schema_prefix: str
) -> None:
    (home,) = homes_of("matching", settings.schema_of, "matching")
    owner = await asyncpg.connect(stack.postgres_dsn)
    login = f"{schema_prefix}matching_early"
    await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'early'")
    await owner.close()
    early = stack.postgres_dsn.split("@")[1]
    dsn = f"postgresql://{login}:early@{early}"
    with pytest.raises(MigrationError, match=r"0001_kit\.sql must be applied"):
        await make_ready(dsn, home.schema, home.migrations)
    await prepare(settings.postgres_dsn, home, login)
    await make_ready(dsn, home.schema, home.migrations)
    # Whoever owns the schema migrates it as before.
    await make_ready(settings.postgres_dsn, home.schema, home.migrations)


async def test_a_database_is_made_ready_again_while_a_service_writes_into_it(
    stack: Stack, settings: KitSettings, schema_prefix: str
) -> None:
    (home,) = homes_of("gateway", settings.schema_of, "matching")
    await login_of("gateway", settings)
    service = await asyncpg.connect(stack.postgres_dsn)
    async with asyncio.timeout(20), service.transaction():
        # It holds every table of its own as a writer does, and goes on after it.
        for table in await tables_of(service, home.schema):
            await service.execute(f"LOCK {home.schema}.{table} IN ROW EXCLUSIVE MODE")
        await prepare(settings.postgres_dsn, home, f"{schema_prefix}gateway_login")
    await service.close()
