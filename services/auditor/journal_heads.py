"""Heads of the log: signatures, roots, and never two roots for a size."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.events import CheckpointPublished
from schemas.transparency import CheckpointCosigned, CheckpointSigned
from services.auditor.journal_state import TILE, Found, HeadSeen
from services.kit.logging import get_logger
from suanli.check_journal import Tree
from suanli.check_log import Head, LogError, cosigner, read_head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.codec import Envelope
    from services.auditor.journal_state import Edge, JournalChanges, JournalStore
    from suanli.check_log import Key


class HeadChecks:
    """Checks heads against the auditor's own tree.

    Args:
        store: Where heads that were seen are kept.
        key: The log's verifier key, ``None`` if signatures are not checked.
        witnesses: Witnesses whose cosignatures are counted.
    """

    def __init__(self, store: JournalStore, key: Key | None, witnesses: Sequence[Key]) -> None:
        self._store = store
        self._key = key
        self._witnesses = tuple(witnesses)
        self._log = get_logger("auditor.heads")

    async def take_in(self, envelopes: Sequence[Envelope], changes: JournalChanges) -> None:
        """Take in heads and cosignatures; what fits into the tree is judged later."""
        bodies = [(e.data, e) for e in envelopes if isinstance(e.data, CheckpointPublished)]
        known = await self._store.heads({body.size for body, _ in bodies}) if bodies else {}
        for body, envelope in bodies:
            if not body.size or not self._is_signed_right(body, changes):
                continue
            head = HeadSeen(
                body.size, body.root, isinstance(body, CheckpointSigned), envelope.occurred_at
            )
            before = changes.heads.get(body.size) or known.get(body.size)
            if before is not None and before.root != head.root:
                problem = f"head of size {head.size}: root is {before.root}, later {head.root}"
                changes.found.append(_found("head.forked", head.size, problem, head.root))
                continue
            if before is not None:
                head = replace(before, signed=before.signed or head.signed)
            changes.heads[head.size] = head
            signed_from = changes.facts.signed_from
            if head.signed and not 0 < signed_from <= head.size:
                changes.facts = replace(changes.facts, signed_from=head.size)
            changes.facts = replace(changes.facts, reach=max(changes.facts.reach, head.size))
        for envelope in envelopes:
            if isinstance(envelope.data, CheckpointCosigned):
                self._count(envelope.data, changes)

    async def within(self, size: int, until: int, changes: JournalChanges) -> dict[int, HeadSeen]:
        """Return the heads in (size, until], those of this batch among them."""
        found = await self._store.heads_ahead(size, until)
        fresh = {n: head for n, head in changes.heads.items() if size < n <= until}
        return found | fresh

    def passed(
        self, told: Mapping[int, bool], heads: Mapping[int, HeadSeen], changes: JournalChanges
    ) -> None:
        """Note which heads fit the entries that reached them."""
        for size in sorted(told):
            self._judged(heads[size], changes, fits=told[size])

    async def judge_late(self, changes: JournalChanges, edge: Edge) -> None:
        """Judge the heads of this batch that the tree had passed before."""
        for size, head in sorted(changes.heads.items()):
            if head.fits is not None or size > changes.facts.size:
                continue
            root = await self._root_at(size, changes, edge)
            self._judged(head, changes, fits=root == head.root)

    async def _root_at(self, size: int, changes: JournalChanges, edge: Edge) -> str:
        n = (size - 1) // TILE
        if n in changes.tiles:
            nodes, raw = changes.tiles[n]
            hashes: Sequence[bytes] = [raw[at : at + 32] for at in range(0, len(raw), 32)]
        elif n == edge.n:
            nodes, hashes = edge.nodes, edge.hashes
        else:
            nodes, hashes = await self._store.tile(n)
        tree = Tree(n * TILE, nodes)
        for leaf in hashes[: size - n * TILE]:
            tree.add(leaf)
        return tree.root()

    def _judged(self, head: HeadSeen, changes: JournalChanges, *, fits: bool) -> None:
        changes.heads[head.size] = replace(head, fits=fits)
        facts = changes.facts
        if fits and head.size >= facts.head_size:
            changes.facts = replace(
                facts,
                head_size=head.size,
                head_root=head.root,
                head_told_at=head.told_at.isoformat(),
                is_diverged=False,
            )
        if fits or facts.is_diverged:
            # Once heads and entries have parted, the heads that follow say nothing new.
            return
        problem = (
            f"head of size {head.size}: root is {head.root}, the published entries give another; "
            f"up to {facts.head_size} they fit"
        )
        changes.found.append(_found("head.root", head.size, problem, head.root))
        changes.facts = replace(facts, is_diverged=True)

    def _is_signed_right(self, body: CheckpointPublished, changes: JournalChanges) -> bool:
        if self._key is None:
            return True
        problem = ""
        if isinstance(body, CheckpointSigned):
            try:
                head = read_head(body.note, self._key)
            except LogError as error:
                problem = str(error)
            else:
                if (head.size, head.root.hex()) != (body.size, body.root):
                    problem = f"what is signed has size {head.size}, root {head.root.hex()}"
        elif 0 < changes.facts.signed_from <= body.size:
            problem = "is not signed, a smaller one is"
        if problem:
            text = f"head of size {body.size}: {problem}"
            changes.found.append(_found("head.signature", body.size, text, body.root))
        return not problem

    def _count(self, body: CheckpointCosigned, changes: JournalChanges) -> None:
        head = Head(body.origin, body.size, bytes.fromhex(body.root))
        try:
            name = cosigner(head, body.line, self._witnesses)
        except LogError as error:
            # Whoever shows a head with it is found out; the exchange gains nothing by it.
            self._log.warning("cosignature does not fit", size=body.size, reason=str(error))
            return
        if name is not None:
            changes.cosigned.append((body.size, body.root, name))


def _found(code: str, size: int, problem: str, root: str) -> Found:
    return Found(code, f"{size}/{root}", (problem,), {"size": size, "root": root})
