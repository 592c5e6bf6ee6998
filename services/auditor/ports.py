"""What the auditor needs of the outside: a store to commit to and a checker to ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from schemas.events import RoundCleared, RoundFilePart, RoundPrices, RoundSealed
from schemas.links import RoundLinks
from schemas.shares import RoundShares

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.kit.records import OutRecord, Positions, Record

ToldEvent = RoundShares | RoundPrices | RoundLinks
"""What is told of a round beside its file, before the parts of the file and on their partition."""
RoundEvent = RoundSealed | RoundCleared | ToldEvent | RoundFilePart
TOLD: dict[str, type[ToldEvent]] = {
    "shares": RoundShares,
    "prices": RoundPrices,
    "links": RoundLinks,
}
"""Kind -> event that tells it."""
Digests = dict[str, dict[int, str]]
"""Kind -> part -> digest of what was told; a kind that is not there was not looked at."""


@dataclass(frozen=True, slots=True)
class Money:
    """What a round file that is right says of money.

    Attributes:
        payments: (demand, what it pays, of that tariffs of links, of that rents) of each.
        allocations: (demand, offer, pool, first period, payment, digest of its periods) of each.
        charges: (``premium`` or ``link``, what it is of, micro-yuan, digest of its periods).
        assessed: What imported supply is charged by premiums.
    """

    payments: tuple[tuple[str, int, int, int], ...] = ()
    allocations: tuple[tuple[str, str, str, int, int, str], ...] = ()
    charges: tuple[tuple[str, str, int, str], ...] = ()
    assessed: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What a round file that is right says, as its topic has to tell it.

    Attributes:
        first_period: First period of the file.
        shares: As ``suanli.round.shares.v1`` tells them.
        prices: As ``suanli.round.prices.v1`` does.
        links: As ``suanli.round.links.v1`` does.
    """

    first_period: int = 0
    shares: Sequence[dict[str, Any]] = ()
    prices: Sequence[dict[str, Any]] = ()
    links: Sequence[dict[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checker found in a round file.

    Attributes:
        ok: Whether the round obeys every rule.
        problems: What is wrong, as English sentences.
        welfare: Welfare that it recomputed, ``None`` if that was not possible.
        bound: Bound that it recomputed, the same.
        book_digest: SHA-256 of the book's canonical JSON.
        rules_digest: The same of the rules.
        result_digest: The same of the result.
        round_id: Round that the file says it is.
        money: What a file that is right says of money.
        told: What has to be told beside it.
    """

    ok: bool
    problems: tuple[str, ...]
    welfare: int | None = None
    bound: int | None = None
    book_digest: str = ""
    rules_digest: str = ""
    result_digest: str = ""
    round_id: str = ""
    money: Money = field(default_factory=Money)
    told: Told = field(default_factory=Told)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a round.

    Attributes:
        round_id: The round.
        market_id: Its market.
        ok: Whether everything about it is right.
        problems: What is not.
        file_sha256: Digest of the round file.
        check_ms: Real milliseconds that the check took.
        told: What was told beside it.
        money: As in `Checked`.
    """

    round_id: str
    market_id: str
    ok: bool
    problems: tuple[str, ...]
    file_sha256: str
    check_ms: int
    told: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    money: Money = field(default_factory=Money)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a verdict is about.

    Attributes:
        file_sha256: Digest of the round file.
        told: What was told beside it. A kind is not there if it was judged only later.
    """

    file_sha256: str
    told: Mapping[str, Mapping[int, str]]


@dataclass(slots=True)
class Changes:
    """What one transaction writes."""

    parts: list[RoundEvent] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    outbox: list[OutRecord] = field(default_factory=list)


class Store(Protocol):
    """The commit point; a write fails with StaleWriterError once the lease is lost."""

    async def load(self) -> tuple[Positions, list[RoundEvent]]:
        """Claim the positions; return them and what was read of rounds without a verdict."""
        ...

    async def judged(self, round_ids: Iterable[str]) -> dict[str, Judged]:
        """Return what was judged of those rounds that have a verdict."""
        ...

    async def commit(self, before: Positions, after: Positions, changes: Changes) -> None:
        """Move the positions and write parts, verdicts and records, in one transaction."""
        ...


class Log(Protocol):
    """Records of some topics, in order per partition."""

    async def start(self, positions: Positions) -> None:
        """Go to the positions."""
        ...

    async def read(self, max_records: int = 500, timeout_ms: int = 500) -> list[Record]:
        """Return the next records; empty after the timeout."""
        ...

    def positions(self) -> Positions:
        """Return the offset of the next record by (topic, partition)."""
        ...


class MeasuredLog(Log, Protocol):
    """A log that also says how much of it is unread."""

    async def lag(self) -> int:
        """Return how many records are still to be read."""
        ...

    async def end_offsets(self) -> Positions:
        """Return where each partition ends now."""
        ...

    async def stop(self) -> None:
        """Close; a closed log is not read again."""
        ...


class Checker(Protocol):
    """Verifies round files, in bounded time and outside this process."""

    async def check(self, file: bytes) -> Checked:
        """Return what is wrong with a file; a checker that fails counts as a problem."""
        ...
