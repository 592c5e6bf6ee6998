"""Events of the transparency log: salted entries, signed tree heads, cosignatures."""

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.base import Count, Name, Sha256Hex
from schemas.events import CheckpointPublished, Event, JournalEntryRecorded

# A head with 16 post-quantum cosignatures of some 3.3 kB each still fits.
_NOTE_CHARS_MAX = 60_000
NoteText = Annotated[str, StringConstraints(min_length=1, max_length=_NOTE_CHARS_MAX)]
SignatureLine = Annotated[
    str, StringConstraints(max_length=5_000, pattern=r"^\u2014 \S+ [A-Za-z0-9+/=]+\n$")
]


class JournalEntrySalted(JournalEntryRecorded):
    """A transfer was booked; the transparency log commits to this body byte for byte.

    The value on the topic is the opening of the log's entry, see ``docs/reference/journal.md``.
    """

    salt: Sha256Hex = Field(description="256 random bits, so that nobody can guess the entry")


class CheckpointSigned(CheckpointPublished):
    """The transparency log's tree head, signed by the log."""

    note: NoteText = Field(description="The signed note (C2SP tlog-checkpoint)")


class CheckpointCosigned(Event):
    """A witness cosigned a tree head: it extends all that the witness saw before."""

    origin: Name
    size: Count
    root: Sha256Hex
    witness: Name = Field(description="Name of the witness's key")
    line: SignatureLine = Field(description="Its signature line, to be put under the note")
