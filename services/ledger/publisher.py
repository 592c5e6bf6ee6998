"""Publishing the log's head: on a beat, proved to extend the last one, signed, cosigned.

A head is signed only if the tree extends everything that was ever published, whether the database
or the topic says so. A database that was restored from an older copy therefore signs nothing more:
two heads that contradict each other would be worse than none.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from services.core.errors import Message
from services.core.merkle import verify_consistency
from services.core.tlog.checkpoints import Checkpoint
from services.core.tlog.notes import Note, NoteError
from services.kit.logging import get_logger
from services.kit.telemetry import METRICS
from services.ledger.findings import broken
from services.ledger.ports import StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from services.core.errors import SettleError
    from services.core.tlog.checkpoints import Cosignature
    from services.kit.signing import NoteSigner

_FAILURES_MAX = 20


@dataclass(frozen=True, slots=True)
class Head:
    """A size of the log and its root."""

    size: int
    root: bytes


class TreeLog(Protocol):
    """The ledger's log as tiles, in the database."""

    async def extend(self) -> int:
        """Take the leaves that were committed since; return the size of the tree."""
        ...

    async def last_signed(self) -> Head | None:
        """Return the last head that was signed."""
        ...

    async def signed_note(self, size: int) -> Note:
        """Return the signed head of a size for which there is one."""
        ...

    async def root_at(self, size: int) -> bytes:
        """Return the root of the first ``size`` entries, computed from the tiles."""
        ...

    async def consistency(self, old_size: int, size: int, /) -> Sequence[bytes]:
        """Return the proof from one size to the other, computed from the tiles."""
        ...

    async def publish(self, head: Head, note: Note) -> None:
        """Store a signed head and queue its event."""
        ...

    async def add_cosignature(self, head: Head, cosigned: Cosignature) -> None:
        """Store a witness's cosignature and queue its event."""
        ...

    async def raise_finding(self, error: SettleError) -> None:
        """Queue a finding about the log."""
        ...


class Witness(Protocol):
    """A witness that is asked for its cosignature."""

    name: str

    @property
    def problem(self) -> str:
        """Return how the last head contradicts what the witness holds, empty if it does not."""
        ...

    async def cosign(
        self, note: Note, size: int, prove: Callable[[int, int], Awaitable[Sequence[bytes]]]
    ) -> Cosignature | None:
        """Return the witness's cosignature, ``None`` if it gave none."""
        ...


class Publisher:
    """Signs heads of the log.

    Args:
        log: The log's tiles.
        signer: The log's key; its name is the origin.
        published: Last head on the topic, which a database that went back does not know of.
        witnesses: Whom to ask for a cosignature.
        committed: Called after each commit that left something to send.
    """

    def __init__(
        self,
        log: TreeLog,
        signer: NoteSigner,
        published: Head | None,
        witnesses: Sequence[Witness] = (),
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self._tree = log
        self._signer = signer
        self._published = published
        self._witnesses = tuple(witnesses)
        self._committed = committed
        self._refused: SettleError | None = None
        # Witness -> last head that it cosigned for this process.
        self._heard: dict[str, Head] = {}
        self._log = get_logger("ledger.publisher")
        self._size = METRICS.gauge("ledger_signed_size", "Entries under the last signed head")
        self._refusals = METRICS.counter("ledger_head_refusals_total", "Heads not signed")

    @property
    def refused(self) -> str:
        """Return why the last head was not signed, empty if it was."""
        return "" if self._refused is None else self._refused.message.en

    async def run(self, stop: asyncio.Event, every_s: float) -> None:
        """Publish on a beat until told to stop, and once more then.

        Raises:
            StaleWriterError: if another writer has taken over.
            StoreFailedError: if the database stays away.
        """
        failures = 0
        ending = False
        while not ending:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await stop.wait()
            ending = stop.is_set()
            try:
                await self.beat()
                failures = 0
            except StoreFailedError as error:
                failures += 1
                self._log.warning("head not published", error=str(error), failures=failures)
                if failures > _FAILURES_MAX:
                    raise

    async def beat(self) -> Head | None:
        """Sign the log as it stands now; return the head if it is a new one."""
        try:
            head = await self._checked(await self._tree.extend())
        except NoteError as error:
            await self._refuse(_went_wrong("the tree's tiles", str(error)))
            return None
        if head is None:
            await self._ask_again()
            return None
        text = str(Checkpoint(self._signer.verifier.name, head.size, head.root))
        note = self._signer.sign(text)
        await self._tree.publish(head, note)
        self._refused = self._published = None
        self._size.set(head.size)
        self._committed()
        await self._ask_witnesses(head, note)
        return head

    async def _checked(self, size: int) -> Head | None:
        """Return the head to be signed, ``None`` if there is no new one or none may be."""
        signed = await self._tree.last_signed()
        known = [head for head in (signed, self._published) if head is not None]
        for base in sorted(known, key=lambda head: head.size):
            if size < base.size:
                await self._refuse(
                    _went_wrong(f"at least the {base.size} entries published", f"{size} entries")
                )
                return None
            root = await self._tree.root_at(size)
            proof = tuple(await self._tree.consistency(base.size, size))
            if not verify_consistency(base.size, size, base.root, root, proof):
                await self._refuse(
                    _went_wrong(f"an extension of the head of size {base.size}", "another log")
                )
                return None
        if size == 0 or (signed is not None and signed.size == size):
            return None
        return Head(size, await self._tree.root_at(size))

    async def _refuse(self, error: SettleError) -> None:
        self._refusals.inc()
        if self._refused is None or self._refused.value != error.value:
            self._refused = error
            self._log.error("head refused", problem=error.message.en)
            await self._tree.raise_finding(error)
            self._committed()

    async def _ask_again(self) -> None:
        """Ask those who have not cosigned the last head, for example before a restart."""
        head = await self._tree.last_signed() if self._witnesses else None
        if head is None or all(self._heard.get(w.name) == head for w in self._witnesses):
            return
        await self._ask_witnesses(head, await self._tree.signed_note(head.size))

    async def _ask_witnesses(self, head: Head, note: Note) -> None:
        prove = self._tree.consistency
        asked = [w for w in self._witnesses if self._heard.get(w.name) != head]
        answers = await asyncio.gather(*(w.cosign(note, head.size, prove) for w in asked))
        for witness, cosigned in zip(asked, answers, strict=True):
            if cosigned is not None:
                await self._tree.add_cosignature(head, cosigned)
                self._heard[witness.name] = head
        if any(answers):
            self._committed()
        for witness in self._witnesses:
            if witness.problem:
                await self._refuse(
                    _went_wrong(witness.problem, f"another log of {head.size} entries")
                )


def _went_wrong(allowed: str, found: str) -> SettleError:
    return broken(
        "settle.log_refused",
        Message(
            f"the log to be signed must have {allowed}, was {found}",
            f"待签名的日志须满足：{allowed}；实际为：{found}",
        ),
        "log",
        found,
        allowed,
    )
