"""Use cases of the ledger: records in, one batch of bookings out; no input or output here.

`decode_all` sorts what can be read from what cannot, `handle` decides. A record that says
something impossible becomes a dead letter and, if it breaks a rule of the ledger, a finding; a
round that breaks one stops its market.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from schemas.capacity import CapacityFreed, CapacityWanted
from schemas.codec import DecodeError, Envelope, derive_id, encode
from schemas.erasures import ErasureOrdered
from schemas.events import (
    AllocationMade,
    CheckpointPublished,
    DeliveryReported,
    DemandAmended,
    DemandSubmitted,
    DepositRecorded,
    OfferAmended,
    OfferSubmitted,
    ParticipantRegistered,
    RoundClosed,
)
from schemas.money import SettlementTermsSet
from schemas.registry import BY_MODEL
from schemas.types import period_of, pool_key
from services.core.capacity import capacity_of
from services.core.errors import DomainError, Message
from services.kit.kafka import OutRecord
from services.ledger import capacity, deliveries, erasures, holds, money
from services.ledger.books import SOURCE, Books
from services.ledger.capacity_state import OfferVersion
from services.ledger.findings import (
    broken,
    dead_letter,
    is_buried_by_matching,
    raise_finding,
    read,
)
from services.ledger.journal import body_digest, write_leaves
from services.ledger.rounds import PARTS, RoundParts, book_round
from services.ledger.state import (
    Batch,
    Halt,
    Input,
    Participant,
    View,
    cny_account,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from services.core.merkle import Frontier
    from services.kit.kafka import Positions, Record

FIRST_TOPICS = ("participants", "policies", "offers")
"""Read to their ends before the others are judged: money, terms and capacity come first."""
LAST_TOPICS = ("demand", "allocations", "deliveries")
TOPICS = FIRST_TOPICS + LAST_TOPICS
_ORDER = {topic: rank for rank, topic in enumerate(TOPICS)}

# A report waits for its round. The gateway takes none of an unknown allocation, so that this many
# wait only if somebody writes past it; each is looked at again with every batch.
DELIVERIES_WAITING_MAX = 5_000
# Rounds of a market are booked in order, and whoever reports knows its allocation. So a round this
# long after a report says that there is none; clocks of services differ by seconds.
DELIVERY_WAITS = timedelta(hours=1)

ROUND_TYPES = (*PARTS, RoundClosed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch leads to.

    Attributes:
        batch: What is written.
        frontier: The log's frontier after it.
        waiting: Records that still wait, those of halted markets left out.
        halted: Markets that are halted now.
        counts: Facts for the metrics.
    """

    batch: Batch
    frontier: Frontier
    waiting: tuple[Input, ...]
    halted: frozenset[str]
    counts: dict[str, int] = field(default_factory=dict)


def decode_all(records: Iterable[Record]) -> tuple[list[Input], list[OutRecord]]:
    """Return the events, topics in the order they are judged, and dead letters of the rest.

    Of what is no event, that is; what matching buries too has no letter here.
    """
    inputs: list[Input] = []
    letters: list[OutRecord] = []
    for record in sorted(records, key=lambda found: _ORDER[found.topic]):
        try:
            inputs.append(Input(record, read(record)))
        except DecodeError as error:
            if not is_buried_by_matching(record, error):
                letters.append(dead_letter(record, error))
    return inputs, letters


def handle(
    view: View,
    inputs: Sequence[Input],
    waiting: Sequence[Input],
    positions: Positions,
    frontier: Frontier,
    recorded_at: datetime,
) -> Outcome:
    """Decide a batch.

    Args:
        view: What is stored about `keys_of` the records.
        inputs: New records, in the order of `decode_all`.
        waiting: Records of earlier batches that wait.
        positions: Where the log will have been read to once this batch is committed.
        frontier: The log's frontier.
        recorded_at: Now, on the wall clock.
    """
    books = Books(view, recorded_at)
    letters: list[OutRecord] = []
    rounds: dict[str, RoundParts] = {}
    reports: list[Input] = []
    moves: list[Input] = []
    resales = [item for item in waiting if isinstance(item.envelope.data, OfferSubmitted)]
    others = (item for item in waiting if not isinstance(item.envelope.data, OfferSubmitted))
    for item in (*others, *inputs):
        body = item.envelope.data
        if isinstance(body, ROUND_TYPES):
            rounds.setdefault(body.round_id, RoundParts(body.round_id)).add(item)
        elif isinstance(body, DeliveryReported):
            reports.append(item)
        elif isinstance(body, CapacityFreed | CapacityWanted):
            moves.append(item)
        else:
            _guarded(books, item, _single, letters)
    waiting_after = _book_rounds(books, rounds, positions)
    waiting_after += _hold_resales(books, (*resales, *books.resales), letters)
    waiting_after += _book_deliveries(books, reports, _booked_until(books, rounds), letters)
    waiting_after += _move_capacity(books, moves, letters)
    return finish(books, letters, (waiting, waiting_after), frontier)


