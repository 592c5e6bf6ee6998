"""What erasing needs of the gateway's schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from schemas.erasures import ErasureView


@dataclass(frozen=True, slots=True)
class ErasableEntry:
    """A journal entry that somebody wants erased.

    Attributes:
        leaf_hash: Hexadecimal.
        purpose: What it is for.
        is_salted: Whether the log holds a commitment to it.
        is_erased: Whether it was erased before.
        is_followed: Whether each of its accounts moved again.
    """

    leaf_hash: str
    purpose: str
    is_salted: bool
    is_erased: bool
    is_followed: bool


class Erasures(Protocol):
    """Orders to erase, as the log tells them."""

    async def entry(self, entry_id: str) -> ErasableEntry | None:
        """Return an entry of the journal."""
        ...

    async def one(self, erasure_id: str) -> ErasureView | None:
        """Return an order."""
        ...

    async def listed(self, *, before: int | None, limit: int) -> list[tuple[int, ErasureView]]:
        """Return (sequence, order), latest first."""
        ...
