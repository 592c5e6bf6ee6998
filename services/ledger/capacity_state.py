"""What the ledger knows of offers, and of capacity that they share, as frozen rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class OfferVersion:
    """Terms of an offer as a record on the log has them."""

    offer_id: str
    version: int
    log_partition: int
    log_offset: int
    market_id: str
    provider_id: str
    pool: str
    start_period: int
    end_period: int
    chips: int
    ask: int
    body_hash: bytes
    capacity: str | None = None


class Capacity(NamedTuple):
    """A capacity that offers share, in one period.

    Attributes:
        chips: What there is, as stated last.
        held: What of it is reserved for offers, sold or not.
    """

    chips: int
    held: int


class Raise(NamedTuple):
    """A request of an offer for more of what it shares, as it was answered.

    Attributes:
        offer_id: The offer.
        asked: Number of the request among those of the offer.
        version: Version of the terms that wanted it.
        chips: Wanted in each period.
        first_period: First period.
        end_period: Exclusive end.
        stated: Chips that there are in all, ``None`` for a resale.
        held: Whether they were reserved.
    """

    offer_id: str
    asked: int
    version: int
    chips: int
    first_period: int
    end_period: int
    stated: int | None
    held: bool
