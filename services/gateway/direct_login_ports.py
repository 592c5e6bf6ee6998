"""What the use cases of logins at the broker need of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from datetime import datetime

    from schemas.types import Role

    Work = Callable[[], Awaitable[None]]
    Look = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Known:
    """What the exchange knows of a participant's login.

    Attributes:
        is_allowed: Whether the operator allows one.
        login: ``making`` from before the broker is asked until it has answered.
        at: When it was made, or its making begun.
        by: Key or member that asked for it.
    """

    is_allowed: bool = False
    login: Literal["none", "making", "active"] = "none"
    at: datetime | None = None
    by: str | None = None


class LoginBook(Protocol):
    """What the exchange knows of logins; what there is, the broker knows."""

    async def known(self, participant_id: str) -> Known:
        """Return what is known of a participant's login."""
        ...

    async def allow(self, participant_id: str, by: str, *, is_allowed: bool) -> None:
        """Allow a participant a login, or no longer."""
        ...

    async def making(self, participant_id: str, by: str, work: Work) -> bool:
        """Note that a login is being made, do it, note that it is; ``False`` if it may not be.

        Raises:
            BusyError: if it is being changed already.
        """
        ...

    async def ending(self, participant_id: str, work: Work, *, if_due: bool) -> None:
        """End a login and note it; with ``if_due`` only one that must not be.

        Raises:
            BusyError: if it is being changed already.
        """
        ...

    async def unnoted(self, logins: Collection[str]) -> list[str]:
        """Return the participants among these of whose login nothing is known."""
        ...

    async def noting(self, participant_id: str, by: str, look: Look) -> None:
        """Note a login that is there, if ``look`` still finds it: whoever made it allowed it.

        Raises:
            BusyError: if it is being changed already.
        """
        ...

    async def due(self) -> list[str]:
        """Return some of those who have a login and may not: suspended, or not allowed."""
        ...


class Broker(Protocol):
    """Who may log in to the broker, of participants alone."""

    async def has_login(self, participant_id: str) -> bool:
        """Return whether the broker would take a password of it.

        Raises:
            UnavailableError: if the broker refused or did not answer; so do the others.
        """
        ...

    async def logins(self) -> set[str]:
        """Return the participants of which the broker would take a password."""
        ...

    async def make(self, participant_id: str, role: Role, password: str) -> None:
        """Let it log in by this password alone, to write its topic and read its answers."""
        ...

    async def end(self, participant_id: str) -> bool:
        """Take its rights and its password; return whether it had any."""
        ...
