"""Logins at the broker, kept in memory with the behaviour of the real ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from services.gateway.direct_login_ports import Known

if TYPE_CHECKING:
    from collections.abc import Collection

    from schemas.types import Role
    from services.gateway.direct_login_ports import Look, Work

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


@dataclass
class MemoryLogins:
    """Book and broker at once."""

    book: dict[str, Known] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)

    async def known(self, participant_id: str) -> Known:
        return self.book.get(participant_id, Known())

    async def allow(self, participant_id: str, by: str, *, is_allowed: bool) -> None:
        self.book[participant_id] = replace(await self.known(participant_id), is_allowed=is_allowed)

    def _may(self, participant_id: str) -> bool:
        is_allowed = self.book.get(participant_id, Known()).is_allowed
        return is_allowed and participant_id not in self.suspended

    async def making(self, participant_id: str, by: str, work: Work) -> bool:
        if not self._may(participant_id):
            return False
        self.book[participant_id] = Known(is_allowed=True, login="making", at=NOW, by=by)
        await work()
        self.book[participant_id] = Known(is_allowed=True, login="active", at=NOW, by=by)
        return True

    async def ending(self, participant_id: str, work: Work, *, if_due: bool) -> None:
        if if_due and participant_id not in await self.due():
            return
        await work()
        known = await self.known(participant_id)
        self.book[participant_id] = Known(is_allowed=known.is_allowed)

    async def unnoted(self, logins: Collection[str]) -> list[str]:
        return [who for who in sorted(logins) if (await self.known(who)).login == "none"]

    async def noting(self, participant_id: str, by: str, look: Look) -> None:
        known = self.book.setdefault(participant_id, Known(is_allowed=True))
        if known.login == "none" and await look():
            self.book[participant_id] = replace(known, login="active", at=NOW, by=by)

    async def due(self) -> list[str]:
        return [
            who for who, known in self.book.items() if known.login != "none" and not self._may(who)
        ]

    async def has_login(self, participant_id: str) -> bool:
        return participant_id in self.passwords

    async def logins(self) -> set[str]:
        return set(self.passwords)

    async def make(self, participant_id: str, role: Role, password: str) -> None:
        self.passwords[participant_id] = password

    async def end(self, participant_id: str) -> bool:
        return self.passwords.pop(participant_id, None) is not None
