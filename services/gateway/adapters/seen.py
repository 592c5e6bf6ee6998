"""What was looked up is not looked up again for a moment, unless it was made void meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_LIVES_S = 1.0
_SEEN_MAX = 10_000

WhoT = TypeVar("WhoT")
FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True)
class Look:
    """When a look-up began: at which time, and after how many things were forgotten."""

    at_s: float
    forgotten: int


class Seen(Generic[WhoT, FoundT]):
    """Who somebody is, for a second from the moment at which the database was asked.

    What the database told before something was forgotten is not kept afterwards: it may be what
    was made void in between.

    Args:
        clock_s: A steady clock, in seconds.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        # Who -> (when he is looked up again, what was found).
        self._seen: dict[WhoT, tuple[float, FoundT]] = {}
        self._forgotten = 0

    def fresh(self, who: WhoT) -> FoundT | None:
        """Return what was found a moment ago."""
        seen = self._seen.get(who)
        return seen[1] if seen is not None and seen[0] > self._clock_s() else None

    def look(self) -> Look:
        """Begin to look somebody up; call it before the database is asked."""
        return Look(self._clock_s(), self._forgotten)

    def keep(self, look: Look, who: WhoT, found: FoundT, lives_s: float = _LIVES_S) -> None:
        """Keep what was found, unless something was forgotten since the look-up began.

        Args:
            look: When it began.
            who: Who was looked up.
            found: What was found.
            lives_s: How long it holds at most, in seconds from then on.
        """
        if look.forgotten != self._forgotten:
            return
        if len(self._seen) >= _SEEN_MAX:
            self._seen.clear()
        self._seen[who] = (look.at_s + min(lives_s, _LIVES_S), found)

    def forget(self) -> None:
        """Look everybody up again."""
        self._forgotten += 1
        self._seen.clear()
