"""Dead letters over HTTP: records that nobody could take, and what the operator did about each."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Count, Instant, Model, ParticipantId, Text

LetterId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,9}-[0-9]{1,18}$"),
    Field(description="Partition and offset among the dead letters"),
]
LetterState = Literal["open", "redriven", "discarded"]
TEXT_CHARACTERS_MAX = 20_000
"""Of a record's bytes that are shown as text."""


class DeadLetterView(Model):
    """A record that nobody could take: where it was, why, and what was done about it."""

    letter_id: LetterId
    topic: str = Field(description="Where the record was")
    partition: Count
    offset: Count
    consumer: str = Field(description="Who refused it; empty for what was buried long ago")
    reason: str = Field(description="Code of what is wrong with it")
    field: str
    value: str
    allowed: str
    bytes: Count
    buried_at: Instant
    state: LetterState = "open"
    decided_by: ParticipantId | None = None
    decided_at: Instant | None = None
    decided_reason: str | None = None
    sent_to: str | None = Field(
        default=None, description="Topic, partition and offset of the copy that was sent"
    )


class DeadLetterHeader(Model):
    """A header of a record."""

    name: str
    value: str


class DeadLetterContent(Model):
    """A dead letter with the record as it still stands in its topic."""

    letter: DeadLetterView
    is_there: bool = Field(description="False once its topic no longer holds it")
    key: str = ""
    headers: Annotated[tuple[DeadLetterHeader, ...], Field(max_length=100)] = ()
    text: Annotated[str, StringConstraints(max_length=TEXT_CHARACTERS_MAX)] = Field(
        default="", description="Its bytes as UTF-8; what is none is replaced"
    )
    is_whole: bool = Field(default=True, description="False if the text was cut")


class DeadLetterDiscard(Model):
    """Why a dead letter needs nothing more."""

    reason: Annotated[Text, Field(min_length=1)]
