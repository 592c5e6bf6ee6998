"""Who is calling, by a key or an issuer's token, and what is recorded of it."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from schemas.identity import Scope
from schemas.types import Role
from services.core.errors import AuthError, Message
from services.gateway.app.keys import OPERATOR_ID, hash_key
from services.gateway.app.scopes import scopes_of
from services.gateway.errors import ForbiddenError, UnauthenticatedError
from services.gateway.identity_ports import Act
from services.gateway.ports import Principal

if TYPE_CHECKING:
    from services.gateway.identity_ports import Acts, Credentials
    from services.gateway.member_ports import Holder, Known, Members, Tokens

RECORDED = frozenset({Scope.MONEY, Scope.GOVERN, Scope.ADMIN})
"""Whatever is asked for under these scopes is kept in the record of acts."""
NO_MEMBER = "auth.no_member"
"""Code of the refusal of whom an issuer knows and no participant."""
_KEY_CHARS_MAX = 200
_TOKEN_CHARS_MAX = 16_384
# How every JSON Web Token begins: {" in Base64.
_JWT_BEGINS = "eyJ"


class Door:
    """Lets callers in.

    Args:
        credentials: Keys.
        acts: The record of acts.
        operator_key_sha256: Hash of the operator's bootstrap key, ``None`` if there is none.
        members: People that issuers vouch for.
        tokens: Tokens of issuers.
    """

    def __init__(
        self,
        credentials: Credentials,
        acts: Acts,
        operator_key_sha256: bytes | None,
        members: Members,
        tokens: Tokens,
    ) -> None:
        self._credentials = credentials
        self._acts = acts
        self._operator = operator_key_sha256
        self._members = members
        self._tokens = tokens

    def forget(self) -> None:
        """Look callers up again from the next request on: one was suspended, or lives again."""
        self._credentials.forget()
        self._members.forget()

    async def caller(self, authorization: str) -> Principal:
        """Return the caller of a request with this ``Authorization``.

        Raises:
            UnauthenticatedError: if it holds no key and no token that is valid now.
            ForbiddenError: if the token is of nobody who is a member, or of a suspended one.
            UnavailableError: if the token cannot be checked now.
        """
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if scheme.lower() == "bearer" and credential.startswith(_JWT_BEGINS):
            return await self._by_token(credential)
        if scheme.lower() != "bearer":
            credential = ""
        return await self.by_key(credential)

    async def by_key(self, credential: str) -> Principal:
        """Return whose a key is.

        Raises:
            UnauthenticatedError: if it is none that is valid now.
        """
        if not 0 < len(credential) <= _KEY_CHARS_MAX:
            raise _unauthenticated(
                "auth.key_missing", "absent or not of this form", "缺失或格式不符"
            )
        found = await self.holder(hash_key(credential))
        if found is None:
            raise _unauthenticated(
                "auth.key_unknown", "unknown, revoked or expired", "未知、已吊销或已过期"
            )
        return found

    async def _by_token(self, token: str) -> Principal:
        # The operator chose its first key, which may look like anything.
        if self._operator is not None and hmac.compare_digest(hash_key(token), self._operator):
            return await self.by_key(token)
        if len(token) > _TOKEN_CHARS_MAX:
            found = f"of more than {_TOKEN_CHARS_MAX} characters"
            raise _unauthenticated("auth.token_size", found, f"超过 {_TOKEN_CHARS_MAX} 个字符")
        if not self._tokens.issuers:
            raise _unauthenticated(
                "auth.no_issuers",
                "a token, of which this exchange takes none",
                "令牌，而本交易所未启用",
            )
        return await self.member_of(await self._tokens.holder(token))

    async def member_of(self, holder: Holder) -> Principal:
        """Return the member that somebody is whom an issuer vouches for.

        Raises:
            ForbiddenError: if he is none, or a suspended one.
        """
        found = await self._members.by_holder(holder)
        if found is None:
            raise _no_member(holder)
        return _active(found)

    async def member(self, member_id: str) -> Principal | None:
        """Return a member by its id; ``None`` if it is none that may act now."""
        found = await self._members.by_id(member_id)
        if found is None:
            return None
        try:
            return _active(found)
        except AuthError:
            return None

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
            f"Authorization: must be 'Bearer sk_...' with a valid key, or a token of an issuer at "
            f"/v1/issuers, was {found_en}",
            f"Authorization：须为“Bearer sk_...”形式的有效密钥，或 /v1/issuers 所列签发方的令牌，"
            f"实为{found_zh}",
        ),
        field="Authorization",
        value=found_en,
        allowed="Bearer sk_... with a valid key",
    )


def _active(found: Known) -> Principal:
    if not found.is_suspended:
        return found.principal
    raise ForbiddenError(
        "auth.member_suspended",
        Message(
            "member: must be active, was suspended; an admin of your participant can change it",
            "成员：须为有效，实为已暂停；可由贵方管理员恢复",
        ),
        field="member",
        value="suspended",
        allowed="active",
    )


def _no_member(holder: Holder) -> ForbiddenError:
    # The admin needs the subject to add him, and nobody else gets to see it.
    return ForbiddenError(
        NO_MEMBER,
        Message(
            f"token.sub: must be a member of a participant, was {holder.subject} "
            f"of {holder.issuer}; its admin can add it: "
            f"suanli members add --issuer {holder.issuer} --subject '{holder.subject}'",
            f"令牌 sub：须为参与方成员，实为 {holder.issuer} 的 {holder.subject}；可由管理员添加："
            f"suanli members add --issuer {holder.issuer} --subject '{holder.subject}'",
        ),
        field="token.sub",
        value=holder.subject,
        allowed="a member of a participant",
    )
