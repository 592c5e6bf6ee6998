"""What goes into the log and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Headers: TypeAlias = tuple[tuple[str, bytes], ...]

Positions: TypeAlias = dict[tuple[str, int], int]
"""(topic, partition) -> offset of the next record to read; topics without prefix."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read.

    Attributes:
        topic: Topic without the configured prefix.
        partition: Partition of the topic.
        offset: Position in the partition.
        timestamp_ms: When it was written, milliseconds since the epoch; the producer's claim.
        key: Partition key.
        value: Body as bytes, never parsed here.
        headers: (name, bytes) in their order; a name may occur more than once.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class OutRecord:
    """A record to write.

    Attributes:
        topic: Topic without the configured prefix.
        key: Partition key; the same key keeps its order.
        value: Body.
        headers: (name, bytes) in their order.
    """

    topic: str
    key: bytes
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of where a record was written.

    Attributes:
        topic: Topic without the configured prefix.
        partition: Partition that its key led to.
        offset: Position in the partition.
        sha256: Hexadecimal SHA-256 of the value.
    """

    topic: str
    partition: int
    offset: int
    sha256: str
