"""What the API gives to those who check the exchange."""

from typing import Annotated

from pydantic import Field

from schemas.base import Count, Instant, Model, Name, Sha256Hex, Version
from schemas.orders import DemandTerms, OfferTerms


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


class TermsVersionView(Model):
    """Terms that an order had, or that were proposed for it."""

    version: Version
    terms: OfferTerms | DemandTerms
    recorded_at: Instant