def checkpoint_event(frontier: Frontier, origin: str, now: datetime) -> OutRecord:
    """Return the record that publishes the log's head."""
    head = CheckpointPublished(origin=origin, size=frontier.size, root=frontier.root().hex())
    event_id = derive_id("checkpoint", head.origin, str(head.size), head.root)
    envelope = Envelope(
        id=event_id,
        source=SOURCE,
        occurred_at=now,
        recorded_at=now,
        participant_id="exchange",
        correlation_id=event_id,
        causation_id="",
        traceparent="",
        data=head,
    )
    key, value, headers = encode(envelope)
    return OutRecord("checkpoints", key, value, headers)


def _guarded(
    books: Books,
    item: Input,
    act: Callable[[Books, Input], None],
    letters: list[OutRecord],
) -> None:
    """Do one record's work whole or not at all."""
    fork = books.fork()
    try:
        act(fork, item)
    except DomainError as error:
        letters.append(dead_letter(item.record, error))
        market_id = getattr(item.envelope.data, "market_id", "exchange")
        raise_finding(books, item.envelope, error, market_id)
        return
    books.merge(fork)


def _single(books: Books, item: Input) -> None:
    body = item.envelope.data
    if isinstance(body, ParticipantRegistered):
        books.participants[body.participant_id] = Participant(
            body.participant_id, body.role.value, body.name, body.resource_code, body.status
        )
        books.account(cny_account(body.participant_id))
    elif isinstance(body, DepositRecorded):
        money.deposited(books, item)
    elif isinstance(body, money.ORDERS):
        money.ordered(books, item)
    elif isinstance(body, SettlementTermsSet):
        money.terms_set(books, item)
    elif isinstance(body, ErasureOrdered):
        erasures.ordered(books, item)
    elif isinstance(body, OfferSubmitted | OfferAmended):
        _offer(books, item, body)
    elif isinstance(body, DemandSubmitted):
        holds.submitted(books, item)
    elif isinstance(body, DemandAmended):
        holds.amended(books, item)
    # Cancellations change no booking: matching says in the next round what is to be kept.


def _offer(books: Books, item: Input, body: OfferSubmitted | OfferAmended) -> None:
    terms = body.terms
    version = 1 if isinstance(body, OfferSubmitted) else body.expected_version + 1
    digest = body_digest(body)
    known = books.offers.get(body.order_id) or ()
    if any(found.version == version and found.body_hash == digest for found in known):
        return
    if any(found.provider_id != body.participant_id for found in known) or (version == 1 and known):
        raise broken(
            "settle.other_body",
            Message(
                f"offer {body.order_id} must repeat with the same body, was another",
                f"报价 {body.order_id} 重发时内容须相同，实际不同",
            ),
            "order_id",
            body.order_id,
            "the body first seen",
        )
    row = OfferVersion(
        body.order_id,
        version,
        item.record.partition,
        item.record.offset,
        body.market_id,
        body.participant_id,
        pool_key(terms.zone, terms.chip),
        period_of(terms.start),
        period_of(terms.end),
        terms.chips,
        terms.ask,
        digest,
        capacity_of(body.participant_id, terms),
    )
    books.offers[body.order_id] = (*known, row)
    books.offers_new.append(row)
    if terms.resale_of is not None and version == 1:
        # After the rounds of the batch, one of which may have made what it resells.
        books.resales.append(item)
        return
    capacity.hold(books, item, row)


def _book_rounds(books: Books, rounds: dict[str, RoundParts], positions: Positions) -> list[Input]:
    """Book every round that is whole, in order; return the records that still wait."""
    waiting: list[Input] = []
    behind: set[str] = set()
    for round_id, parts in rounds.items():
        market_id = _market_of(parts.inputs[0])
        booked = books.rounds.get(round_id)
        if booked is not None:
            _check_repeat(books, parts, booked)
            continue
        if market_id in books.halts or market_id in behind:
            waiting.extend(parts.inputs)
            continue
        if not parts.whole() or not parts.readable(positions):
            # A later round of this market may not overtake.
            behind.add(market_id)
            waiting.extend(parts.inputs)
            continue
        fork = books.fork()
        try:
            book_round(fork, parts)
        except DomainError as error:
            assert parts.closed is not None
            books.halts[market_id] = Halt(market_id, round_id, error.code, str(error)[:1000])
            raise_finding(books, parts.closed.envelope, error, market_id, round_id)
            waiting.extend(parts.inputs)
            continue
        books.merge(fork)
        assert parts.closed is not None
        deliveries.settle_late(books, parts.closed.envelope)
        deliveries.lapse(books, parts.closed.envelope)
    return waiting


def _booked_until(books: Books, rounds: Mapping[str, RoundParts]) -> dict[str, datetime]:
    """Return market -> time of the latest of these rounds that is booked."""
    until: dict[str, datetime] = {}
    for round_id, parts in rounds.items():
        if parts.closed is not None and books.rounds.get(round_id) is not None:
            body = parts.closed.envelope.data
            assert isinstance(body, RoundClosed)
            known = until.get(body.market_id, body.market_time)
            until[body.market_id] = max(known, body.market_time)
    return until


