"""What the live view shows, as it is known at the moment; the watcher and the others fill it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.demo.figures import Lot, pool_facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from infra.demo.facts import Attempt, Json, Phrase, Trial, Verdict
    from services.kit.clock import ScaledClock

_RATE_S = 5.0
_NEWS_MAX = 4


@dataclass(slots=True)
class Board:
    """State of the demo while it runs.

    Attributes:
        market: Definition of the market.
        start: First instant of the day.
        hours: Its length.
        clock: The market's clock.
        total: Actions of the day.
        phase: What is going on, for the header.
        rounds: `RoundView` by number.
        verdicts: By round id.
        shares: What domestic shares asked of a round, by round id; nothing where none did.
        trades: Per closed round, oldest first: what was traded of each chip class.
        book: `BookView`, empty until it was read.
        attempts: Grows as orders are sent.
        trials: Grows as wrong orders are tried.
        memory: Bytes by process.
        peak_bytes: Most of all at one time.
        lag: Records behind, by service.
        news: (market time, sentence), latest last.
        unreachable: Whether the gateway did not answer when last asked.
    """

    market: Json
    start: datetime
    hours: int
    clock: ScaledClock
    total: int
    attempts: list[Attempt]
    trials: list[Trial] = field(default_factory=list)
    phase: Phrase = ("the market is open", "开市")
    rounds: dict[int, Json] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    shares: dict[str, list[Json]] = field(default_factory=dict)
    trades: list[Mapping[str, Lot]] = field(default_factory=list)
    book: Json = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)
    peak_bytes: int = 0
    lag: Mapping[str, int] = field(default_factory=dict)
    news: deque[tuple[datetime, Phrase]] = field(default_factory=lambda: deque(maxlen=_NEWS_MAX))
    unreachable: bool = False
    _sent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=64))

    def tell(self, phrase: Phrase) -> None:
        """Add a piece of news."""
        self.news.append((self.clock.now(), phrase))

    @property
    def closed(self) -> list[Json]:
        """Return the rounds that are closed, oldest first."""
        return [self.rounds[seq] for seq in sorted(self.rounds) if is_whole(self.rounds[seq])]

    @property
    def latest(self) -> Json | None:
        """Return the newest round, closed or not."""
        return self.rounds[max(self.rounds)] if self.rounds else None

    def share_of(self, row: Json) -> Json | None:
        """Return what a domestic share asked of a round and came to, ``None`` if none did."""
        found = self.shares.get(row["round_id"])
        return found[0] if found else None

    def prices(self, chip: str) -> list[float | None]:
        """Return the average price of a chip class in each closed round, micro-yuan."""
        lots = (trade.get(chip, Lot()) for trade in self.trades)
        return [None if lot.price is None else float(lot.price) for lot in lots]

    def sold(self, chip: str) -> Lot:
        """Return all that was sold of a chip class so far."""
        whole = Lot()
        for trade in self.trades:
            lot = trade.get(chip, Lot())
            whole += Lot(sold=lot.sold, payment=lot.payment)
        return whole

    def total_of(self, name: str) -> int:
        """Return the sum of a number over the closed rounds."""
        return sum(row.get(name) or 0 for row in self.closed)

    def rate(self) -> float:
        """Return the orders and changes answered per second, over the last seconds."""
        now_s = time.monotonic()
        self._sent.append((now_s, len(self.attempts)))
        while len(self._sent) > 2 and now_s - self._sent[0][0] > _RATE_S:
            self._sent.popleft()
        (first_s, first), (last_s, last) = self._sent[0], self._sent[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0

    def progress(self) -> float:
        """Return the share of the day that has passed, 0 to 1."""
        passed_s = (self.clock.now() - self.start).total_seconds()
        return min(1.0, max(0.0, passed_s / (self.hours * 3600)))


def chip_of_pool(market: Json) -> dict[str, str]:
    """Return the chip class of each pool."""
    return {pool: chip for pool, (_, chip, _) in pool_facts(market).items()}


def is_whole(row: Json) -> bool:
    """Return whether all that a round published is there.

    Allocations and results travel on two topics, and either may be shown first; of the results
    the file comes last.
    """
    return bool(row["state"] == "closed" and row["file"]["state"] == "ok")
