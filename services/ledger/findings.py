"""What goes wrong, made visible: dead letters for records, findings for broken rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.codec import DecodeError, decode, derive_id
from schemas.events import FindingRaised, Reason
from schemas.registry import BY_MODEL
from services.core.errors import DomainError, Message, SettleError
from services.kit.dead_letters import dead_letter_facts
from services.kit.kafka import OutRecord

if TYPE_CHECKING:
    from schemas.codec import Envelope
    from services.kit.kafka import Record
    from services.ledger.books import Books

# The broker takes a megabyte; with headers and the reason added, a letter must still fit, or it
# would stop the outbox for ever.
_LETTER_BYTES_MAX = 512 * 1024
_HEADER_BYTES_MAX = 64 * 1024
_TEXT_MAX = 1000
_YEARS = range(2020, 2101)
_YEARS_ALLOWED = "2020 to 2100"
# Matching reads every record of these too, and buries what is no event.
_BURIED_BY_MATCHING = ("offers", "demand", "policies")


def read(record: Record) -> Envelope:
    """Return the event of a record.

    Raises:
        DecodeError: if it is no event that this topic may carry.
    """
    envelope = decode(record.value, record.headers)
    row = BY_MODEL[type(envelope.data)]
    if row.topic != record.topic:
        raise DecodeError("wrong_topic", "ce_type", row.type, f"a type of topic {record.topic}")
    if envelope.occurred_at.year not in _YEARS:
        raise DecodeError(
            "missing_attribute", "ce_time", envelope.occurred_at.isoformat(), _YEARS_ALLOWED
        )
    return envelope


def is_buried_by_matching(record: Record, error: DecodeError) -> bool:
    """Return whether matching writes the dead letter, so that there is one and not two."""
    # Only the ledger minds the year.
    return record.topic in _BURIED_BY_MATCHING and error.allowed != _YEARS_ALLOWED


def dead_letter(record: Record, error: DecodeError | DomainError) -> OutRecord:
    """Return the record for the dead letters: its bytes, and why nobody took it."""
    value = record.value or b""
    reason = dead_letter_facts("ledger", record, error)
    added = tuple((name, text.encode(errors="replace")) for name, text in reason.items())
    kept = tuple((name, raw) for name, raw in record.headers if raw is not None)
    if sum(len(name.encode()) + len(raw) for name, raw in kept) > _HEADER_BYTES_MAX:
        kept = ()
    return OutRecord(
        "dead-letters", (record.key or b"")[:1024], value[:_LETTER_BYTES_MAX], kept + added
    )


def broken(code: str, message: Message, field: str, value: object, allowed: str) -> SettleError:
    """Return the error of a broken rule of the ledger."""
    return SettleError(code, message, field=field, value=str(value), allowed=allowed)


def raise_finding(
    books: Books, cause: Envelope, error: DomainError, market_id: str, round_id: str | None = None
) -> None:
    """Queue a finding about a broken rule; the same break gives the same id."""
    params = {"field": error.field, "value": error.value, "allowed": error.allowed}
    books.emit(
        FindingRaised(
            finding_id=derive_id("ledger", error.code, market_id, round_id or "", cause.id),
            market_id=market_id,
            round_id=round_id,
            kind="journal_refuted",
            ok=False,
            summary=Reason(
                code=error.code,
                en=error.message.en[:_TEXT_MAX],
                zh=error.message.zh[:_TEXT_MAX],
                params=dict(params),
            ),
            problems=(error.message.en[:_TEXT_MAX],),
        ),
        cause,
        error.code,
    )
