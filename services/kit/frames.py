"""Frames on the pipe to a child process: a count of parts, then each part with its length.

Bytes of JSON and nothing else go over the pipe, so that neither side runs what the other sent.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

_LENGTH = struct.Struct(">Q")
# A round file of 100,000 orders is about 100 MiB of JSON.
PART_BYTES_MAX = 1 << 30
PARTS_MAX = 8


def pack(parts: Sequence[bytes]) -> bytes:
    """Return the frame of some parts."""
    assert len(parts) <= PARTS_MAX, f"{len(parts)} parts"
    return b"".join((_LENGTH.pack(len(parts)), *(_LENGTH.pack(len(p)) + p for p in parts)))


async def read(stream: asyncio.StreamReader) -> list[bytes]:
    """Return the parts of the next frame.

    Raises:
        asyncio.IncompleteReadError: if the other side is gone.
    """
    count = _checked(await stream.readexactly(_LENGTH.size), PARTS_MAX)
    parts = []
    for _ in range(count):
        length = _checked(await stream.readexactly(_LENGTH.size), PART_BYTES_MAX)
        parts.append(await stream.readexactly(length))
    return parts


def read_blocking(stream: IO[bytes]) -> list[bytes] | None:
    """Return the parts of the next frame, ``None`` if the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    parts = []
    for _ in range(_checked(head, PARTS_MAX)):
        length = _checked(stream.read(_LENGTH.size), PART_BYTES_MAX)
        parts.append(stream.read(length))
    return parts


def _checked(head: bytes, most: int) -> int:
    (number,) = _LENGTH.unpack(head)
    assert number <= most, f"frame of {number}, at most {most}"
    return int(number)
