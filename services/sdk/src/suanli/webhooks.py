"""Checking that a message to your webhook comes from the exchange.

Messages are signed as the Standard Webhooks specification says, so its libraries check them too;
this one needs the standard library alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any, Final, TypedDict

from suanli.errors import SuanliError

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE_S: Final = 300
"""How far a message's time may be from now: longer ago, somebody may be playing it again."""

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"


class WebhookError(SuanliError):
    """A message that is not to be trusted: answer 400 and do nothing."""


class WebhookMessage(TypedDict):
    """What a webhook is told."""

    type: str
    """Such as ``orders.status``."""

    timestamp: str
    """When the exchange told it, ISO 8601."""

    data: dict[str, Any]
    """Of the same shape as in the stream of that name."""


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> WebhookMessage:
    """Return a message that the exchange sent, from its request.

    A message may come more than once: do what it asks for only the first time that you see its
    ``webhook-id``.

    Args:
        secret: The webhook's secret, ``whsec_...``.
        headers: The request's headers; their names in any case.
        body: The request's body, byte by byte as it came.
        tolerance_s: How far its time may be from now.
        now_s: Seconds since 1970, by default the clock's.

    Raises:
        WebhookError: if it is not from the exchange, or too old or from the future.
        ValueError: if the secret is none.
    """
    key = _key(secret)
    found = {name.lower(): value for name, value in headers.items()}
    message_id, sent, signed = (
        _header(found, f"webhook-{name}") for name in ("id", "timestamp", "signature")
    )
    if not (sent.isascii() and sent.isdigit()):
        raise WebhookError(f"webhook-timestamp: must be whole seconds, was {sent[:40]!r}")
    now = time.time() if now_s is None else now_s
    if abs(now - int(sent)) > tolerance_s:
        raise WebhookError(
            f"webhook-timestamp: must be within {tolerance_s:g} s of {now:.0f}, was {sent[:40]}"
        )
    text = f"{message_id}.{int(sent)}.".encode() + body
    right = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    # While the secret changes, a message has the signature of both.
    for one in signed.split(" "):
        version, _, value = one.partition(",")
        if version == _VERSION and hmac.compare_digest(value.encode(), right.encode()):
            message: WebhookMessage = json.loads(body)
            return message
    raise WebhookError("webhook-signature: must be by the webhook's secret, was by none or another")


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        msg = "secret must be whsec_ and Base64, was something else"
        raise ValueError(msg) from None


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise WebhookError(f"{name}: must be a header of the request, was absent")
    return value
