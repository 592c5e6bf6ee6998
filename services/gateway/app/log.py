"""The transparency log as it is served: heads, tiles and proofs, all from one signed head."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from schemas.audit import ConsistencyView, InclusionView, LogKeyView
from schemas.types import Role
from services.core.errors import Message, ValidationError
from services.core.tlog.checkpoints import Checkpoint
from services.core.tlog.notes import NoteError, verified
from services.core.tlog.openings import is_erased, logged
from services.core.tlog.proofs import ProofFile
from services.core.tlog.tiles import (
    WIDTH,
    TilePath,
    consistency_spans,
    frontier_of,
    inclusion_spans,
    pack_bundle,
    roots,
    tiles_of,
    width_in,
)
from services.gateway.app.rights import require_role
from services.gateway.errors import ConflictError, UnavailableError, not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.core.tlog.notes import Note, VerifierKey, Verify
    from services.gateway.ports import LogStore, Principal, SignedHead

# Accounts of these kinds are a participant's; the others are the exchange's.
_OWNED = frozenset({"cny", "collateral", "debt"})


class LogReading:
    """What the gateway serves of the log.

    Args:
        store: The log in the gateway's schema.
        key: The log's verifier key, ``None`` if its heads are not signed.
        verify: Verifies raw signatures.
    """

    def __init__(self, store: LogStore, key: VerifierKey | None, verify: Verify) -> None:
        self._store = store
        self._key = key
        self._verify = verify
        # Size of the last head whose signature and root were found right.
        self._checked = 0

    def key(self) -> LogKeyView:
        """Return the key that heads are signed with.

        Raises:
            NotFoundError: if they are not signed.
        """
        if self._key is None:
            raise not_found(
                "log_key", "none: heads of this log are not signed", "无：此日志的检查点未签名"
            )
        return LogKeyView(origin=self._key.name, key=str(self._key))

    async def checkpoint(self) -> Note:
        """Return the latest signed head with its cosignatures.

        Raises:
            NotFoundError: if there is none yet.
            UnavailableError: if the log was forked, or its entries give another root.
        """
        return (await self._head()).note

    async def tile(self, path: TilePath) -> bytes:
        """Return a tile's hashes.

        Raises:
            NotFoundError: if the log is not that long, or the path names entries.
        """
        if path.level is None or path.width > width_in(
            await self._store.size(), path.level, path.n
        ):
            raise not_found("tile", str(path))
        name = (path.level, path.n)
        return (await self._store.tiles([name]))[name][: path.width * 32]

    async def bundle(self, principal: Principal, path: TilePath) -> bytes:
        """Return a bundle of the log's entries.

        Raises:
            ForbiddenError: if the caller is neither the operator nor the regulator.
            NotFoundError: if the log is not that long.
        """
        require_role(principal, Role.OPERATOR, Role.REGULATOR)
        if path.width > width_in(await self._store.size(), 0, path.n):
            raise not_found("tile", str(path))
        first = path.n * WIDTH
        return pack_bundle(map(logged, await self._store.entries(first, first + path.width)))

    async def proof(self, principal: Principal, entry: str) -> ProofFile:
        """Return the proof file of an entry.

        Its extra data is the entry itself; or, if another participant's accounts are in it, what
        the log holds of it.

        Args:
            principal: Who asks.
            entry: Leaf index or entry id.

        Raises:
            NotFoundError: if there is none, or it is somebody else's.
            ConflictError: if no signed head covers it yet.
        """
        index = int(entry) if entry.isdecimal() else await self._store.index_of(entry)
        found = [] if index is None else await self._store.entries(index, index + 1)
        if index is None or not found:
            raise not_found("entry", entry)
        # Whose it was is erased too; rows that a caller may not see are not found above.
        parties = {principal.participant_id} if is_erased(found[0]) else _parties(found[0])
        if not principal.sees_all and principal.participant_id not in parties:
            raise not_found("entry", entry)
        head = await self._head()
        if index >= head.size:
            raise _not_signed_yet(index, head.size)
        alone = not is_erased(found[0]) and (
            principal.sees_all or parties == {principal.participant_id}
        )
        extra = found[0] if alone else logged(found[0])
        return ProofFile(index, await self._roots(inclusion_spans(index, head.size)), head.note,
                         extra)  # fmt: skip

    async def inclusion(self, index: int, size: int | None) -> InclusionView:
        """Return the audit path of a leaf under the tree of ``size`` entries, or under the head.

        Raises:
            NotFoundError: if the log is not that long.
        """
        size = (await self._head()).size if size is None else size
        if not index < size <= await self._store.size():
            raise not_found("leaf_index", f"{index} of {size}", f"{index}（共 {size} 条）")
        path = await self._roots(inclusion_spans(index, size))
        return InclusionView(leaf_index=index, size=size, proof=_texts(path))

    async def consistency(self, old_size: int, size: int | None) -> ConsistencyView:
        """Return the proof that the tree of ``size`` entries, or the head, extends an older one.

        Raises:
            NotFoundError: if the log is not that long.
            ValidationError: if the old size is the larger one.
        """
        size = (await self._head()).size if size is None else size
        if size > await self._store.size():
            raise not_found("size", str(size))
        if old_size > size:
            raise ValidationError(
                "validation.old_size",
                Message(
                    f"old_size: must be at most {size}, was {old_size}",
                    f"old_size：须不大于 {size}，实为 {old_size}",
                ),
                field="old_size",
                value=str(old_size),
                allowed=f"at most {size}",
            )
        path = await self._roots(consistency_spans(old_size, size))
        return ConsistencyView(old_size=old_size, size=size, proof=_texts(path))

    async def _head(self) -> SignedHead:
        """Return the latest head that the tree reaches, its signature and root checked."""
        forked = await self._store.forked_at()
        if forked is not None:
            raise _refused(
                "log.forked",
                f"one root for size {forked}, was two",
                f"大小 {forked} 只能有一个根，实有两个",
            )
        head = await self._store.signed_head(await self._store.size())
        if head is None or self._key is None:
            raise not_found("checkpoint", "none: no head was signed yet", "无：尚无已签名的检查点")
        if head.size != self._checked:
            await check_head(self._store, head, self._key, self._verify)
            self._checked = head.size
        return head

    async def _roots(self, spans: Sequence[tuple[int, int]]) -> tuple[bytes, ...]:
        return tuple(roots(spans, await self._store.tiles(tiles_of(spans))))


async def check_head(store: LogStore, head: SignedHead, key: VerifierKey, verify: Verify) -> None:
    """Check a head's root against the published entries, and its signature.

    Raises:
        UnavailableError: if one of them does not fit.
    """
    tiles = await store.tiles(tiles_of([(0, head.size)]))
    if frontier_of(head.size, tiles).root() != head.root:
        raise _refused(
            "log.root",
            f"the root of the {head.size} published entries, was another",
            f"签名检查点的根须与已公布的 {head.size} 条条目一致，实不一致",
        )
    try:
        verified(head.note, [key], verify)
        told = Checkpoint.parse(head.note.text)
        if told != Checkpoint(key.name, head.size, head.root, told.extensions):
            raise NoteError(f"the signed text must be that of size {head.size}, was not")
    except NoteError as error:
        raise _refused("log.signature", str(error), f"签名无效：{error}") from error


def _texts(hashes: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(base64.b64encode(one).decode() for one in hashes)


def _parties(entry: bytes) -> set[str]:
    found = set()
    for posting in json.loads(entry)["postings"]:
        kind, _, owner = str(posting["account"]).partition(":")
        if kind in _OWNED and owner:
            found.add(owner)
    return found


def _not_signed_yet(index: int, size: int) -> ConflictError:
    return ConflictError(
        "log.not_signed_yet",
        Message(
            f"entry: must be among the {size} under the signed head, was {index}; "
            "the next head follows within seconds",
            f"entry：须在已签名的 {size} 条之内，实为第 {index} 条；数秒内将有新的检查点",
        ),
        field="entry",
        value=str(index),
        allowed=f"0 to {size - 1}",
    )


def _refused(code: str, allowed: str, zh: str) -> UnavailableError:
    return UnavailableError(
        code,
        Message(f"log: must have {allowed}; no head is served", f"log：{zh}；不再提供检查点"),
        field="log",
        value="refused",
        allowed=allowed[:200],
    )
