"""Halts and pauses: whether the next round comes, and whether the freeze before it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.core.circuit_breaker import is_paused
from services.core.phases import last_instant, next_cut, schedule_of
from services.core.policies import halt_of

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from schemas.market import RoundRules
    from schemas.policies import MarketPaused, MarketPolicySet
    from services.core.phases import Schedule


@dataclass(frozen=True, slots=True)
class Stops:
    """What may keep a round from being run.

    Attributes:
        seq: Number of the round.
        policies: All versions of all policies of the market.
        pause: The latest pause, if there was one.
    """

    seq: int = 0
    policies: Collection[MarketPolicySet] = ()
    pause: MarketPaused | None = None

    @property
    def is_halted(self) -> bool:
        """Tell whether a policy keeps the round from being run, until it is withdrawn."""
        return halt_of(self.policies, self.seq) is not None

    def is_paused(self, now: datetime) -> bool:
        """Tell whether a pause still keeps the round from being run."""
        return is_paused(self.pause, self.policies, self.seq, now)

    def lift_freeze(self, rules: RoundRules, now: datetime) -> bool:
        """Tell whether no freeze holds, as the round that it would be before does not come.

        The end of a pause is known: the freeze before the round that comes then is held.
        """
        if self.is_halted:
            return True
        if self.pause is None or not self.is_paused(now):
            return False
        return now < resuming(rules, self.pause).freezes_at


def resuming(rules: RoundRules, pause: MarketPaused) -> Schedule:
    """Return the cycle of the round that comes after a pause."""
    return schedule_of(rules, last_instant(next_cut(rules, last_instant(pause.until))))
