"""The hash tree of RFC 6962 (section 2.1): roots, inclusion and consistency proofs.

A log is a sequence of entries. Its root commits to all of them; an inclusion proof shows that
an entry is under a root, a consistency proof shows that a root extends an earlier one. A
`Frontier` is the least that must be kept to append and to know the root: one hash per set bit
of the size.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HASH_BYTES = 32

# RFC 6962 2.1: the two prefixes keep a leaf from being passed off as an inner node.
_LEAF_PREFIX = b"\x00"
_NODE_PREFIX = b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of an entry: SHA-256(0x00 || entry)."""
    return hashlib.sha256(_LEAF_PREFIX + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(_NODE_PREFIX + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The perfect subtrees that a log of ``size`` entries is made of.

    Attributes:
        size: Number of entries.
        nodes: Roots of the perfect subtrees, largest first; one per set bit of ``size``.
    """

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.nodes) == self.size.bit_count(), "one node per set bit of the size"

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """Return the frontier after appending leaf hashes; amortised O(1) hashes a leaf."""
        size, nodes = self.size, list(self.nodes)
        for leaf in leaves:
            node, full = leaf, size
            while full & 1:
                node = node_hash(nodes.pop(), node)
                full >>= 1
            nodes.append(node)
            size += 1
        return Frontier(size, tuple(nodes))

    def root(self) -> bytes:
        """Return the log's root in O(log size) hashes; of nothing, the hash of nothing."""
        if not self.nodes:
            return hashlib.sha256(b"").digest()
        node = self.nodes[-1]
        for left in reversed(self.nodes[:-1]):
            node = node_hash(left, node)
        return node


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    return Frontier().extend(leaves).root()


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the audit path of an entry (RFC 6962 2.1.1), leaf's neighbour first.

    Raises:
        AssertionError: if the index is not in the log.
    """
    assert 0 <= index < len(leaves), f"index must be 0 to {len(leaves) - 1}, was {index}"
    path: list[bytes] = []
    start, end = 0, len(leaves)
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root(leaves[middle:end]))
            end = middle
        else:
            path.append(root(leaves[start:middle]))
            start = middle
    return tuple(reversed(path))


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root_hash: bytes
) -> bool:
    """Tell whether a leaf hash is entry ``index`` under a root over ``size`` entries.

    Source: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    first, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            node = node_hash(sibling, node)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and node == root_hash


def consistency_proof(old_size: int, leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the proof that the log extends its first ``old_size`` entries (RFC 6962 2.1.2).

    Raises:
        AssertionError: if the old log is empty or longer than the new one.
    """
    assert 0 < old_size <= len(leaves), f"old size must be 1 to {len(leaves)}, was {old_size}"
    path: list[bytes] = []
    start, end = 0, len(leaves)
    whole = True  # The subtree's old part is a tree the verifier already knows.
    while old_size < end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(root(leaves[middle:end]))
            end = middle
        else:
            path.append(root(leaves[start:middle]))
            start = middle
            whole = False
    if not whole:
        path.append(root(leaves[start:end]))
    return tuple(reversed(path))


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether the log of ``new_root`` extends the log of ``old_root``.

    Source: RFC 9162, section 2.1.4.2.
    """
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    first, last = old_size - 1, new_size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new_node = node_hash(new_node, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and old_node == old_root and new_node == new_root


def _split(count: int) -> int:
    """Return the largest power of two below ``count`` (count at least 2)."""
    return 1 << ((count - 1).bit_length() - 1)
