"""Each round's book against the orders on the log: none lost, none invented, terms as at the cut.

The book is rebuilt from the log by `services.core.replay`, round after round, and compared with
the one in the round's file. An order about which the two differ is told once and then left out, so
that one fault neither hides the next nor is told again in every round after it.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from services.core.codec import book_to_dict, canonical_json
from services.core.intake import order_id_of
from services.core.market_log import INPUTS, MarketLog, Round
from services.core.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from schemas.events import RoundSealed
    from services.core.book import Result
    from services.core.market_log import Read, Status
    from services.core.orders import Order

Json = dict[str, Any]
# Participants and exclusive groups are numbered as they come, so that one order more or less
# renames those after it; that orders of one hand have one name is looked at apart.
_NAMES = ("participant", "exclusive_group")
_HEADER = ("market", "round_id", "first_period", "periods", "pools", "mobilisation", "policies")


@dataclass(frozen=True, slots=True)
class RoundBook:
    """What a round's file says.

    Attributes:
        sealed: The seal.
        closed_id: Id of the event that closed the round.
        book: The file's book, as JSON.
        result: The file's result, ``None`` if it has none that can be read.
        is_verified: Whether the file obeys every rule.
    """

    sealed: RoundSealed
    closed_id: str
    book: Json
    result: Result | None
    is_verified: bool


@dataclass(frozen=True, slots=True)
class BookFault:
    """A difference between a book and the log.

    Attributes:
        code: ``lost``, ``invented``, ``terms``, ``status`` or ``manifest``.
        order_id: The order, empty if it is about none.
        text: What is wrong, in English.
    """

    code: str
    order_id: str
    text: str


@dataclass(frozen=True, slots=True)
class BookCheck:
    """What a look at a round found, and the state after it.

    Attributes:
        round_id: The round.
        faults: What is wrong.
        replay: The market after the round.
        ends: Topic -> end of what the round took in.
        excluded: Orders that are compared no more.
        unsure_until: End of what rounds gave to such orders.
    """

    round_id: str
    faults: tuple[BookFault, ...]
    replay: Replay
    ends: Mapping[str, int]
    excluded: frozenset[str]
    unsure_until: int


class BookAudit:
    """Follows one market's log.

    Args:
        market_id: The market.
        partitions: Topic -> the partition that the market's key leads to.

    Attributes:
        market_id: The market.
    """

    def __init__(self, market_id: str, partitions: Mapping[str, int]) -> None:
        self.market_id = market_id
        self._inputs: dict[str, list[Read]] = {topic: [] for topic in INPUTS}
        self._partitions = partitions
        self._replay = Replay(MarketLog(market_id, self._inputs, (), (), partitions))
        self._ends: Mapping[str, int] = {}
        self._excluded: frozenset[str] = frozenset()
        self._unsure_until = 0

    def read(self, record: Read) -> None:
        """Add the next record of one of `services.core.market_log.INPUTS`."""
        self._inputs[record.topic].append(record)

    def tell(self, status: Status) -> None:
        """Add the next status."""
        self._replay.tell(status)

    def awaits(self, event_id: str) -> bool:
        """Return whether statuses of an event were told that no round has judged yet."""
        return self._replay.awaits(event_id)

    def over(self) -> list[Order]:
        """Return the orders that matter no more, unless a record or a round names them again."""
        return self._replay.over()

    def forget(self, orders: Iterable[Order]) -> None:
        """Let go of orders that are over; of those that `named` names, `recall` is due."""
        for order in orders:
            del self._replay.orders[order.id]

    def recall(self, orders: Iterable[Order]) -> None:
        """Have orders again that were let go."""
        for order in orders:
            self._replay.orders.setdefault(order.id, order)

    def named(self, one: RoundBook) -> set[str]:
        """Return the orders not known here that a round or the records before it may be about."""
        found: set[str] = {
            name
            for records in self._inputs.values()
            for record in records
            for name in (
                order_id_of(record.event),
                getattr(getattr(record.event, "terms", None), "linked_to", None),
            )
            if name
        }
        if one.result is not None:
            found |= {row.id for row in one.result.demands}
            found |= {row.id for row in one.result.offers}
        return found - self._replay.orders.keys()

    def check(self, one: RoundBook) -> BookCheck:
        """Return what is wrong with the next round's book; nothing changes until `accept`.

        Args:
            one: The round; all that its manifest names was read.
        """
        replay = self._replay.fork()
        faults = list(_manifest_faults(one.sealed, self._partitions, self._ends))
        then = replay.seal(Round(one.sealed, None, one.closed_id))
        rebuilt = {} if then is None else book_to_dict(then.book)
        if _digest(rebuilt) != _digest(one.book):
            faults += _book_faults(rebuilt, one.book, self._excluded, self._unsure_until)
        faults += [
            BookFault("status", order_id, f"{order_id}: told another status than event {event_id} "
                      "of the log gives")
            for event_id, order_id in replay.disagreed
            if order_id not in self._excluded
        ]  # fmt: skip
        excluded = self._excluded | {fault.order_id for fault in faults if fault.order_id}
        if one.result is not None and not one.is_verified:
            # What a refuted result gave out is no ground for what is left.
            excluded |= {
                order_id
                for made in one.result.allocations
                for order_id in (made.demand, made.offer)
            }
        if then is not None:
            replay.settle(_known(one, excluded))
        ends = {**self._ends, **_ends(one.sealed, self._partitions)}
        unsure = max(self._unsure_until, _end_of_given(one.result, excluded))
        return BookCheck(one.sealed.round_id, tuple(faults), replay, ends, excluded, unsure)

    def accept(self, checked: BookCheck) -> None:
        """Go on after a round, as a check of it left the market."""
        self._replay, self._ends = checked.replay, checked.ends
        self._excluded, self._unsure_until = checked.excluded, checked.unsure_until
        for topic, count in checked.replay.taken().items():
            del self._inputs[topic][:count]


def _known(one: RoundBook, excluded: frozenset[str]) -> Round:
    """Return a round whose result speaks of orders that are followed, and of no others."""
    result = one.result
    if result is None or not excluded:
        return Round(one.sealed, result, one.closed_id)
    return Round(
        one.sealed,
        replace(
            result,
            demands=tuple(item for item in result.demands if item.id not in excluded),
            offers=tuple(item for item in result.offers if item.id not in excluded),
        ),
        one.closed_id,
    )


def _end_of_given(result: Result | None, excluded: frozenset[str]) -> int:
    """Return the end of what a result gives to, or takes of, orders that are not followed."""
    return max(
        (
            made.start + len(made.chips)
            for made in (() if result is None else result.allocations)
            if {made.demand, made.offer} & excluded
        ),
        default=0,
    )


def _ends(sealed: RoundSealed, partitions: Mapping[str, int]) -> dict[str, int]:
    return {
        item.topic: item.end for item in sealed.manifest
        if item.partition == partitions.get(item.topic)
    }  # fmt: skip


def _manifest_faults(
    sealed: RoundSealed, partitions: Mapping[str, int], ends: Mapping[str, int]
) -> Iterator[BookFault]:
    """Yield where a manifest does not go on where the one before it ended."""
    for item in sealed.manifest:
        if item.partition != partitions.get(item.topic):
            continue
        begin = ends.get(item.topic, 0)
        if item.start != begin:
            text = (
                f"{item.topic}: records must be taken in from {begin} on, where the round before "
                f"ended, was {item.start}"
            )
            yield BookFault("manifest", "", text)


def _book_faults(
    rebuilt: Json, sealed: Json, excluded: frozenset[str], unsure_until: int
) -> Iterator[BookFault]:
    for name in _HEADER if rebuilt else ():
        if rebuilt.get(name) != sealed.get(name):
            yield BookFault("terms", "", f"book.{name}: is not what the log gives")
    pairs: list[tuple[Json, Json]] = []
    for part, side in itertools.product(("", "kept_out"), ("offers", "demands")):
        where = "orders that policies keep out" if part else "book"
        ours = _by_id(_part(rebuilt, part).get(side, ()), excluded)
        theirs = _by_id(_part(sealed, part).get(side, ()), excluded)
        for order_id in sorted(ours.keys() - theirs.keys()):
            text = f"{order_id}: stands open on the log at the cut, is not in the {where}"
            yield BookFault("lost", order_id, text)
        for order_id in sorted(theirs.keys() - ours.keys()):
            text = f"{order_id}: is in the {where}, does not stand open on the log at the cut"
            yield BookFault("invented", order_id, text)
        for order_id in sorted(ours.keys() & theirs.keys()):
            mine, other = ours[order_id], theirs[order_id]
            pairs.append((mine, other))
            differing = sorted(
                name
                for name in mine.keys() | other.keys()
                if name not in _NAMES and mine.get(name) != other.get(name)
            )
            if differing:
                names = ", ".join(differing)
                text = f"{order_id}: its {names} in the book must be as on the log at the cut"
                yield BookFault("terms", order_id, text)
    for name in _NAMES:
        yield from _name_faults(name, pairs)
    if rebuilt:
        called = {mine["participant"]: other["participant"] for mine, other in pairs}
        yield from _holding_faults(rebuilt, sealed, {"": "", **called}, unsure_until)


def _holding_faults(
    rebuilt: Json, sealed: Json, called: Mapping[str, str], unsure_until: int
) -> Iterator[BookFault]:
    """Yield pools of which a book tells other holdings than rounds gave.

    Args:
        rebuilt: The book as the log gives it.
        sealed: The book of the round's file.
        called: What the log's book calls a participant -> what the file's does.
        unsure_until: End of what rounds gave to orders that are not followed; before it the log
            does not tell who has what.
    """
    ours = _held_chips(rebuilt, unsure_until)
    theirs = _held_chips(sealed, unsure_until)
    named = {(called[who], pool, t): n for (who, pool, t), n in ours.items() if who in called}
    known = set(called.values())
    differing = {
        (who, pool)
        for (who, pool, t) in named.keys() | theirs.keys()
        if who in known and named.get((who, pool, t), 0) != theirs.get((who, pool, t), 0)
    }
    for who, pool in sorted(differing):
        text = (
            f"book.held[{who}/{pool}]: must be what the rounds before gave "
            f"{'its participant' if who else 'in all'}"
        )
        yield BookFault("terms", "", text)


def _held_chips(book: Json, first: int) -> dict[tuple[str, str, int], int]:
    return {
        (row["participant"], row["pool"], t): n
        for row in book.get("held", ())
        for t, n in enumerate(row["chips"], row["start"])
        if n and t >= first
    }


def _name_faults(name: str, pairs: Iterable[tuple[Json, Json]]) -> Iterator[BookFault]:
    """Yield orders of one hand that have two names, and of two that have one."""
    called: dict[str | None, str | None] = {None: None}
    named: dict[str | None, str | None] = {None: None}
    for mine, other in pairs:
        ours, theirs = mine.get(name), other.get(name)
        if called.setdefault(ours, theirs) != theirs or named.setdefault(theirs, ours) != ours:
            order_id = str(mine["id"])
            text = f"{order_id}: its {name} in the book must be the same for orders of one hand"
            yield BookFault("terms", order_id, text)


def _part(book: Json, name: str) -> Json:
    found: Json = book.get(name, {}) if name else book
    return found


def _by_id(rows: Iterable[Json], excluded: frozenset[str]) -> dict[str, Json]:
    return {row["id"]: row for row in rows if row["id"] not in excluded}


def _digest(book: Json) -> bytes:
    return hashlib.sha256(canonical_json(book)).digest()
