"""API keys: made, listed and revoked, by the operator or by the participant itself."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING

from schemas.identity import KeyCreated
from schemas.types import Role
from services.gateway.app.rights import require_own
from services.gateway.app.scopes import require_grantable
from services.gateway.errors import not_found
from services.gateway.identity_ports import NewKey

if TYPE_CHECKING:
    from schemas.api import ParticipantView
    from schemas.identity import KeyNew, KeyView
    from services.gateway.identity_ports import Credentials
    from services.gateway.ports import Directory, Principal

OPERATOR_ID = "operator"
KEY_PREFIX = "sk_"
_SECRET_BYTES = 32


def hash_key(api_key: str) -> bytes:
    """Return what is stored of an API key."""
    return hashlib.sha256(api_key.encode()).digest()


def new_key(wanted: KeyNew, made_by: str) -> tuple[NewKey, str]:
    """Return a fresh key as it is stored, and its secret."""
    key_id = f"key_{random_id()}"
    secret = base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode().lower().rstrip("=")
    api_key = KEY_PREFIX + secret
    stored = NewKey(
        key_id=key_id,
        sha256=hash_key(api_key),
        label=wanted.label,
        scopes=frozenset(wanted.scopes),
        days=wanted.expires_in_days,
        made_by=made_by,
    )
    return stored, api_key


def random_id() -> str:
    """Return 16 letters and digits that nobody can guess."""
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


async def require_admin_of(
    directory: Directory, principal: Principal, participant_id: str
) -> ParticipantView:
    """Let only the operator and the participant itself act; return the participant.

    Raises:
        NotFoundError: if there is no such participant, or it is another one's.
    """
    if principal.role is not Role.OPERATOR:
        require_own(principal, participant_id, "participant_id", participant_id)
    found = await directory.participant(participant_id)
    if found is None:
        raise not_found("participant_id", participant_id)
    return found


class KeyCommands:
    """Keys of participants.

    Args:
        directory: Participants.
        credentials: Keys.
    """

    def __init__(self, directory: Directory, credentials: Credentials) -> None:
        self._directory = directory
        self._credentials = credentials

    async def add(self, principal: Principal, participant_id: str, wanted: KeyNew) -> KeyCreated:
        """Make a further key of a participant; it is shown this once.

        Raises:
            NotFoundError: if there is no such participant, or it is another one's.
            ValidationError: if a scope is more than may be granted.
        """
        owner = await require_admin_of(self._directory, principal, participant_id)
        require_grantable(principal, owner.role, wanted.scopes)
        stored, api_key = new_key(wanted, principal.key_id)
        view = await self._credentials.add_key(participant_id, stored)
        return KeyCreated(key=view, api_key=api_key)

    async def list(self, principal: Principal, participant_id: str) -> list[KeyView]:
        """Return a participant's keys without their secrets.

        Raises:
            NotFoundError: if there is no such participant, or it is another one's.
        """
        await require_admin_of(self._directory, principal, participant_id)
        return await self._credentials.keys(participant_id)

    async def revoke(self, principal: Principal, participant_id: str, key_id: str) -> KeyView:
        """Revoke a key for good.

        Raises:
            NotFoundError: if there is no such key, or it is another participant's.
        """
        await require_admin_of(self._directory, principal, participant_id)
        view = await self._credentials.revoke_key(participant_id, key_id)
        if view is None:
            raise not_found("key_id", key_id)
        return view
