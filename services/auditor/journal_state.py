"""What the audit of the journal keeps between two batches, and where it keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from schemas.events import AllocationMade, OfferAmended, OfferSubmitted, RoundClosed
    from schemas.links import LinkCharged
    from schemas.money import AllocationSettled, SettlementTermsSet
    from schemas.shares import PremiumAssigned
    from schemas.transparency import AuditProgressed
    from services.kit.records import Positions
    from suanli.check_booking import Allocated, Claim, Facts, Place
    from suanli.check_capacity import Bought, Shared
    from suanli.check_journal import Books
    from suanli.check_settlement import Move

TILE = 256
"""Leaf hashes that are kept together; a tree at any size is made of 255 more at most."""


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """The small rest of the state, written with every batch.

    Attributes:
        size: Entries that were checked.
        head_size: Size of the last head that fits them, 0 before the first.
        head_root: Its root, hexadecimal.
        head_told_at: When it was published, in ISO 8601.
        reach: Size of the largest head that was published.
        signed_from: Size of the smallest signed head, 0 before there is one.
        is_diverged: Whether the last head that was passed does not fit.
        booking: Round whose entries are passing now, empty if none is.
        cause: What those entries were caused by.
        unseen: Postings of erased entries that no account's versions have shown yet.
        settling_from: First entry that was kept for settlements, ``None`` before one was.
    """

    size: int = 0
    head_size: int = 0
    head_root: str = ""
    head_told_at: str = ""
    reach: int = 0
    signed_from: int = 0
    is_diverged: bool = False
    booking: str = ""
    cause: str = ""
    unseen: int = 0
    settling_from: int | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """The last, partial tile of the auditor's tree.

    Attributes:
        n: Its number.
        nodes: The perfect subtrees of all entries before it.
        hashes: Leaf hashes in it, fewer than 256.
    """

    n: int = 0
    nodes: tuple[bytes, ...] = ()
    hashes: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class HeadSeen:
    """A head as it was published.

    Attributes:
        size: Entries under it.
        root: Hexadecimal.
        signed: Whether the log's key signed it.
        told_at: When, by the market's clock.
        fits: Whether the entries give its root; ``None`` until they reach it.
    """

    size: int
    root: str
    signed: bool
    told_at: datetime
    fits: bool | None = None


@dataclass(frozen=True, slots=True)
class RoundAudit:
    """How far a round is.

    Attributes:
        round_id: The round.
        market_id: Its market.
        seq: Its number.
        judged: Whether its file was verified and is right.
        offers_through: Records of offers that it had read, as (partition, end); ``None`` until
            its allocations were told.
        booked_at: Its last entry, ``None`` until all of them are there.
        allocations_compared: Whether its allocations were compared with its file.
        capacity_compared: Whether they were compared with what was offered.
        payments_compared: Whether its money was compared with its file.
        overtaken: Whether a later round of its market was booked before it.
        charges: What premiums charge by its file; ``None`` if the file was judged before that and
            the charges of links were kept.
        assessed: What premiums charge by the journal.
    """

    round_id: str
    market_id: str
    seq: int
    judged: bool = False
    offers_through: tuple[tuple[int, int], ...] | None = None
    booked_at: int | None = None
    allocations_compared: bool = False
    capacity_compared: bool = False
    payments_compared: bool = False
    overtaken: bool = False
    charges: int | None = None
    assessed: int = 0


@dataclass(frozen=True, slots=True)
class Charge:
    """A premium or a charge for a link.

    Attributes:
        party: Whom it was told of, empty by the file.
        facts: What it comes to.
    """

    party: str
    facts: Facts


Charges = dict[str, Charge]
"""What is charged, an allocation or a demand and a link -> the charge."""


@dataclass(frozen=True, slots=True)
class Payments:
    """What a round's file says that demands pay.

    Attributes:
        all: Demand -> micro-yuan.
        tariffs: Demand -> of that, tariffs of links.
        rents: Demand -> of that, congestion rents.
    """

    all: Mapping[str, int]
    tariffs: Mapping[str, int]
    rents: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, before it is an event.

    Attributes:
        code: Which one, a key of `services.auditor.journal_findings.SENTENCES`.
        key: What tells it from others with its code; the same fault has the same key.
        problems: What is wrong, in English.
        evidence: Where to look: ``leaf_index``, ``entry_id``, ``account``, ``round_id``, ``size``.
        market_id: Market, ``exchange`` if it is about none.
        round_id: Round, if it is about one.
    """

    code: str
    key: str
    problems: tuple[str, ...]
    evidence: Mapping[str, str | int]
    market_id: str = "exchange"
    round_id: str | None = None


