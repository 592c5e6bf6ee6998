"""Looking through the journal: latest first, by account, participant, order, or place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from schemas.types import Role
from services.gateway.app.rights import require_role
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.audit import JournalEntryView
    from services.gateway.ports import Principal

_ORDER = re.compile(r"(?:off|dem)_[a-z2-7]{26}")
_ACCOUNT = re.compile(r"bank|[a-z]+:[a-z0-9-]+")
_PARTICIPANT = re.compile(r"[a-z0-9-]+")
_PLACE_DIGITS_MAX = 18
# A participant's accounts.
_KINDS = ("cny", "collateral", "debt")


class Entries(Protocol):
    """The journal's entries, as they were read."""

    async def latest(self, *, before: int | None, limit: int) -> list[JournalEntryView]:
        """Return entries, latest first."""
        ...

    async def of_accounts(
        self, accounts: Sequence[str], *, before: int | None, limit: int
    ) -> list[JournalEntryView]:
        """Return entries that touch one of these accounts, latest first."""
        ...

    async def of_order(
        self, order_id: str, *, before: int | None, limit: int
    ) -> list[JournalEntryView]:
        """Return entries of an order, latest first."""
        ...

    async def one(self, leaf_index: int) -> JournalEntryView | None:
        """Return the entry at a place."""
        ...

    async def place_of(self, entry_id: str) -> int | None:
        """Return the place of an entry."""
        ...


class JournalReading:
    """What supervisors look up in the journal.

    Args:
        entries: Where it is.
    """

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    async def search(
        self, principal: Principal, text: str, *, before: int | None, limit: int
    ) -> list[JournalEntryView]:
        """Return entries that a text names, latest first; all for none.

        Args:
            principal: Who asks.
            text: An order, an account, a participant, an entry, or a place in the log.
            before: Only entries before this place.
            limit: Entries at most.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
        """
        require_role(principal, Role.OPERATOR, Role.REGULATOR)
        if not text:
            return await self._entries.latest(before=before, limit=limit)
        if text.isascii() and text.isdecimal() and len(text) <= _PLACE_DIGITS_MAX:
            found = await self._entries.one(int(text))
            return [] if found is None else [found]
        if _ORDER.fullmatch(text):
            return await self._entries.of_order(text, before=before, limit=limit)
        if _ACCOUNT.fullmatch(text):
            return await self._entries.of_accounts([text], before=before, limit=limit)
        place = await self._entries.place_of(text)
        if place is not None:
            found = await self._entries.one(place)
            return [] if found is None else [found]
        if not _PARTICIPANT.fullmatch(text):
            return []
        accounts = [f"{kind}:{text}" for kind in _KINDS]
        return await self._entries.of_accounts(accounts, before=before, limit=limit)

    async def one(self, principal: Principal, leaf_index: int) -> JournalEntryView:
        """Return the entry at a place.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
            NotFoundError: if the log is not that long.
        """
        require_role(principal, Role.OPERATOR, Role.REGULATOR)
        found = await self._entries.one(leaf_index)
        if found is None:
            raise not_found("leaf_index", str(leaf_index))
        return found
