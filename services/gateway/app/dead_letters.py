"""Dead letters: looking into them, sending their records again, putting them aside.

A record is sent again with the bytes that it had, so it keeps the id that its producer gave it, and
whoever took it before knows it for a repeat. Of those who press the button at the same moment, on
whatever gateways, one sends the copy and the others wait for its note. A gateway that dies between
the copy and the note leaves a letter without a note: the next press sends a second copy, and the
copies count once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.dead_letters import (
    TEXT_CHARACTERS_MAX,
    DeadLetterContent,
    DeadLetterHeader,
)
from schemas.types import Role
from services.core.errors import Message
from services.gateway.app.rights import require_role
from services.gateway.errors import ConflictError, not_found

if TYPE_CHECKING:
    from schemas.dead_letters import DeadLetterView, LetterState
    from services.gateway.dead_letter_ports import DeadLetters, Place, SourceTopics
    from services.gateway.ports import MarketClock, Principal

_SEE = (Role.OPERATOR, Role.REGULATOR)
_HEADERS_MAX = 100
_HEADER_CHARACTERS_MAX = 500
# UTF-8 takes up to four bytes a character.
_TEXT_BYTES_MAX = 4 * TEXT_CHARACTERS_MAX


class DeadLetterWork:
    """What the operator does about dead letters, and regulators see of them.

    Args:
        letters: The register.
        topics: Where their records came from.
        clock: The market's clock.
    """

    def __init__(self, letters: DeadLetters, topics: SourceTopics, clock: MarketClock) -> None:
        self._letters = letters
        self._topics = topics
        self._clock = clock

    async def listed(
        self,
        principal: Principal,
        *,
        before: int | None,
        state: LetterState | None,
        topic: str | None,
        limit: int,
    ) -> list[tuple[int, DeadLetterView]]:
        """Return (sequence, letter), latest first.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
        """
        require_role(principal, *_SEE)
        return await self._letters.listed(before=before, state=state, topic=topic, limit=limit)

    async def content(self, principal: Principal, letter_id: str) -> DeadLetterContent:
        """Return a letter with its record.

        Raises:
            ForbiddenError: if the caller is neither the operator nor a regulator.
            NotFoundError: if there is no such letter.
            UnavailableError: if the broker does not answer.
        """
        require_role(principal, *_SEE)
        letter = await self._known(letter_id)
        record = await self._topics.record(letter.topic, letter.partition, letter.offset)
        if record is None:
            return DeadLetterContent(letter=letter, is_there=False)
        value = record.value or b""
        text = value[:_TEXT_BYTES_MAX].decode(errors="replace")
        return DeadLetterContent(
            letter=letter,
            is_there=True,
            key=_text(record.key),
            headers=tuple(
                DeadLetterHeader(name=name[:_HEADER_CHARACTERS_MAX], value=_text(raw))
                for name, raw in record.headers[:_HEADERS_MAX]
            ),
            text=text[:TEXT_CHARACTERS_MAX],
            is_whole=len(value) <= _TEXT_BYTES_MAX and len(text) <= TEXT_CHARACTERS_MAX,
        )

    async def redrive(self, principal: Principal, letter_id: str) -> DeadLetterView:
        """Send a letter's record to its topic again; twice is once.

        Raises:
            ForbiddenError: if the caller is not the operator.
            NotFoundError: if there is no such letter.
            ConflictError: if it was discarded, or its record is gone.
            UnavailableError: if it is not known whether the copy was written; press again.
        """
        require_role(principal, Role.OPERATOR)
        letter = await self._known(letter_id)
        if letter.state == "redriven" and letter.sent_to is not None:
            return letter
        record = await self._topics.record(letter.topic, letter.partition, letter.offset)
        if record is None:
            raise _gone(letter)
        place, now = place_of(letter_id), self._clock.now()
        await self._letters.decide(place, "redriven", "", principal.participant_id, now)
        letter = await self._known(letter_id)
        if letter.state != "redriven":
            raise _decided(letter, Message("open or redriven", "待处理或已重发"))
        async with self._letters.copying(place) as note:
            if note is not None:
                await note(await self._topics.send_again(record, letter_id))
        return await self._known(letter_id)

    async def discard(self, principal: Principal, letter_id: str, reason: str) -> DeadLetterView:
        """Put a letter aside, with the reason; twice is once.

        Raises:
            ForbiddenError: if the caller is not the operator.
            NotFoundError: if there is no such letter.
            ConflictError: if its record was sent again.
        """
        require_role(principal, Role.OPERATOR)
        await self._known(letter_id)
        place, now = place_of(letter_id), self._clock.now()
        await self._letters.decide(place, "discarded", reason, principal.participant_id, now)
        letter = await self._known(letter_id)
        if letter.state != "discarded":
            raise _decided(letter, Message("open or discarded", "待处理或已搁置"))
        return letter

    async def _known(self, letter_id: str) -> DeadLetterView:
        found = await self._letters.one(place_of(letter_id))
        if found is None:
            raise not_found("letter_id", letter_id)
        return found


def place_of(letter_id: str) -> Place:
    """Return where a letter is among the dead letters."""
    partition, _, offset = letter_id.partition("-")
    return int(partition), int(offset)


def _text(raw: bytes | None) -> str:
    return (raw or b"")[:_HEADER_CHARACTERS_MAX].decode(errors="replace")


def _gone(letter: DeadLetterView) -> ConflictError:
    place = f"{letter.topic}/{letter.partition}@{letter.offset}"
    return ConflictError(
        "dead_letter.gone",
        Message(
            f"letter_id: must be of a record that its topic still holds, was {place}",
            f"letter_id：须为其主题仍保存的记录，实为 {place}",
        ),
        field="letter_id",
        value=letter.letter_id,
        allowed="of a record that its topic still holds",
    )


def _decided(letter: DeadLetterView, allowed: Message) -> ConflictError:
    return ConflictError(
        "dead_letter.decided",
        Message(
            f"letter_id: must be {allowed.en}, was {letter.state} ({letter.letter_id})",
            f"letter_id：须为{allowed.zh}，实为 {letter.state}（{letter.letter_id}）",
        ),
        field="letter_id",
        value=letter.state,
        allowed=allowed.en,
    )
