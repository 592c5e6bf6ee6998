"""What matching needs of the outside: a store to commit to, a log to read, a solver."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from schemas.events import OffsetRange
    from schemas.market import Market
    from schemas.mobilisation import MobilisationDeclared, MobilisationEnded
    from schemas.policies import MarketPaused, MarketPolicySet
    from services.core.book import Result
    from services.core.circuit_breaker import TradedPrices
    from services.core.holding_rows import Run
    from services.core.holdings import Held
    from services.core.link_charges import Sent
    from services.core.orders import Order
    from services.core.verdicts import HoldAnswer, Verdict
    from services.kit.records import OutRecord, Positions, Record


@dataclass(frozen=True, slots=True)
class IntakeRow:
    """The verdict on one record.

    Attributes:
        topic: Topic without prefix.
        partition: Partition.
        offset: Offset of the record.
        verdict: What became of it.
        reason: Code of the reason, ``""`` if there is none.
        order_id: Order that it concerns, if one could be made out.
    """

    topic: str
    partition: int
    offset: int
    verdict: Verdict
    reason: str
    order_id: str | None


@dataclass(slots=True)
class Changes:
    """What one transaction writes besides its own row; each order in its last value.

    Attributes:
        orders: Changed orders.
        intake: Verdicts.
        markets: Markets defined.
        standings: Participant -> why it may not trade, ``None`` if it may again.
        mobilisations: What was declared or withdrawn, in order.
        freed: Ids of offers that need less of their capacity than the ledger was told last.
        wanted: Ids of offers that want more of it.
        put_holds: Answers of the ledger to keep.
        drop_holds: Keys of those used up.
        outbox: Records to send, in order.
        policies: Versions of policies, in the order in which they were read.
        recalled: Ids of closed orders that were only looked at; not written.
        sent: All that is given away of links, if it is another than before.
        held: What accounts hold anew of pools, ``None`` for nothing any more.
        paused: The pause that the round to be published brings about.
        waiting: Records that wait for the round that is being cleared, in order.
        has_waited: Whether all that waited got their verdicts.
    """

    orders: dict[str, Order] = field(default_factory=dict)
    intake: list[IntakeRow] = field(default_factory=list)
    markets: dict[str, Market] = field(default_factory=dict)
    standings: dict[str, str | None] = field(default_factory=dict)
    mobilisations: list[MobilisationDeclared | MobilisationEnded] = field(default_factory=list)
    freed: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)
    put_holds: dict[tuple[str, str], HoldAnswer] = field(default_factory=dict)
    drop_holds: set[tuple[str, str]] = field(default_factory=set)
    outbox: list[OutRecord] = field(default_factory=list)
    policies: list[MarketPolicySet] = field(default_factory=list)
    recalled: set[str] = field(default_factory=set)
    sent: Sent | None = None
    held: dict[tuple[str, str], Run | None] = field(default_factory=dict)
    paused: MarketPaused | None = None
    waiting: list[Record] = field(default_factory=list)
    has_waited: bool = False


@dataclass(frozen=True, slots=True)
class SealedRound:
    """A frozen round: all that it takes to clear it, now or after a crash.

    Attributes:
        seq: Its number, from 1.
        round_id: Its id.
        market_time: Instant of the seal on the market's clock.
        manifest: Records taken in since the round before.
        through: Positions in the log at the seal.
        market: The market as it was.
        book: Book as canonical JSON.
        rules: Rules as canonical JSON.
        book_digest: SHA-256 of ``book``.
        rules_digest: SHA-256 of ``rules``.
        mobilisation: Id of the mobilisation that it serves, empty for an ordinary round.
    """

    seq: int
    round_id: str
    market_time: datetime
    manifest: tuple[OffsetRange, ...]
    through: Positions
    market: Market
    book: bytes
    rules: bytes
    book_digest: str
    rules_digest: str
    mobilisation: str = ""


@dataclass(frozen=True, slots=True)
class ClearedRound:
    """What clearing a sealed round gave, checked.

    Attributes:
        result: The result.
        result_bytes: The result as canonical JSON.
        result_digest: SHA-256 of ``result_bytes``.
        status: ``optimal``, ``feasible`` or ``fallback``.
        cause: Why the fallback was used, ``""`` if it was not.
        is_cleared: Whether a clearing passed the independent checker; if not, nothing is allocated.
        solve_ms: Real milliseconds that solving and checking took.
    """

    result: Result
    result_bytes: bytes
    result_digest: str
    status: str
    cause: str
    is_cleared: bool
    solve_ms: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a start finds in the store.

    Attributes:
        positions: Where to read on.
        orders: Live orders, and those whose hold the ledger has yet to be told.
        markets: Markets as last defined.
        stash: Answers of the ledger that came early.
        groups: Exclusive group -> the demand of it that was accepted.
        suspended: Participant that may not trade -> why.
        last_round: The newest round, ``None`` before the first.
        is_sealed: Whether that round waits for its result.
        sent: GB of each link and period that rounds have given away.
        held: What accounts hold of what rounds gave.
        accounts: TFLOPS-hours that rounds missed of each domestic share and none made good since.
        mobilisations: What was declared and what was withdrawn, in any order.
        policies: Every version of every policy of the market.
        paused: The pause that the newest round brought about, if it did.
        traded: What the latest ordinary rounds traded, oldest first; none without a breaker.
        waiting: Records that were read and wait for the newest round, in order.
        changed_since: Ids of orders that records changed since the seal of the newest round.
    """

    positions: Positions
    orders: Sequence[Order]
    markets: Sequence[Market]
    stash: Sequence[HoldAnswer]
    groups: dict[str, str]
    suspended: dict[str, str]
    last_round: SealedRound | None
    is_sealed: bool
    sent: Sent = field(default_factory=dict)
    held: Held = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)
    mobilisations: Sequence[MobilisationDeclared | MobilisationEnded] = ()
    policies: Sequence[MarketPolicySet] = ()
    paused: MarketPaused | None = None
    traded: Sequence[TradedPrices] = ()
    waiting: Sequence[Record] = ()
    changed_since: frozenset[str] = frozenset()


