"""Members in memory, and an exchange without issuers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.members import IssuerView, MemberStatus, MemberView
from schemas.types import Role
from services.gateway.member_ports import Holder, Known, NewMember
from services.gateway.ports import Principal

if TYPE_CHECKING:
    from schemas.identity import Scope

ISSUER = IssuerView(
    issuer="https://login.example.org/realms/suanli",
    client_id="suanli",
    audience="suanli-exchange",
    scope="openid",
)
NOW = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)


@dataclass
class MemoryMembers:
    """Members; their participants are named after their roles."""

    views: dict[str, MemberView] = field(default_factory=dict)

    def _known(self, view: MemberView) -> Known:
        role = Role(view.participant_id.partition("-")[0])
        principal = Principal(
            view.participant_id, role, view.member_id, scopes=frozenset(view.scopes)
        )
        return Known(principal, view.status is MemberStatus.SUSPENDED)

    def _live(self, holder: Holder) -> MemberView | None:
        for view in self.views.values():
            if (view.issuer, view.subject) == (holder.issuer, holder.subject):
                return None if view.status is MemberStatus.REMOVED else view
        return None

    def forget(self) -> None:
        pass

    async def by_holder(self, holder: Holder) -> Known | None:
        view = self._live(holder)
        return None if view is None else self._known(view)

    async def by_id(self, member_id: str) -> Known | None:
        view = self.views.get(member_id)
        return None if view is None else self._known(view)

    async def add(self, participant_id: str, new: NewMember) -> MemberView | None:
        if self._live(new.holder) is not None:
            return None
        view = MemberView(
            member_id=new.member_id,
            participant_id=participant_id,
            name=new.name,
            issuer=new.holder.issuer,
            subject=new.holder.subject,
            scopes=tuple(new.scopes),
            status=MemberStatus.ACTIVE,
            created_at=NOW,
            created_by=new.made_by,
        )
        self.views[new.member_id] = view
        return view

    async def change(
        self,
        participant_id: str,
        member_id: str,
        *,
        scopes: frozenset[Scope] | None,
        is_suspended: bool | None,
    ) -> MemberView | None:
        view = self.views.get(member_id)
        if view is None or view.participant_id != participant_id:
            return None
        changed = {} if scopes is None else {"scopes": tuple(scopes)}
        if is_suspended is not None:
            status = MemberStatus.SUSPENDED if is_suspended else MemberStatus.ACTIVE
            changed |= {"status": status}  # type: ignore[dict-item]
        self.views[member_id] = view.model_copy(update=changed)
        return self.views[member_id]

    async def remove(self, participant_id: str, member_id: str) -> MemberView | None:
        view = self.views.get(member_id)
        if view is None or view.participant_id != participant_id:
            return None
        gone = view.model_copy(update={"status": MemberStatus.REMOVED, "removed_at": NOW})
        self.views[member_id] = gone
        return gone

    async def members(self, participant_id: str) -> list[MemberView]:
        return [view for view in self.views.values() if view.participant_id == participant_id]

    async def member(self, member_id: str) -> MemberView | None:
        return self.views.get(member_id)


class NoTokens:
    """No issuer is trusted."""

    issuers: tuple[IssuerView, ...] = ()

    async def holder(self, token: str) -> Holder:
        raise AssertionError("nobody asks: there is no issuer")
