"""Sessions of the pages in the gateway's schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from services.gateway.adapters.queries import SQL
from services.gateway.app.sessions import Owner

if TYPE_CHECKING:
    from services.gateway.app.tokens import SignedOut
    from services.kit.postgres import Pool


class PostgresSessions:
    """Sessions, which all gateways on one database share."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, token_sha256: bytes, owner: Owner, lives_s: int) -> None:
        """Keep a session; forget some that are over."""
        await self._pool.execute(SQL.prune_sessions)
        await self._pool.execute(
            SQL.begin_session,
            token_sha256,
            owner.key_sha256,
            owner.member_id,
            lives_s,
            owner.issuer_session or None,
        )

    async def owner_of(self, token_sha256: bytes) -> Owner | None:
        """Return whose a session is that is not over."""
        row = await self._pool.fetchrow(SQL.session_owner, token_sha256)
        return None if row is None else Owner(row["key_sha256"], row["member_id"])

    async def end(self, token_sha256: bytes) -> None:
        """Forget a session."""
        await self._pool.execute(SQL.end_session, token_sha256)

    async def end_at_issuer(self, told: SignedOut) -> int | None:
        """Forget the sessions that an issuer says are over; ``None`` if that token said so before.

        Returns:
            How many there were.
        """
        until = datetime.fromtimestamp(told.until_s, UTC)
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(SQL.prune_logouts)
            spent = await conn.execute(SQL.spend_logout, told.issuer, told.token_id, until)
            if spent != "INSERT 0 1":
                return None
            done = await conn.execute(
                SQL.end_issuer_sessions, told.issuer, told.subject, told.session
            )
        return int(done.removeprefix("DELETE "))
