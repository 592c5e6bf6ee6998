"""Keys in the gateway's schema, and whose they are."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from schemas.identity import Scope
from schemas.types import Role
from services.gateway.adapters import rows
from services.gateway.adapters.queries import SQL
from services.gateway.adapters.seen import Seen
from services.gateway.ports import Principal

if TYPE_CHECKING:
    from schemas.identity import KeyView
    from services.gateway.identity_ports import NewKey
    from services.kit.postgres import Conn, Pool


class PostgresCredentials:
    """Keys.

    A revocation counts at once here, and on other instances after a second.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # By the hash of a key, with its end: it is looked up once in a while, not for every order.
        self._seen: Seen[bytes, tuple[Principal, datetime | None]] = Seen()

    async def by_key(self, sha256: bytes) -> Principal | None:
        """Return whose key has this hash, unless it is revoked or expired."""
        found = await self._seen.of(sha256, partial(self._look_up, sha256))
        if found is None:
            return None
        principal, expires_at = found
        return None if expires_at is not None and expires_at <= datetime.now(UTC) else principal

    async def _look_up(self, sha256: bytes) -> tuple[Principal, datetime | None] | None:
        row = await self._pool.fetchrow(SQL.principal_by_key, sha256)
        if row is None:
            return None
        if row["unseen"]:
            await self._pool.execute(SQL.touch_key, row["credential_id"])
        found = Principal(
            participant_id=row["participant_id"],
            role=Role(row["role"]),
            key_id=row["credential_id"],
            active=row["status"] == "active",
            scopes=frozenset(Scope(name) for name in row["scopes"]),
        )
        return found, row["expires_at"]

    def forget(self) -> None:
        """Look everybody up again: something about a participant is different."""
        self._seen.forget()

    async def add_key(self, participant_id: str, new: NewKey) -> KeyView:
        """Store the hash of a new key."""
        return await add_key(self._pool, participant_id, new)

    async def keys(self, participant_id: str) -> list[KeyView]:
        """Return a participant's keys."""
        return [rows.key_view(row) for row in await self._pool.fetch(SQL.keys, participant_id)]

    async def revoke_key(self, participant_id: str, key_id: str) -> KeyView | None:
        """Revoke a key for good; ``None`` if it is not the participant's."""
        row = await self._pool.fetchrow(SQL.revoke_key, key_id, participant_id)
        self._seen.forget()
        return None if row is None else rows.key_view(row)


async def add_key(conn: Conn | Pool, participant_id: str, new: NewKey) -> KeyView:
    """Store the hash of a new key."""
    row = await conn.fetchrow(
        SQL.add_key,
        new.key_id,
        participant_id,
        new.sha256,
        new.label,
        _names(new.scopes),
        new.made_by,
        new.days,
    )
    assert row is not None
    return rows.key_view(row)


def _names(scopes: frozenset[Scope]) -> list[str]:
    return [scope.value for scope in Scope if scope in scopes]
