"""Records of one topic, taken in the order in which rounds took them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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

    def take(self, at: int) -> bool:
        """Take the record at a place, before its turn if need be; False if it was taken."""
        event_id = self.records[at].event_id
        if at < self.next or event_id in self.early:
            return False
        if at > self.next:
            self.early.add(event_id)
            return True
        self.next += 1
        while self.next < len(self.records) and self.records[self.next].event_id in self.early:
            self.next += 1
        return True

    def ahead(self, end: int) -> Iterator[Read]:
        """Yield the records below an offset, and leave them."""
        at = self.next
        while at < len(self.records) and self.records[at].offset < end:
            if self.records[at].event_id not in self.early:
                yield self.records[at]
            at += 1


def in_turn(
    queues: Sequence[tuple[Queue, int]], rank: Mapping[str, int]
) -> list[tuple[Queue, int]]:
    """Return (queue, place in it) of what is ahead, in the order in which it was judged.

    That is the order of ranks. What has none comes right before the next of its topic that has one,
    and is left out if there is none; so is the second copy of an event.

    Args:
        queues: Queues, each with the offset that is its end.
        rank: Id of an event -> the place of its first status among all.
    """
    found: list[tuple[int, int, int]] = []
    for number, (queue, end) in enumerate(queues):
        waiting: list[int] = []
        seen: set[str] = set()
        for at in range(queue.next, len(queue.records)):
            record = queue.records[at]
            if record.offset >= end:
                break
            waiting.append(at)
            if record.event_id in rank and record.event_id not in seen:
                seen.add(record.event_id)
                found += [(rank[record.event_id], number, place) for place in waiting]
                waiting.clear()
    found.sort()
    return [(queues[number][0], at) for _, number, at in found]
