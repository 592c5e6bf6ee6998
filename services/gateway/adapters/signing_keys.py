"""Signing keys in the gateway's schema."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from schemas.signing_keys import SigningKeySet, SigningKeyView
from services.gateway.adapters.queries import SQL

if TYPE_CHECKING:
    import asyncpg

    from services.gateway.ports import Sent
    from services.kit.postgres import Conn, Pool


async def put_told_keys(conn: Conn, batch: list[Sent]) -> None:
    """Show which keys count, so that the table can be made anew from the log."""
    for sent in batch:
        told = sent.envelope.data
        assert isinstance(told, SigningKeySet)
        public = base64.b64decode(told.public_key)
        await conn.execute(SQL.put_signing_key, told.participant_id, told.key_id, public)
        if told.state == "revoked":
            await conn.execute(SQL.revoke_signing_key, told.participant_id, told.key_id)


class PostgresSigningKeys:
    """The keys that participants sign their own records with."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(
        self, participant_id: str, key_id: str, public: bytes, active_max: int
    ) -> SigningKeyView | None:
        """Register a key; return it as it is, ``None`` if there are too many that count."""
        await self._pool.execute(
            SQL.put_signing_key_of_few, participant_id, key_id, public, active_max
        )
        row = await self._pool.fetchrow(SQL.signing_key_of, participant_id, key_id)
        return None if row is None else _view(row)

    async def keys(self, participant_id: str) -> list[SigningKeyView]:
        """Return a participant's keys, newest first."""
        return [_view(row) for row in await self._pool.fetch(SQL.signing_keys_of, participant_id)]

    async def revoke(self, participant_id: str, key_id: str) -> SigningKeyView | None:
        """Revoke a key for good; ``None`` if it is not the participant's."""
        row = await self._pool.fetchrow(SQL.revoke_signing_key, participant_id, key_id)
        return None if row is None else _view(row)


def _view(row: asyncpg.Record) -> SigningKeyView:
    return SigningKeyView(
        key_id=row["key_id"],
        participant_id=row["participant_id"],
        public_key=base64.b64encode(row["public_key"]).decode(),
        registered_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )
