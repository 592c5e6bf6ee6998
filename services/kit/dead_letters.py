"""What a dead letter says of why nobody took its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.codec import DecodeError
    from services.core.errors import DomainError
    from services.kit.records import Record


def dead_letter_facts(
    consumer: str, record: Record, error: DecodeError | DomainError
) -> dict[str, str]:
    """Return header name -> text: who refused the record, where it was, and why.

    Args:
        consumer: The service that refuses it.
        record: The record.
        error: What is wrong with it.
    """
    return {
        "dlq_consumer": consumer,
        "dlq_reason": error.code,
        "dlq_field": error.field,
        "dlq_value": error.value,
        "dlq_allowed": error.allowed,
        "dlq_topic": record.topic,
        "dlq_partition": str(record.partition),
        "dlq_offset": str(record.offset),
        "dlq_bytes": str(len(record.value or b"")),
    }
