"""Erasing what an entry says: its salt and cause go, its leaf and every sum stay.

What can be erased are the movements between the world outside and a participant's own accounts. An
entry of a round or of a settlement is what the round's file is checked against, and its content
stands in the orders and allocations too. The last movement of an account stays until the next,
since whoever builds balances from the published journal takes them from there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from schemas.erasures import ErasureOrdered, ErasureRefused
from schemas.events import Reason
from services.core.erasable import ERASABLE_PURPOSES
from services.core.errors import Message, SettleError
from services.ledger.erasure_state import ErasureOrder
from services.ledger.findings import broken
from services.ledger.journal import body_digest
from services.ledger.state import BANK, owner_of

if TYPE_CHECKING:
    from services.ledger.books import Books
    from services.ledger.erasure_state import Erasable
    from services.ledger.state import Input


def ordered(books: Books, item: Input) -> None:
    """Erase an entry, or refuse it for good.

    Raises:
        SettleError: if the order repeats with another body.
    """
    body = item.envelope.data
    assert isinstance(body, ErasureOrdered)
    digest = body_digest(body)
    known = books.erasures.get(body.erasure_id)
    if known is not None:
        if known.body_hash != digest:
            raise broken(
                "settle.other_body",
                Message(
                    f"order {body.erasure_id} must repeat with the same body, was another",
                    f"指令 {body.erasure_id} 重发时内容须相同，实际不同",
                ),
                "erasure_id",
                body.erasure_id,
                "the body first seen",
            )
        return
    entry_id = UUID(body.entry_id)
    found = books.erasable.get(entry_id)
    error = _refusal(books, body, found)
    if error is not None or found is None:
        assert error is not None, "an unknown entry is refused"
        books.erasures[body.erasure_id] = ErasureOrder(body.erasure_id, digest, error.code)
        _refuse(books, item, body, error)
        return
    books.erasures[body.erasure_id] = ErasureOrder(
        body.erasure_id, digest, None, entry_id, body.reason
    )
    # A second order for the same entry, in the same batch, must see that it is gone.
    books.erasable[entry_id] = replace(found, erased_by=body.erasure_id)


def _refusal(books: Books, body: ErasureOrdered, found: Erasable | None) -> SettleError | None:
    """Return why an entry is not erased, ``None`` if it is."""
    if found is None:
        return _error("unknown", body, "an entry of the journal", "日记账中的条目", "unknown")
    if found.erased_by is not None:
        return _error("erased", body, "an entry that stands", "尚未抹除的条目", "erased before")
    if not found.is_salted:
        # The log itself holds its bytes, so that nothing can be taken away.
        return _error("in_clear", body, "a salted entry", "加盐的条目", "one of version 1")
    if found.leaf_hash.hex() != body.leaf_hash:
        return _error(
            "not_confirmed",
            body,
            f"confirmed by its leaf hash {found.leaf_hash.hex()}",
            f"以其叶哈希 {found.leaf_hash.hex()} 确认的条目",
            body.leaf_hash,
        )
    if found.purpose not in ERASABLE_PURPOSES or not (
        _is_own(found.debit) and _is_own(found.credit)
    ):
        wanted = ", ".join(sorted(ERASABLE_PURPOSES))
        return _error(
            "needed",
            body,
            f"for one of {wanted}, or the reversal of one",
            f"用途为 {wanted} 之一的条目或其冲正",
            found.purpose,
        )
    for account, version in (
        (found.debit, found.debit_version),
        (found.credit, found.credit_version),
    ):
        if books.account(account).version <= version:
            return _error(
                "last_movement",
                body,
                "followed by another movement of both its accounts",
                "其两个账户之后均有变动的条目",
                f"the last of {account}",
            )
    return None


def _is_own(account: str) -> bool:
    return account == BANK or owner_of(account) is not None


def _error(code: str, body: ErasureOrdered, en: str, zh: str, was: str) -> SettleError:
    return SettleError(
        f"erasure.{code}",
        Message(
            f"entry_id: must be {en}, was {was} ({body.entry_id})",
            f"entry_id：须为{zh}，实为 {was}（{body.entry_id}）",
        ),
        field="entry_id",
        value=body.entry_id,
        allowed=en,
    )


def _refuse(books: Books, item: Input, body: ErasureOrdered, error: SettleError) -> None:
    books.emit(
        ErasureRefused(
            erasure_id=body.erasure_id,
            entry_id=body.entry_id,
            participant_id=body.participant_id,
            reason=Reason(code=error.code, en=error.message.en, zh=error.message.zh),
        ),
        item.envelope,
        body.erasure_id,
        participant=body.participant_id,
    )
