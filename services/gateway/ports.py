"""What the gateway's use cases need of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from schemas.identity import Scope
from schemas.types import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from schemas.api import (
        AccountView,
        AllocationView,
        DemandView,
        EntryView,
        FindingView,
        MarketView,
        OfferView,
        OrderEvent,
        ParticipantView,
        PriceView,
        RoundPricesView,
        RoundView,
    )
    from schemas.audit import AuditView, JournalEntryView, LogHeadView, TermsVersionView
    from schemas.codec import Envelope
    from schemas.filters import Filter
    from schemas.funds import AccountKind
    from schemas.mobilisation import MobilisationDeclared
    from schemas.orders import DemandTerms, OfferTerms
    from schemas.policies import MarketPaused, MarketPolicySet, PolicyView
    from schemas.shares import RoundShares
    from schemas.types import Side
    from services.core.holding_rows import Run
    from services.core.orders import Order
    from services.core.tlog.notes import Note
    from services.gateway.identity_ports import NewKey


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling.

    Attributes:
        participant_id: The participant; ``operator`` for the bootstrap key.
        role: What it may do.
        key_id: The key that it came with.
        active: ``False`` for a suspended participant, which may only read.
        scopes: What the key may do of what the role may.
    """

    participant_id: str
    role: Role
    key_id: str
    active: bool = True
    scopes: frozenset[Scope] = frozenset(Scope)

    @property
    def sees_all(self) -> bool:
        """Return whether the caller may read what belongs to others."""
        return self.role in (Role.REGULATOR, Role.OPERATOR)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record is on the log; ``sha256`` is the hexadecimal hash of its value."""

    topic: str
    partition: int
    offset: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Sent:
    """An event with the place that the log gave it.

    Attributes:
        envelope: The event.
        position: Its place.
        value: Its bytes as they are on the log.
    """

    envelope: Envelope
    position: Position
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Intent:
    """What a caller wants done once.

    Attributes:
        key: Idempotency key, unique per participant.
        sha256: Hash of ``body``.
        body: Canonical JSON of the operation and its arguments.
    """

    key: str
    sha256: bytes
    body: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Where an intent stands.

    Attributes:
        mine: The caller holds it and must do it now.
        body: Body of the first use of the key; ``None`` if mine, or not to be seen yet.
        reply: JSON of the reply, once it is done.
    """

    mine: bool
    body: str | None = None
    reply: str | None = None


class Log(Protocol):
    """The exchange's log."""

    async def send(self, envelopes: Sequence[Envelope]) -> list[Position]:
        """Write events in order; return when all are safe.

        Raises:
            UnavailableError: if it is not known whether they were written; sending the same
                again is harmless.
            TooLargeError: if an event is larger than the log takes; none was written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """What one caller did.

    Attributes:
        participant_id: Who.
        replies: Idempotency key and the reply to it, as JSON.
        sent: What was written for it.
    """

    participant_id: str
    replies: Sequence[tuple[str, str]]
    sent: Sequence[Sent]


class Intents(Protocol):
    """Idempotency keys."""

    async def claim(
        self, participant_id: str, token: str, intents: Sequence[Intent]
    ) -> list[Claim]:
        """Take every intent that is new or abandoned; keys must differ."""
        ...

    async def release(self, participant_id: str, token: str, keys: Sequence[str]) -> None:
        """Forget claims of which nothing was done."""
        ...

    async def expire(self, claims: Sequence[tuple[str, str, str]]) -> None:
        """Let the next try take over (participant, token, key) whose outcome is not known."""
        ...

    async def complete(self, done: Sequence[Done]) -> Sequence[Exception | None]:
        """Keep the replies of what was done, and show its orders, in one commit.

        Returns why each one's could not be kept, ``None`` for those that were.
        """
        ...


class Orders(Protocol):
    """Orders as last seen."""

    async def order(self, order_id: str) -> OfferView | DemandView | None:
        """Return an order."""
        ...

    async def orders(
        self,
        side: Side,
        *,
        participant_id: str | None,
        market_id: str | None,
        states: Sequence[str] | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, OfferView | DemandView]]:
        """Return (sequence, order), newest first, with sequences below ``before``."""
        ...

    async def history(
        self, order_id: str, *, after: int | None, limit: int, where: Filter | None = None
    ) -> list[tuple[int, OrderEvent]]:
        """Return (sequence, event) of an order, oldest first."""
        ...

    async def versions(self, order_id: str) -> list[TermsVersionView]:
        """Return all terms that were sent for an order, oldest first, at most 1,000."""
        ...

    async def open_orders(self, market_id: str) -> list[tuple[str, str]]:
        """Return (id of its terms, state) of every order that is not in a final state."""
        ...

    async def terms(self, ids: Sequence[str]) -> dict[str, OfferTerms | DemandTerms]:
        """Return terms by their ids."""
        ...


class Directory(Protocol):
    """Participants."""

    async def participant(self, participant_id: str) -> ParticipantView | None:
        """Return a participant."""
        ...

    async def participants(
        self, *, after: str | None, limit: int, where: Filter | None = None
    ) -> list[ParticipantView]:
        """Return participants in the order of their ids."""
        ...

    async def put_participant(self, view: ParticipantView, offset: int, key: NewKey | None) -> None:
        """Show a participant that was admitted at this offset, with its first key."""
        ...


class Markets(Protocol):
    """Markets and policies in force."""

    async def market(self, market_id: str) -> MarketView | None:
        """Return a market."""
        ...

    async def markets(
        self, *, after: str | None, limit: int, where: Filter | None = None
    ) -> list[MarketView]:
        """Return markets in the order of their ids."""
        ...

    async def definitions(
        self, market_id: str, *, before: int | None, limit: int
    ) -> list[tuple[int, MarketView]]:
        """Return what a market was defined as, the latest first, by places on the log."""
        ...

    async def pools_elsewhere(self, market_id: str) -> Mapping[str, str]:
        """Return pools that other markets trade in -> the first such market."""
        ...

    async def put_market(self, view: MarketView, offset: int) -> None:
        """Show a market that was defined at this offset."""
        ...

    async def policies(
        self,
        *,
        market_id: str | None,
        after: tuple[str, int] | None,
        limit: int,
        state: str | None = None,
        where: Filter | None = None,
    ) -> list[PolicyView]:
        """Return versions of policies by market, id and version."""
        ...

    async def all_policies(self, market_id: str) -> tuple[list[MarketPolicySet], int]:
        """Return all versions of a market's policies, and the number of its last round."""
        ...

    async def put_policy(self, policy: MarketPolicySet, set_at: datetime) -> None:
        """Show a policy that was set."""
        ...

    async def shares(
        self, *, market_id: str | None, before: tuple[int, str] | None, limit: int
    ) -> list[RoundShares]:
        """Return what domestic shares asked of rounds, the latest first; as `pauses`."""
        ...

    async def pauses(
        self, *, market_id: str | None, before: tuple[int, str] | None, limit: int
    ) -> list[MarketPaused]:
        """Return pauses, those of the latest rounds first.

        Args:
            market_id: Only of this market.
            before: Only before this round number and market.
            limit: At most as many.
        """
        ...

    async def mobilised(self, market_id: str, now: datetime) -> list[MobilisationDeclared]:
        """Return the mobilisations that were declared, and are neither over nor withdrawn."""
        ...


