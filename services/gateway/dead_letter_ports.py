"""What work on dead letters needs: the register, and the topics that their records came from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from schemas.dead_letters import DeadLetterView, LetterState
    from services.kit.records import Record

Place = tuple[int, int]
"""Partition and offset among the dead letters."""
Note = Callable[[str], Awaitable[None]]
"""Puts on record where a copy went."""


class DeadLetters(Protocol):
    """The register of dead letters, and what was decided on each."""

    async def listed(
        self, *, before: int | None, state: LetterState | None, topic: str | None, limit: int
    ) -> list[tuple[int, DeadLetterView]]:
        """Return (sequence, letter), latest first."""
        ...

    async def one(self, place: Place) -> DeadLetterView | None:
        """Return a letter."""
        ...

    async def decide(
        self,
        place: Place,
        act: Literal["redriven", "discarded"],
        reason: str,
        decided_by: str,
        at: datetime,
    ) -> None:
        """Put on record what is done about a letter, unless something is on record already."""
        ...

    def copying(self, place: Place) -> AbstractAsyncContextManager[Note | None]:
        """Let one at a time send the copy of a letter's record, within the block.

        Yields what puts on record where the copy went; ``None`` if that is on record already.
        """
        ...


class SourceTopics(Protocol):
    """The topics that dead letters came from."""

    async def record(self, topic: str, partition: int, offset: int) -> Record | None:
        """Return a record; ``None`` if its topic does not hold it, or there is no such topic.

        Raises:
            UnavailableError: if the broker does not answer.
        """
        ...

    async def send_again(self, record: Record, letter_id: str) -> str:
        """Send a copy of a record to its topic; return where it went.

        Raises:
            UnavailableError: if it is not known whether it was written.
            TooLargeError: if the broker takes no record of this size.
        """
        ...
