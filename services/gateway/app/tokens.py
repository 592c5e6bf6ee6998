"""What a token of an issuer must say to be taken, and the refusal that names what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.core.errors import Message
from services.gateway.errors import UnauthenticatedError
from services.gateway.member_ports import Holder

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHMS = ("RS256", "ES256", "EdDSA", "Ed25519")
"""Signatures by a key of which the issuer publishes the public half; nothing shared, nothing else.
"""
_LEEWAY_S = 30
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
    "exp": ("later than now", "晚于当前时间"),
    "nbf": ("not later than now", "不晚于当前时间"),
    "sub": (
        f"a text of 1 to {_SUBJECT_CHARS_MAX} printable ASCII characters",
        f"1 至 {_SUBJECT_CHARS_MAX} 个可打印 ASCII 字符",
    ),
}


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
    value = "absent" if found is None else str(found)[:_SHOWN_CHARS_MAX]
    en, zh = (text.format(allowed=allowed) for text in _MUST[claim])
    return UnauthenticatedError(
        f"auth.token_{claim}",
        Message(
            f"token.{claim}: must be {en}, was {value}", f"令牌 {claim}：须为{zh}，实为 {value}"
        ),
        field=f"token.{claim}",
        value=value,
        allowed=en,
    )
