"""CloudEvents 1.0 in Kafka binary mode: headers carry the attributes, the value the body.

Source: CloudEvents Kafka protocol binding 1.0.2, section 3.2 (binary content mode).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from schemas.base import YEAR_MAX, YEAR_MIN
from schemas.registry import BY_MODEL, BY_TYPE, key_of
from schemas.types import MESSAGE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.events import Event

Headers = tuple[tuple[str, bytes], ...]

_SPEC_VERSION = "1.0"
_CONTENT_TYPE = "application/json"
_HEADER_BYTES_MAX = 512
_REQUIRED = ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who, when and why an event was made, with its body.

    Attributes:
        id: Unique per source, derived from the content or the request key.
        source: ``/suanli/<service>``.
        occurred_at: When it happened, on the market's clock.
        recorded_at: When it was written, on the wall clock.
        participant_id: Whose act it is, ``exchange`` for the exchange's own.
        correlation_id: The whole story that it belongs to.
        causation_id: Id of the event that caused it, ``""`` if a person did.
        traceparent: W3C trace context, ``""`` if none.
        data: The body.
        value: The body's bytes, if they were made already.
    """

    id: str
    source: str
    occurred_at: datetime
    recorded_at: datetime
    participant_id: str
    correlation_id: str
    causation_id: str
    traceparent: str
    data: Event
    value: bytes = field(default=b"", compare=False, repr=False)


class DecodeError(Exception):
    """A record is not an event of ours; it goes to the dead letters with these facts.

    Attributes:
        code: ``too_large``, ``missing_attribute``, ``unknown_type``, ``not_json`` or
            ``invalid_body``.
        field: Path of what is wrong.
        value: What was found, cut to 200 characters.
        allowed: What would have been accepted.
    """

    def __init__(self, code: str, field: str, value: str, allowed: str) -> None:
        """Keep the facts; the text names all three."""
        # What was found is told in events and kept in Postgres, which has no U+0000.
        field, value = field.replace("\0", "\\0"), value.replace("\0", "\\0")[:200]
        super().__init__(f"{field}: must be {allowed}, was {value}")
        self.code = code
        self.field = field
        self.value = value
        self.allowed = allowed


def derive_id(*parts: str) -> str:
    """Return an event id derived from its parts, so that a repeat gives the same id."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def encode(envelope: Envelope) -> tuple[bytes, bytes, Headers]:
    """Return (key, value, headers) of an event.

    Raises:
        AssertionError: if the body is larger than a message may be; bodies are cut into
            parts by their producers.
    """
    row = BY_MODEL[type(envelope.data)]
    value = body_of(envelope)
    assert len(value) <= MESSAGE_BYTES_MAX, f"{row.type} of {len(value)} bytes"
    return key_of(envelope.data), value, headers_of(envelope)


def body_of(envelope: Envelope) -> bytes:
    """Return the JSON of an event's body, which may have been made already."""
    return envelope.value or envelope.data.model_dump_json().encode()


def headers_of(envelope: Envelope) -> Headers:
    """Return the headers of an event, for a producer that has the body's bytes already."""
    attributes = {
        "content-type": _CONTENT_TYPE,
        "ce_specversion": _SPEC_VERSION,
        "ce_id": envelope.id,
        "ce_type": BY_MODEL[type(envelope.data)].type,
        "ce_source": envelope.source,
        "ce_time": iso(envelope.occurred_at),
        "ce_recordedtime": iso(envelope.recorded_at),
        "ce_participantid": envelope.participant_id,
        "ce_correlationid": envelope.correlation_id,
    }
    if envelope.causation_id:
        attributes["ce_causationid"] = envelope.causation_id
    if envelope.traceparent:
        attributes["ce_traceparent"] = envelope.traceparent
    return tuple((name, text.encode()) for name, text in attributes.items())


def decode(value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Envelope:
    """Return the event of a record.

    Raises:
        DecodeError: if the record is too large, has no or unknown attributes, or its body
            does not fit the closed schema of its type.
    """
    body = value or b""
    if len(body) > MESSAGE_BYTES_MAX:
        raise DecodeError(
            "too_large", "value", f"{len(body)} bytes", f"at most {MESSAGE_BYTES_MAX} bytes"
        )
    attributes = _attributes(headers)
    row = BY_TYPE.get(attributes["ce_type"])
    if row is None:
        raise DecodeError("unknown_type", "ce_type", attributes["ce_type"], "a registered type")
    try:
        data = row.model.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(error) from None
    return Envelope(
        id=attributes["ce_id"],
        source=attributes["ce_source"],
        occurred_at=_instant("ce_time", attributes["ce_time"]),
        recorded_at=_instant(
            "ce_recordedtime", attributes.get("ce_recordedtime", attributes["ce_time"])
        ),
        participant_id=attributes.get("ce_participantid", ""),
        correlation_id=attributes.get("ce_correlationid", attributes["ce_id"]),
        causation_id=attributes.get("ce_causationid", ""),
        traceparent=attributes.get("ce_traceparent", ""),
        data=data,
    )


def _attributes(headers: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, raw in headers:
        if not name.startswith("ce_"):
            continue
        if raw is None or len(raw) > _HEADER_BYTES_MAX:
            size = 0 if raw is None else len(raw)
            raise DecodeError(
                "missing_attribute", name, f"{size} bytes", f"1 to {_HEADER_BYTES_MAX} bytes"
            )
        try:
            attributes[name] = raw.decode()
        except UnicodeDecodeError:
            raise DecodeError("missing_attribute", name, repr(raw[:50]), "UTF-8") from None
        if "\0" in attributes[name]:
            raise DecodeError("missing_attribute", name, attributes[name], "text without U+0000")
    for name in _REQUIRED:
        if not attributes.get(name):
            raise DecodeError("missing_attribute", name, "nothing", "a CloudEvents attribute")
    if attributes["ce_specversion"] != _SPEC_VERSION:
        raise DecodeError(
            "missing_attribute", "ce_specversion", attributes["ce_specversion"], _SPEC_VERSION
        )
    return attributes


def _invalid(error: ValidationError) -> DecodeError:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "value"
    code = "not_json" if first["type"] == "json_invalid" else "invalid_body"
    return DecodeError(code, field, repr(first.get("input")), _allowed(first["msg"]))


def _allowed(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input should be ")


def _instant(name: str, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    # A year at the edge of the calendar has no UTC form, and no event of ours is from there.
    if instant is None or instant.tzinfo is None or not YEAR_MIN <= instant.year <= YEAR_MAX:
        raise DecodeError(
            "missing_attribute",
            name,
            text,
            f"an ISO 8601 instant with time zone, {YEAR_MIN} to {YEAR_MAX}",
        )
    return instant.astimezone(UTC)


def iso(instant: datetime) -> str:
    """Return an instant as the wire has it: ISO 8601 in UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
