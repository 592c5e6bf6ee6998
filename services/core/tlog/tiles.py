"""Tiles: a tree's hashes in pieces of 256, and the proofs that are computed from them.

Source: C2SP tlog-tiles, RFC 6962 section 2.1. A tile is named by (level, n); the hashes of
``tiles[level, n]`` are the roots of 256**level entries each, one after the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.merkle import HASH_BYTES, Frontier, node_hash
from services.core.tlog.notes import NoteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WIDTH = 256
TILE_BYTES = WIDTH * HASH_BYTES
ENTRY_BYTES_MAX = 65_535
LEVEL_MAX = 63

_HEIGHT = 8
_PATH = re.compile(
    r"(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class TilePath:
    """The name of a tile or of a bundle of entries.

    Attributes:
        level: Level, ``None`` for a bundle of entries.
        n: Number within the level.
        width: Hashes or entries, 1 to 256.
    """

    level: int | None
    n: int
    width: int = WIDTH

    def __str__(self) -> str:
        digits = f"{self.n % 1000:03}"
        rest = self.n // 1000
        while rest:
            digits = f"x{rest % 1000:03}/{digits}"
            rest //= 1000
        level = "entries" if self.level is None else self.level
        return f"{level}/{digits}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, text: str) -> TilePath:
        """Return the name of a path below ``tile/``.

        Raises:
            NoteError: if it is none, or not in its one form.
        """
        match = _PATH.fullmatch(text)
        if match is None:
            raise NoteError(f"a tile must be level/x000/000[.p/width], was {text[:80]!r}")
        level = None if match[1] == "entries" else int(match[1])
        n = int(match[2].replace("x", "").replace("/", ""))
        path = cls(level, n, int(match[3]) if match[3] else WIDTH)
        if str(path) != text or path.width > WIDTH or (level or 0) > LEVEL_MAX:
            raise NoteError(f"a tile must be named in its one form, was {text[:80]!r}")
        return path


def width_in(size: int, level: int, n: int) -> int:
    """Return how many hashes tile (level, n) has in a tree of ``size`` entries, 0 if none."""
    return max(0, min(WIDTH, (size >> (_HEIGHT * level)) - n * WIDTH))


def grow(
    size: int, tails: Mapping[int, bytes], leaves: Sequence[bytes]
) -> dict[tuple[int, int], bytes]:
    """Return the tiles that change when leaf hashes are appended.

    Args:
        size: Entries before.
        tails: Level -> hashes of its last tile if that is partial.
        leaves: Hashes of the new entries.
    """
    changed: dict[tuple[int, int], bytes] = {}
    added: Sequence[bytes] = leaves
    level = 0
    while added:
        count = size >> (_HEIGHT * level)
        tail = tails.get(level, b"") if count % WIDTH else b""
        assert len(tail) == count % WIDTH * HASH_BYTES, f"tail of level {level} of size {size}"
        whole = tail + b"".join(added)
        first = count // WIDTH
        parents = []
        for at in range(0, len(whole), TILE_BYTES):
            tile = whole[at : at + TILE_BYTES]
            changed[level, first + at // TILE_BYTES] = tile
            if len(tile) == TILE_BYTES:
                parents.append(fold(tile))
        added = parents
        level += 1
    return changed


def fold(hashes: bytes) -> bytes:
    """Return the root over 2**k concatenated hashes."""
    level = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    assert level, "a root is of one hash or more"
    assert len(level) & (len(level) - 1) == 0, f"2**k hashes fold, was {len(level)}"
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def inclusion_spans(index: int, size: int) -> list[tuple[int, int]]:
    """Return the ranges whose roots are the audit path of an entry, leaf's neighbour first."""
    assert 0 <= index < size, f"index must be 0 to {size - 1}, was {index}"
    spans = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def consistency_spans(old_size: int, size: int) -> list[tuple[int, int]]:
    """Return the ranges whose roots prove that a tree extends an older one; of size 0, none."""
    assert 0 <= old_size <= size, f"old size must be 0 to {size}, was {old_size}"
    if old_size in (0, size):
        return []
    spans = []
    start, end = 0, size
    whole = True
    while old_size < end:
        middle = start + _split(end - start)
        if old_size <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
            whole = False
    if not whole:
        spans.append((start, end))
    return spans[::-1]


def tiles_of(spans: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the tiles from which the roots of ranges can be computed."""
    found = set()
    for start, end in spans:
        for height, n in _pieces(start, end):
            level, rest = divmod(height, _HEIGHT)
            found.add((level, (n << rest) // WIDTH))
    return found


def roots(spans: Iterable[tuple[int, int]], tiles: Mapping[tuple[int, int], bytes]) -> list[bytes]:
    """Return the roots of ranges.

    Raises:
        NoteError: if a tile is missing or too short.
    """
    return [_span_root(start, end, tiles) for start, end in spans]


def frontier_of(size: int, tiles: Mapping[tuple[int, int], bytes]) -> Frontier:
    """Return the frontier of a tree from its tiles.

    Raises:
        NoteError: if a tile is missing or too short.
    """
    return Frontier(size, tuple(_piece_root(*piece, tiles) for piece in _pieces(0, size)))


def pack_bundle(entries: Iterable[bytes]) -> bytes:
    """Return entries as a bundle: each with its length in two bytes before it."""
    parts = []
    for entry in entries:
        assert len(entry) <= ENTRY_BYTES_MAX, f"an entry of {len(entry)} bytes"
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def unpack_bundle(raw: bytes) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        NoteError: if it ends in the middle of one.
    """
    found = []
    at = 0
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 2], "big")
        entry = raw[at + 2 : at + 2 + length]
        if len(entry) != length or at + 2 > len(raw):
            raise NoteError(f"a bundle must end with its last entry, was cut at {at}")
        found.append(entry)
        at += 2 + length
    return found


def _span_root(start: int, end: int, tiles: Mapping[tuple[int, int], bytes]) -> bytes:
    *lefts, node = [_piece_root(*piece, tiles) for piece in _pieces(start, end)]
    for left in reversed(lefts):
        node = node_hash(left, node)
    return node


def _pieces(start: int, end: int) -> list[tuple[int, int]]:
    """Return the perfect subtrees (height, n) that a range of the tree is made of."""
    found = []
    while start < end:
        height = (end - start).bit_length() - 1
        found.append((height, start >> height))
        start += 1 << height
    return found


def _piece_root(height: int, n: int, tiles: Mapping[tuple[int, int], bytes]) -> bytes:
    level, rest = divmod(height, _HEIGHT)
    tile, first = divmod(n << rest, WIDTH)
    raw = tiles.get((level, tile), b"")
    part = raw[first * HASH_BYTES : (first + (1 << rest)) * HASH_BYTES]
    if len(part) != HASH_BYTES << rest:
        raise NoteError(f"tile {level}/{tile} must have {first + (1 << rest)} hashes, was shorter")
    return fold(part)


def _split(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)
