"""What the API gives to those who check the exchange."""

from typing import Annotated

from pydantic import Field

from schemas.base import Count, Instant, Model, Name, Sha256Hex, Version
from schemas.orders import DemandTerms, OfferTerms
from schemas.transparency import NoteText

# A tree of 2**63 entries has no longer proof.
HashList = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")], ...], Field(max_length=63)
]


class JournalEntryView(Model):
    """A journal entry, byte for byte."""

    leaf_index: Count
    entry: Annotated[str, Field(max_length=65_535)] = Field(
        description="Its canonical bytes as UTF-8, the leaf of the log"
    )


class LogHeadView(Model):
    """A head of the transparency log."""

    size: Count
    origin: Name
    root: Sha256Hex
    told_at: Instant
    note: NoteText | None = Field(None, description="The signed note, if it was signed")


class LogKeyView(Model):
    """The key that heads of the log are signed with."""

    origin: Name
    key: Annotated[str, Field(max_length=4_000)] = Field(
        description="Verifier key `name+id+base64`, as C2SP signed-note and Go write it"
    )


class InclusionView(Model):
    """The audit path of a leaf (RFC 6962 2.1.1), its neighbour first."""

    leaf_index: Count
    size: Count
    proof: HashList


class ConsistencyView(Model):
    """The proof that a tree extends an older one (RFC 6962 2.1.2)."""

    old_size: Count
    size: Count
    proof: HashList


class FinalityView(Model):
    """What makes settlements, statements and invoices final, and how far that is."""

    needed: Count = Field(description="Witnesses that must have cosigned; 0: none is asked for")
    witnesses: Annotated[tuple[Name, ...], Field(max_length=64)]
    witnessed_size: Count | None = Field(
        description="Entries under the last head that enough cosigned; null: none is asked for"
    )
    log_size: Count


class AuditView(Model):
    """How far the exchange's auditor is, all markets together."""

    told_at: Instant = Field(description="When the auditor said so, by the market's clock")
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


class TermsVersionView(Model):
    """Terms that an order had, or that were proposed for it."""

    version: Version
    terms: OfferTerms | DemandTerms
    recorded_at: Instant
