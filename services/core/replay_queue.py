"""Records of one topic, taken in the order in which rounds took them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.core.intake import order_id_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from services.core.market_log import Read


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

    That is the order of ranks. What has none, as the second copy of an event has none, comes
    right before the next of its topic that has one, but after those about its order that are
    before it there, and before those behind it. It is left out if there is no next.

    Args:
        queues: Queues, each with the offset that is its end.
        rank: Id of an event -> the place of its first status among all.
    """
    found: list[tuple[int, int, int]] = []
    for number, (queue, end) in enumerate(queues):
        rows = _ranked(queue, end, rank)
        found += [(turn, number, at) for at, turn in _turns(rows) if turn is not None]
    found.sort()
    return [(queues[number][0], at) for _, number, at in found]


_Row = tuple[int, str | None, int | None]
"""(place in the queue, the order that it is about, rank)."""


def _ranked(queue: Queue, end: int, rank: Mapping[str, int]) -> list[_Row]:
    rows: list[_Row] = []
    seen: set[str] = set()
    for at in range(queue.next, len(queue.records)):
        record = queue.records[at]
        if record.offset >= end:
            break
        own = None if record.event_id in seen else rank.get(record.event_id)
        seen.add(record.event_id)
        rows.append((at, order_id_of(record.event), own))
    return rows


def _turns(rows: Sequence[_Row]) -> Iterator[tuple[int, int | None]]:
    # What is about one order is judged in the order of its topic, whatever waited for a round.
    before: dict[str | None, int] = {}
    earliest: dict[int, int] = {}
    for at, order_id, own in rows:
        if own is not None:
            before[order_id] = own
        elif order_id in before:
            earliest[at] = before[order_id]
    after: dict[str | None, int] = {}
    following: int | None = None
    for at, order_id, own in reversed(rows):
        if own is not None:
            after[order_id] = following = own
            yield at, own
        elif following is not None:
            turn = min(following, after.get(order_id, following))
            yield at, max(turn, earliest.get(at, turn))
        else:
            yield at, None
