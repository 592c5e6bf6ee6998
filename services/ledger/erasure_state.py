"""What the ledger keeps of orders to erase, and of what they erase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class ErasureOrder:
    """An order to erase an entry, done or refused for good.

    Attributes:
        id: Its id.
        body_hash: Of its body.
        refusal: Code of the refusal, ``None`` if it was done.
        entry_id: The entry that this batch erases, ``None`` if it erases none.
        reason: Why.
    """

    id: str
    body_hash: bytes
    refusal: str | None
    entry_id: UUID | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Erasable:
    """An entry as it is stored, for erasing it.

    Attributes:
        leaf_hash: Of its leaf.
        is_salted: Whether the log holds a commitment, not the entry in clear.
        erased_by: Order that erased it, empty if the owner did, ``None`` if nobody.
        purpose: What it is for; of a reversal, what it takes back.
        debit: Account.
        credit: Account.
        debit_version: Postings of that account up to this one.
        credit_version: The same.
    """

    leaf_hash: bytes
    is_salted: bool
    erased_by: str | None
    purpose: str
    debit: str
    credit: str
    debit_version: int
    credit_version: int
