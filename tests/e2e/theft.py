"""What somebody does who has the credential of the running ledger."""

from __future__ import annotations

import asyncpg

_TABLES = (
    "leaf",
    "transfer",
    "account",
    "allocation",
    "settlement",
    "erasure",
    "signed_checkpoint",
)
_ATTACKS = (
    "UPDATE transfer SET amount = amount + 1",
    "UPDATE leaf SET opening = NULL",
    *(f"DELETE FROM {table}" for table in _TABLES),  # noqa: S608 - names of this file
    *(f"TRUNCATE {table} CASCADE" for table in _TABLES),
    *(f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in _TABLES),
    "SET session_replication_role = replica",
    "ALTER TABLE transfer DISABLE ROW LEVEL SECURITY",
    "DROP TABLE leaf CASCADE",
    "SET ROLE suanli",
    "SELECT * FROM gateway.api_key",
)
_REFUSED = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.IntegrityConstraintViolationError,
)


async def taken_with(dsn: str) -> list[str]:
    """Return what worked of all that must not; insist that it is the running ledger's login."""
    thief = await asyncpg.connect(dsn, server_settings={"search_path": "ledger"})
    worked = []
    try:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'suanli_ledger'"
        assert await thief.fetchval(sessions) > 1
        # And so has every other service its own: the owner's is used by none of them.
        others = "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = ANY($1)"
        schemas = ["gateway", "matching", "ledger", "auditor", "surveillance"]
        assert {row["usename"] for row in await thief.fetch(others, schemas)} == {
            f"suanli_{name}" for name in ("gateway", "matching", "ledger", "auditor")
        }
        assert await thief.fetchval("SELECT count(*) FROM leaf") > 0
        for role in ("RESET ROLE", "SET ROLE ledger_writer", "SET ROLE ledger_regulator"):
            for attack in _ATTACKS:
                await thief.execute(role)
                try:
                    await thief.execute(attack)
                except _REFUSED:
                    continue
                worked.append(f"{role}; {attack}")
    finally:
        await thief.close()
    return worked
