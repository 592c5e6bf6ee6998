"""``suanli-exchange direct``: who may write signed records to the broker, and by which key."""

from __future__ import annotations

import base64
import binascii
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from schemas.signing_keys import SigningKeySet
from schemas.types import Role
from services.core.errors import Message, ValidationError
from services.gateway.adapters.direct_logins import BrokerLogins, PostgresLoginBook
from services.gateway.adapters.kafka import KafkaLog
from services.gateway.adapters.queries import SQL
from services.gateway.adapters.status_topics import create_status_topics, status_topic
from services.gateway.app.direct import key_id_of
from services.gateway.app.direct_logins import TOPIC_OF, new_password, user_of
from services.gateway.app.keys import OPERATOR_ID
from services.gateway.app.signing_keys import told_key
from services.gateway.errors import A_TRADER, must_be
from services.kit.clock import make_clock
from services.kit.kafka import LogWriter
from services.kit.log_access import LogAccess
from services.kit.postgres import create_pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from services.kit.log_access import Grant
    from services.kit.postgres import Pool
    from services.kit.settings import KitSettings

_KEY_BYTES = 32
_SEND_S_MAX = 8.0


@dataclass(frozen=True, slots=True)
class Granted:
    """What a participant needs to write signed records; the password is told this once.

    Attributes:
        user: Name to log in with.
        password: Password to log in with.
        key_id: Id of its signing key, empty if none was registered with the grant.
        write: Full name of the topic to write to.
        read: Full name of the topic on which it is answered.
    """

    user: str
    password: str
    key_id: str
    write: str
    read: str


async def grant(
    settings: KitSettings, participant_id: str, public_key: str | None = None
) -> Granted:
    """Allow a participant a login, make it, and register a key that it signs its records with.

    Without a key it registers its own through the API.

    Raises:
        ValidationError: if there is no such active provider or enterprise, or the key is none.
        DomainError: if the broker refused or did not answer, or the login is being changed.
    """
    public = None if public_key is None else _parse_key(public_key)
    async with _pool(settings) as pool:
        row = await pool.fetchrow(SQL.participant, participant_id)
        role = None if row is None else Role(row["role"])
        if role not in TOPIC_OF:
            found = "not registered" if role is None else f"a {role}"
            raise _refused("participant", f"{participant_id} ({found})", A_TRADER)
        # The topic before the key: who is read by the gateway must be answerable.
        await create_status_topics(LogAccess(settings), [participant_id])
        if public is not None:
            await _tell(settings, [(participant_id, public, "active")])
            await pool.execute(SQL.put_signing_key, participant_id, key_id_of(public), public)
        book, broker, password = PostgresLoginBook(pool), BrokerLogins(settings), new_password()

        async def make() -> None:
            await broker.make(participant_id, role, password)

        await book.allow(participant_id, OPERATOR_ID, is_allowed=True)
        if not await book.making(participant_id, OPERATOR_ID, make):
            allowed = Message("an active provider or enterprise", "有效的供给方或需求方")
            raise _refused("participant", f"{participant_id} (suspended)", allowed)
    prefix, key_id = settings.topic_prefix, "" if public is None else key_id_of(public)
    return Granted(
        user=user_of(prefix, participant_id),
        password=password,
        key_id=key_id,
        write=f"{prefix}{TOPIC_OF[role]}",
        read=f"{prefix}{status_topic(participant_id)}",
    )


async def revoke(settings: KitSettings, participant_id: str) -> bool:
    """End a participant's login, the leave to make one, and all its signing keys.

    Returns:
        Whether it had a login or a key.

    Raises:
        DomainError: if the broker refused or did not answer, or the login is being changed.
    """
    async with _pool(settings) as pool:
        had = await _end_login(settings, pool, participant_id, is_allowed=False)
        rows = await pool.fetch(SQL.signing_keys_of, participant_id)
        counting = [row["public_key"] for row in rows if row["revoked_at"] is None]
        await _tell(settings, [(participant_id, public, "revoked") for public in counting])
        done = await pool.execute(SQL.revoke_signing_keys, participant_id)
    return had or done != "UPDATE 0"


async def end_login(settings: KitSettings, participant_id: str) -> bool:
    """End the login of a participant that is known to have one; its keys stay.

    Returns:
        Whether it had one.

    Raises:
        DomainError: if the broker refused or did not answer, or the login is being changed.
    """
    async with _pool(settings) as pool:
        known = await PostgresLoginBook(pool).known(participant_id)
        if known.login == "none":
            return False
        return await _end_login(settings, pool, participant_id, is_allowed=known.is_allowed)


async def _end_login(
    settings: KitSettings, pool: Pool, participant_id: str, *, is_allowed: bool
) -> bool:
    book, broker, had = PostgresLoginBook(pool), BrokerLogins(settings), False
    await book.allow(participant_id, OPERATOR_ID, is_allowed=is_allowed)

    async def end() -> None:
        nonlocal had
        had = await broker.end(participant_id)

    await book.ending(participant_id, end, if_due=False)
    return had


@asynccontextmanager
async def _pool(settings: KitSettings) -> AsyncIterator[Pool]:
    pool = await create_pool(settings.postgres_dsn, settings.schema_of("gateway"), max_size=1)
    try:
        yield pool
    finally:
        await pool.close()


async def grants(settings: KitSettings) -> list[Grant]:
    """Return who may write signed records.

    Raises:
        KitError: if the broker refused or did not answer.
    """
    return await LogAccess(settings).grants(user_of(settings.topic_prefix, ""))


async def _tell(
    settings: KitSettings, found: Sequence[tuple[str, bytes, Literal["active", "revoked"]]]
) -> None:
    """Tell on the log which keys count and which no more."""
    if not found:
        return
    now = make_clock(settings).now()
    told = [
        told_key(
            SigningKeySet(
                participant_id=participant_id,
                key_id=key_id_of(public),
                public_key=base64.b64encode(public).decode(),
                state=state,
            ),
            OPERATOR_ID,
            now,
        )
        for participant_id, public, state in found
    ]
    writer = LogWriter(settings, send_s_max=_SEND_S_MAX)
    await writer.start()
    try:
        await KafkaLog(writer).send(told)
    finally:
        await writer.stop()


def _parse_key(text: str) -> bytes:
    try:
        public = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        public = b""
    if len(public) != _KEY_BYTES:
        raise _refused("public_key", text[:60], _A_KEY)
    return public


_A_KEY = Message("Base64 of the 32 bytes of an Ed25519 public key", "Ed25519 公钥 32 字节的 Base64")


def _refused(field: str, value: str, allowed: Message) -> ValidationError:
    message = must_be(field, value, allowed)
    return ValidationError(f"direct.{field}", message, field=field, value=value, allowed=allowed.en)
