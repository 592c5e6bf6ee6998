"""What was told before something, and is read after it: when is it missing?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.kit.errors import LogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.auditor.ports import MeasuredLog
    from services.kit.records import Positions


class Awaited:
    """Tells what may still be read from what is missing; no clock decides.

    What something follows from was told before it, maybe on another partition that is read later.
    So it is before the present end of the log, and missing once the log is read to there.

    Args:
        log: Tells how far the topics go.
        topics: Those on which it is told.
    """

    def __init__(self, log: MeasuredLog, topics: Collection[str]) -> None:
        self._reader, self._topics = log, frozenset(topics)
        # What waits -> where the topics ended when it was first looked for.
        self._since: dict[str, Positions] = {}
        # (what was read, where the topics ended then): all that was missed then shares the answer.
        self._ends: tuple[Positions, Positions] | None = None

    async def may_come(self, key: str, positions: Positions, *, is_unkept: bool) -> bool:
        """Tell whether what was not found may still be read.

        Args:
            key: What waits for it.
            positions: What was read.
            is_unkept: Whether some of what was read is not kept yet.
        """
        if key not in self._since:
            if self._ends is None or self._ends[0] != positions:
                try:
                    ends = await self._reader.end_offsets()
                except LogUnavailableError:
                    return True
                told = {at: end for at, end in ends.items() if at[0] in self._topics}
                self._ends = (dict(positions), told)
            self._since[key] = self._ends[1]
        return is_unkept or any(positions.get(at, 0) < end for at, end in self._since[key].items())

    def forget(self, key: str) -> None:
        """Let go of what waits no more."""
        self._since.pop(key, None)
