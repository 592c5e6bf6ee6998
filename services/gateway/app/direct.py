"""Judging signed records: whose they are, whether they count, and what became of them.

A broker does not tell a reader who wrote a record, so the signature is the identity. Whether a
record came in time is judged by the broker's stamp, so that reading it again gives the same
verdict however much later that is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.api import Receipt
from schemas.codec import DecodeError, decode
from schemas.direct import (
    KEY_HEADER,
    SIGNATURE_HEADER,
    VALID_S_MAX,
    DirectAnswered,
    DirectDemand,
    DirectOffer,
    DirectReceipt,
    DirectRecord,
    signed_bytes,
)
from schemas.events import Reason
from schemas.types import MESSAGE_BYTES_MAX, Role, Side
from services.core.direct_audit import cause_of
from services.core.errors import AuthError, DomainError, Message
from services.gateway.app.orders import Submission
from services.gateway.errors import BusyError, UnavailableError, must_be
from services.gateway.ports import Principal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from services.gateway.app.orders import OrderCommands
    from services.kit.records import Record

    VerifyEd25519 = Callable[[bytes, bytes, bytes], bool]

STATUS_TOPIC = "direct-status"
# Clocks of participants may be this far ahead of the broker's.
_SKEW_S_MAX = 60
_REGISTERED = Message("a registered key", "已登记的密钥")
_A_TYPE = Message("a type of signed record", "已签名记录的类型")
_IN_FORCE = Message("a key that is not revoked", "未吊销的密钥")
_ACTIVE = Message("an active one", "有效的参与方")
_SIDE = {"offers.direct": Side.OFFER, "demand.direct": Side.DEMAND}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key as registered for one participant.

    Attributes:
        public: The 32 raw bytes.
        principal: The participant that it signs for.
        revoked: Whether it counts no more.
    """

    public: bytes
    principal: Principal
    revoked: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """A record that is what it says: signed, in time, at its place.

    Attributes:
        record: As read.
        principal: Whose it is.
        body: What it says.
        traceparent: Trace context that its writer gave.
    """

    record: Record
    principal: Principal
    body: DirectRecord
    traceparent: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is none of an order.

    Attributes:
        record: As read.
        error: Why.
        owner: Who is told; ``None`` if nobody knows whose it is.
        key: Its idempotency key, if it was read that far.
    """

    record: Record
    error: DomainError
    owner: str | None = None
    key: str | None = None


def key_id_of(public: bytes) -> str:
    """Return the id of a public key: the start of its hash."""
    return f"dk_{hashlib.sha256(public).hexdigest()[:32]}"


def key_ids_of(records: Sequence[Record]) -> list[str]:
    """Return the key ids that records name."""
    named = {_header(record, KEY_HEADER) for record in records}
    return sorted(named - {""})


class Judge:
    """Judges records by the keys that are registered.

    Args:
        keys: Key id -> its registrations, one per participant.
        verify: Returns whether a signature by a public key fits a message.
    """

    def __init__(self, keys: Mapping[str, Sequence[SigningKey]], verify: VerifyEd25519) -> None:
        self._keys = keys
        self._verify = verify

    def judge(self, record: Record) -> Wanted | Refused:
        """Return what a record wants, or why it counts for nothing."""
        value = record.value or b""
        if len(value) > MESSAGE_BYTES_MAX:
            most = MESSAGE_BYTES_MAX
            allowed = Message(f"at most {most} bytes", f"至多 {most} 字节")
            return Refused(record, _wrong("too_large", "value", f"{len(value)} bytes", allowed))
        key_id = _header(record, KEY_HEADER)
        held = self._keys.get(key_id, ())
        if not held:
            found = key_id or "absent"
            return Refused(record, _wrong("unknown_key", KEY_HEADER, found, _REGISTERED))
        # One owner as a rule; of several nobody can be told until the record says for whom.
        owner = held[0].principal.participant_id if len(held) == 1 else None
        signed = signed_bytes(_header(record, "ce_type"), value)
        if not self._verify(held[0].public, _signature(record), signed):
            allowed = Message(
                "the signature of type and value by that key", "该密钥对类型与内容的签名"
            )
            return Refused(record, _wrong("forged", SIGNATURE_HEADER, "another", allowed), owner)
        try:
            envelope = decode(value, record.headers)
        except DecodeError as error:
            wrong = _wrong(
                error.code, error.field, error.value, Message(error.allowed, error.allowed)
            )
            return Refused(record, wrong, owner)
        body = envelope.data
        if not isinstance(body, DirectRecord):
            kind = _header(record, "ce_type")
            return Refused(record, _wrong("wrong_type", "ce_type", kind, _A_TYPE), owner)
        mine = [one for one in held if one.principal.participant_id == body.participant_id]
        if not mine:
            allowed = Message(
                "the participant that the key is registered for", "该密钥所登记的参与方"
            )
            wrong = _wrong("wrong_participant", "participant_id", body.participant_id, allowed)
            return Refused(record, wrong, owner)
        misplaced = _place_or_time(record, body, revoked=mine[0].revoked)
        if misplaced is not None:
            return Refused(record, misplaced, body.participant_id, body.idempotency_key)
        return Wanted(record, mine[0].principal, body, envelope.traceparent)


def _place_or_time(record: Record, body: DirectRecord, *, revoked: bool) -> AuthError | None:
    topic = "offers.direct" if isinstance(body, DirectOffer) else "demand.direct"
    key = (record.key or b"").decode(errors="replace")[:200]
    arrived_s = record.timestamp_ms / 1000
    issued_s, expires_s = body.issued_at.timestamp(), body.expires_at.timestamp()
    arrived = datetime.fromtimestamp(arrived_s, UTC).isoformat()
    checks = (
        (not revoked, "revoked_key", KEY_HEADER, "revoked", _IN_FORCE),
        (record.topic == topic, "wrong_topic", "topic", record.topic, Message(topic, topic)),
        (
            key == body.market_id,
            "wrong_market",
            "key",
            key,
            Message(f"{body.market_id}, as signed", f"所签名的 {body.market_id}"),
        ),
        (
            issued_s < expires_s <= issued_s + VALID_S_MAX,
            "validity",
            "expires_at",
            body.expires_at.isoformat(),
            Message(
                f"after issued_at by at most {VALID_S_MAX} seconds",
                f"晚于 issued_at 且至多 {VALID_S_MAX} 秒",
            ),
        ),
        (
            issued_s <= arrived_s + _SKEW_S_MAX,
            "not_yet",
            "issued_at",
            body.issued_at.isoformat(),
            Message(
                f"at most {_SKEW_S_MAX} seconds after the record arrived ({arrived})",
                f"至多在记录到达（{arrived}）之后 {_SKEW_S_MAX} 秒",
            ),
        ),
        (
            arrived_s <= expires_s,
            "expired",
            "expires_at",
            body.expires_at.isoformat(),
            Message(
                f"not before the record arrived ({arrived})", f"不早于记录到达的时刻（{arrived}）"
            ),
        ),
    )
    for holds, code, field, value, allowed in checks:
        if not holds:
            return _wrong(code, field, value, allowed)
    return None


class DirectOrders:
    """Brings what signed records want onto the log, by the path of the API's orders.

    Args:
        orders: Submits; its claims survive a restart of this reader.
    """

    def __init__(self, orders: OrderCommands) -> None:
        self._orders = orders

    async def submit(self, wanted: Sequence[Wanted]) -> list[DirectAnswered]:
        """Submit and return the answers, in the order of ``wanted``.

        Raises:
            UnavailableError: if it is not known whether all were written; ask again.
            BusyError: if another asks for the same at this moment; ask again.
        """
        groups: dict[tuple[str, Side, int], list[int]] = {}
        uses: dict[tuple[str, str], int] = {}
        for index, item in enumerate(wanted):
            participant_id = item.principal.participant_id
            # A key that comes again is submitted again after its first use was decided, so that
            # an answer does not depend on which records were read together.
            used = (participant_id, item.body.idempotency_key)
            uses[used] = uses.get(used, -1) + 1
            group = (participant_id, _SIDE[item.record.topic], uses[used])
            groups.setdefault(group, []).append(index)
        answers: dict[int, DirectAnswered] = {}
        for (_, side, _), indexes in sorted(groups.items(), key=lambda found: found[0][2]):
            answers |= await self._submit([(index, wanted[index]) for index in indexes], side)
        return [answers[index] for index in range(len(wanted))]

    async def _submit(
        self, items: Sequence[tuple[int, Wanted]], side: Side
    ) -> dict[int, DirectAnswered]:
        submissions = [_submission(item) for _, item in items]
        first = items[0][1]
        try:
            _require_active(first.principal)
            outcomes = await self._orders.submit(
                first.principal, side, submissions, first.traceparent
            )
        except AuthError as error:
            # Of the whole participant: suspended, or of another role.
            outcomes = [error] * len(items)
        answers = {}
        for (index, item), outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, UnavailableError | BusyError):
                raise outcome
            answers[index] = (
                accepted(item, outcome)
                if isinstance(outcome, Receipt)
                else _refusal(item.record, outcome, item.body.participant_id, item.body)
            )
        return answers


def _submission(item: Wanted) -> Submission:
    record, body = item.record, item.body
    assert isinstance(body, DirectOffer | DirectDemand)
    # So that whoever has the log finds the signature behind the order.
    cause = cause_of(record.topic, record.partition, record.offset)
    return Submission(body.idempotency_key, body.market_id, body.terms, cause)


def _require_active(principal: Principal) -> None:
    if not principal.active:
        raise _wrong("suspended", "participant_id", principal.participant_id, _ACTIVE)


def accepted(item: Wanted, receipt: Receipt) -> DirectAnswered:
    """Return the answer to a record that became an order."""
    return DirectAnswered(
        participant_id=item.body.participant_id,
        idempotency_key=item.body.idempotency_key,
        topic=item.record.topic,
        partition=item.record.partition,
        offset=item.record.offset,
        outcome="accepted",
        receipt=DirectReceipt.model_validate(
            receipt.model_dump(include=set(DirectReceipt.model_fields))
        ),
    )


def refused(item: Refused) -> DirectAnswered | None:
    """Return the answer to a record that counts for nothing, if anybody is to be told."""
    if item.owner is None:
        return None
    answer = _refusal(item.record, item.error, item.owner, None)
    return answer.model_copy(update={"idempotency_key": item.key})


def _refusal(
    record: Record, error: DomainError, owner: str, body: DirectRecord | None
) -> DirectAnswered:
    return DirectAnswered(
        participant_id=owner,
        idempotency_key=None if body is None else body.idempotency_key,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        outcome="refused",
        reason=Reason(
            code=error.code,
            en=_text(error.message.en, 1000),
            zh=_text(error.message.zh, 1000),
        ),
        field=_text(error.field, 200),
        value=_text(error.value, 200),
        allowed=_text(error.allowed, 1000),
    )


def _text(value: str, length: int) -> str:
    return value.replace("\0", "\\0")[:length]


def _wrong(code: str, field: str, value: str, allowed: Message) -> AuthError:
    message = must_be(field, value, allowed)
    return AuthError(f"direct.{code}", message, field=field, value=value, allowed=allowed.en)


def _header(record: Record, name: str) -> str:
    # The last of several counts, as in `schemas.codec.decode`.
    found = dict(record.headers).get(name) or b""
    return found.decode(errors="replace") if len(found) <= 200 else ""


def _signature(record: Record) -> bytes:
    try:
        return base64.b64decode(_header(record, SIGNATURE_HEADER), validate=True)
    except (binascii.Error, ValueError):
        return b""


def principal_of(participant_id: str, role: str, key_id: str, *, active: bool) -> Principal:
    """Return who acts by a signing key."""
    return Principal(participant_id, Role(role), key_id, active)
