"""Erasures against the orders for them: what nobody ordered must not vanish from the journal.

An order is on the log before the ledger acts on it. So an erasure whose order was not read, though
nothing was left to read, has none. The order names the leaf: one for another entry does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from services.auditor.journal_state import ErasureSeen, Found
from services.kit.errors import LogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.auditor.journal_state import JournalChanges
    from services.auditor.ports import MeasuredLog

# There are few erasures; more than this in one batch are looked at in the next.
_LOOKED_AT_MAX = 100


class ErasureStore(Protocol):
    """Where erasures without an order are found."""

    async def unordered(self, limit: int) -> Sequence[ErasureSeen]:
        """Return stored erasures for which no order is stored, and that were not told."""
        ...


@dataclass(frozen=True, slots=True)
class ErasureChecks:
    """Compares erasures with orders.

    Attributes:
        store: Where both are kept.
        log: Where orders come from.
    """

    store: ErasureStore
    log: MeasuredLog

    async def compare(self, changes: JournalChanges) -> None:
        """Tell of stored erasures that have no order, neither stored nor in this batch."""
        seen = await self.store.unordered(_LOOKED_AT_MAX)
        if not seen:
            return
        try:
            if await self.log.lag():
                return
        except LogUnavailableError:
            return
        for one in seen:
            if (one.erasure_id, one.leaf_hash) in changes.ordered:
                continue
            changes.unordered.append(one.leaf_index)
            changes.found.append(_found(one))


def _found(one: ErasureSeen) -> Found:
    by = f"by {one.erasure_id}" if one.erasure_id else "by hand"
    problem = (
        f"entry {one.leaf_index}: was erased {by}; an order for leaf {one.leaf_hash} must be on "
        "the log before"
    )
    evidence: dict[str, str | int] = {"leaf_index": one.leaf_index}
    if one.erasure_id:
        evidence["erasure_id"] = one.erasure_id
    return Found("journal.erased", str(one.leaf_index), (problem,), evidence)
