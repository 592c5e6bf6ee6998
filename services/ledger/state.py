"""What the ledger knows, as frozen rows; the writer loads what a batch touches.

Money is in micro-yuan, periods are absolute hours, quantities are whole chips.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from services.core.merkle import Frontier

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from schemas.codec import Envelope
    from services.core.postings import Account, Posting, Transfer
    from services.core.settlement import Settled, Split, Terms
    from services.kit.kafka import OutRecord, Record
    from services.ledger.capacity_state import Capacity, OfferVersion, Raise
    from services.ledger.erasure_state import Erasable, ErasureOrder

UNIT = "CNY-micro"
BANK = "bank"
"""The world outside: what participants have is what the bank owes, so it may be negative."""
_NO_FLOOR = (BANK, "debt:", "premiums:")
_OWNED = frozenset({"cny", "collateral", "debt"})


def cny_account(participant_id: str) -> str:
    """Return the name of a participant's money account."""
    return f"cny:{participant_id}"


def escrow_account(market_id: str) -> str:
    """Return the name of a market's escrow: captured, not yet delivered."""
    return f"escrow:{market_id}"


def fees_account(market_id: str) -> str:
    """Return the name of the account that a market's fees go to."""
    return f"fees:{market_id}"


def collateral_account(participant_id: str) -> str:
    """Return the name of the account that a participant's penalties are taken from."""
    return f"collateral:{participant_id}"


def debt_account(participant_id: str) -> str:
    """Return the name of the account that shows what a participant owes; never above zero."""
    return f"debt:{participant_id}"


def penalties_account(market_id: str) -> str:
    """Return the name of the account that a market's penalties go to."""
    return f"penalties:{market_id}"


def links_account(market_id: str) -> str:
    """Return the name of the account that tariffs of a market's links go to."""
    return f"links:{market_id}"


def rents_account(market_id: str) -> str:
    """Return the name of the account that congestion rents of a market's links go to."""
    return f"rents:{market_id}"


def policy_account(market_id: str) -> str:
    """Return the name of a market's policy fund: what domestic supply is credited from."""
    return f"policy:{market_id}"


def premiums_account(market_id: str) -> str:
    """Return the name of the account of premiums that imported supply is still to be charged."""
    return f"premiums:{market_id}"


def has_floor(account: str) -> bool:
    """Tell whether an account must never be below zero."""
    return not account.startswith(_NO_FLOOR)


def owner_of(account: str) -> str | None:
    """Return the participant whose account this is, ``None`` if it is nobody's."""
    kind, _, owner = account.partition(":")
    return owner if kind in _OWNED else None


@dataclass(frozen=True, slots=True)
class Input:
    """A record that decodes: where it stood and what it says."""

    record: Record
    envelope: Envelope

    @property
    def position(self) -> tuple[str, int, int]:
        """Return (topic, partition, offset)."""
        return (self.record.topic, self.record.partition, self.record.offset)


@dataclass(frozen=True, slots=True)
class About:
    """What a booking is about: a market, a round, an order, and when a hold of it ends."""

    market_id: str | None = None
    round_id: str | None = None
    order_id: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """An admitted participant."""

    id: str
    role: str
    name: str
    resource_code: str | None
    status: str


@dataclass(frozen=True, slots=True)
class DemandHold:
    """The current hold of a demand.

    Attributes:
        order_id: The demand.
        market_id: Its market.
        participant_id: Its enterprise.
        version: Last version that money was held for.
        need: What that version can cost at most.
        amount: What is held now; 0 with no hold.
        hold_id: The open hold, ``None`` if nothing is held.
        closed: Its first version was refused, so it never was in the book and never will be.
        interruptible: Whether a version of it ever yielded to others; ``None`` if not known.
        submitted_hash: SHA-256 of the first terms, to tell a repeat from a forgery.
        log_partition: Partition of the last record that changed this.
        log_offset: Offset of it.
        expires_at: When the last of its versions ends, which is when its hold does; ``None``:
            it was held before ends were kept, and never does.
    """

    order_id: str
    market_id: str
    participant_id: str
    version: int
    need: int
    amount: int
    hold_id: UUID | None
    closed: bool
    submitted_hash: bytes
    log_partition: int
    log_offset: int
    interruptible: bool | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """Chips and price of an allocation in one period, and what its premium comes to."""

    period: int
    chips: int
    price: int
    premium: int = 0


@dataclass(frozen=True, slots=True)
class Allocation:
    """A booked allocation.

    Attributes not named as on the wire: ``resale_of`` is the allocation that it was sold on from,
    ``links`` how many sales it is away from the chips, 1 for a provider's own.
    """

    id: str
    round_id: str
    market_id: str
    demand_id: str
    enterprise_id: str
    offer_id: str
    provider_id: str
    offer_version: int
    pool: str
    payment: int
    body_hash: bytes
    periods: tuple[PeriodRow, ...]
    terms: Terms
    resale_of: str | None = None
    links: int = 1


