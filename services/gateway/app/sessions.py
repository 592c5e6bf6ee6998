"""Who is signed in to the pages, and for how long."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from services.gateway.app.keys import hash_key
from services.gateway.app.tokens import refused

if TYPE_CHECKING:
    from services.gateway.app.door import Door
    from services.gateway.app.tokens import SignedOut
    from services.gateway.member_ports import Holder
    from services.gateway.ports import Principal

SESSION_S = 12 * 3600
"""A working day: whoever leaves a machine behind is signed out by the next one."""
_TOKEN_BYTES = 32
_TOKEN_CHARS_MAX = 64


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a session is: of a key, or of a member.

    Attributes:
        key_sha256: Hash of the key.
        member_id: The member.
        issuer_session: The issuer's own name of a member's session, empty if it told none.
    """

    key_sha256: bytes | None = None
    member_id: str | None = None
    issuer_session: str = ""


class SessionStore(Protocol):
    """Sessions by the hashes of their tokens."""

    async def begin(self, token_sha256: bytes, owner: Owner, lives_s: int) -> None:
        """Keep a session."""
        ...

    async def owner_of(self, token_sha256: bytes) -> Owner | None:
        """Return whose a session is that is not over."""
        ...

    async def end(self, token_sha256: bytes) -> None:
        """Forget a session."""
        ...

    async def end_at_issuer(self, told: SignedOut) -> int | None:
        """Forget the sessions that an issuer says are over; ``None`` if that token said so before.

        Returns:
            How many there were.
        """
        ...


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has just begun.

    Attributes:
        token: What the cookie holds; it is shown this once.
        principal: Whose it is.
    """

    token: str
    principal: Principal


class Sessions:
    """Signs people in by a key of theirs or by an issuer's word, and out.

    A session is as good as its key or member: scopes, suspension, revocation and expiry count at
    once. What an issuer thinks of him later does if it says so (`end_at_issuer`); else the session
    ends on its own.

    Args:
        door: Knows keys.
        store: Sessions.
    """

    def __init__(self, door: Door, store: SessionStore) -> None:
        self._door = door
        self._store = store

    async def sign_in(self, api_key: str) -> SignedIn:
        """Begin a session under a fresh token, so that no token from before it is worth anything.

        Raises:
            UnauthenticatedError: if the key is none that is valid now.
        """
        principal = await self._door.by_key(api_key.strip())
        return await self._begin(principal, Owner(key_sha256=hash_key(api_key.strip())))

    async def sign_in_member(self, holder: Holder, issuer_session: str = "") -> SignedIn:
        """Begin a session of whom an issuer vouched for just now.

        Args:
            holder: Whom.
            issuer_session: The issuer's own name of the session.

        Raises:
            ForbiddenError: if he is no member, or a suspended one.
        """
        principal = await self._door.member_of(holder)
        return await self._begin(principal, Owner(None, principal.key_id, issuer_session))

    async def end_at_issuer(self, told: SignedOut) -> int:
        """End the sessions that began with one at an issuer that is over; return how many.

        Raises:
            UnauthenticatedError: if the token has said so before.
        """
        ended = await self._store.end_at_issuer(told)
        if ended is None:
            raise refused("jti", "used before")
        return ended

    async def _begin(self, principal: Principal, owner: Owner) -> SignedIn:
        token = new_token()
        await self._store.begin(_hash(token), owner, SESSION_S)
        return SignedIn(token, principal)

    async def principal(self, token: str) -> Principal | None:
        """Return who is signed in with a token; ``None`` if nobody is, or no longer."""
        if not 0 < len(token) <= _TOKEN_CHARS_MAX:
            return None
        owner = await self._store.owner_of(_hash(token))
        if owner is None:
            return None
        if owner.member_id is not None:
            return await self._door.member(owner.member_id)
        assert owner.key_sha256 is not None, "a session has an owner"
        return await self._door.holder(owner.key_sha256)

    async def sign_out(self, token: str) -> None:
        """End a session, wherever its token may still be."""
        await self._store.end(_hash(token))


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def form_token(token: str) -> str:
    """Return what a form must send along to prove that it is from a page of this token's owner."""
    return hmac.new(token.encode(), b"suanli form", hashlib.sha256).hexdigest()


def is_form_token(token: str, found: str) -> bool:
    """Return whether a form's proof is the token's."""
    return hmac.compare_digest(form_token(token).encode(), found.encode())


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
