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

# A book has the key if policies are in it, and no string in a file has an unescaped quote.
_RULED = b'"policies":['
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
            digest, size, is_ruled = _looked_at(pieces)
            state = "ok" if digest == row["file_sha256"] else "corrupt"
            known = is_ruled if state == "ok" else None
            await conn.execute(SQL.set_file_state, round_id, state, size, known)


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


def _looked_at(pieces: Sequence[bytes]) -> tuple[str, int, bool]:
    """Return the hash of a file, empty if it is broken, its size, and whether policies ruled it."""
    unpack, digest, size, is_ruled = zlib.decompressobj(), hashlib.sha256(), 0, False
    before = b""
    try:
        for chunk in _whole(unpack, pieces):
            digest.update(chunk)
            size += len(chunk)
            # The key may lie across two chunks.
            is_ruled = is_ruled or _RULED in chunk or _RULED in before + chunk[: len(_RULED)]
            before = (before + chunk)[-len(_RULED) :]
    except zlib.error:
        return "", size, False
    return digest.hexdigest() if unpack.eof else "", size, is_ruled


def _whole(unpack: zlib._Decompress, pieces: Sequence[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from _steps(unpack, piece)
    yield unpack.flush()


def _steps(unpack: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    rest = data
    while rest:
        chunk = unpack.decompress(rest, _STEP_BYTES)
        if chunk:
            yield chunk
        rest = unpack.unconsumed_tail
