"""Ids derived from their inputs, events in their envelopes, receipts for their places."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from schemas.api import Receipt
from schemas.codec import Envelope
from schemas.types import MESSAGE_BYTES_MAX, Side
from services.core.errors import Message
from services.gateway.errors import TooLargeError

if TYPE_CHECKING:
    from schemas.events import Event
    from services.gateway.ports import Sent, Signer

SOURCE = "/suanli/gateway"
_ID_CHARS = 26
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
    return prefix + base64.b32encode(digest).decode().lower()[:_ID_CHARS]


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
) -> Envelope:
    """Return an event in its envelope, stamped with the wall clock.

    Raises:
        TooLargeError: if its body is larger than a message may be.
    """
    size = len(data.model_dump_json().encode())
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
        causation_id="",
        traceparent=traceparent,
        data=data,
    )


def make_receipt(sent: Sent, signer: Signer | None) -> Receipt:
    """Return the receipt of an event, signed if there is a signer."""
    data = sent.envelope.data
    names = _receipt_fields(type(data))
    receipt = Receipt(
        **{name: getattr(data, name) for name in names},
        market_id=_market_id(data),
        event_id=sent.envelope.id,
        topic=sent.position.topic,
        partition=sent.position.partition,
        offset=sent.position.offset,
        sha256=sent.position.sha256,
        recorded_at=sent.envelope.recorded_at,
        key_id=signer.key_id if signer else None,
    )
    if signer is None:
        return receipt
    return receipt.model_copy(update={"signature": signer.sign(signed_bytes(receipt))})


@cache
def _receipt_fields(kind: type[Event]) -> tuple[str, ...]:
    return tuple(name for name in _RECEIPT_FIELDS if name in kind.model_fields)


def signed_bytes(receipt: Receipt) -> bytes:
    """Return the canonical JSON that a receipt's signature covers."""
    fields = receipt.model_dump(mode="json", exclude={"signature"}, exclude_none=True)
    return canonical(fields).encode()


def canonical(value: object) -> str:
    """Return JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _market_id(data: Event) -> str | None:
    market = getattr(data, "market", None)
    found = getattr(data, "market_id", None) if market is None else market.id
    return None if found is None else str(found)
