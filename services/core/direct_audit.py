"""Orders by signed records against those records: signed, by a key that counted, with those terms.

An order that the gateway made of a signed record names the record's place as its cause. Whoever has
the log has the record, and the events that tell when its key began and ceased to count.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schemas.codec import DecodeError, decode
from schemas.direct import DirectRecord, signed_bytes
from schemas.events import DemandSubmitted, OfferSubmitted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.codec import Envelope
    from schemas.signing_keys import SigningKeySet

    VerifyEd25519 = Callable[[bytes, bytes, bytes], bool]

TOPICS = ("offers.direct", "demand.direct")
GRACE_MS = 60_000
"""A key is told of before it counts or ceases to, and clocks differ: so much is nobody's fault."""

Place = tuple[str, int, int]
_PLACE = re.compile(r"(?P<topic>(?:offers|demand)\.direct)/(?P<partition>\d{1,6})@(?P<at>\d{1,18})")


def cause_of(topic: str, partition: int, offset: int) -> str:
    """Return how an order names the signed record that it was made of."""
    return f"{topic}/{partition}@{offset}"


@dataclass(frozen=True, slots=True)
class NamedOrder:
    """An order that names a signed record.

    Attributes:
        order: As it came onto the log.
        place: Topic, partition and offset of the record.
        told_ms: When it came onto the log, milliseconds since 1970.
    """

    order: OfferSubmitted | DemandSubmitted
    place: Place
    told_ms: int


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """A signed record as it is on the log.

    Attributes:
        key_id: The key that it names.
        kind: Its event type.
        signature: What it brings as its signature, Base64.
        value: Its body.
        headers: All of its headers.
    """

    key_id: str
    kind: str
    signature: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class KeyLife:
    """When a key counted for a participant.

    Attributes:
        public: The key's 32 bytes.
        from_ms: When it was told first that it counts, milliseconds since 1970.
        until_ms: When it was told first that it counts no more.
    """

    public: bytes
    from_ms: int
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DirectFault:
    """What is wrong with an order that names a signed record.

    Attributes:
        code: ``record``, ``untold``, ``signature``, ``revoked`` or ``terms``.
        text: What is wrong, in English.
    """

    code: str
    text: str


class KeyLives:
    """The lives of all keys, as the log tells them."""

    def __init__(self) -> None:
        self._lives: dict[tuple[str, str], KeyLife] = {}

    def take(self, event: SigningKeySet, told_ms: int) -> None:
        """Take in that a key counts, or no more; what was told before stands."""
        who = (event.participant_id, event.key_id)
        life = self._lives.get(who)
        if life is None:
            life = KeyLife(base64.b64decode(event.public_key), told_ms)
        if event.state == "revoked" and life.until_ms is None:
            life = replace(life, until_ms=told_ms)
        self._lives[who] = life

    def of(self, participant_id: str, key_id: str) -> KeyLife | None:
        """Return the life of a participant's key."""
        return self._lives.get((participant_id, key_id))


def named_order(envelope: Envelope, told_ms: int) -> NamedOrder | None:
    """Return an order that names a signed record; ``None`` of anything else."""
    data = envelope.data
    if not envelope.causation_id or not isinstance(data, OfferSubmitted | DemandSubmitted):
        return None
    found = _PLACE.fullmatch(envelope.causation_id)
    if found is None:
        return None
    return NamedOrder(data, (found["topic"], int(found["partition"]), int(found["at"])), told_ms)


def fault_of(
    named: NamedOrder, record: SignedRecord | None, lives: KeyLives, verify: VerifyEd25519
) -> DirectFault | None:
    """Return what is wrong with an order, the first thing; ``None`` if it is its owner's.

    Args:
        named: The order.
        record: The record that it names; ``None`` if the log has none there.
        lives: All that the log tells of keys up to the order.
        verify: Returns whether an Ed25519 signature by a public key fits a message.
    """
    order, where = named.order, cause_of(*named.place)
    if record is None:
        return DirectFault("record", f"{order.order_id}: {where} must be on the log, was not")
    life = lives.of(order.participant_id, record.key_id)
    if life is None:
        text = f"must be of {order.participant_id}, was told of by no event"
        return DirectFault("untold", f"{order.order_id}: {record.key_id} {text}")
    signed = signed_bytes(record.kind, record.value)
    if not verify(life.public, _bytes_of(record.signature), signed):
        text = f"must be signed by {record.key_id}, was not"
        return DirectFault("signature", f"{order.order_id}: {where} {text}")
    if named.told_ms < life.from_ms - GRACE_MS:
        late_s = (life.from_ms - named.told_ms) // 1000
        text = f"must count before the order, was told of {late_s} s later"
        return DirectFault("untold", f"{order.order_id}: {record.key_id} {text}")
    if life.until_ms is not None and named.told_ms > life.until_ms + GRACE_MS:
        late_s = (named.told_ms - life.until_ms) // 1000
        text = f"must count still, was revoked {late_s} s before"
        return DirectFault("revoked", f"{order.order_id}: {record.key_id} {text}")
    if _terms_of(record) != (order.participant_id, order.market_id, order.terms):
        text = "must have participant, market and terms of its record, had others"
        return DirectFault("terms", f"{order.order_id}: {text} ({where})")
    return None


def record_of(headers: Sequence[tuple[str, bytes | None]], value: bytes | None) -> SignedRecord:
    """Return a signed record of what is on the log, whatever is wrong with it."""
    whole = tuple((name, raw) for name, raw in headers if raw is not None)
    # The last of several counts, as in `schemas.codec.decode`.
    last = {name: raw.decode(errors="replace") for name, raw in whole}
    return SignedRecord(
        last.get("suanli_keyid", ""),
        last.get("ce_type", ""),
        last.get("suanli_signature", ""),
        value or b"",
        whole,
    )


def _terms_of(record: SignedRecord) -> tuple[str, str, object] | None:
    try:
        body = decode(record.value, record.headers).data
    except DecodeError:
        return None
    if not isinstance(body, DirectRecord):
        return None
    return body.participant_id, body.market_id, getattr(body, "terms", None)


def _bytes_of(signature: str) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except ValueError:
        return b""