class Reports(Protocol):
    """What rounds and bookings led to."""

    async def rounds(
        self,
        *,
        market_id: str | None,
        before: tuple[int, str] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[RoundView]:
        """Return rounds, latest first, before (seq, market)."""
        ...

    async def round(self, round_id: str) -> RoundView | None:
        """Return a round."""
        ...

    async def round_prices(self, round_id: str) -> RoundPricesView:
        """Return the curves of a round, none if it has none."""
        ...

    async def file_part(self, round_id: str, part: int) -> bytes | None:
        """Return a compressed piece of a round's file."""
        ...

    async def prices(
        self,
        market_id: str,
        *,
        pool: str | None,
        first: int,
        end: int,
        after: tuple[str, int] | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[PriceView]:
        """Return prices by pool and period in [first, end)."""
        ...

    async def held(self, market_id: str, participant_id: str, now: datetime) -> Mapping[str, Run]:
        """Return what an account has of each pool, in hours that begin after an instant."""
        ...

    async def open_demand(self, market_id: str, participant_id: str) -> Sequence[Order]:
        """Return an account's demand that the next round may take, as the gateway has read it."""
        ...

    async def allocations(
        self,
        *,
        participant_id: str | None,
        market_id: str | None,
        round_id: str | None,
        order_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, AllocationView]]:
        """Return (sequence, allocation) of whole rounds, latest first."""
        ...

    async def allocation(self, allocation_id: str) -> AllocationView | None:
        """Return an allocation of a whole round."""
        ...

    async def is_reported(self, allocation_id: str, delivery_id: str) -> bool:
        """Return whether this report has told periods of an allocation."""
        ...

    async def account(self, participant_id: str) -> AccountView:
        """Return a participant's money, zeros if nothing was booked yet."""
        ...

    async def entries(
        self,
        participant_id: str,
        *,
        account: AccountKind,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, EntryView]]:
        """Return (place, posting) of one of a participant's accounts, latest first."""
        ...

    async def journal(self, *, after: int | None, limit: int) -> list[JournalEntryView]:
        """Return the entries of the journal in the order of the log."""
        ...

    async def log_heads(self, *, before: int | None, limit: int) -> list[LogHeadView]:
        """Return the heads of the transparency log, latest first."""
        ...

    async def audit(self) -> AuditView | None:
        """Return how far the auditor said last that it is."""
        ...

    async def findings(
        self,
        *,
        market_id: str | None,
        round_id: str | None,
        before: int | None,
        limit: int,
        where: Filter | None = None,
    ) -> list[tuple[int, FindingView]]:
        """Return (sequence, finding), latest first."""
        ...


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A signed head of the transparency log, with what witnesses said to it."""

    size: int
    root: bytes
    note: Note


class LogStore(Protocol):
    """The transparency log, built from the entries on the topic."""

    async def size(self) -> int:
        """Return how many entries the tree has."""
        ...

    async def signed_head(self, size: int) -> SignedHead | None:
        """Return the latest signed head up to a size."""
        ...

    async def cosigned_heads(self, size: int, until: int, needed: int) -> list[SignedHead]:
        """Return signed heads in (size, until] with as many cosignatures, nothing verified.

        The latest come first, and no more than a bounded number.
        """
        ...

    async def forked_at(self) -> int | None:
        """Return the first size for which two roots were published."""
        ...

    async def tiles(self, names: Iterable[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]:
        """Return the tiles (level, n) that there are, as long as they are now."""
        ...

    async def entries(self, first: int, end: int) -> list[bytes]:
        """Return the canonical bytes of the entries in [first, end) that there are."""
        ...

    async def index_of(self, entry_id: str) -> int | None:
        """Return the place of an entry in the log."""
        ...


class Signer(Protocol):
    """Signs receipts."""

    key_id: str

    def sign(self, message: bytes) -> str:
        """Return the signature, Base64."""
        ...


class MarketClock(Protocol):
    """The market's clock; services.kit.clock.Clock fits."""

    def now(self) -> datetime:
        """Return the market's instant, UTC."""
        ...
