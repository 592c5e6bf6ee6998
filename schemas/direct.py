"""Signed records that participants write to the broker themselves, and the answers to them.

A record's value is the body below as JSON; two headers beside the CloudEvents ones carry the
signature: ``suanli_keyid`` and ``suanli_signature`` (Base64 of 64 bytes, Ed25519). What is signed
is `signed_bytes`: the pre-authentication encoding of DSSE v1 over the event type and the value as
it is on the topic, so that no two programs need agree on how JSON is written.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Count, Instant, Model, OrderId, ParticipantId, Sha256Hex, Slug, Text
from schemas.events import Event, Reason
from schemas.orders import DemandTerms, OfferTerms

KEY_HEADER = "suanli_keyid"
SIGNATURE_HEADER = "suanli_signature"
VALID_S_MAX = 3_600
"""Longest time from ``issued_at`` to ``expires_at``, seconds: what a stolen record is good for."""

IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]


def signed_bytes(event_type: str, value: bytes) -> bytes:
    """Return what a record's signature covers: PAE of DSSE v1 over type and value.

    Source: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
    """
    name = event_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(value), value)


class DirectRecord(Event):
    """What every signed record says: who wants it, where, under which key, and until when."""

    participant_id: ParticipantId
    market_id: Slug
    idempotency_key: IdempotencyKey = Field(description="As of the API: one effect per key")
    issued_at: Instant
    expires_at: Instant = Field(
        description="The record counts if the broker had it before; at most an hour after issued_at"
    )


class DirectOffer(DirectRecord):
    """A provider offers capacity by a signed record."""

    topic: Literal["offers.direct"]
    terms: OfferTerms


class DirectDemand(DirectRecord):
    """An enterprise asks for capacity by a signed record."""

    topic: Literal["demand.direct"]
    terms: DemandTerms


class DirectReceipt(Model):
    """Where the order is on the log; the API's receipt, with its signature if there is one."""

    order_id: OrderId
    event_id: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
    topic: Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,64}$")]
    partition: Count
    offset: Count
    sha256: Sha256Hex
    recorded_at: Instant
    market_id: Slug
    key_id: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")] | None = None
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/=]{1,128}$")] | None = None


class DirectAnswered(Event):
    """What became of a signed record: accepted with a receipt, or refused with the reason."""

    participant_id: ParticipantId
    idempotency_key: IdempotencyKey | None = Field(
        default=None, description="Null if the record was not read that far"
    )
    topic: Annotated[str, StringConstraints(pattern=r"^[a-z.]{1,64}$")]
    partition: Count
    offset: Count
    outcome: Literal["accepted", "refused"]
    receipt: DirectReceipt | None = None
    reason: Reason | None = None
    field: Annotated[str, StringConstraints(max_length=200)] = ""
    value: Text = ""
    allowed: Text = ""