class Store(Protocol):
    """The commit point. Every write fails with StaleWriterError once the lease is lost."""

    async def load(self) -> Loaded:
        """Claim the positions for this epoch and return all state that a start needs."""
        ...

    async def orders_by_id(self, ids: Iterable[str]) -> list[Order]:
        """Return the stored orders with these ids, in any order."""
        ...

    async def commit_intake(self, before: Positions, after: Positions, changes: Changes) -> None:
        """Move the positions and write the verdicts, in one transaction."""
        ...

    async def seal(self, sealed: SealedRound, changes: Changes) -> None:
        """Freeze a round (T1), in one transaction."""
        ...

    async def publish(self, sealed: SealedRound, cleared: ClearedRound, changes: Changes) -> None:
        """Give a sealed round its result and all its records (T2), in one transaction."""
        ...

    async def cycle(self, seq: int) -> list[tuple[bytes, bytes]]:
        """Return book and result of each urgent round right before an ordinary one, then its own.

        Only its own are returned if there was no urgent round.
        """
        ...

    async def prune(self) -> int:
        """Delete outbox rows that were sent long ago; return how many."""
        ...


class Log(Protocol):
    """Records in order per partition, from positions that the store keeps."""

    async def start(self, positions: Positions) -> None:
        """Go to the positions; a partition that is not among them starts at 0."""
        ...

    async def read(self, max_records: int = 500, timeout_ms: int = 500) -> list[Record]:
        """Return the next records; empty after the timeout."""
        ...

    def positions(self) -> Positions:
        """Return the offset of the next record by (topic, partition)."""
        ...

    async def stop(self) -> None:
        """Close."""
        ...


class Solver(Protocol):
    """Clears a frozen book and has the result checked, always within a bounded time."""

    async def clear(self, sealed: SealedRound) -> ClearedRound:
        """Return a result that passed the checker, or one that allocates nothing."""
        ...

    async def close(self) -> None:
        """End the child process."""
        ...
