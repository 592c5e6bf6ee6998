"""Signing keys: registered by who can prove to have the secret, listed and revoked."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from schemas.codec import derive_id
from schemas.signing_keys import SigningKeySet, possession_bytes
from schemas.types import Role
from services.core.errors import Message, ValidationError
from services.gateway.app.direct import key_id_of
from services.gateway.app.envelopes import make_envelope
from services.gateway.app.keys import require_admin_of
from services.gateway.errors import A_TRADER, ConflictError, must_be, not_found

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from schemas.codec import Envelope
    from schemas.signing_keys import SigningKeyNew, SigningKeyView
    from services.gateway.ports import Directory, Log, MarketClock, Principal
    from services.gateway.signing_key_ports import Answerable, SigningKeys

    VerifyEd25519 = Callable[[bytes, bytes, bytes], bool]

KEYS_MAX = 20
"""Keys of a participant that count at a time: some for each of its programs."""


class SigningKeyCommands:
    """Signing keys of participants.

    Args:
        directory: Participants.
        keys: Their signing keys.
        answerable: Topics on which they are answered.
        log: Where it is told which keys count.
        clock: The market's clock.
        verify: Returns whether a signature by a public key fits a message.
    """

    def __init__(
        self,
        directory: Directory,
        keys: SigningKeys,
        answerable: Answerable,
        log: Log,
        clock: MarketClock,
        verify: VerifyEd25519,
    ) -> None:
        self._directory = directory
        self._keys = keys
        self._answerable = answerable
        self._log = log
        self._clock = clock
        self._verify = verify

    async def add(
        self, principal: Principal, participant_id: str, new: SigningKeyNew
    ) -> SigningKeyView:
        """Register a key; again, it is the same key.

        Raises:
            NotFoundError: if there is no such participant, or it is another one's.
            ValidationError: if it trades nothing, or the proof does not fit.
            ConflictError: if the key is revoked, or there are too many that count.
            UnavailableError: if it could not be answered.
        """
        owner = await require_admin_of(self._directory, principal, participant_id)
        if owner.role not in (Role.PROVIDER, Role.ENTERPRISE):
            found = f"{participant_id} (a {owner.role.value})"
            raise _invalid("participant_id", found, A_TRADER)
        public, proof = base64.b64decode(new.public_key), base64.b64decode(new.proof)
        # Of a text whose last bits are not zero the same bytes are written otherwise.
        text = base64.b64encode(public).decode()
        if not self._verify(public, proof, possession_bytes(participant_id, text)):
            allowed = Message(
                "this key's signature of its own registration for this participant",
                "该密钥对其在本参与方名下登记的签名",
            )
            raise _invalid("proof", new.proof[:20] + "...", allowed)
        key_id = key_id_of(public)
        # The topic before the key: who is read must be answerable.
        await self._answerable.ensure(participant_id)
        await self._require_room(participant_id, key_id)
        # The log before the table: a record that counts by a key has the key before it.
        await self._tell(
            principal,
            SigningKeySet(
                participant_id=participant_id, key_id=key_id, public_key=text, state="active"
            ),
        )
        view = await self._keys.put(participant_id, key_id, public, KEYS_MAX)
        if view is None:
            raise _full()
        if view.revoked_at is not None:
            raise _revoked(key_id)
        return view

    async def _require_room(self, participant_id: str, key_id: str) -> None:
        known = await self._keys.keys(participant_id)
        same = next((view for view in known if view.key_id == key_id), None)
        if same is not None and same.revoked_at is not None:
            raise _revoked(key_id)
        if same is None and sum(view.revoked_at is None for view in known) >= KEYS_MAX:
            raise _full()

    async def _tell(self, principal: Principal, data: SigningKeySet) -> None:
        await self._log.send([told_key(data, principal.participant_id, self._clock.now())])

    async def list(self, principal: Principal, participant_id: str) -> list[SigningKeyView]:
        """Return a participant's signing keys, newest first.

        Raises:
            NotFoundError: if there is no such participant, or it is another one's.
        """
        await require_admin_of(self._directory, principal, participant_id)
        return await self._keys.keys(participant_id)

    async def revoke(
        self, principal: Principal, participant_id: str, key_id: str
    ) -> SigningKeyView:
        """Revoke a key for good; records that it signed and that were not read yet are refused.

        Raises:
            NotFoundError: if there is no such key, or it is another participant's.
        """
        await require_admin_of(self._directory, principal, participant_id)
        known = await self._keys.keys(participant_id)
        same = next((view for view in known if view.key_id == key_id), None)
        if same is None:
            raise not_found("key_id", key_id)
        await self._tell(
            principal,
            SigningKeySet(
                participant_id=participant_id,
                key_id=key_id,
                public_key=same.public_key,
                state="revoked",
            ),
        )
        view = await self._keys.revoke(participant_id, key_id)
        if view is None:
            raise not_found("key_id", key_id)
        return view


def told_key(data: SigningKeySet, by: str, at: datetime) -> Envelope:
    """Return the event that tells of a key; again, it is the same event."""
    return make_envelope(
        data,
        event_id=derive_id("gateway", "signing-key", data.participant_id, data.key_id, data.state),
        participant_id=by,
        correlation_id=data.key_id,
        occurred_at=at,
        traceparent="",
    )


def _full() -> ConflictError:
    allowed = Message(f"at most {KEYS_MAX} that count", f"至多 {KEYS_MAX} 个有效密钥")
    return _conflict("signing_keys_full", "signing keys", allowed)


def _revoked(key_id: str) -> ConflictError:
    return _conflict("revoked_key", key_id, Message("a key that is not revoked", "未吊销的密钥"))


def _invalid(field: str, value: str, allowed: Message) -> ValidationError:
    message = must_be(field, value, allowed)
    return ValidationError(f"direct.{field}", message, field=field, value=value, allowed=allowed.en)


def _conflict(code: str, value: str, allowed: Message) -> ConflictError:
    message = must_be("public_key", value, allowed)
    return ConflictError(
        f"direct.{code}", message, field="public_key", value=value, allowed=allowed.en
    )
