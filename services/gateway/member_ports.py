"""What the use cases of members need of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.identity import Scope
    from schemas.members import IssuerView, MemberView
    from services.gateway.ports import Principal


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a token was issued to.

    Attributes:
        issuer: Who vouches.
        subject: Who it is, as the issuer calls him.
    """

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Known:
    """A member, as a caller.

    Attributes:
        principal: Who it is.
        is_suspended: Whether the member, not its participant, may do nothing for now.
    """

    principal: Principal
    is_suspended: bool


@dataclass(frozen=True, slots=True)
class NewMember:
    """A member as it is stored first."""

    member_id: str
    holder: Holder
    name: str
    scopes: frozenset[Scope]
    made_by: str


class Members(Protocol):
    """Members, and whose they are."""

    async def by_holder(self, holder: Holder) -> Known | None:
        """Return the member that a token's holder is, unless he is none or removed."""
        ...

    def forget(self) -> None:
        """Look everybody up again: something about a participant is different."""
        ...

    async def by_id(self, member_id: str) -> Known | None:
        """Return a member, unless there is none or it is removed."""
        ...

    async def add(self, participant_id: str, new: NewMember) -> MemberView | None:
        """Store a member; ``None`` if the holder is one already, of whomever."""
        ...

    async def change(
        self,
        participant_id: str,
        member_id: str,
        *,
        scopes: frozenset[Scope] | None,
        is_suspended: bool | None,
    ) -> MemberView | None:
        """Change what is given; ``None`` if it is not the participant's, or removed."""
        ...

    async def remove(self, participant_id: str, member_id: str) -> MemberView | None:
        """Remove a member for good; ``None`` if it is not the participant's."""
        ...

    async def members(self, participant_id: str) -> list[MemberView]:
        """Return a participant's members, those that were removed last."""
        ...

    async def member(self, member_id: str) -> MemberView | None:
        """Return a member, removed or not."""
        ...


class Tokens(Protocol):
    """Tokens of issuers that are trusted."""

    @property
    def issuers(self) -> Sequence[IssuerView]:
        """Return the issuers, and what to ask them for."""
        ...

    async def holder(self, token: str) -> Holder:
        """Return whom a token for this exchange was issued to.

        Raises:
            UnauthenticatedError: naming what is wrong with it.
            UnavailableError: if the issuer's keys are not known and cannot be had now.
        """
        ...
