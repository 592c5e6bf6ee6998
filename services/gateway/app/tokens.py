"""What a token of an issuer must say to be taken, and the refusal that names what it said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.core.errors import Message
from services.gateway.errors import UnauthenticatedError
from services.gateway.member_ports import Holder

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHMS = ("RS256", "ES256", "EdDSA", "Ed25519")
"""Signatures by a key of which the issuer publishes the public half; nothing shared, nothing else.
"""
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LEEWAY_S = 30
_LOGOUT_S_MAX = 600
_SUBJECT_CHARS_MAX = 255
_SHOWN_CHARS_MAX = 200

# Claim -> (what it must be, the same in Chinese); braces name what is allowed.
_MUST = {
    "form": ("a signed JSON Web Token", "已签名的 JSON Web Token"),
    "alg": (f"one of {', '.join(ALGORITHMS)}", f"{'、'.join(ALGORITHMS)} 之一"),
    "iss": ("a trusted issuer: {allowed}", "受信任的签发方：{allowed}"),
    "kid": ("a key that the issuer publishes", "签发方公布的密钥"),
    "signature": ("the issuer's", "签发方的签名"),
    "aud": ("{allowed}", "{allowed}"),
    "nonce": ("of this sign-in", "本次登录所用"),
    "nonce.absent": ("absent", "不出现"),
    "iat": ("at most 10 minutes ago", "10 分钟以内"),
    "events": (f"an object with {LOGOUT_EVENT}", f"含 {LOGOUT_EVENT} 的对象"),
    "jti": (
        "a text of 1 to 255 characters, not used before",
        "1 至 255 个字符，且未曾用过",
    ),
    "sid": ("a text of 1 to 255 characters, or sub one", "1 至 255 个字符；或改为给出 sub"),
    "exp": ("later than now", "晚于当前时间"),
    "nbf": ("not later than now", "不晚于当前时间"),
    "sub": (
        f"a text of 1 to {_SUBJECT_CHARS_MAX} printable ASCII characters",
        f"1 至 {_SUBJECT_CHARS_MAX} 个可打印 ASCII 字符",
    ),
}


@dataclass(frozen=True, slots=True)
class SignedOut:
    """What an issuer says about a session of its own that is over.

    Attributes:
        issuer: The issuer.
        subject: Whose session it was; ``None`` if that is not said.
        session: Its name at the issuer; ``None`` if all sessions of the subject are over.
        token_id: Id of the token that says so.
        until_s: When the token is worth nothing any more, seconds since 1970.
    """

    issuer: str
    subject: str | None
    session: str | None
    token_id: str
    until_s: float


def check_signed_out(
    claims: Mapping[str, Any], issuer: str, client: str, now_s: float
) -> SignedOut:
    """Return what a logout token with a good signature says (Back-Channel Logout 1.0, 2.6).

    Args:
        claims: What it says.
        issuer: Whose signature it has.
        client: What it must be for.
        now_s: Seconds since 1970 by the wall clock.

    Raises:
        UnauthenticatedError: if it is no logout token, for another, or not valid now.
    """
    if "nonce" in claims:
        # An ID token must not pass for one.
        raise refused("nonce.absent", "there")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise refused("events", events if events is None else "another")
    issued_s = _instant(claims, "iat")
    if issued_s is None or not now_s - _LOGOUT_S_MAX <= issued_s <= now_s + _LEEWAY_S:
        raise refused("iat", claims.get("iat"))
    token_id, session = claims.get("jti"), claims.get("sid")
    if not isinstance(token_id, str) or not 0 < len(token_id) <= _SUBJECT_CHARS_MAX:
        raise refused("jti", token_id)
    is_named = isinstance(session, str) and 0 < len(session) <= _SUBJECT_CHARS_MAX
    if not is_named and (session is not None or claims.get("sub") is None):
        raise refused("sid", session)
    # Some issuers leave `exp` out, or `sub`; what is there must be right.
    until_s = issued_s + _LOGOUT_S_MAX + _LEEWAY_S
    whole = {"exp": until_s, "sub": "-"} | dict(claims)
    holder = check_claims(whole, issuer, client, now_s)
    return SignedOut(
        issuer=issuer,
        subject=holder.subject if "sub" in claims else None,
        session=session,
        token_id=token_id,
        until_s=until_s,
    )


def check_claims(claims: Mapping[str, Any], issuer: str, audience: str, now_s: float) -> Holder:
    """Return whom a token with a good signature was issued to.

    Args:
        claims: What it says.
        issuer: Whose signature it has.
        audience: What it must be for.
        now_s: Seconds since 1970 by the wall clock.

    Raises:
        UnauthenticatedError: if it is for another, or not valid now.
    """
    named = claims.get("aud")
    if named != audience and not (isinstance(named, list) and audience in named):
        raise refused("aud", named, audience)
    until = _instant(claims, "exp")
    if until is None or until + _LEEWAY_S <= now_s:
        raise refused("exp", claims.get("exp"))
    since = _instant(claims, "nbf")
    if ("nbf" in claims and since is None) or (since or 0) - _LEEWAY_S > now_s:
        raise refused("nbf", claims["nbf"])
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_CHARS_MAX:
        raise refused("sub", subject)
    if not (subject.isascii() and subject.isprintable()):
        raise refused("sub", ascii(subject))
    return Holder(issuer, subject)


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    found = claims.get(name)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def refused(claim: str, found: object, allowed: str = "") -> UnauthenticatedError:
    """Return the refusal of a token: ``auth.token_`` and the claim that is wrong.

    A token is a secret until it expires, so nothing but the claim is told of it.
    """
    name = claim.partition(".")[0]
    value = "absent" if found is None else str(found)[:_SHOWN_CHARS_MAX]
    en, zh = (text.format(allowed=allowed) for text in _MUST[claim])
    return UnauthenticatedError(
        f"auth.token_{name}",
        Message(f"token.{name}: must be {en}, was {value}", f"令牌 {name}：须为{zh}，实为 {value}"),
        field=f"token.{name}",
        value=value,
        allowed=en,
    )
