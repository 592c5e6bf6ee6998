"""A service's schema as it was before a migration, and what the migrations since make of it."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from pydantic import SecretStr

from services.kit.postgres import migrate
from tests.conftest import Stack

_ROLES = ("writer", "regulator", "participant", "reader", "overseer")


@dataclass(frozen=True, slots=True)
class Before:
    """A schema of before.

    Attributes:
        conn: A connection of its owner.
        dsn: Database.
        schema: Its name.
        migrations: All migrations of the service.
    """

    conn: asyncpg.Connection
    dsn: SecretStr
    schema: str
    migrations: Path

    async def upgrade(self) -> None:
        """Apply the migrations since."""
        await migrate(self.dsn, self.schema, self.migrations)


@asynccontextmanager
async def schema_before(
    stack: Stack, service: str, migrations: Path, first_new: str
) -> AsyncIterator[Before]:
    """Make a schema with the migrations whose names come before ``first_new``; drop it after."""
    dsn, schema = SecretStr(stack.postgres_dsn), f"t_{secrets.token_hex(4)}_{service}"
    with tempfile.TemporaryDirectory() as folder:
        _copy_below(first_new, migrations, folder)
        await migrate(dsn, schema, Path(folder))
    conn = await asyncpg.connect(stack.postgres_dsn, server_settings={"search_path": schema})
    try:
        yield Before(conn, dsn, schema, migrations)
    finally:
        await conn.execute("SET ROLE NONE")
        await conn.execute(f'DROP SCHEMA "{schema}" CASCADE')
        for suffix in _ROLES:
            await conn.execute(f'DROP ROLE IF EXISTS "{schema}_{suffix}"')
        await conn.close()


def _copy_below(first_new: str, migrations: Path, folder: str) -> None:
    for path in migrations.glob("*.sql"):
        if path.name < first_new:
            shutil.copy(path, folder)
