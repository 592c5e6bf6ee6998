"""Records as the log carries them, and a store that keeps everything in dictionaries."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from dataclasses import replace
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
from services.ledger.journal import entry_digest
from services.ledger.keys import accounts_behind, keys_of
from services.ledger.state import Booked, Capacity, OpenPeriod, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.kit.kafka import OutRecord, Positions
    from services.ledger.app import Outcome
    from services.ledger.rounds import Part
    from services.core.settlement import Settled
    from services.ledger.state import Batch, Entry, Input, Keys

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
MARKET = "jjj"
ZONE, CHIP = "bj-1", "a910b"
KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
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
        view = self._load(keys_of(inputs, self.waiting))
        outcome = handle(view, inputs, self.waiting, self.positions, self.frontier, NOW)
        self._commit(outcome)
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

    def _load(self, keys: Keys) -> View:
        # Exactly what was asked for, so that a key that is not asked for is found missing.
        all_of = self.view
        late = {
            place[0]
            for place, found in all_of.open.items()
            for market_id, now in keys.lapsing
            if all_of.allocations[place[0]].market_id == market_id and found.due < now
            and all_of.allocations[place[0]].resale_of is None
        }  # fmt: skip
        sources = {
            version.capacity
            for offer in keys.offers
            for version in all_of.offers.get(offer, ())
            if version.capacity is not None and "/" not in version.capacity
        }
        allocations = _pick(all_of.allocations, self._chains(keys.allocations | late | sources))
        resold = {one.demand_id for name, one in allocations.items() if name in keys.allocations}
        booked = _pick(all_of.booked, keys.reversed)
        behind = accounts_behind(allocations.values(), booked.values())
        return View(
            accounts=_pick(all_of.accounts, keys.accounts | behind),
            participants=_pick(all_of.participants, keys.participants),
            demands=_pick(all_of.demands, keys.demands | resold),
            offers=_pick(all_of.offers, keys.offers),
            used={k: v for k, v in all_of.used.items() if k[0] in keys.offers},
            capacities=self._capacities(keys),
            held={k: v for k, v in all_of.held.items() if k[0] in keys.offers},
            allocations=allocations,
            open={k: v for k, v in all_of.open.items() if k[0] in allocations},
            passable={k: v for k, v in all_of.passable.items() if k[0] in sources},
            rounds=_pick(all_of.rounds, keys.rounds),
            last_seq=_pick(all_of.last_seq, keys.markets),
            halts=_pick(all_of.halts, keys.markets),
            deliveries=_pick(all_of.deliveries, keys.deliveries),
            transfers=_pick(all_of.transfers, keys.transfers),
            terms=_pick(all_of.terms, keys.markets),
            money_orders=_pick(all_of.money_orders, keys.money_orders),
            booked=booked,
            exposure={name: self._exposure(name) for name in keys.exposed},
        )

    def _chains(self, ids: Iterable[str]) -> set[str]:
        found, ends = set(ids), set(ids)
        while ends:
            below = self.view.allocations.values()
            ends = {item.id for item in below if item.resale_of in ends} - found
            found |= ends
        return found

    def _capacities(self, keys: Keys) -> dict[tuple[str, int], Capacity]:
        wanted = {
            (name, period) for name, first, end in keys.capacities for period in range(first, end)
        }
        wanted |= {
            (version.capacity, place[1])
            for place in self.view.held
            if place[0] in keys.offers
            for version in self.view.offers[place[0]]
            if version.capacity is not None
        }
        return _pick(self.view.capacities, wanted)

    def _exposure(self, provider: str) -> int:
        found = self.view.allocations
        return sum(
            -(-item.chips * item.price * found[place[0]].terms.penalty_ppm // 1_000_000)
            + max(0, -sum(p.premium for p in found[place[0]].periods if p.period == place[1]))
            for place, item in self.view.open.items()
            if found[place[0]].provider_id == provider
        )

    def _commit(self, outcome: Outcome) -> None:
        batch, view = outcome.batch, self.view
        for account in batch.accounts_new:
            assert account.id not in view.accounts
            view.accounts[account.id] = account
        for version, account in batch.accounts_moved:
            assert view.accounts[account.id].version == version
            view.accounts[account.id] = account
        view.participants.update({item.id: item for item in batch.participants})
        view.demands.update({item.order_id: item for item in batch.demands})
        for offer in batch.offers:
            view.offers[offer.offer_id] = (*view.offers.get(offer.offer_id, ()), offer)
        self._hold_capacity(batch)
        for done in batch.rounds:
            view.rounds[done.round_id] = done.digest
            view.last_seq[done.market_id] = done.seq
        for allocation in batch.allocations:
            view.allocations[allocation.id] = allocation
            for item in allocation.periods:
                place = (allocation.offer_id, item.period)
                view.used[place] = view.used.get(place, 0) + item.chips
                due = allocation.terms.due(item.period)
                view.open[allocation.id, item.period] = OpenPeriod(item.chips, item.price, due)
        for settled in batch.settlements:
            view.deliveries[settled.id] = settled.body_hash
            for period_row in settled.periods:
                found = view.open.pop((settled.allocation_id, period_row.period))
                assert (found.chips, found.price) == (period_row.chips, period_row.price)
                self._pass_on(settled.allocation_id, period_row)
        for row in batch.terms:
            view.terms[row.market_id] = (*view.terms.get(row.market_id, ()), row)
        view.money_orders.update({item.id: item for item in batch.money_orders})
        for entry in batch.entries:
            view.booked[entry.transfer.id] = booked_of(entry)
            if entry.transfer.reverses is not None:
                taken_back = view.booked[entry.transfer.reverses]
                view.booked[entry.transfer.reverses] = replace(taken_back, is_reversed=True)
            assert entry.transfer.id not in view.transfers, "a transfer is booked once"
            view.transfers[entry.transfer.id] = entry_digest(entry)
        view.halts.update({item.market_id: item for item in batch.halts})
        self.leaves += [leaf.hash for leaf in batch.leaves]
        self.frontier, self.waiting = outcome.frontier, outcome.waiting

    def _pass_on(self, allocation: str, settled: Settled) -> None:
        passable, source = self.view.passable, self.view.allocations[allocation].resale_of
        place = (allocation, settled.period)
        passable[place] = passable.get(place, 0) + settled.delivered
        if source is not None:
            place = (source, settled.period)
            passable[place] = passable.get(place, 0) - settled.delivered

    def _hold_capacity(self, batch: Batch) -> None:
        view = self.view
        for (offer, period_held), chips in batch.held_less.items():
            named = next(one.capacity for one in view.offers[offer] if one.version == 1)
            assert named is not None
            less = view.held[offer, period_held] - chips
            assert less > 0
            there = view.capacities[named, period_held]
            view.capacities[named, period_held] = Capacity(there.chips, there.held - less)
            view.held[offer, period_held] = chips
        for offer, period_held, named, stated, chips in batch.held_new:
            place = (named, period_held)
            before = view.capacities.get(place, Capacity(stated, 0)).held
            view.capacities[place] = Capacity(stated, before + chips)
            view.held[offer, period_held] = chips
        assert all(there.held <= there.chips for there in view.capacities.values())


def booked_of(entry: Entry) -> Booked:
    """Return a journal entry as it is loaded for taking it back."""
    transfer = entry.transfer
    return Booked(
        transfer.kind.value,
        entry.purpose,
        transfer.debit,
        transfer.credit,
        transfer.amount,
        entry.market_id,
        entry.round_id,
        entry.order_id,
        is_reversed=False,
    )


def _pick(mapping: dict[KeyT, ValueT], keys: Iterable[KeyT]) -> dict[KeyT, ValueT]:
    return {key: mapping[key] for key in keys if key in mapping}


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
