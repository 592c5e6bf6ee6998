"""Records of one topic, taken in the order in which rounds took them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from services.core.replay import Read


@dataclass(slots=True)
class Queue:
    """Records of a topic that are still to be judged.

    Attributes:
        records: All that is kept of the topic.
        next: Position in them of the first that is still to be judged.
        early: Ids of events that were judged before their turn.
    """

    records: Sequence[Read]
    next: int = 0
    early: set[str] = field(default_factory=set)

    def before(self, end: int) -> Iterator[Read]:
        """Yield and take the records below an offset."""
        while self.next < len(self.records) and self.records[self.next].offset < end:
            record = self.records[self.next]
            self.next += 1
            if record.event_id not in self.early:
                yield record

    def ahead(self, end: int) -> Iterator[Read]:
        """Yield the records below an offset, and leave them."""
        at = self.next
        while at < len(self.records) and self.records[at].offset < end:
            if self.records[at].event_id not in self.early:
                yield self.records[at]
            at += 1
