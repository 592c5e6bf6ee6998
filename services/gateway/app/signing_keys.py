"""Signing keys: registered by who can prove to have the secret, listed and revoked."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from schemas.signing_keys import possession_bytes
from schemas.types import Role
from services.core.errors import Message, ValidationError
from services.gateway.app.direct import key_id_of
from services.gateway.app.keys import require_admin_of
from services.gateway.errors import ConflictError, not_found

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.signing_keys import SigningKeyNew, SigningKeyView
    from services.gateway.ports import Directory, Principal
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
        verify: Returns whether a signature by a public key fits a message.
    """

    def __init__(
        self,
        directory: Directory,
        keys: SigningKeys,
        answerable: Answerable,
        verify: VerifyEd25519,
    ) -> None:
        self._directory = directory
        self._keys = keys
        self._answerable = answerable
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
            raise _invalid("participant_id", found, "a provider or enterprise")
        public, proof = base64.b64decode(new.public_key), base64.b64decode(new.proof)
        # Of a text whose last bits are not zero the same bytes are written otherwise.
        text = base64.b64encode(public).decode()
        if not self._verify(public, proof, possession_bytes(participant_id, text)):
            allowed = "this key's signature of its own registration for this participant"
            raise _invalid("proof", new.proof[:20] + "...", allowed)
        key_id = key_id_of(public)
        # The topic before the key: who is read must be answerable.
        await self._answerable.ensure(participant_id)
        view = await self._keys.put(participant_id, key_id, public, KEYS_MAX)
        if view is None:
            raise _conflict("signing_keys_full", "signing keys", f"at most {KEYS_MAX} that count")
        if view.revoked_at is not None:
            raise _conflict("revoked_key", key_id, "a key that is not revoked")
        return view

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
        view = await self._keys.revoke(participant_id, key_id)
        if view is None:
            raise not_found("key_id", key_id)
        return view


def _message(field: str, value: str, allowed: str) -> Message:
    return Message(
        f"{field}: must be {allowed}, was {value}", f"{field}：须为 {allowed}，实为 {value}"
    )


def _invalid(field: str, value: str, allowed: str) -> ValidationError:
    message = _message(field, value, allowed)
    return ValidationError(f"direct.{field}", message, field=field, value=value, allowed=allowed)


def _conflict(code: str, value: str, allowed: str) -> ConflictError:
    message = _message("public_key", value, allowed)
    return ConflictError(
        f"direct.{code}", message, field="public_key", value=value, allowed=allowed
    )