@dataclass(frozen=True, slots=True)
class ErasureSeen:
    """An erasure that was told, or that the ledger's database shows.

    Attributes:
        leaf_index: Place of the entry.
        erasure_id: The order, empty where none is named.
        leaf_hash: Hash of the leaf, hexadecimal.
    """

    leaf_index: int
    erasure_id: str
    leaf_hash: str


@dataclass(slots=True)
class JournalChanges:
    """What one transaction writes."""

    facts: JournalFacts
    tiles: dict[int, tuple[tuple[bytes, ...], bytes]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    waiting: dict[int, bytes] = field(default_factory=dict)
    taken: list[int] = field(default_factory=list)
    books: Books | None = None
    heads: dict[int, HeadSeen] = field(default_factory=dict)
    cosigned: list[tuple[int, str, str]] = field(default_factory=list)
    rounds: dict[str, RoundAudit] = field(default_factory=dict)
    allocations: list[AllocationMade] = field(default_factory=list)
    charges: list[PremiumAssigned | LinkCharged] = field(default_factory=list)
    # (round, allocation) -> what its provider receives beside the price, by the file.
    premiums: dict[tuple[str, str], int] = field(default_factory=dict)
    closed: list[RoundClosed] = field(default_factory=list)
    offers: list[OfferSubmitted | OfferAmended] = field(default_factory=list)
    given: dict[tuple[str, str, str], int] = field(default_factory=dict)
    # What allocations gave, which may be sold on; (capacity, hour) -> what was sold of it.
    bought: list[AllocationMade] = field(default_factory=list)
    shared: dict[tuple[str, str], Shared] = field(default_factory=dict)
    # (place in its market's log, settlement); terms; entry id -> (place, market, movement).
    settlements: list[tuple[int, AllocationSettled]] = field(default_factory=list)
    terms: list[SettlementTermsSet] = field(default_factory=list)
    settling: dict[str, tuple[int, str, Move]] = field(default_factory=dict)
    # Settlements that were judged, as (market, place), their hours, and the entries done with.
    judged: list[tuple[str, int]] = field(default_factory=list)
    settled_hours: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    matched: set[str] = field(default_factory=set)
    # Entries of settlements that are not judged, which may still come.
    passed: set[str] = field(default_factory=set)
    claims: dict[Place, Claim] = field(default_factory=dict)
    # Those whose escrow is empty and whose premiums may still move.
    waits: set[Place] = field(default_factory=set)
    settled: set[Place] = field(default_factory=set)
    found: list[Found] = field(default_factory=list)
    # (id, leaf hash) of orders to erase; erasures; places of those that have no order.
    ordered: set[tuple[str, str]] = field(default_factory=set)
    erased: set[ErasureSeen] = field(default_factory=set)
    unordered: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Settling:
    """A settlement that was told, with what it follows from.

    Attributes:
        market_id: Its market.
        place: Its place in the log of that market.
        told: What it says.
        allocation: The allocation as it was told, ``None`` if it was not yet.
        settled: Hour -> (settlement, chips, delivered, digest) of the allocation before.
        premiums: Hour -> what its provider receives beside the price.
        terms: Terms of the version that it names, ``None`` if they are not known.
        fee_ppm: The market's fee when the round was made.
        resale_of: Allocation that it resells, if it does.
        round: ``judged``; ``awaited`` until it is; ``passed`` if it was refuted, or judged before
            its premiums were kept.
    """

    market_id: str
    place: int
    told: dict[str, Any]
    allocation: dict[str, Any] | None
    settled: dict[str, list[Any]]
    premiums: Mapping[str, int]
    terms: dict[str, Any] | None
    fee_ppm: int | None
    resale_of: str | None
    round: str

    @property
    def id(self) -> str:
        """Return its id."""
        return str(self.told["settlement_id"])


class SettlementStore(Protocol):
    """Settlements and their entries, until both are there."""

    async def waiting(self, limit: int) -> list[Settling]:
        """Return the first settlements of each market that were not judged, in order."""
        ...

    async def entries(self, entry_ids: Iterable[str]) -> dict[str, tuple[int, Move]]:
        """Return entry id -> (place, movement) of entries that settle something."""
        ...

    async def entries_before(
        self, market_id: str, place: int, limit: int
    ) -> dict[str, tuple[int, Move]]:
        """Return the first of a market before a place."""
        ...

    async def is_seen(self, entry_ids: Iterable[str], before: int) -> bool:
        """Tell whether one of these entries is before a place."""
        ...

    async def is_settling(self, allocation_id: str) -> bool:
        """Tell whether a settlement of an allocation waits to be judged."""
        ...

    async def sold_on(
        self, allocation_id: str
    ) -> dict[str, tuple[dict[str, Any], dict[str, list[Any]]]]:
        """Return an allocation and what was sold on of it, each with its settled hours."""
        ...


class CapacityStore(Protocol):
    """What was offered, given out, bought and sold on."""

    async def offers(self, offer_ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """Return all terms that offers had."""
        ...

    async def given(self, offer_ids: Iterable[str]) -> dict[tuple[str, str, str], int]:
        """Return (offer, pool, hour) -> chips given out."""
        ...

    async def bought(self, allocation_ids: Iterable[str]) -> dict[str, Bought]:
        """Return what allocations gave, of those that were told."""
        ...

    async def sales_through(self, allocation_ids: Iterable[str]) -> dict[str, int]:
        """Return allocation -> sales that its chips came through, itself among them."""
        ...

    async def shared(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Shared]:
        """Return (capacity, hour) -> what was sold of it over all markets."""
        ...


class JournalStore(Protocol):
    """The commit point; a write fails with StaleWriterError once the lease is lost."""

    @property
    def settlements(self) -> SettlementStore:
        """Return what is kept of settlements."""
        ...

    @property
    def capacity(self) -> CapacityStore:
        """Return what is kept of chips."""
        ...

    async def start(self) -> tuple[Positions, JournalFacts, Edge]:
        """Claim the positions; return them and where the journal stands."""
        ...

    async def hashes(self, indices: Iterable[int]) -> dict[int, bytes]:
        """Return the kept leaf hashes of entries."""
        ...

    async def tile(self, n: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Return (tree before it, leaf hashes) of a tile that there is."""
        ...

    async def waiting(self, first: int, count: int) -> dict[int, bytes]:
        """Return the waiting entries of ``count`` places from the first."""
        ...

    async def waiting_at(self, indices: Iterable[int]) -> dict[int, bytes]:
        """Return the waiting entries of some places."""
        ...

    async def first_waiting(self) -> int | None:
        """Return the place of the first waiting entry."""
        ...

    async def books(self, accounts: set[str], holds: set[str], ids: set[str]) -> Books:
        """Return what earlier entries left behind, of these alone."""
        ...

    async def heads(self, sizes: Iterable[int]) -> dict[int, HeadSeen]:
        """Return the heads of these sizes that were published."""
        ...

    async def heads_ahead(self, size: int, until: int) -> dict[int, HeadSeen]:
        """Return the heads in (size, until] that no entry has reached."""
        ...

    async def claims(self, places: Iterable[Place]) -> dict[Place, Claim]:
        """Return the money in escrow of these."""
        ...

    async def claims_of(self, round_id: str) -> dict[Place, Claim]:
        """Return the money in escrow of a round."""
        ...

    async def claims_waiting(self, before: int, limit: int) -> dict[Place, Claim]:
        """Return money that waits for premiums and was last moved by an entry before a place."""
        ...

    async def rounds(self, round_ids: Iterable[str]) -> dict[str, RoundAudit]:
        """Return how far these rounds are."""
        ...

    async def open_rounds(self, limit: int) -> list[RoundAudit]:
        """Return rounds that were not compared in full, the oldest first."""
        ...

    async def payments(self, round_id: str) -> Payments:
        """Return what each demand pays by the round's file."""
        ...

    async def charges(self, round_id: str, kind: str) -> tuple[Charges, Charges]:
        """Return a round's premiums (``premium``) or charges (``link``): by file and by topic."""
        ...

    async def allocations(self, round_id: str, source: str) -> dict[Allocated, Facts]:
        """Return a round's allocations, by ``file`` or by ``topic``."""
        ...

    async def told(self, round_id: str) -> list[dict[str, Any]]:
        """Return a round's allocations as their topic told them."""
        ...

    async def told_at(self, places: Iterable[Place]) -> list[dict[str, Any]]:
        """Return the allocations of some demands in rounds, as their topic told them.

        With them is their ``premium``, as the file says.
        """
        ...

    async def progress(self, facts: JournalFacts) -> AuditProgressed:
        """Return how far the audit is."""
        ...

    async def unordered(self, limit: int) -> Sequence[ErasureSeen]:
        """Return stored erasures for which no order is stored, and that were not told."""
        ...

    async def commit(
        self, before: Positions, after: Positions, changes: JournalChanges, now: datetime
    ) -> Sequence[str]:
        """Write a batch in one transaction; return the codes of findings that are new."""
        ...

    async def tell(self, progress: AuditProgressed, now: datetime) -> None:
        """Queue the event about the progress."""
        ...
