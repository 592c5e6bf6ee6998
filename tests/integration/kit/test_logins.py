"""The login that a service runs with is stolen: it does what that service does, and no more.

The ledger's is in ``tests/integration/ledger/test_leaked_credential.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg
import pytest
from pydantic import SecretStr

from services.kit.errors import MigrationError
from services.kit.logins import KIT_RIGHTS, make_ready, rights_in, statements_below
from services.kit.settings import KitSettings
from services.logins import SERVICES, homes_of, prepare
from tests.integration.logins import login_of

if TYPE_CHECKING:
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
    except asyncpg.PostgresError as error:
        # It was let through to a rule of the table.
        assert not isinstance(error, asyncpg.SyntaxOrAccessError), (statement, error)
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


async def test_a_stolen_login_of_a_service_does_what_its_statements_do_and_sees_no_others_tables(
    stack: Stack, schema_prefix: str
) -> None:
    settings = KitSettings(
        _env_file=None, postgres_dsn=SecretStr(stack.postgres_dsn), schema_prefix=schema_prefix
    )
    for home in homes_of("ledger", settings.schema_of, "matching"):
        await prepare(settings.postgres_dsn, home, "")
    dsns = {service: await login_of(service, settings) for service in LEAST}
    homes = {name: list(homes_of(name, settings.schema_of, "matching")) for name in SERVICES}
    owner = await asyncpg.connect(stack.postgres_dsn)
    taken: list[tuple[str, str]] = []
    lacking: list[tuple[str, str, str]] = []
    for service, dsn in dsns.items():
        thief = await asyncpg.connect(dsn.get_secret_value())
        names = {"owner": await owner.fetchval("SELECT current_user"), "login": f"{schema_prefix}"
                 f"{service}_login"}  # fmt: skip
        for home in homes[service]:
            await thief.execute(f"SET search_path = {home.schema}")
            may = {**rights_in(statements_below(home.statements)), **KIT_RIGHTS}
            attacks = [one.format(schema=home.schema, **names) for one in ATTACKS]
            for table, column in (await tables_of(owner, home.schema)).items():
                attacks += [
                    f"TRUNCATE {table} CASCADE",
                    f"DROP TABLE {table} CASCADE",
                    f"ALTER TABLE {table} DISABLE TRIGGER ALL",
                    f"ALTER TABLE {table} OWNER TO {names['login']}",
                ]
                for verb, text in (
                    ("INSERT", f"INSERT INTO {table} DEFAULT VALUES"),
                    ("UPDATE", f"UPDATE {table} SET {column} = {column}"),  # noqa: S608
                    ("DELETE", f"DELETE FROM {table}"),  # noqa: S608
                ):
                    if verb not in may.get(table, ()):
                        attacks.append(text)
                    elif await refused(thief, text):
                        lacking.append((service, table, verb))
                if await refused(thief, f"SELECT 1 FROM {table}"):  # noqa: S608
                    lacking.append((service, table, "SELECT"))
            taken += [(service, one) for one in attacks if not await refused(thief, one)]
        for other, theirs in homes.items():
            for home in theirs if other != service else ():
                for table in await tables_of(owner, home.schema):
                    text = f"SELECT 1 FROM {home.schema}.{table}"  # noqa: S608
                    taken += [(service, text)] if not await refused(thief, text) else []
                for role in ("service", "reader", "overseer", "writer"):
                    text = f"SET ROLE {home.schema}_{role}"
                    exists = await owner.fetchval(
                        "SELECT count(*) FROM pg_roles WHERE rolname = $1", f"{home.schema}_{role}"
                    )
                    taken += [(service, text)] if exists and not await refused(thief, text) else []
        await thief.close()
    await owner.close()
    assert not taken
    assert not lacking


async def test_a_service_whose_login_owns_nothing_waits_for_no_migration_but_says_what_lacks(
    stack: Stack, schema_prefix: str
) -> None:
    settings = KitSettings(
        _env_file=None, postgres_dsn=SecretStr(stack.postgres_dsn), schema_prefix=schema_prefix
    )
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
