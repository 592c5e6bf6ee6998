"""Logins that own nothing: what a service's statements do with its tables, and no more.

A service's statements lie in ``.sql`` files, so what it must be able to do can be read from them.
Its schema gets a role ``<schema>_service`` with exactly these rights: it reads the schema's tables,
and adds, changes or removes rows where a statement does. It cannot create, alter, truncate or own
anything, nor read another schema. The rights are given anew with each call, so that a release that
needs others is served by the same command that migrates.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from services.kit.migrations import check_migrated, migrate
from services.kit.pgconnect import connect
from services.kit.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import SecretStr

    from services.kit.pgtypes import Conn

_SQL = Queries.load(Path(__file__).parent / "logins_sql")
_COMMENT = re.compile(r"--[^\n]*")
_INSERT = re.compile(r"\bINSERT\s+INTO\s+([a-z_]\w*)", re.IGNORECASE)
_UPDATE = re.compile(r"(?<!\bDO )(?<!\bFOR )(?<!\bKEY )\bUPDATE\s+([a-z_]\w*)", re.IGNORECASE)
_DELETE = re.compile(r"\bDELETE\s+FROM\s+([a-z_]\w*)", re.IGNORECASE)
_DO_UPDATE = re.compile(r"\bDO\s+UPDATE\b", re.IGNORECASE)
_LOCKS = re.compile(r"\bFOR\s+(?:UPDATE|NO\s+KEY\s+UPDATE|SHARE|KEY\s+SHARE)\b", re.IGNORECASE)
_FROM = re.compile(r"\b(?:FROM|JOIN)\s+([a-z_]\w*)", re.IGNORECASE)
# What `services.kit` itself does with the tables that it gives every service.
KIT_RIGHTS: Mapping[str, frozenset[str]] = {
    "consumer_offset": frozenset({"INSERT", "UPDATE"}),
    "lease": frozenset({"INSERT", "UPDATE"}),
    "outbox": frozenset({"INSERT", "UPDATE", "DELETE"}),
    "outbox_head": frozenset({"UPDATE"}),
    "tree_tile": frozenset({"INSERT", "UPDATE"}),
}


def rights_in(statements: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return table -> ``INSERT``, ``UPDATE``, ``DELETE``: what statements do with it."""
    found: dict[str, set[str]] = defaultdict(set)
    for statement in statements:
        text = _COMMENT.sub("", statement)
        added = {name.lower() for name in _INSERT.findall(text)}
        changed = {name.lower() for name in _UPDATE.findall(text)}
        if _DO_UPDATE.search(text):
            changed |= added
        if _LOCKS.search(text):
            # Whoever locks a row needs the right to change it.
            changed |= {name.lower() for name in _FROM.findall(text)}
        for verb, names in (
            ("INSERT", added),
            ("UPDATE", changed),
            ("DELETE", {name.lower() for name in _DELETE.findall(text)}),
        ):
            for name in names:
                found[name].add(verb)
    return {name: frozenset(verbs) for name, verbs in found.items()}


def statements_below(folder: Path) -> list[str]:
    """Return the text of the ``.sql`` files below a folder, statement by statement."""
    files = [Queries.load(one) for one in sorted({path.parent for path in folder.rglob("*.sql")})]
    return [queries[name] for queries in files for name in queries.names()]


async def admit(
    dsn: str | SecretStr, schema: str, statements: Path, login: str, roles: Iterable[str] = ()
) -> None:
    """Let a login act as the service of a schema, with the rights that its statements need.

    Args:
        dsn: Database, as the owner of the schema, who may create roles.
        schema: Schema, migrated.
        statements: Folder below which the service's statements lie.
        login: The login, which is there already.
        roles: Further roles that it may take on where they exist, and acts in only then.

    Raises:
        asyncpg.PostgresError: if there is no such login, or the owner may not create roles.
    """
    wanted = {**rights_in(statements_below(statements)), **KIT_RIGHTS}
    conn = await connect(dsn, schema)
    try:
        async with conn.transaction():
            await conn.execute(_SQL.one_at_a_time, schema)
            await _give(conn, schema, wanted, login)
            for role in roles:
                if await conn.fetchval(_SQL.role_exists, role):
                    await conn.execute(await conn.fetchval(_SQL.lend_role, role, login))
    finally:
        await conn.close()


async def _give(conn: Conn, schema: str, wanted: Mapping[str, frozenset[str]], login: str) -> None:
    role = f"{schema}_service"
    if not await conn.fetchval(_SQL.role_exists, role):
        await conn.execute(await conn.fetchval(_SQL.make_role, role))
    for row in await conn.fetch(_SQL.rights, schema, role, login):
        await conn.execute(row["statement"])
    for name in await conn.fetch(_SQL.tables, schema):
        verbs = wanted.get(name["name"])
        if verbs:
            statement = await conn.fetchval(
                _SQL.grant_verbs, ", ".join(sorted(verbs)), schema, name["name"], role
            )
            await conn.execute(statement)


async def make_ready(dsn: str | SecretStr, schema: str, folder: Path) -> None:
    """Bring a schema up to date if this login may; else see to it that somebody has.

    Raises:
        MigrationError: as `migrate` and `check_migrated` say.
        asyncpg.PostgresError: if a statement fails.
    """
    conn = await connect(dsn, schema)
    try:
        may = await conn.fetchval(_SQL.may_migrate, schema)
    finally:
        await conn.close()
    if may:
        await migrate(dsn, schema, folder)
    else:
        await check_migrated(dsn, schema, folder)
