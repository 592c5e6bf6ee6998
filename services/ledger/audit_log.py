"""The audit's look at the transparency log: every leaf, tile and head, worked out again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.merkle import HASH_BYTES, Frontier, leaf_hash
from services.core.postings import Layer, Posting, Transfer, TransferKind
from services.core.tlog.openings import is_commitment, log_entry
from services.core.tlog.tiles import TILE_BYTES, WIDTH, fold
from services.kit.tree_store import load_edge, read_tiles
from services.ledger.journal import entry_bytes
from services.ledger.state import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from services.kit.postgres import Conn, Queries

# 20 tiles: an entry's rows are about 400 bytes, so a page is two megabytes.
_LEAVES_PAGE = 20 * WIDTH
_TILES_PAGE = 64
_PROBLEMS_MAX = 20


async def scrub(conn: Conn, queries: Queries) -> tuple[Frontier, tuple[str, ...]]:
    """Rebuild the tree from the openings; compare it with rows, hashes, tiles and heads.

    Args:
        conn: Connection that reads the ledger's schema in one snapshot.
        queries: The statements beside the adapter.
    """
    frontier, problems = Frontier(), list[str]()
    while len(problems) < _PROBLEMS_MAX:
        page = await scrub_page(conn, queries, frontier)
        problems += page.problems
        frontier = page.frontier
        if page.is_last:
            break
    return frontier, tuple(problems[:_PROBLEMS_MAX])


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of the log that was looked at.

    Attributes:
        frontier: That of the log up to its end.
        is_last: Whether the log ends there.
        problems: What is wrong in it.
    """

    frontier: Frontier
    is_last: bool
    problems: tuple[str, ...]


async def scrub_page(
    conn: Conn, queries: Queries, frontier: Frontier, leaves: int = _LEAVES_PAGE
) -> Page:
    """Look at the next leaves; at the end of the log also at what must not be beyond it.

    Args:
        conn: Connection that reads the ledger's schema in one snapshot.
        queries: The statements beside the adapter.
        frontier: That of the leaves before.
        leaves: How many to look at.
    """
    in_tree = (await load_edge(conn)).size
    rows = await conn.fetch(queries.audit_leaves, frontier.size, leaves)
    if not rows:
        problems = await _missing(conn, queries, frontier.size, in_tree)
        problems += await _inner_problems(conn, in_tree)
        return Page(frontier, is_last=True, problems=tuple(problems[:_PROBLEMS_MAX]))
    told = await _told(conn, frontier.size, min(frontier.size + leaves, in_tree))
    hashes, problems = _judged(frontier.size, rows, told)
    end = frontier.size + len(hashes)
    for head in await conn.fetch(queries.audit_checkpoints, frontier.size, end):
        problems += _head_problems(head, frontier.extend(hashes[: head["size"] - frontier.size]))
    for head in await conn.fetch(queries.audit_signed, frontier.size, end):
        within = frontier.extend(hashes[: head["size"] - frontier.size])
        if within.root() != head["root"]:
            problems.append(
                f"signed head {head['size']}: root is {head['root'].hex()}, log says otherwise"
            )
    # Without a hash for what is missing, nothing behind it can be judged.
    is_last = end <= rows[-1]["idx"]
    frontier = frontier.extend(hashes)
    return Page(frontier, is_last=is_last, problems=tuple(problems[:_PROBLEMS_MAX]))


def _judged(
    first: int, rows: Sequence[asyncpg.Record], told: Sequence[bytes]
) -> tuple[list[bytes], list[str]]:
    """Return the leaf hashes of a stretch and what is wrong with its rows.

    For a leaf that is missing the tree's hash stands in, so that those behind it keep their places.
    """
    hashes: list[bytes] = []
    problems: list[str] = []
    for row in rows:
        index = first + len(hashes)
        if row["idx"] != index:
            problems.append(f"leaf {index} is missing, the next is {row['idx']}")
            hashes += told[index - first : row["idx"] - first]
            if first + len(hashes) != row["idx"]:
                break
        index = first + len(hashes)
        problems += _leaf_problems(index, row)
        hashes.append(leaf_hash(row["entry"]))
        at = index - first
        if at < len(told) and told[at] != hashes[at]:
            problems.append(f"leaf {index}: its hash is not the one in the tree")
    return hashes, problems


async def _missing(conn: Conn, queries: Queries, size: int, in_tree: int) -> list[str]:
    """Return what goes beyond the last leaf: a tail that was cut off."""
    problems = []
    if in_tree > size:
        problems.append(f"leaf {size} is missing, and all up to {in_tree - 1}: the tree has them")
    beyond = await conn.fetch(queries.audit_checkpoints_beyond, size)
    problems += [f"checkpoint of size {row['size']} is beyond the log" for row in beyond]
    beyond = await conn.fetch(queries.audit_signed_beyond, size)
    return problems + [f"signed head of size {row['size']} is beyond the log" for row in beyond]


