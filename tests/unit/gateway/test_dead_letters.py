"""What a dead letter tells, whatever a stranger wrote into it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.gateway.adapters.dead_letters import _letter
from services.kit.records import Record

NUMBERS = ("dlq_partition", "dlq_offset", "dlq_bytes")


def record(timestamp_ms: int, **headers: bytes) -> Record:
    return Record("dead-letters", 1, 7, timestamp_ms, b"k", b"v", tuple(headers.items()))


@pytest.mark.parametrize("text", ["9" * 500, "-1", "1e9", "\u0663", "", "\0", "many"])
def test_a_number_that_is_none_is_nought(text: str) -> None:
    told = _letter(record(0, **dict.fromkeys(NUMBERS, text.encode())))
    assert told[7:10] == (0, 0, 0)


@pytest.mark.parametrize("timestamp_ms", [-(10**18), -1, 10**18, 2**63 - 1])
def test_an_instant_that_is_none_is_at_the_edge_of_the_calendar(timestamp_ms: int) -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) <= _letter(record(timestamp_ms))[10]
    assert _letter(record(timestamp_ms))[10] <= datetime(2100, 1, 1, tzinfo=UTC)


def test_its_reason_is_told_without_what_a_database_cannot_hold() -> None:
    told = _letter(record(1_000, dlq_reason=b"bad\0\xff", dlq_offset=b"17", other=b"x"))
    assert told[:3] == (1, 7, "bad\\0\ufffd")
    assert told[8] == 17
