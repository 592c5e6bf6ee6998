"""Erasing what a journal entry says: ordered here, decided by the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.codec import derive_id
from schemas.erasures import ErasureOrdered
from schemas.types import Role
from services.core.erasable import ERASABLE_PURPOSES
from services.core.errors import Message
from services.gateway.app.envelopes import derive, make_envelope
from services.gateway.app.once import make_intent
from services.gateway.app.rights import require_role
from services.gateway.errors import ConflictError, not_found

if TYPE_CHECKING:
    from schemas.api import Receipt
    from schemas.codec import Envelope
    from schemas.erasures import ErasureNew, ErasureView
    from services.gateway.app.once import Once
    from services.gateway.erasure_ports import ErasableEntry, Erasures
    from services.gateway.ports import MarketClock, Principal

# A reversal is for what it takes back, which the ledger knows.
_PURPOSES = ERASABLE_PURPOSES | {"reversal"}


class ErasureWork:
    """Orders to erase, and what became of them.

    Args:
        once: Runs intents.
        erasures: Orders as the log tells them, and entries.
        clock: The market's clock.
    """

    def __init__(self, once: Once, erasures: Erasures, clock: MarketClock) -> None:
        self._once = once
        self._erasures = erasures
        self._clock = clock

    async def order(
        self, principal: Principal, new: ErasureNew, key: str, traceparent: str
    ) -> Receipt:
        """Order that what an entry says is erased.

        Raises:
            ForbiddenError: if the caller is not the operator.
            NotFoundError: if there is no such entry.
            ConflictError: if it cannot be erased, or another one was confirmed.
        """
        require_role(principal, Role.OPERATOR)
        erasure_id = derive("era_", principal.participant_id, key)

        async def plan() -> Envelope:
            entry = await self._erasures.entry(new.entry_id)
            if entry is None:
                raise not_found("entry_id", new.entry_id)
            before = await self._erasures.one(erasure_id)
            # After a crash between the log and the reply, it was this very order that erased it.
            if before is None or before.state != "erased":
                _require_erasable(new, entry)
            data = ErasureOrdered(
                erasure_id=erasure_id,
                entry_id=new.entry_id,
                leaf_hash=new.confirm,
                participant_id=principal.participant_id,
                reason=new.reason,
            )
            return make_envelope(
                data,
                event_id=derive_id("gateway", "erasure", erasure_id),
                participant_id=principal.participant_id,
                correlation_id=erasure_id,
                occurred_at=self._clock.now(),
                traceparent=traceparent,
            )

        intent = make_intent(key, "erasure", new.model_dump(mode="json"))
        return await self._once.one(principal.participant_id, intent, plan)

    async def one(self, principal: Principal, erasure_id: str) -> ErasureView:
        """Return an order and what became of it.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
            NotFoundError: if there is no such order.
        """
        require_role(principal, Role.OPERATOR, Role.REGULATOR)
        found = await self._erasures.one(erasure_id)
        if found is None:
            raise not_found("erasure_id", erasure_id)
        return found

    async def listed(
        self, principal: Principal, *, before: int | None, limit: int
    ) -> list[tuple[int, ErasureView]]:
        """Return orders, latest first.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
        """
        require_role(principal, Role.OPERATOR, Role.REGULATOR)
        return await self._erasures.listed(before=before, limit=limit)


def _require_erasable(new: ErasureNew, entry: ErasableEntry) -> None:
    """Refuse what the ledger would refuse, while the caller can still be told at once.

    Raises:
        ConflictError: if the entry cannot be erased.
    """
    if new.confirm != entry.leaf_hash:
        raise ConflictError(
            "erasure.not_confirmed",
            Message(
                f"confirm: must be the leaf hash of the entry, {entry.leaf_hash}, "
                f"was {new.confirm}",
                f"confirm：须为该条目的叶哈希 {entry.leaf_hash}，实为 {new.confirm}",
            ),
            field="confirm",
            value=new.confirm,
            allowed=entry.leaf_hash,
        )
    if entry.is_erased:
        raise _refused(new, "erased", "an entry that stands", "尚未抹除的条目", "erased before")
    if not entry.is_salted:
        raise _refused(new, "in_clear", "a salted entry", "加盐的条目", "one of version 1")
    if entry.purpose not in _PURPOSES:
        wanted = ", ".join(sorted(_PURPOSES))
        raise _refused(
            new, "needed", f"for one of {wanted}", f"用途为 {wanted} 之一的条目", entry.purpose
        )
    if not entry.is_followed:
        raise _refused(
            new,
            "last_movement",
            "followed by another movement of both its accounts",
            "其两个账户之后均有变动的条目",
            "the last of one",
        )


def _refused(new: ErasureNew, code: str, en: str, zh: str, was: str) -> ConflictError:
    return ConflictError(
        f"erasure.{code}",
        Message(
            f"entry_id: must be {en}, was {was} ({new.entry_id})",
            f"entry_id：须为{zh}，实为 {was}（{new.entry_id}）",
        ),
        field="entry_id",
        value=new.entry_id,
        allowed=en,
    )
