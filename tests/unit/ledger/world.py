"""Records as the log carries them, and a store that keeps everything in dictionaries."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

from loadtests.journal_records import published
from schemas import events, money
from schemas.codec import Envelope, decode, encode
from schemas.orders import Alternative, DemandTerms, FlowShape, OfferTerms
from schemas.registry import BY_MODEL
from schemas.types import Role, period_of
from services.core.merkle import Frontier
from services.kit.kafka import Record
from services.ledger.app import decode_all, handle
from services.ledger.keys import keys_of
from services.ledger.state import View
from tests.unit.ledger.memory_store import commit, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.kit.kafka import OutRecord, Positions
    from services.ledger.app import Outcome
    from services.ledger.rounds import Part
    from services.ledger.state import Input

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
MARKET = "jjj"
ZONE, CHIP = "bj-1", "a910b"
EventT = TypeVar("EventT", bound=events.Event)
POOL = f"{ZONE}/{CHIP}"
YUAN = 1_000_000


def key26(text: str) -> str:
    """Return 26 lower-case base32 characters made of a text."""
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:26]


def demand_id(name: str) -> str:
    return f"dem_{key26(name)}"


def offer_id(name: str) -> str:
    return f"off_{key26(name)}"


def allocation_id(name: str) -> str:
    return f"al_{key26(name)}"


def hour(offset: int) -> datetime:
    return NOW + timedelta(hours=offset)


def registered(participant: str, role: Role = Role.ENTERPRISE) -> events.ParticipantRegistered:
    return events.ParticipantRegistered(participant_id=participant, role=role, name=participant)


def deposited(participant: str, amount: int, name: str = "") -> events.DepositRecorded:
    return events.DepositRecorded(
        deposit_id=f"dep_{key26(name or f'{participant}{amount}')}",
        participant_id=participant,
        amount=amount,
        reference="bank transfer",
    )


def withdrawn(participant: str, amount: int, name: str = "1") -> money.WithdrawalOrdered:
    return money.WithdrawalOrdered(
        withdrawal_id=f"wdr_{key26(participant + name)}",
        participant_id=participant,
        amount=amount,
        reference="payout",
    )


def collateral(
    participant: str, amount: int, direction: Literal["in", "out"] = "in", name: str = "1"
) -> money.CollateralOrdered:
    return money.CollateralOrdered(
        collateral_id=f"col_{key26(participant + direction + name)}",
        participant_id=participant,
        direction=direction,
        amount=amount,
    )


def reversed_entry(entry_id: str, name: str = "1") -> money.ReversalOrdered:
    return money.ReversalOrdered(
        reversal_id=f"rev_{key26(entry_id + name)}",
        entry_id=entry_id,
        participant_id="operator",
        reason="booked to the wrong participant",
    )


def terms(version: int = 1, **changed: int) -> money.SettlementTermsSet:
    """Return terms of settlement: no fees, a penalty of a fifth, a day to report."""
    body = {
        "in_force_from_round": 0,
        "provider_fee_ppm": 0,
        "enterprise_fee_ppm": 0,
        "penalty_ppm": 200_000,
        "compensation_ppm": 0,
        "report_within_periods": 24,
    } | changed
    return money.SettlementTermsSet(market_id=MARKET, version=version, reason="test", **body)


def demand_terms(chips: int, hours: int, limit: int) -> DemandTerms:
    """Return a flow of ``chips`` for ``hours`` periods: it can cost chips x hours x limit."""
    return DemandTerms(
        shape=FlowShape(chips=chips),
        alternatives=(Alternative(chips_any_of=(CHIP,), limit=limit),),
        earliest=hour(0),
        deadline=hour(hours),
    )


def demanded(
    name: str,
    participant: str,
    chips: int = 10,
    hours: int = 2,
    limit: int = YUAN,
    *,
    market: str = MARKET,
) -> events.DemandSubmitted:
    return events.DemandSubmitted(
        order_id=demand_id(name),
        market_id=market,
        participant_id=participant,
        terms=demand_terms(chips, hours, limit),
    )


def demand_amended(
    name: str,
    participant: str,
    chips: int,
    hours: int = 2,
    limit: int = YUAN,
    expected_version: int = 1,
) -> events.DemandAmended:
    return events.DemandAmended(
        order_id=demand_id(name),
        market_id=MARKET,
        participant_id=participant,
        expected_version=expected_version,
        terms=demand_terms(chips, hours, limit),
    )


def offered(
    name: str,
    participant: str,
    chips: int = 100,
    hours: int = 24,
    *,
    start: int = 0,
    market: str = MARKET,
    **more: object,
) -> events.OfferSubmitted:
    return events.OfferSubmitted(
        order_id=offer_id(name),
        market_id=market,
        participant_id=participant,
        terms=OfferTerms.model_validate(
            {
                "zone": ZONE,
                "chip": CHIP,
                "chips": chips,
                "start": hour(start),
                "end": hour(hours),
                "ask": 0,
                "resource_code": "CN.11.0108.BJ01-A910B",
            }
            | more
        ),
    )


def allocated(
    seq: int,
    demand: str,
    enterprise: str,
    offer: str,
    provider: str,
    periods: Sequence[tuple[int, int, int]],
    *,
    version: int = 1,
    payment: int | None = None,
    market: str = MARKET,
) -> events.AllocationMade:
    """Return an allocation over (hour offset, chips, price) triples; its index is set later."""
    return events.AllocationMade(
        allocation_id=allocation_id(f"{seq}{demand}{offer}"),
        round_id=f"{market}:{seq}",
        market_id=market,
        index=0,
        demand_id=demand_id(demand),
        enterprise_id=enterprise,
        demand_version=1,
        offer_id=offer_id(offer),
        provider_id=provider,
        offer_version=version,
        pool=POOL,
        alternative=0,
        periods=tuple(
            events.AllocatedPeriod(start=hour(at), chips=chips, price=price)
            for at, chips, price in periods
        ),
        payment=sum(chips * price for _, chips, price in periods) if payment is None else payment,
    )


def kept(
    seq: int, demand: str, enterprise: str, keep: int, *, market: str = MARKET
) -> events.HoldAdjusted:
    return events.HoldAdjusted(
        round_id=f"{market}:{seq}",
        market_id=market,
        index=0,
        demand_id=demand_id(demand),
        enterprise_id=enterprise,
        keep=keep,
        reason=events.Reason(code="filled", en="Filled.", zh="已成交。"),
    )


def delivered(
    allocation: events.AllocationMade, periods: Sequence[tuple[int, int]], name: str = "1"
) -> events.DeliveryReported:
    return events.DeliveryReported(
        delivery_id=f"dlv_{key26(allocation.allocation_id + name)}",
        allocation_id=allocation.allocation_id,
        market_id=allocation.market_id,
        provider_id=allocation.provider_id,
        periods=tuple(events.DeliveredPeriod(start=hour(at), chips=chips) for at, chips in periods),
    )


class Topics:
    """Gives records their places, one partition per topic."""

    def __init__(self) -> None:
        self.ends: Positions = defaultdict(int)

    def raw(self, topic: str, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
        offset = self.ends[topic, 0]
        self.ends[topic, 0] += 1
        return Record(topic, 0, offset, 0, b"key", value, headers)

    def put(self, *bodies: events.Event, at: datetime = NOW) -> list[Record]:
        return [self._record(body, at) for body in bodies]

    def round(
        self,
        seq: int,
        *bodies: Part,
        fee_ppm: int = 0,
        offers_end: int | None = None,
        demand_end: int | None = None,
        at: datetime = NOW,
        market: str = MARKET,
    ) -> list[Record]:
        """Return the records of a whole round, the closing one last."""
        return [
            self._record(body, at)
            for body in round_bodies(
                seq,
                bodies,
                at=at,
                market=market,
                fee_ppm=fee_ppm,
                offers_end=self.ends["offers", 0] if offers_end is None else offers_end,
                demand_end=self.ends["demand", 0] if demand_end is None else demand_end,
            )
        ]

    def again(self, records: Iterable[Record]) -> list[Record]:
        """Return the same bytes once more, at later offsets."""
        return [self.raw(item.topic, item.value or b"", item.headers) for item in records]

    def _record(self, body: events.Event, at: datetime) -> Record:
        _, value, headers = encode(envelope_of(body, at))
        return self.raw(BY_MODEL[type(body)].topic, value, headers)


def round_bodies(
    seq: int,
    bodies: Sequence[Part],
    *,
    at: datetime = NOW,
    fee_ppm: int = 0,
    offers_end: int = 0,
    demand_end: int = 0,
    partition: int = 0,
    market: str = MARKET,
) -> list[events.Event]:
    """Return a round's events with their indices and the closing event."""
    indexed: list[events.Event] = [
        body.model_copy(update={"index": index}) for index, body in enumerate(bodies)
    ]
    digest = hashlib.sha256(
        b"".join(hashlib.sha256(body.model_dump_json().encode()).digest() for body in indexed)
    ).hexdigest()

    def through(topic: str, end: int) -> tuple[events.OffsetRange, ...]:
        return (events.OffsetRange(topic=topic, partition=partition, start=0, end=end),)

    closed = events.RoundClosed(
        round_id=f"{market}:{seq}",
        market_id=market,
        seq=seq,
        count=len(indexed),
        digest=digest,
        market_time=at,
        fee_ppm=fee_ppm,
        offers_through=through("offers", offers_end),
        demand_through=through("demand", demand_end),
    )
    return [*indexed, closed]


