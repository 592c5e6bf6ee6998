"""What the comparison of books has of one market, as it is read and as it is kept."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas import events
from services.core.book_state import ORDERS, audit_of, parts_of
from services.core.market_records import status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.codec import Envelope
    from services.core.book_audit import BookAudit
    from services.core.book_state import Part
    from services.core.orders import Order
    from services.kit.records import Positions

# What else a market has belongs to this process: it is found again while going on.
_KEPT = ("next_seq", "sealed", "closed", "parts", "statuses", "statuses_before", "stalls_told")


@dataclass(slots=True)
class Market:
    """What was read of a market and not compared yet."""

    audit: BookAudit
    next_seq: int = 1
    sealed: dict[int, events.RoundSealed] = field(default_factory=dict)
    closed: dict[int, str] = field(default_factory=dict)
    parts: dict[str, dict[int, events.RoundFilePart]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    # Id of a status -> event that caused it, which is not judged yet; and ids of those statuses
    # whose event was judged with the last round that was compared.
    statuses: dict[str, str] = field(default_factory=dict)
    statuses_before: set[str] = field(default_factory=set)
    # Round -> how far statuses are to be read for it: to where they were once it was closed.
    status_ends: dict[int, Positions] = field(default_factory=dict)
    # Since when the next round differs, with nothing left to read.
    differs_since: float | None = None
    # Since when later rounds were told and a part of the next one was not.
    stalls_since: float | None = None
    # The later rounds that this was told for: one forged seal is told once, not every round.
    stalls_told: set[int] = field(default_factory=set)

    def first_later(self) -> int | None:
        """Return the first round after the next one of which anything was told."""
        told = {*self.sealed, *self.closed, *(seq_of(round_id) for round_id in self.parts)}
        return min((seq for seq in told if seq > self.next_seq), default=None)

    def missing(self) -> list[str]:
        """Return which parts of the next round were not told."""
        seq = self.next_seq
        known = {
            "seal": seq in self.sealed,
            "file": f"{self.audit.market_id}:{seq}" in self.parts,
            "end": seq in self.closed,
        }
        return [name for name, is_there in known.items() if not is_there]

    def take_output(self, envelope: Envelope) -> None:
        """Take what matching told: statuses, and of rounds what is still to be compared."""
        data = envelope.data
        if isinstance(data, events.OrderStatusChanged):
            # At least once: a copy says nothing new. It comes soon, if it does.
            known = envelope.id in self.statuses or envelope.id in self.statuses_before
            if envelope.causation_id and not known:
                self.statuses[envelope.id] = envelope.causation_id
                self.audit.tell(status_of(envelope, data))
            return
        if not isinstance(data, events.RoundSealed | events.RoundClosed | events.RoundFilePart):
            return
        seq = seq_of(data.round_id) if isinstance(data, events.RoundFilePart) else data.seq
        if seq < self.next_seq:
            return
        if isinstance(data, events.RoundSealed):
            self.sealed.setdefault(seq, data)
        elif isinstance(data, events.RoundClosed):
            self.closed.setdefault(seq, envelope.id)
        else:
            self.parts[data.round_id].setdefault(data.part, data)

    def pass_on(self, round_id: str) -> None:
        """Go on to the next round, once this one was compared."""
        for known in (self.sealed, self.closed, self.status_ends):
            known.pop(self.next_seq, None)
        self.parts.pop(round_id, None)
        judged = {one for one, cause in self.statuses.items() if not self.audit.awaits(cause)}
        self.statuses = {one: cause for one, cause in self.statuses.items() if one not in judged}
        self.statuses_before = judged
        self.differs_since = None
        self.next_seq += 1


def place_of(order: Order) -> Part:
    """Return under which part an order is kept."""
    return ORDERS, order.id


def parts_of_market(market: Market) -> Iterator[tuple[Part, object]]:
    """Yield all that is to be kept of a market, part by part."""
    yield from parts_of(market.audit)
    for name in _KEPT:
        value = getattr(market, name)
        if isinstance(value, dict):
            for key, one in value.items():
                yield (f"market.{name}", key), one
        elif isinstance(value, set):
            for one in value:
                yield (f"market.{name}", one), True
        else:
            yield (f"market.{name}", None), value


def market_of(
    market_id: str, partitions: Mapping[str, int], parts: Mapping[Part, object]
) -> Market:
    """Return the market that `parts_of_market` gave."""
    own = {part: value for part, value in parts.items() if part[0].startswith("market.")}
    audit = audit_of(
        market_id, partitions, {part: parts[part] for part in parts.keys() - own.keys()}
    )
    market = Market(audit)
    for (name, key), value in own.items():
        held = getattr(market, name.removeprefix("market."))
        if isinstance(held, dict):
            held[key] = value
        elif isinstance(held, set):
            held.add(key)
        else:
            setattr(market, name.removeprefix("market."), value)
    return market


def seq_of(round_id: str) -> int:
    """Return the number of a round, 0 if its id has none."""
    seq = round_id.rpartition(":")[2]
    return int(seq) if seq.isdecimal() else 0
