"""Secrets of webhooks, sealed in the gateway's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.core.errors import Message
from services.gateway.adapters.queries import SQL
from services.gateway.errors import UnavailableError
from services.kit.errors import SettingsError
from services.kit.sealing import SealError

if TYPE_CHECKING:
    import asyncpg

    from services.kit.postgres import Pool
    from services.kit.sealing import Sealer

_SETTING = "SUANLI_GATEWAY_WEBHOOK_KEYS"
_PAGE = 500


class WebhookSecrets:
    """Seals secrets before they reach the database, and opens them to sign messages.

    Args:
        pool: Pool that sees everything.
        sealer: The keys.
    """

    def __init__(self, pool: Pool, sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer

    def sealed(self, webhook_id: str, secret: bytes) -> tuple[str, bytes]:
        """Return the name of the key, and what is kept of a secret.

        Raises:
            UnavailableError: if there is no key.
        """
        try:
            return self._sealer.seal(secret, webhook_id)
        except SealError as error:
            raise _unreadable(error) from error

    async def of(self, webhook_id: str) -> list[bytes]:
        """Return the secrets that count, the newest first.

        Raises:
            UnavailableError: if one cannot be opened.
        """
        rows = await self._pool.fetch(SQL.webhook_secrets, webhook_id)
        try:
            return [self._opened(row) for row in rows]
        except SealError as error:
            raise _unreadable(error) from error

    async def seal_all(self) -> int:
        """Seal anew what is not sealed, or by an older key; return how many that were.

        With no key nothing is changed. A crash in between leaves what is done, and the next start
        goes on.

        Raises:
            SettingsError: if a secret cannot be opened by the keys that there are.
        """
        await self._pool.execute(SQL.drop_old_webhook_secrets)
        known = list(self._sealer.names)
        unknown = await self._pool.fetchval(SQL.unknown_webhook_key, known)
        if unknown is not None:
            raise SettingsError(((_SETTING, "without it", f"with the key {unknown}"),))
        if not known:
            return 0
        done = 0
        while True:
            async with self._pool.acquire() as conn, conn.transaction():
                rows = await conn.fetch(SQL.older_webhook_secrets, known[0], _PAGE)
                changes = [self._anew(row) for row in rows]
                await conn.executemany(SQL.reseal_webhook_secret, changes)
            if not rows:
                return done
            done += len(rows)

    def _anew(self, row: asyncpg.Record) -> tuple[object, ...]:
        webhook_id = row["webhook_id"]
        try:
            secret = self._opened(row)
        except SealError as error:
            allowed = f"with {row['key_id']} as it was when it sealed {webhook_id}"
            raise SettingsError(((_SETTING, "another", allowed),)) from error
        return (webhook_id, row["created_at"], *self._sealer.seal(secret, webhook_id))

    def _opened(self, row: asyncpg.Record) -> bytes:
        found: bytes = row["secret"]
        if row["key_id"] is None:
            # From before secrets were sealed, in an exchange that has no key yet.
            return found
        return self._sealer.open(row["key_id"], found, row["webhook_id"])


def _unreadable(error: SealError) -> UnavailableError:
    return UnavailableError(
        "webhook.secret_unreadable",
        Message(
            f"webhook secrets: must be readable, were not: {error}; tell the operator, ask again",
            "Webhook 密钥须可读取，实为不可读；请告知运营方后重试",
        ),
        field="secret",
        value="sealed",
        allowed="sealed by a key that the exchange has",
    )
