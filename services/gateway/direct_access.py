"""``suanli-exchange direct``: who may write signed records to the broker, and by which key."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from schemas.signing_keys import SigningKeySet
from schemas.types import Role
from services.core.errors import Message, ValidationError
from services.gateway.adapters.kafka import KafkaLog
from services.gateway.adapters.queries import SQL
from services.gateway.adapters.status_topics import create_status_topics, status_topic
from services.gateway.app.direct import key_id_of
from services.gateway.app.keys import OPERATOR_ID
from services.gateway.app.signing_keys import told_key
from services.kit.clock import make_clock
from services.kit.kafka import LogWriter
from services.kit.log_access import LogAccess
from services.kit.postgres import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.kit.log_access import Grant
    from services.kit.settings import KitSettings

_TOPIC_OF = {Role.PROVIDER.value: "offers.direct", Role.ENTERPRISE.value: "demand.direct"}
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


def user_of(settings: KitSettings, participant_id: str) -> str:
    """Return the name that a participant logs in to the broker with."""
    # An id holds no dot, so no participant can be named like a user of the exchange.
    return f"{settings.topic_prefix}direct.{participant_id}"


async def grant(
    settings: KitSettings, participant_id: str, public_key: str | None = None
) -> Granted:
    """Let a participant write signed records, and register a key that it signs them with.

    Without a key it registers its own through the API.

    Raises:
        ValidationError: if there is no such provider or enterprise, or the key is none.
        KitError: if the broker refused or did not answer.
    """
    public = None if public_key is None else _parse_key(public_key)
    conn = await connect(settings.postgres_dsn, settings.schema_of("gateway"))
    try:
        row = await conn.fetchrow(SQL.participant, participant_id)
        topic = None if row is None else _TOPIC_OF.get(row["role"])
        if topic is None:
            found = "not registered" if row is None else f"a {row['role']}"
            raise _refused("participant", f"{participant_id} ({found})", "a provider or enterprise")
        access = LogAccess(settings)
        # The topic before the key: who is read by the gateway must be answerable.
        await create_status_topics(access, [participant_id])
        if public is not None:
            await _tell(settings, [(participant_id, public, "active")])
            await conn.execute(SQL.put_signing_key, participant_id, key_id_of(public), public)
    finally:
        await conn.close()
    user, password = user_of(settings, participant_id), secrets.token_urlsafe(_KEY_BYTES)
    answers = status_topic(participant_id)
    await access.grant(user, password, [("write", topic), ("read", answers)])
    prefix, key_id = settings.topic_prefix, "" if public is None else key_id_of(public)
    return Granted(user, password, key_id, f"{prefix}{topic}", f"{prefix}{answers}")


async def revoke(settings: KitSettings, participant_id: str) -> bool:
    """End a participant's rights at the broker and all its signing keys; return if it had any.

    Raises:
        KitError: if the broker refused or did not answer.
    """
    had = await LogAccess(settings).revoke(user_of(settings, participant_id))
    conn = await connect(settings.postgres_dsn, settings.schema_of("gateway"))
    try:
        rows = await conn.fetch(SQL.signing_keys_of, participant_id)
        counting = [row["public_key"] for row in rows if row["revoked_at"] is None]
        await _tell(settings, [(participant_id, public, "revoked") for public in counting])
        done = await conn.execute(SQL.revoke_signing_keys, participant_id)
    finally:
        await conn.close()
    return had or done != "UPDATE 0"


async def grants(settings: KitSettings) -> list[Grant]:
    """Return who may write signed records.

    Raises:
        KitError: if the broker refused or did not answer.
    """
    return await LogAccess(settings).grants(user_of(settings, ""))


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
        raise _refused("public_key", text[:60], "Base64 of the 32 bytes of an Ed25519 public key")
    return public


def _refused(field: str, value: str, allowed: str) -> ValidationError:
    return ValidationError(
        f"direct.{field}",
        Message(
            f"{field}: must be {allowed}, was {value}", f"{field}：须为 {allowed}，实为 {value}"
        ),
        field=field,
        value=value,
        allowed=allowed,
    )
