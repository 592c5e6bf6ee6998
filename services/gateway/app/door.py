"""Who is calling, by a key, and what is recorded of it."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from schemas.identity import Scope
from schemas.types import Role
from services.core.errors import Message
from services.gateway.app.keys import OPERATOR_ID, hash_key
from services.gateway.app.scopes import scopes_of
from services.gateway.errors import UnauthenticatedError
from services.gateway.identity_ports import Act
from services.gateway.ports import Principal

if TYPE_CHECKING:
    from services.gateway.identity_ports import Acts, Credentials

RECORDED = frozenset({Scope.MONEY, Scope.GOVERN, Scope.ADMIN})
"""Whatever is asked for under these scopes is kept in the record of acts."""
_KEY_CHARS_MAX = 200


class Door:
    """Lets callers in.

    Args:
        credentials: Keys.
        acts: The record of acts.
        operator_key_sha256: Hash of the operator's bootstrap key, ``None`` if there is none.
    """

    def __init__(
        self,
        credentials: Credentials,
        acts: Acts,
        operator_key_sha256: bytes | None,
    ) -> None:
        self._credentials = credentials
        self._acts = acts
        self._operator = operator_key_sha256

    async def caller(self, authorization: str) -> Principal:
        """Return the caller of a request with this ``Authorization``.

        Raises:
            UnauthenticatedError: if it holds no key that is valid now.
        """
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not 0 < len(credential) <= _KEY_CHARS_MAX:
            raise _unauthenticated(
                "auth.key_missing", "absent or not of this form", "缺失或格式不符"
            )
        found = await self.holder(hash_key(credential))
        if found is None:
            raise _unauthenticated(
                "auth.key_unknown", "unknown, revoked or expired", "未知、已吊销或已过期"
            )
        return found

    async def holder(self, sha256: bytes) -> Principal | None:
        """Return whose key has this hash; ``None`` if it is none that is valid now."""
        if self._operator is not None and hmac.compare_digest(sha256, self._operator):
            return Principal(
                OPERATOR_ID, Role.OPERATOR, "bootstrap", scopes=scopes_of(Role.OPERATOR)
            )
        return await self._credentials.by_key(sha256)

    async def begin(
        self, principal: Principal, needed: Scope, *, act: str, path: str, body: bytes
    ) -> int | None:
        """Record that something is asked for; return its number, ``None`` if it is not kept."""
        number = None
        if needed in RECORDED:
            digest = hashlib.sha256(body).hexdigest() if body else None
            number = await self._acts.begin(Act(principal, needed, act, path, digest))
        return number

    async def end(self, number: int, status: int) -> None:
        """Record how an act was answered."""
        await self._acts.end(number, status)


def _unauthenticated(code: str, found_en: str, found_zh: str) -> UnauthenticatedError:
    # What was sent is a secret, so it is not echoed.
    return UnauthenticatedError(
        code,
        Message(
            f"Authorization: must be 'Bearer sk_...' with a valid key, was {found_en}",
            f"Authorization：须为“Bearer sk_...”形式的有效密钥，实为{found_zh}",
        ),
        field="Authorization",
        value=found_en,
        allowed="Bearer sk_... with a valid key",
    )
