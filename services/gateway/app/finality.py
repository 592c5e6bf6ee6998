"""Witnessed finality: what is settled is final only under a head that enough witnesses cosigned.

It fails closed for what is called final, and open for reading: without the witnesses' word
everything is shown, and nothing of it is called final.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from schemas.audit import FinalityView
from schemas.funds import InvoiceView, SettlementView, StatementView
from services.core.tlog.checkpoints import cosignatures
from services.core.tlog.notes import Note, NoteError
from services.gateway.app.log import check_head
from services.gateway.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.core.tlog.notes import VerifierKey, Verify
    from services.gateway.ports import LogStore, SignedHead

_ViewT = TypeVar("_ViewT", SettlementView, StatementView, InvoiceView)


class Finality:
    """How far the log is final.

    Args:
        store: The log in the gateway's schema.
        key: The log's verifier key; without one nothing is witnessed.
        witnesses: The witnesses' verifier keys.
        needed: How many of them must have cosigned a head; 0: finality asks for none.
        verify: Verifies raw signatures.
    """

    def __init__(
        self,
        store: LogStore,
        key: VerifierKey | None,
        witnesses: Sequence[VerifierKey],
        needed: int,
        verify: Verify,
    ) -> None:
        assert 0 <= needed <= len(witnesses), f"needed must be 0 to {len(witnesses)}, was {needed}"
        self._store = store
        self._key = key
        self._witnesses = tuple(witnesses)
        self._needed = needed
        self._verify = verify
        # What was witnessed once stays so.
        self._size = 0

    async def size(self) -> int | None:
        """Return how many entries are witnessed; ``None`` if finality asks for no witness.

        While the log is forked, nothing is.
        """
        if not self._needed:
            return None
        if self._key is None or await self._store.forked_at() is not None:
            return 0
        until = await self._store.size()
        for head in await self._store.cosigned_heads(self._size, until, self._needed):
            if await self._is_witnessed(head, self._key):
                self._size = head.size
                break
        return self._size

    async def view(self) -> FinalityView:
        """Return the rule and how far it is met."""
        witnessed = await self.size()
        return FinalityView(
            needed=self._needed,
            witnesses=tuple(key.name for key in self._witnesses),
            witnessed_size=witnessed,
            log_size=await self._store.size(),
        )

    async def _is_witnessed(self, head: SignedHead, key: VerifierKey) -> bool:
        try:
            await check_head(self._store, head, key, self._verify)
        except UnavailableError:
            return False
        found: set[VerifierKey] = set()
        for line in head.note.signatures:
            try:
                cosigned = cosignatures(
                    Note(head.note.text, (line,)), self._witnesses, self._verify
                )
            except NoteError:
                # A line that does not fit takes nothing from those that do.
                continue
            found.update(one.key for one in cosigned)
        return len(found) >= self._needed


def as_final(view: _ViewT, witnessed: int | None) -> _ViewT:
    """Return what is shown, not called final if its entries are beyond the witnessed head.

    Args:
        view: What is final as far as the log alone goes.
        witnessed: Entries under the witnessed head, ``None`` if finality asks for no witness.
    """
    if witnessed is None or view.end_leaf <= witnessed:
        return view
    update: dict[str, object] = {"final": False}
    if isinstance(view, InvoiceView):
        update["number"] = None
    return view.model_copy(update=update)
