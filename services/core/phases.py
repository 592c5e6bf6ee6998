"""The phases of a round: open, then freeze, in which orders may only improve, then the cut.

Rounds take the book at multiples of the market's cadence, counted from the Unix epoch or from a
gate of each day, so that everybody knows the instants ahead. A verdict depends on the instant at
which it was given, which its status tells, and on nothing else that passes with time: whoever reads
the log gives it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from schemas.types import period_of

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
    return last_cut(rules, after) + rules.round_every_s * _SECOND


def last_cut(rules: RoundRules, now: datetime) -> datetime:
    """Return the last instant up to another, itself included, at which a round takes the book."""
    first, every = _EPOCH + rules.round_at_s * _SECOND, rules.round_every_s * _SECOND
    return first + (max(now, _EPOCH) - first) // every * every


def periods_given(rules: RoundRules, sealed_at: datetime) -> range:
    """Return the periods that a round may give which is sealed at an instant.

    A market that leaves periods out before the first (day-ahead) keeps to the days of its gate,
    also if a round is late: what has begun by then is left out, and nothing is added at the end.
    """
    coming = period_of(sealed_at) + 1
    if not rules.lead_periods:
        return range(coming, coming + rules.horizon_periods)
    first = period_of(last_cut(rules, sealed_at)) + 1 + rules.lead_periods
    end = first + rules.horizon_periods
    return range(min(max(first, coming), end - 1), end)


def periods_ahead(rules: RoundRules, now: datetime) -> range:
    """Return the periods from the coming one to the end of what the next round may give."""
    coming = period_of(now) + 1
    if not rules.lead_periods:
        return range(coming, coming + rules.horizon_periods)
    return range(coming, periods_given(rules, next_cut(rules, now)).stop)


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
