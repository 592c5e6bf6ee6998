"""The ledger's own login: it owns nothing, so the schema is made ready before the ledger starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.kit.postgres import connect, migrate
from services.ledger.adapters.postgres import QUERIES

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr


async def prepare(dsn: str | SecretStr, schema: str, migrations: Path, login: str) -> list[str]:
    """Bring the ledger's schema up to date and let a login act in its roles.

    Args:
        dsn: Database, as the owner of the schema.
        schema: Schema of the ledger.
        migrations: Folder of its migrations.
        login: The ledger's login, which is there already.

    Returns:
        The versions that were applied.

    Raises:
        MigrationError: as `migrate` says.
        asyncpg.PostgresError: if there is no such login.
    """
    done = await migrate(dsn, schema, migrations)
    conn = await connect(dsn, schema)
    try:
        await conn.execute(QUERIES.admit_login, login)
    finally:
        await conn.close()
    return done
