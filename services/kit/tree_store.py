"""A hash tree in Postgres: tiles of 256 hashes in the table ``tree_tile`` of the caller's schema.

Every function takes the caller's connection and is part of the caller's transaction. The table is
``tree_tile (level integer, n bigint, hashes bytea, PRIMARY KEY (level, n))``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.merkle import HASH_BYTES
from services.core.tlog.tiles import (
    TILE_BYTES,
    WIDTH,
    consistency_spans,
    frontier_of,
    grow,
    inclusion_spans,
    roots,
    tiles_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.kit.pgtypes import Conn, Pool

    Executor = Conn | Pool

# 256**8 entries are more than there ever will be.
_TAILS = """
SELECT t.level, t.n, t.hashes FROM generate_series(0, 8) AS g (level)
CROSS JOIN LATERAL (
  SELECT level, n, hashes FROM tree_tile WHERE level = g.level ORDER BY n DESC LIMIT 1
) AS t
"""
_READ = """
SELECT t.level, t.n, t.hashes FROM tree_tile AS t
JOIN unnest($1::integer[], $2::bigint[]) AS w (level, n) ON (t.level, t.n) = (w.level, w.n)
"""
_WRITE = """
INSERT INTO tree_tile (level, n, hashes)
SELECT * FROM unnest($1::integer[], $2::bigint[], $3::bytea[])
ON CONFLICT (level, n) DO UPDATE SET hashes = EXCLUDED.hashes
"""


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a stored tree.

    Attributes:
        size: Entries.
        tails: Level -> hashes of its last tile if that is partial.
    """

    size: int
    tails: Mapping[int, bytes]


async def load_edge(conn: Executor) -> Edge:
    """Return the size of the stored tree and its partial tiles."""
    size, tails = 0, {}
    for row in await conn.fetch(_TAILS):
        hashes = bytes(row["hashes"])
        if row["level"] == 0:
            size = row["n"] * WIDTH + len(hashes) // HASH_BYTES
        if len(hashes) < TILE_BYTES:
            tails[row["level"]] = hashes
    return Edge(size, tails)


async def append_leaves(conn: Conn, edge: Edge, leaves: Sequence[bytes]) -> int:
    """Append leaf hashes behind an edge; return the size afterwards."""
    changed = grow(edge.size, edge.tails, leaves)
    if changed:
        await conn.execute(
            _WRITE,
            [level for level, _ in changed],
            [n for _, n in changed],
            list(changed.values()),
        )
    return edge.size + len(leaves)


async def read_tiles(
    conn: Executor, names: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """Return the stored tiles among some names."""
    wanted = sorted(names)
    rows = await conn.fetch(_READ, [level for level, _ in wanted], [n for _, n in wanted])
    return {(row["level"], row["n"]): bytes(row["hashes"]) for row in rows}


async def root_at(conn: Executor, size: int) -> bytes:
    """Return the root of the stored tree's first ``size`` entries.

    Raises:
        NoteError: if the tree is smaller.
    """
    tiles = await read_tiles(conn, tiles_of([(0, size)]))
    return frontier_of(size, tiles).root()


async def consistency_proof(conn: Executor, old_size: int, size: int) -> list[bytes]:
    """Return the proof that the first ``size`` entries extend the first ``old_size``.

    Raises:
        NoteError: if the tree is smaller.
    """
    spans = consistency_spans(old_size, size)
    return roots(spans, await read_tiles(conn, tiles_of(spans)))


async def inclusion_proof(conn: Executor, index: int, size: int) -> list[bytes]:
    """Return the audit path of an entry in the tree of the first ``size`` entries.

    Raises:
        NoteError: if the tree is smaller.
    """
    spans = inclusion_spans(index, size)
    return roots(spans, await read_tiles(conn, tiles_of(spans)))
