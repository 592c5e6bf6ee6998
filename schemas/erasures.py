"""Erasing what a journal entry says: events, and bodies of the HTTP API."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Count, Instant, Model, ParticipantId, Sha256Hex, Text
from schemas.events import Event, Reason
from schemas.funds import EntryId

ErasureId = Annotated[str, StringConstraints(pattern=r"^era_[a-z2-7]{26}$")]
_Why = Annotated[Text, Field(min_length=1, description="Why; it stays on the log, so no names")]
_LeafHash = Annotated[
    Sha256Hex,
    Field(description="Leaf hash of the entry, so that no other one is erased by mistake"),
]


class ErasureOrdered(Event):
    """The operator has what an entry says erased; the ledger does it or refuses it for good."""

    erasure_id: ErasureId
    entry_id: EntryId
    leaf_hash: _LeafHash
    participant_id: ParticipantId = Field(description="Who ordered it")
    reason: _Why


class ErasureRefused(Event):
    """An entry was not erased, and never will be by this order."""

    erasure_id: ErasureId
    entry_id: EntryId
    participant_id: ParticipantId = Field(description="Who ordered it")
    reason: Reason


class JournalEntryErased(Event):
    """What an entry said was erased; this stands in its place, under its key.

    The log holds the tag and the commitment, as before, so that every proof still verifies.
    """

    commitment: Sha256Hex = Field(description="SHA-256 of the bytes that were erased")
    entry_id: EntryId
    erased_at: Instant = Field(description="On the wall clock")
    erasure_id: ErasureId
    leaf_index: Count
    occurred_at: Instant = Field(description="Of the entry, on the market's clock")


class ErasureNew(Model):
    """An entry that is to be erased."""

    entry_id: EntryId
    confirm: _LeafHash
    reason: _Why


class ErasureView(Model):
    """An order to erase an entry, and what became of it."""

    erasure_id: ErasureId
    entry_id: EntryId
    state: Literal["ordered", "erased", "refused"]
    reason: Text | None = Field(default=None, description="Why it was ordered")
    ordered_by: ParticipantId | None = None
    ordered_at: Instant | None = None
    leaf_index: Count | None = Field(default=None, description="Place in the log, once erased")
    commitment: Sha256Hex | None = Field(
        default=None, description="SHA-256 of the bytes that were erased, once they are"
    )
    erased_at: Instant | None = None
    refusal: Reason | None = Field(default=None, description="Why it was refused")