@dataclass(frozen=True, slots=True)
class RoundRow:
    """A booked round."""

    round_id: str
    market_id: str
    seq: int
    digest: bytes
    records: int
    payment: int
    terms: Terms
    market_time: datetime


@dataclass(frozen=True, slots=True)
class OpenPeriod:
    """A period of an allocation whose money is still in escrow.

    Attributes:
        chips: Chips that are not settled yet.
        price: Price of each.
        due: First period of the market's clock in which a report comes too late.
    """

    chips: int
    price: int
    due: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a report, or its absence, was settled at.

    Attributes:
        id: The delivery's id, or one made of the round in which it lapsed.
        allocation_id: The allocation.
        body_hash: Of the report; of the id if there was none.
        lapsed: Whether no report came in time.
        split: Where the money went.
        compensation: Part of the penalty that the enterprise got.
        provider_owes: Part of the penalty that collateral did not cover.
        enterprise_owes: Part of the enterprise's fee that was not free.
        transfers: Their ids.
        periods: What was settled; none if all of it was settled before.
    """

    id: str
    allocation_id: str
    body_hash: bytes
    lapsed: bool
    split: Split
    compensation: int
    provider_owes: int
    enterprise_owes: int
    transfers: tuple[UUID, ...]
    periods: tuple[Settled, ...]


@dataclass(frozen=True, slots=True)
class TermsRow:
    """Terms of settlement and the round from which they are in force."""

    market_id: str
    from_seq: int
    terms: Terms
    body_hash: bytes


@dataclass(frozen=True, slots=True)
class MoneyOrder:
    """A payout, a move of collateral or a reversal, booked or refused for good.

    Attributes:
        id: Its id.
        body_hash: Of its body.
        transfer_id: What was booked, ``None`` if it was refused.
        refusal: Code of the refusal, ``None`` if it was booked.
    """

    id: str
    body_hash: bytes
    transfer_id: UUID | None
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Booked:
    """A transfer as it is stored, for taking it back."""

    kind: str
    purpose: str
    debit: str
    credit: str
    amount: int
    market_id: str | None
    round_id: str | None
    order_id: str | None
    is_reversed: bool


@dataclass(frozen=True, slots=True)
class Halt:
    """A market whose bookings stopped."""

    market_id: str
    round_id: str
    code: str
    problem: str


class Entry(NamedTuple):
    """A booked transfer with what the journal says about it.

    Attributes:
        transfer: The movement.
        postings: Its sides.
        purpose: Why, for example ``deposit`` or ``hold_placed``.
        occurred_at: On the market's clock.
        cause: Id of the event that caused it.
        held: What the resolved hold held, ``None`` if nothing is resolved.
        market_id: The market, if it is about one.
        round_id: The round, if it is about one.
        order_id: The order, if it is about one.
        expires_at: When the hold expires that it places or resolves, ``None`` if it never does.
    """

    transfer: Transfer
    postings: tuple[Posting, ...]
    purpose: str
    occurred_at: datetime
    cause: str
    held: int | None = None
    market_id: str | None = None
    round_id: str | None = None
    order_id: str | None = None
    expires_at: datetime | None = None


class Leaf(NamedTuple):
    """An entry of the transparency log.

    Attributes:
        place: Its index; a tuple has a method of that name.
        entry: Its bytes: a commitment to the opening.
        hash: Its leaf hash.
        opening: The journal entry with its salt.
        salt: The salt.
    """

    place: int
    entry: bytes
    hash: bytes
    opening: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head."""

    size: int
    root: bytes
    frontier: Frontier
    note: str


