"""Events of the transparency log: salted entries, signed tree heads, cosignatures."""

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.base import Count, Instant, Name, Sha256Hex, Slug
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


class AuditProgressed(Event):
    """How far the exchange's auditor is, all markets together; the latest one counts."""

    market_id: Slug = Field(description="Always `exchange`")
    rounds_verified: Count = Field(description="Rounds whose file was found right")
    rounds_refuted: Count
    rounds_booked: Count = Field(description="Of those, rounds whose money in the journal fits")
    entries_checked: Count = Field(description="Entries of the journal that were checked, from 0")
    entries_published: Count = Field(description="Entries that there are, by the heads")
    head_size: Count = Field(description="Entries under the last head that fits; 0: none yet")
    head_root: Sha256Hex | None = None
    head_told_at: Instant | None = None
    cosignatures: Count = Field(description="Witnesses that cosigned that head")
    findings: Count = Field(description="Faults found, refuted rounds among them")