def envelope_of(body: events.Event, at: datetime = NOW) -> Envelope:
    event_id = hashlib.sha256(body.model_dump_json().encode()).hexdigest()[:32]
    return Envelope(
        id=event_id,
        source="/suanli/test",
        occurred_at=at,
        recorded_at=NOW,
        participant_id="tester",
        correlation_id=event_id,
        causation_id="",
        traceparent="",
        data=body,
    )


def event_of(record: OutRecord) -> events.Event:
    return decode(record.value, record.headers).data


class MemoryLedger:
    """The ledger's decisions over a store of dictionaries: a fake of the database's port."""

    def __init__(self) -> None:
        self.view = View()
        self.frontier = Frontier()
        self.waiting: tuple[Input, ...] = ()
        self.positions: Positions = {}
        self.outbox: list[OutRecord] = []
        self.leaves: list[bytes] = []

    def feed(self, records: Sequence[Record]) -> Outcome:
        """Decide one batch and take it over."""
        for record in records:
            place = (record.topic, record.partition)
            self.positions[place] = max(self.positions.get(place, 0), record.offset + 1)
        inputs, letters = decode_all(records)
        view = load(self.view, keys_of(inputs, self.waiting))
        outcome = handle(view, inputs, self.waiting, self.positions, self.frontier, NOW)
        commit(self.view, outcome.batch)
        self.leaves += [leaf.hash for leaf in outcome.batch.leaves]
        self.frontier, self.waiting = outcome.frontier, outcome.waiting
        self.outbox += [*outcome.batch.outbox, *letters, *published(outcome.batch)]
        return outcome

    def events(self, kind: type[EventT]) -> list[EventT]:
        """Return all events of a kind ever sent."""
        return [
            found
            for record in self.outbox
            if record.topic != "dead-letters" and isinstance(found := event_of(record), kind)
        ]

    def letters(self) -> list[dict[str, str]]:
        return [
            {name: raw.decode(errors="replace") for name, raw in record.headers}
            for record in self.outbox
            if record.topic == "dead-letters"
        ]


def period(offset: int) -> int:
    """Return the absolute period of an hour offset."""
    return period_of(hour(offset))


def whole_journal() -> list[OutRecord]:
    """Return the journal's records of holds, a round, a delivery, refunds and a payout."""
    topics, ledger = Topics(), MemoryLedger()
    ledger.feed(
        topics.put(
            registered("lab"),
            registered("cloud", Role.PROVIDER),
            deposited("lab", 100 * YUAN),
            offered("o1", "cloud", chips=10),
            demanded("d1", "lab", chips=10),
            demanded("d2", "lab", chips=1),
        )
    )
    body = allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, YUAN), (1, 10, YUAN)])
    ledger.feed(topics.round(1, body, kept(1, "d1", "lab", 0), kept(1, "d2", "lab", 0)))
    ledger.feed(topics.put(delivered(body, [(0, 10)]), withdrawn("lab", YUAN)))
    assert ledger.events(events.JournalEntryRecorded)
    return [record for record in ledger.outbox if record.topic == "journal-entries"]
