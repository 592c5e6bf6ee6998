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


class TermsVersionView(Model):
    """Terms that an order had, or that were proposed for it."""

    version: Version
    terms: OfferTerms | DemandTerms
    recorded_at: Instant