def _book_deliveries(
    books: Books,
    reports: list[Input],
    booked_until: Mapping[str, datetime],
    letters: list[OutRecord],
) -> list[Input]:
    """Pay what can be paid; return the reports whose round is not booked yet."""
    early: list[Input] = []
    for item in reports:
        body = item.envelope.data
        assert isinstance(body, DeliveryReported)
        if body.allocation_id in books.allocations:
            _guarded(books, item, deliveries.reported, letters)
        elif (
            until := booked_until.get(body.market_id)
        ) is not None and until > item.envelope.occurred_at + DELIVERY_WAITS:
            _guarded(books, item, deliveries.given_up, letters)
        else:
            early.append(item)
    for item in early[:-DELIVERIES_WAITING_MAX]:
        _guarded(books, item, deliveries.given_up, letters)
    return early[-DELIVERIES_WAITING_MAX:]


def _hold_resales(books: Books, items: Sequence[Input], letters: list[OutRecord]) -> list[Input]:
    """Reserve what is sold on; return the offers whose allocation is not booked yet."""
    early = [item for item in items if capacity.awaits_round(books, item)]
    waiting = early[-DELIVERIES_WAITING_MAX:]
    for item in items:
        # What waits too long is refused: the allocation that it names is none.
        if item not in waiting:
            _guarded(books, item, capacity.hold_resale, letters)
    return waiting


def _move_capacity(books: Books, items: list[Input], letters: list[OutRecord]) -> list[Input]:
    """Free capacity, and reserve more; return the records whose rounds are not booked yet."""
    early: list[Input] = []
    for item in items:
        is_wanted = isinstance(item.envelope.data, CapacityWanted)
        if capacity.is_early(books, item):
            early.append(item)
        else:
            _guarded(books, item, capacity.wanted if is_wanted else capacity.freed, letters)
    return early


def _market_of(item: Input) -> str:
    return str(getattr(item.envelope.data, "market_id", ""))


def _check_repeat(books: Books, parts: RoundParts, digest: bytes) -> None:
    """Report a booked round that comes again with other records; nothing is booked either way."""
    closed = parts.closed
    other = [
        item
        for item in parts.inputs
        if isinstance(item.envelope.data, AllocationMade)
        and item.envelope.data.allocation_id in books.allocations
        and books.allocations[item.envelope.data.allocation_id].body_hash
        != body_digest(item.envelope.data)
    ]
    if closed is not None:
        body = closed.envelope.data
        assert isinstance(body, RoundClosed)
        if body.digest != digest.hex():
            other.append(closed)
    for item in other[:1]:
        round_id = parts.round_id
        error = broken(
            "settle.other_body",
            Message(
                f"booked round {round_id} must repeat with the same records, was others",
                f"已记账轮次 {round_id} 重发时记录须相同，实际不同",
            ),
            "round_id",
            round_id,
            digest.hex(),
        )
        market_id = _market_of(item)
        raise_finding(books, item.envelope, error, market_id, round_id)


def finish(
    books: Books,
    letters: list[OutRecord],
    waiting: tuple[Sequence[Input], list[Input]],
    frontier: Frontier,
) -> Outcome:
    """Return what is written of the books of a batch.

    Args:
        books: After everything was decided.
        letters: Dead letters.
        waiting: Records that waited before, and those that wait now.
        frontier: The log's frontier before.
    """
    before, after = waiting
    leaves = write_leaves(books.entries, frontier.size)
    events = []
    for envelope in books.events:
        key, value, headers = encode(envelope)
        events.append(OutRecord(BY_MODEL[type(envelope.data)].topic, key, value, headers))
    stored = books.stored.accounts
    moved = books.accounts.changed
    kept = {item.position for item in after}
    known = {item.position for item in before}
    batch = Batch(
        accounts_new=tuple(a for name, a in moved.items() if name not in stored),
        accounts_moved=tuple(
            (stored[name].version, account)
            for name, account in sorted(moved.items())
            if name in stored and stored[name] != account
        ),
        participants=tuple(books.participants.changed.values()),
        demands=tuple(books.demands.changed.values()),
        offers=tuple(books.offers_new),
        held_new=capacity.rows_new(books),
        held_moved=capacity.rows_moved(books),
        raises=tuple(books.raises_new),
        rounds=tuple(books.rounds_new),
        allocations=tuple(books.allocations_new),
        settlements=tuple(books.settlements_new),
        terms=tuple(books.terms_new),
        money_orders=tuple(books.money_orders.changed.values()),
        erasures=tuple(books.erasures.changed.values()),
        entries=tuple(books.entries),
        leaves=tuple(leaves),
        recorded_at=books.recorded_at,
        waiting=tuple(item for item in after if item.position not in known),
        waited=tuple(item.position for item in before if item.position not in kept),
        halts=tuple(books.halts.changed.values()),
        outbox=(*events, *letters),
    )
    return Outcome(
        batch=batch,
        frontier=frontier.extend(leaf.hash for leaf in leaves),
        waiting=tuple(item for item in after if _market_of(item) not in books.halts),
        halted=frozenset(books.stored.halts) | frozenset(books.halts.changed),
    )
