"""What the auditor needs of the outside: a store to commit to and a checker to ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from schemas.events import RoundCleared, RoundFilePart, RoundSealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from services.kit.records import OutRecord, Positions, Record

RoundEvent = RoundSealed | RoundCleared | RoundFilePart


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
        payments: Demand -> what it pays, of a file that is right.
        allocations: (demand, offer, pool, first period, payment, digest of its periods) of each.
    """

    ok: bool
    problems: tuple[str, ...]
    welfare: int | None = None
    bound: int | None = None
    book_digest: str = ""
    rules_digest: str = ""
    result_digest: str = ""
    round_id: str = ""
    payments: Mapping[str, int] = field(default_factory=dict)
    allocations: tuple[tuple[str, str, str, int, int, str], ...] = ()


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
        payments: As in `Checked`.
        allocations: The same.
    """

    round_id: str
    market_id: str
    ok: bool
    problems: tuple[str, ...]
    file_sha256: str
    check_ms: int
    payments: Mapping[str, int] = field(default_factory=dict)
    allocations: tuple[tuple[str, str, str, int, int, str], ...] = ()


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

    async def judged(self, round_ids: Iterable[str]) -> dict[str, str]:
        """Return round -> file digest of those that have a verdict."""
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
