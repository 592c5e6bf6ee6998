"""Round files: pieces from the log, checked once they are whole, streamed on request."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from typing import TYPE_CHECKING

from services.gateway.adapters.queries import SQL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from datetime import datetime

    from schemas.events import RoundFilePart
    from services.gateway.ports import Reports
    from services.kit.postgres import Conn

# What one step of decompression may yield; zlib can blow 64 KiB up a thousandfold.
_STEP_BYTES = 256 * 1024


async def put_file_parts(conn: Conn, found: Sequence[tuple[RoundFilePart, datetime]]) -> None:
    """Store pieces; check the hash of every file that they make whole."""
    rounds: dict[str, None] = {}
    for part, occurred_at in found:
        seq = int(part.round_id.rpartition(":")[2])
        await conn.execute(
            SQL.put_round_file, part.round_id, part.market_id, seq, occurred_at, part.sha256
        )
        try:
            data = base64.b64decode(part.data, validate=True)
        except binascii.Error:
            # Kept as nothing: the hash will not agree, and the round says so.
            data = b""
        await conn.execute(SQL.put_file_part, part.round_id, part.part, part.parts, data)
        rounds[part.round_id] = None
    for round_id in rounds:
        row = await conn.fetchrow(SQL.file_parts_have, round_id)
        if row is not None and row["whole"] and row["file_state"] == "partial":
            pieces = [piece["data"] for piece in await conn.fetch(SQL.file_parts, round_id)]
            digest, size = _digest(pieces)
            state = "ok" if digest == row["file_sha256"] else "corrupt"
            await conn.execute(SQL.set_file_state, round_id, state, size)


async def stream_file(reports: Reports, round_id: str) -> AsyncIterator[bytes]:
    """Yield a round's file, piece by piece, decompressed."""
    unpack = zlib.decompressobj()
    part = 0
    while (data := await reports.file_part(round_id, part)) is not None:
        for chunk in _steps(unpack, data):
            yield chunk
        part += 1
    if rest := unpack.flush():
        yield rest


def _digest(pieces: Sequence[bytes]) -> tuple[str, int]:
    unpack, digest, size = zlib.decompressobj(), hashlib.sha256(), 0
    try:
        for piece in pieces:
            for chunk in _steps(unpack, piece):
                digest.update(chunk)
                size += len(chunk)
        rest = unpack.flush()
        digest.update(rest)
        size += len(rest)
    except zlib.error:
        return "", size
    return digest.hexdigest() if unpack.eof else "", size


def _steps(unpack: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    rest = data
    while rest:
        chunk = unpack.decompress(rest, _STEP_BYTES)
        if chunk:
            yield chunk
        rest = unpack.unconsumed_tail
