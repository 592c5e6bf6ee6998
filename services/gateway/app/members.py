"""Members: people who act for a participant, added, changed and removed by its admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.members import CallerView, MemberSetStatus
from services.core.errors import Message, ValidationError
from services.gateway.app.keys import random_id, require_admin_of
from services.gateway.app.scopes import require_grantable
from services.gateway.errors import ConflictError, not_found
from services.gateway.member_ports import Holder, NewMember

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.members import IssuerView, MemberChange, MemberNew, MemberView
    from services.gateway.member_ports import Members
    from services.gateway.ports import Directory, Principal

_MEMBER = "mbr_"


class MemberCommands:
    """Members of participants.

    Args:
        directory: Participants.
        members: Their members.
        issuers: Who may vouch for a member.
    """

    def __init__(
        self, directory: Directory, members: Members, issuers: Sequence[IssuerView]
    ) -> None:
        self._directory = directory
        self._members = members
        self.issuers = tuple(issuers)

    async def add(self, principal: Principal, participant_id: str, wanted: MemberNew) -> MemberView:
        """Let a person act for a participant.

        Raises:
            NotFoundError: if there is no such participant, or it is another one's.
            ValidationError: if the issuer is not trusted, or a scope may not be granted.
            ConflictError: if the person is a member already.
        """
        owner = await require_admin_of(self._directory, principal, participant_id)
        require_grantable(principal, owner.role, wanted.scopes)
        trusted = [one.issuer for one in self.issuers]
        if wanted.issuer not in trusted:
            raise _untrusted(wanted.issuer, ", ".join(trusted) or "none is set up")
        new = NewMember(
            member_id=_MEMBER + random_id(),
            holder=Holder(wanted.issuer, wanted.subject),
            name=wanted.name,
            scopes=frozenset(wanted.scopes),
            made_by=principal.key_id,
        )
        view = await self._members.add(participant_id, new)
        if view is None:
            raise _taken(wanted.subject)
        return view

    async def list(self, principal: Principal, participant_id: str) -> list[MemberView]:
        """Return a participant's members, those that were removed last.

        Raises:
            NotFoundError: if there is no such participant, or it is another one's.
        """
        await require_admin_of(self._directory, principal, participant_id)
        return await self._members.members(participant_id)

    async def change(
        self, principal: Principal, participant_id: str, member_id: str, wanted: MemberChange
    ) -> MemberView:
        """Change what a member may do, or whether it may do anything.

        Raises:
            NotFoundError: if there is no such member, or it is another participant's.
            ValidationError: if a scope may not be granted.
        """
        owner = await require_admin_of(self._directory, principal, participant_id)
        require_grantable(principal, owner.role, wanted.scopes or ())
        status = wanted.status
        view = await self._members.change(
            participant_id,
            member_id,
            scopes=None if wanted.scopes is None else frozenset(wanted.scopes),
            is_suspended=None if status is None else status is MemberSetStatus.SUSPENDED,
        )
        if view is None:
            raise not_found("member_id", member_id)
        return view

    async def remove(self, principal: Principal, participant_id: str, member_id: str) -> MemberView:
        """Remove a member for good; the keys that it made stay.

        Raises:
            NotFoundError: if there is no such member, or it is another participant's.
        """
        await require_admin_of(self._directory, principal, participant_id)
        view = await self._members.remove(participant_id, member_id)
        if view is None:
            raise not_found("member_id", member_id)
        return view

    async def whoami(self, principal: Principal) -> CallerView:
        """Return who is calling."""
        is_member = principal.key_id.startswith(_MEMBER)
        return CallerView(
            participant_id=principal.participant_id,
            role=principal.role,
            status="active" if principal.active else "suspended",
            credential_id=principal.key_id,
            scopes=tuple(sorted(principal.scopes)),
            member=await self._members.member(principal.key_id) if is_member else None,
        )


def _untrusted(issuer: str, trusted: str) -> ValidationError:
    return ValidationError(
        "validation.issuer",
        Message(
            f"issuer: must be a trusted issuer ({trusted}), was {issuer}",
            f"issuer：须为受信任的签发方（{trusted}），实为 {issuer}",
        ),
        field="issuer",
        value=issuer,
        allowed=trusted,
    )


def _taken(subject: str) -> ConflictError:
    return ConflictError(
        "member_exists",
        Message(
            f"subject: must be of somebody who is no member yet, was {subject}; a person is a "
            "member of one participant, and once",
            f"subject：须为尚非成员的人员，实为 {subject}；每人只能是一个参与方的成员，且仅一次",
        ),
        field="subject",
        value=subject,
        allowed="of somebody who is no member yet",
    )