def _leaf_problems(index: int, row: asyncpg.Record) -> list[str]:
    salt = row["opening"]
    is_salted = is_commitment(row["entry"])
    if salt is None and is_salted:
        if row["erased"]:
            return []
        return [f"leaf {index}: its opening is gone, and no reason is given"]
    if row["id"] is None:
        return [f"leaf {index}: no transfer has it"]
    told = entry_bytes(_entry_of(row), index, salt)
    if is_salted:
        if row["entry"] != log_entry(told):
            return [f"leaf {index}: its rows are not what it commits to"]
        return []
    differs = _differs(row["entry"], told)
    return [f"leaf {index}: entry and rows differ in {', '.join(differs)}"] if differs else []


def _entry_of(row: asyncpg.Record) -> Entry:
    """Return the journal entry that the rows of a leaf and its transfer tell of."""
    transfer = Transfer(
        row["id"],
        TransferKind(row["kind"]),
        row["debit"],
        row["credit"],
        row["unit"],
        row["amount"],
        row["pending_id"],
        row["reverses"],
    )
    held = row["pending_amount"]
    reserved = transfer.amount if transfer.kind is TransferKind.HOLD else -(held or 0)
    postings = []
    for layer, amount in ((Layer.PENDING, reserved), (Layer.POSTED, transfer.amount)):
        for side, sign in (("debit", 1), ("credit", -1)):
            balance = row[f"{side}_{layer.value}"]
            if balance is not None:
                # The version is that of the side's last posting; a reservation comes before.
                is_last = layer is Layer.POSTED or row[f"{side}_posted"] is None
                version = row[f"{side}_version"] - (not is_last)
                postings.append(Posting(row[side], layer, sign * amount, version, balance))
    return Entry(
        transfer,
        tuple(postings),
        row["purpose"],
        row["occurred_at"],
        row["cause"] or "",
        held,
        row["market_id"],
        row["round_id"],
        row["order_id"],
    )


def _differs(content: bytes, told: bytes) -> list[str]:
    """Return the names of what an entry of version 1 says otherwise than its rows."""
    if content == told:
        return []
    wanted = json.loads(told)
    try:
        entry = dict(json.loads(content))
    except (ValueError, TypeError):
        return ["form"]
    names = sorted(entry.keys() | wanted.keys())
    return [name for name in names if entry.get(name) != wanted.get(name)] or ["form"]


async def _told(conn: Conn, first: int, stop: int) -> list[bytes]:
    """Return the hashes that the tree got for leaves when they were booked, or some more."""
    names = [(0, n) for n in range(first // WIDTH, -(-stop // WIDTH))]
    tiles = await read_tiles(conn, names)
    whole = b"".join(tiles.get(name, b"") for name in names)
    at = first % WIDTH * HASH_BYTES
    return [whole[i : i + HASH_BYTES] for i in range(at, len(whole), HASH_BYTES)]


async def _inner_problems(conn: Conn, in_tree: int) -> list[str]:
    """Compare each inner hash with the full tile that it stands for."""
    problems = []
    level, below = 1, in_tree // WIDTH
    while below:
        for start in range(0, below, _TILES_PAGE):
            count = min(_TILES_PAGE, below - start)
            lower = await read_tiles(conn, ((level - 1, start + at) for at in range(count)))
            upper = await read_tiles(conn, {(level, (start + at) // WIDTH) for at in range(count)})
            for at in range(start, start + count):
                tile = lower.get((level - 1, at), b"")
                place = at % WIDTH * HASH_BYTES
                told = upper.get((level, at // WIDTH), b"")[place : place + HASH_BYTES]
                if len(tile) != TILE_BYTES or fold(tile) != told:
                    problems.append(f"tile {level - 1}/{at}: level {level} has another hash of it")
        level, below = level + 1, below // WIDTH
    return problems


def _head_problems(head: asyncpg.Record, frontier: Frontier) -> list[str]:
    size = head["size"]
    problems = []
    if frontier.root() != head["root"]:
        problems.append(f"checkpoint {size}: root is {head['root'].hex()}, log says otherwise")
    nodes = head["frontier"]
    kept = tuple(nodes[at : at + HASH_BYTES] for at in range(0, len(nodes), HASH_BYTES))
    if kept != frontier.nodes:
        problems.append(f"checkpoint {size}: its frontier is not the log's")
    return problems
