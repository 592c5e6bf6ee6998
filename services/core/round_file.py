"""The round file as it travels: compressed, cut into parts, and put together again."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import TYPE_CHECKING

from schemas import events

if TYPE_CHECKING:
    from collections.abc import Sequence

# Base64 makes 4 characters of 3 bytes; 45,000 bytes fit the 60,000 that a part may hold.
_FILE_PART_BYTES = 45_000


def round_file(book: bytes, rules: bytes, result: bytes) -> bytes:
    """Return the round file of three canonical JSON values, itself canonical JSON."""
    parts = (b'{"book":', book, b',"format":"suanli.round.v1","result":', result)
    return b"".join((*parts, b',"rules":', rules, b"}"))


def file_events(round_id: str, market_id: str, file: bytes) -> list[events.RoundFilePart]:
    """Return a round file, compressed and cut into parts."""
    packed = zlib.compress(file, 6)
    digest = hashlib.sha256(file).hexdigest()
    starts = range(0, len(packed), _FILE_PART_BYTES)
    return [
        events.RoundFilePart(
            round_id=round_id,
            market_id=market_id,
            part=part,
            parts=len(starts),
            sha256=digest,
            data=base64.b64encode(packed[start : start + _FILE_PART_BYTES]).decode(),
        )
        for part, start in enumerate(starts)
    ]


def join_file(parts: Sequence[events.RoundFilePart], bytes_max: int) -> bytes:
    """Return the round file of its parts, in any order.

    Args:
        parts: All parts of one file.
        bytes_max: Largest size that is unpacked; more is refused.

    Raises:
        ValueError: if a part is missing, the data is not zlib, the size is passed or the
            digest differs.
    """
    ordered = sorted(parts, key=lambda part: part.part)
    numbers = [part.part for part in ordered]
    wanted = list(range(ordered[0].parts))
    if numbers != wanted:
        msg = f"parts must be {wanted}, was {numbers}"
        raise ValueError(msg)
    packed = b"".join(base64.b64decode(part.data, validate=True) for part in ordered)
    unpacker = zlib.decompressobj()
    try:
        file = unpacker.decompress(packed, bytes_max)
    except zlib.error as error:
        msg = f"data must be zlib, was {error}"
        raise ValueError(msg) from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        msg = f"file must be whole and at most {bytes_max} bytes"
        raise ValueError(msg)
    digest = hashlib.sha256(file).hexdigest()
    if digest != ordered[0].sha256:
        msg = f"sha256 must be {ordered[0].sha256}, was {digest}"
        raise ValueError(msg)
    return file
