"""What this process showed already when it wrote it, so that it need not show it again.

A gateway shows an order in the commit that keeps its reply, and soon reads its event back from the
log. What is known here was committed by then. Commits that do not wait for the disk reach it in
their order, so if a crash of the database takes that commit it takes the position after the record,
too, which is committed later: then the record is read again, and this memory is gone or used up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.gateway.ports import Sent

# A reader that is further behind finds what it had forgotten shown already and changes nothing.
_PLACES_MAX = 20_000


class Shown:
    """Places in the log whose events are in the schema; each is good for once.

    Args:
        most: Places that are remembered at most; the oldest is forgotten first.
    """

    def __init__(self, most: int = _PLACES_MAX) -> None:
        self._most = most
        self._places: dict[tuple[str, int, int], None] = {}

    def add(self, sent: Iterable[Sent]) -> None:
        """Remember events about orders whose commit was answered."""
        for item in sent:
            if len(self._places) >= self._most:
                del self._places[next(iter(self._places))]
            place = item.position
            self._places[place.topic, place.partition, place.offset] = None

    def take(self, topic: str, partition: int, offset: int) -> bool:
        """Return whether a record was shown, and forget it: read again, it is shown again."""
        key = (topic, partition, offset)
        if key not in self._places:
            return False
        del self._places[key]
        return True
