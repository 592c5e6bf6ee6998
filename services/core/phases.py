"""The phases of a round: open, then freeze, in which orders may only improve, then the cut.

Rounds take the book at multiples of the market's cadence, counted from the Unix epoch, so that
everybody knows the instants ahead. A verdict depends on the instant at which it was given, which
its status tells, and on nothing else that passes with time: whoever reads the log gives it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.market import RoundRules

_EPOCH = datetime.fromtimestamp(0, UTC)
_SECOND = timedelta(seconds=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The instants of a cycle.

    Attributes:
        freezes_at: From when on orders may only improve; the cut itself if never.
        cut_at: When the next round takes the book.
    """

    freezes_at: datetime
    cut_at: datetime

    def is_frozen(self, now: datetime) -> bool:
        """Tell whether orders may only improve at an instant."""
        return self.freezes_at <= now < self.cut_at


def schedule_of(rules: RoundRules, now: datetime) -> Schedule:
    """Return the cycle that an instant of the market's clock belongs to."""
    cut_at = next_cut(rules, now)
    return Schedule(cut_at - rules.freeze_s * _SECOND, cut_at)


def next_cut(rules: RoundRules, after: datetime) -> datetime:
    """Return the first instant after another at which a round takes the book."""
    every_s = rules.round_every_s
    whole_s = max(after, _EPOCH) - _EPOCH
    return _EPOCH + (whole_s // (every_s * _SECOND) + 1) * every_s * _SECOND


def last_instant(cut_at: datetime) -> datetime:
    """Return the last instant before a cut, to which all belongs that the round still takes in."""
    return cut_at - _TICK


def frozen_until(rules: RoundRules, now: datetime, *, is_mid_cycle: bool) -> datetime | None:
    """Return when the next open phase begins, ``None`` if this is one.

    Args:
        rules: The market's.
        now: Instant on the market's clock.
        is_mid_cycle: Whether an urgent round took its part of the book and the ordinary one, which
            follows at once, has not taken the rest yet.
    """
    if not rules.freeze_s:
        return None
    if is_mid_cycle:
        return now
    schedule = schedule_of(rules, now)
    return schedule.cut_at if schedule.is_frozen(now) else None
