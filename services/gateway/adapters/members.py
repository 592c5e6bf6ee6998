"""Members in the gateway's schema."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from schemas.identity import Scope
from schemas.members import MemberStatus, MemberView
from schemas.types import Role
from services.gateway.adapters.queries import SQL
from services.gateway.adapters.seen import Seen
from services.gateway.app.scopes import scopes_of
from services.gateway.member_ports import Known
from services.gateway.ports import Principal

if TYPE_CHECKING:
    import asyncpg

    from services.gateway.member_ports import Holder, NewMember
    from services.kit.postgres import Pool


class PostgresMembers:
    """Members.

    A suspension counts at once here, and on other instances after a second.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # By holder or id: a member is looked up once in a while, not for every request.
        self._seen: Seen[Holder | str, Known] = Seen()

    async def by_holder(self, holder: Holder) -> Known | None:
        """Return the member that a token's holder is, unless he is none or removed."""
        return await self._seen.of(holder, partial(self._by_holder, holder))

    async def by_id(self, member_id: str) -> Known | None:
        """Return a member, unless there is none or it is removed."""
        return await self._seen.of(member_id, partial(self._by_id, member_id))

    def forget(self) -> None:
        """Look everybody up again: something about a participant is different."""
        self._seen.forget()

    async def _by_holder(self, holder: Holder) -> Known | None:
        return await self._known(
            await self._pool.fetchrow(SQL.principal_by_subject, holder.issuer, holder.subject)
        )

    async def _by_id(self, member_id: str) -> Known | None:
        return await self._known(await self._pool.fetchrow(SQL.principal_by_member, member_id))

    async def _known(self, row: asyncpg.Record | None) -> Known | None:
        if row is None:
            return None
        if row["unseen"] and not row["is_suspended"]:
            await self._pool.execute(SQL.touch_member, row["credential_id"])
        role = Role(row["role"])
        principal = Principal(
            participant_id=row["participant_id"],
            role=role,
            key_id=row["credential_id"],
            active=row["status"] == "active",
            scopes=frozenset(Scope(name) for name in row["scopes"]) & scopes_of(role),
        )
        return Known(principal, row["is_suspended"])

    async def add(self, participant_id: str, new: NewMember) -> MemberView | None:
        """Store a member; ``None`` if the holder is one already, of whomever."""
        row = await self._pool.fetchrow(
            SQL.add_member,
            new.member_id,
            participant_id,
            new.holder.issuer,
            new.holder.subject,
            new.name,
            _names(new.scopes),
            new.made_by,
        )
        return _view(row)

    async def change(
        self,
        participant_id: str,
        member_id: str,
        *,
        scopes: frozenset[Scope] | None,
        is_suspended: bool | None,
    ) -> MemberView | None:
        """Change what is given; ``None`` if it is not the participant's, or removed."""
        names = None if scopes is None else _names(scopes)
        row = await self._pool.fetchrow(
            SQL.change_member, member_id, participant_id, names, is_suspended
        )
        self._seen.forget()
        return _view(row)

    async def remove(self, participant_id: str, member_id: str) -> MemberView | None:
        """Remove a member for good; ``None`` if it is not the participant's."""
        row = await self._pool.fetchrow(SQL.remove_member, member_id, participant_id)
        self._seen.forget()
        return _view(row)

    async def members(self, participant_id: str) -> list[MemberView]:
        """Return a participant's members, those that were removed last."""
        found = (_view(row) for row in await self._pool.fetch(SQL.members, participant_id))
        return [view for view in found if view is not None]

    async def member(self, member_id: str) -> MemberView | None:
        """Return a member, removed or not."""
        return _view(await self._pool.fetchrow(SQL.member, member_id))


def _view(row: asyncpg.Record | None) -> MemberView | None:
    if row is None:
        return None
    told = dict(row)
    status = MemberStatus.SUSPENDED if told.pop("is_suspended") else MemberStatus.ACTIVE
    if told["removed_at"] is not None:
        status = MemberStatus.REMOVED
    return MemberView(**told, status=status)


def _names(scopes: frozenset[Scope]) -> list[str]:
    return [scope.value for scope in Scope if scope in scopes]
