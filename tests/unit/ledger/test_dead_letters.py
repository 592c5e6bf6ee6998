"""A dead letter always fits the broker: one that does not would stop the outbox for ever."""

from __future__ import annotations

import pytest

from schemas.codec import DecodeError
from services.kit.records import Record
from services.ledger.findings import dead_letter

# Kafka's message.max.bytes and what aiokafka's producer takes.
BROKER_BYTES_MAX = 1_000_000


@pytest.mark.parametrize("value_bytes", [0, 500_000])
@pytest.mark.parametrize("per_header", [(1, 500_000), (500_000, 1)])
def test_a_letter_of_the_largest_record_fits_the_broker(
    value_bytes: int, per_header: tuple[int, int]
) -> None:
    name_bytes, raw_bytes = per_header
    headers = (("n" * name_bytes, b"r" * raw_bytes),)
    record = Record("demand", 0, 7, 0, b"k" * 5000, b"v" * value_bytes, headers)

    letter = dead_letter(record, DecodeError("too_large", "value", "x", "less"))

    size = len(letter.key) + len(letter.value)
    size += sum(len(name.encode()) + len(raw) for name, raw in letter.headers)
    assert size < BROKER_BYTES_MAX
    assert ("dlq_reason", b"too_large") in letter.headers
