"""Ids derived from their inputs, events in their envelopes, receipts for their places."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

from pydantic_core import to_json

from schemas.api import Receipt
from schemas.codec import Envelope, iso
from schemas.types import MESSAGE_BYTES_MAX, Side
from services.core.errors import Message
from services.gateway.errors import TooLargeError

if TYPE_CHECKING:
    from schemas.events import Event
    from services.gateway.ports import Sent, Signer

SOURCE = "/suanli/gateway"
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
# The alphabet of Base32 (RFC 4648) by pairs: ten bits at a time.
_PAIRS = tuple(map("".join, product("abcdefghijklmnopqrstuvwxyz234567", repeat=2)))
_ID_CHARS = 26
_ID_BYTES = 17
_ID_SHIFTS = range(_ID_CHARS * 5 - 10, -1, -10)
_RECEIPT_FIELDS = (
    "order_id",
    "deposit_id",
    "withdrawal_id",
    "collateral_id",
    "reversal_id",
    "erasure_id",
    "delivery_id",
    "participant_id",
    "policy_id",
    "case_id",
)


def derive(prefix: str, *parts: str) -> str:
    """Return ``prefix`` and 26 characters of base32(SHA-256) of the parts."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    bits = int.from_bytes(digest[:_ID_BYTES]) >> _ID_BYTES * 8 - _ID_CHARS * 5
    # Together with the hash half of what Python's own Base32 takes.
    return prefix + "".join([_PAIRS[bits >> at & 1023] for at in _ID_SHIFTS])


def derive_order_id(side: Side, participant_id: str, key: str) -> str:
    """Return the id of the order that a participant submits under an idempotency key."""
    return derive("off_" if side is Side.OFFER else "dem_", participant_id, key)


def make_envelope(
    data: Event,
    *,
    event_id: str,
    participant_id: str,
    correlation_id: str,
    occurred_at: datetime,
    traceparent: str,
    causation_id: str = "",
    body: str | None = None,
) -> Envelope:
    """Return an event in its envelope, stamped with the wall clock.

    Args:
        data: The event.
        event_id: Its id.
        participant_id: Whose act it is.
        correlation_id: The whole story that it belongs to.
        occurred_at: When it happened, on the market's clock.
        traceparent: W3C trace context.
        causation_id: Id of the event that caused it, ``""`` if a person did.
        body: The event's JSON, if it was made already.

    Raises:
        TooLargeError: if its body is larger than a message may be.
    """
    value = (data.model_dump_json() if body is None else body).encode()
    size = len(value)
    if size > MESSAGE_BYTES_MAX:
        raise TooLargeError(
            "validation.too_large",
            Message(
                f"the event must be at most {MESSAGE_BYTES_MAX} bytes, was {size}",
                f"事件不得超过 {MESSAGE_BYTES_MAX} 字节，实为 {size} 字节",
            ),
            field="body",
            value=f"{size} bytes",
            allowed=f"at most {MESSAGE_BYTES_MAX} bytes as an event",
        )
    return Envelope(
        id=event_id,
        source=SOURCE,
        occurred_at=occurred_at,
        recorded_at=datetime.now(UTC),
        participant_id=participant_id,
        correlation_id=correlation_id,
        causation_id=causation_id,
        traceparent=traceparent,
        data=data,
        value=value,
    )


def make_receipt(sent: Sent, signer: Signer | None) -> Receipt:
    """Return the receipt of an event, signed if there is a signer."""
    return Receipt.model_validate_json(receipt_text(sent, signer))


def receipt_text(sent: Sent, signer: Signer | None) -> str:
    """Return the receipt of an event as canonical JSON, signed if there is a signer."""
    data, place = sent.envelope.data, sent.position
    fields = {name: getattr(data, name) for name in _receipt_fields(type(data))} | {
        "market_id": _market_id(data),
        "event_id": sent.envelope.id,
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
        "sha256": place.sha256,
        "recorded_at": iso(sent.envelope.recorded_at),
        "key_id": signer.key_id if signer else None,
    }
    known = {name: fields[name] for name in sorted(fields) if fields[name] is not None}
    if signer is None:
        return to_json(known).decode()
    signed = known | {"signature": signer.sign(to_json(known))}
    return to_json({name: signed[name] for name in sorted(signed)}).decode()


@cache
def _receipt_fields(kind: type[Event]) -> tuple[str, ...]:
    return tuple(name for name in _RECEIPT_FIELDS if name in kind.model_fields)


def canonical(value: object) -> str:
    """Return JSON with sorted keys and no spaces."""
    return _encode(value)


def _market_id(data: Event) -> str | None:
    market = getattr(data, "market", None)
    found = getattr(data, "market_id", None) if market is None else market.id
    return None if found is None else str(found)