@dataclass(frozen=True, slots=True)
class Keys:
    """What a batch of records touches and the writer has to load.

    Attributes not named after a table: ``reversed`` are transfers to be taken back, ``erased``
    those whose entries are to be erased, ``exposed`` providers that want collateral back,
    ``lapsing`` (market, period of its clock), ``capacities`` (capacity, first period, end).
    """

    accounts: frozenset[str] = frozenset()
    participants: frozenset[str] = frozenset()
    demands: frozenset[str] = frozenset()
    offers: frozenset[str] = frozenset()
    allocations: frozenset[str] = frozenset()
    rounds: frozenset[str] = frozenset()
    markets: frozenset[str] = frozenset()
    deliveries: frozenset[str] = frozenset()
    transfers: frozenset[UUID] = frozenset()
    money_orders: frozenset[str] = frozenset()
    reversed: frozenset[UUID] = frozenset()
    erased: frozenset[UUID] = frozenset()
    erasures: frozenset[str] = frozenset()
    exposed: frozenset[str] = frozenset()
    lapsing: frozenset[tuple[str, int]] = frozenset()
    capacities: frozenset[tuple[str, int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class View:
    """What is stored about the keys of a batch.

    Attributes:
        accounts: By name.
        participants: By id.
        demands: Holds by order id.
        offers: All versions of an offer by its id.
        used: (offer, period) -> chips allocated.
        capacities: (capacity, period) -> what there is of it and what is reserved.
        held: (offer, period) -> chips reserved for it of a capacity that it shares.
        asked: Offer -> number of the last time that it asked for more.
        allocations: By id; also those with periods that lapse.
        open: (allocation, period) that are not settled.
        passable: (allocation, period) that is settled -> chips that came and went to no resale.
        rounds: Booked rounds: id -> digest.
        last_seq: Market -> number of its last booked round.
        halts: By market.
        deliveries: Delivery id -> hash of its body.
        transfers: Transfer id -> hash of its body.
        terms: Terms of settlement of a market, by version.
        money_orders: By id.
        booked: Transfers to be taken back, by id.
        exposure: Provider -> what its open periods could cost in penalties.
        erasures: Orders to erase, by id.
        erasable: Entries to be erased, by id.
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    participants: dict[str, Participant] = field(default_factory=dict)
    demands: dict[str, DemandHold] = field(default_factory=dict)
    offers: dict[str, tuple[OfferVersion, ...]] = field(default_factory=dict)
    used: dict[tuple[str, int], int] = field(default_factory=dict)
    capacities: dict[tuple[str, int], Capacity] = field(default_factory=dict)
    held: dict[tuple[str, int], int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    allocations: dict[str, Allocation] = field(default_factory=dict)
    open: dict[tuple[str, int], OpenPeriod] = field(default_factory=dict)
    passable: dict[tuple[str, int], int] = field(default_factory=dict)
    rounds: dict[str, bytes] = field(default_factory=dict)
    last_seq: dict[str, int] = field(default_factory=dict)
    halts: dict[str, Halt] = field(default_factory=dict)
    deliveries: dict[str, bytes] = field(default_factory=dict)
    transfers: dict[UUID, bytes] = field(default_factory=dict)
    terms: dict[str, tuple[TermsRow, ...]] = field(default_factory=dict)
    money_orders: dict[str, MoneyOrder] = field(default_factory=dict)
    booked: dict[UUID, Booked] = field(default_factory=dict)
    exposure: dict[str, int] = field(default_factory=dict)
    erasures: dict[str, ErasureOrder] = field(default_factory=dict)
    erasable: dict[UUID, Erasable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that one commit writes.

    Attributes:
        accounts_new: Accounts that did not exist, with their counters after the batch.
        accounts_moved: (version before, account after) of those that did.
        participants: New or changed.
        demands: Holds, new or changed.
        offers: New versions.
        held_new: (offer, period, capacity, what there is of it, chips reserved for the offer).
        held_moved: (offer, period) -> chips that are reserved from now on, and what there is if it
            was stated anew.
        raises: What was asked for beyond that, as it was answered.
        rounds: Booked rounds.
        allocations: Booked allocations with their periods.
        settlements: Settled reports, and what lapsed, with their periods.
        terms: New terms of settlement.
        money_orders: Booked or refused orders about money.
        erasures: Orders to erase that were done or refused.
        entries: Journal entries, in the order of their leaves.
        leaves: One per entry.
        recorded_at: When it was decided, on the wall clock; ``None`` if nothing is booked.
        waiting: Records to keep until they can be booked.
        waited: (topic, partition, offset) of records that no longer wait.
        halts: Markets that stopped.
        outbox: Records to send, in order.
        checkpoint: A tree head to keep, if it is time for one.
    """

    accounts_new: tuple[Account, ...] = ()
    accounts_moved: tuple[tuple[int, Account], ...] = ()
    participants: tuple[Participant, ...] = ()
    demands: tuple[DemandHold, ...] = ()
    offers: tuple[OfferVersion, ...] = ()
    held_new: tuple[tuple[str, int, str, int, int], ...] = ()
    held_moved: dict[tuple[str, int], tuple[int, int | None]] = field(default_factory=dict)
    raises: tuple[Raise, ...] = ()
    rounds: tuple[RoundRow, ...] = ()
    allocations: tuple[Allocation, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    terms: tuple[TermsRow, ...] = ()
    money_orders: tuple[MoneyOrder, ...] = ()
    erasures: tuple[ErasureOrder, ...] = ()
    entries: tuple[Entry, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    recorded_at: datetime | None = None
    waiting: tuple[Input, ...] = ()
    waited: tuple[tuple[str, int, int], ...] = ()
    halts: tuple[Halt, ...] = ()
    outbox: tuple[OutRecord, ...] = ()
    checkpoint: Checkpoint | None = None
