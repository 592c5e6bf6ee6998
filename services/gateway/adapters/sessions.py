"""Sessions of the pages in the gateway's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.adapters.queries import SQL

if TYPE_CHECKING:
    from services.kit.postgres import Pool


class PostgresSessions:
    """Sessions, which all gateways on one database share."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, token_sha256: bytes, key_sha256: bytes, lives_s: int) -> None:
        """Keep a session; forget some that are over."""
        await self._pool.execute(SQL.prune_sessions)
        await self._pool.execute(SQL.begin_session, token_sha256, key_sha256, lives_s)

    async def key_of(self, token_sha256: bytes) -> bytes | None:
        """Return the hash of the key of a session that is not over."""
        found: bytes | None = await self._pool.fetchval(SQL.session_key, token_sha256)
        return found

    async def end(self, token_sha256: bytes) -> None:
        """Forget a session."""
        await self._pool.execute(SQL.end_session, token_sha256)
