"""The market watch on ports in memory: when cases are told, again, and not again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from schemas import events
from schemas.codec import Envelope, decode, derive_id, encode
from schemas.surveillance import ParticipantOwned, SurveillanceCaseRaised
from schemas.types import OrderState, Role
from services.auditor.surveillance import Kept, MarketWatch, Told, WatchChanges
from services.kit.clock import ManualClock
from services.kit.records import OutRecord, Positions, Record
from tests.integration.matching.desk import MARKET, START, demand, offer
from tests.unit.core.surveillance.story import allocation, one_round, round_of, status

NEXT = START + timedelta(days=1)


class MemoryStore:
    """Keeps what was committed."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.cases: dict[str, Told] = {}
        self.sent: list[OutRecord] = []

    async def load(self) -> tuple[Positions, list[Kept]]:
        return {}, list(self.kept.values())

    async def told(self, case_ids: Iterable[str]) -> dict[str, Told]:
        return {one: self.cases[one] for one in case_ids if one in self.cases}

    async def told_of(self, market_id: str, day: int) -> list[Told]:
        return [one for one in self.cases.values() if (one.market_id, one.day) == (market_id, day)]

    async def commit(self, before: Positions, after: Positions, changes: WatchChanges) -> None:
        self.kept |= {item.event_id: item for item in changes.kept}
        gone = set(changes.forgotten)
        self.kept = {key: one for key, one in self.kept.items() if one.subject not in gone}
        self.cases |= {one.case_id: one for one in changes.told}
        self.sent += changes.outbox

    def raised(self) -> list[SurveillanceCaseRaised]:
        found = [decode(one.value, one.headers).data for one in self.sent]
        return [one for one in found if isinstance(one, SurveillanceCaseRaised)]


class MemoryLog:
    """Gives each batch once."""

    def __init__(self) -> None:
        self.batches: list[list[Record]] = []

    async def start(self, positions: Positions) -> None:
        return

    async def read(self, max_records: int = 500, timeout_ms: int = 500) -> list[Record]:
        return self.batches.pop(0) if self.batches else []

    def positions(self) -> Positions:
        return {}

    def put(self, *found: tuple[events.Event, datetime]) -> None:
        batch: list[Record] = []
        for event, at in found:
            key, value, headers = encode(
                Envelope(
                    id=derive_id(type(event).__name__, event.model_dump_json()),
                    source="/suanli/test",
                    occurred_at=at,
                    recorded_at=at,
                    participant_id="test",
                    correlation_id="story",
                    causation_id="",
                    traceparent="",
                    data=event,
                )
            )
            batch.append(Record("t", 0, len(batch), 0, key, value, headers))
        self.batches.append(batch)


def at_instants(story: list[tuple[events.Event, int]]) -> list[tuple[events.Event, datetime]]:
    return [(event, datetime.fromtimestamp(at_ms / 1000, UTC)) for event, at_ms in story]


def owned(participant_id: str, role: Role) -> tuple[events.Event, datetime]:
    event = ParticipantOwned(
        participant_id=participant_id, role=role, name="n", beneficial_owner="one"
    )
    return event, START - timedelta(hours=1)


OWNED = (owned("p-a", Role.PROVIDER), owned("e-a", Role.ENTERPRISE))


def second_round(at: datetime) -> list[tuple[events.Event, datetime]]:
    """Return a round in which the same owner meets itself once more."""
    need, room = demand("b").model_copy(update={"participant_id": "e-a"}), offer("a")
    made = allocation(2, need, room, 4)
    return [
        (need, at),
        (status(need, OrderState.OPEN), at),
        *((event, at) for event in round_of(2, at, (made,))),
        (status(need, OrderState.FILLED, sequence=2, round_id=f"{MARKET.id}:2"), at),
    ]


async def test_a_case_is_told_at_once_and_again_when_the_day_is_over_and_it_has_grown() -> None:
    store, log, clock = MemoryStore(), MemoryLog(), ManualClock(START)
    watch = MarketWatch(store, log, clock)
    log.put(*OWNED, *at_instants(one_round()))
    await watch.take_in()
    (case,) = store.raised()
    assert (case.kind, case.revision, case.is_final, case.evidence_total) == (
        "self_match",
        1,
        False,
        1,
    )
    log.put(*second_round(START + timedelta(minutes=15)))
    await watch.take_in()
    assert len(store.raised()) == 1
    log.put(*((event, NEXT) for event in round_of(3, NEXT, ())))
    await watch.take_in()
    _, grown = store.raised()
    assert (grown.case_id, grown.revision, grown.is_final) == (case.case_id, 2, True)
    assert set(case.evidence) < set(grown.evidence)
    # What is over is let go of; a restart has nothing of it and says nothing new.
    assert not [one for one in store.kept.values() if one.subject.startswith("order:dem_")]
    again = MarketWatch(store, log, clock)
    for item in (await store.load())[1]:
        again._keep(decode(item.value, item.headers))
    log.put(*((event, NEXT) for event in round_of(4, NEXT, ())))
    await again.take_in()
    assert len(store.raised()) == 2


async def test_the_end_of_the_day_is_told_once_for_a_case_that_did_not_grow() -> None:
    store, log, clock = MemoryStore(), MemoryLog(), ManualClock(START)
    watch = MarketWatch(store, log, clock)
    log.put(*OWNED, *at_instants(one_round()))
    await watch.take_in()
    # A restart during the day says nothing new.
    watch = MarketWatch(store, log, clock)
    for item in (await store.load())[1]:
        watch._keep(decode(item.value, item.headers))
    later = START + timedelta(hours=1)
    log.put(*((event, later) for event in round_of(2, later, ())))
    await watch.take_in()
    (case,) = store.raised()
    for seq, at in ((3, NEXT), (4, NEXT + timedelta(minutes=15))):
        log.put(*((event, at) for event in round_of(seq, at, ())))
        await watch.take_in()
    _, ended = store.raised()
    assert ended == case.model_copy(update={"revision": 2, "is_final": True})


async def test_a_case_that_the_whole_day_does_not_show_is_told_to_be_over() -> None:
    store, log, clock = MemoryStore(), MemoryLog(), ManualClock(START)
    watch = MarketWatch(store, log, clock)
    log.put(*OWNED, *at_instants(one_round()))
    await watch.take_in()
    (case,) = store.raised()
    # The owner was told wrong, and is told otherwise before the day is over.
    other = ParticipantOwned(
        participant_id="e-a", role=Role.ENTERPRISE, name="n", beneficial_owner="two"
    )
    log.put((other, START + timedelta(hours=1)))
    for seq, at in ((2, NEXT), (3, NEXT + timedelta(minutes=15))):
        log.put(*((event, at) for event in round_of(seq, at, ())))
        await watch.take_in()
    _, ended = store.raised()
    assert (ended.case_id, ended.revision, ended.is_final) == (case.case_id, 2, True)
    assert (ended.evidence, ended.figures) == (case.evidence, case.figures)
    assert ended.summary.code == "not_found_at_end"
    assert ended.summary.en.endswith(case.summary.en)
    assert ended.summary.zh.endswith(case.summary.zh)


async def test_a_running_day_is_judged_a_tenth_of_the_time_at_most() -> None:
    store, log, clock = MemoryStore(), MemoryLog(), ManualClock(START)
    watch = MarketWatch(store, log, clock)
    watch._rests_until_s[MARKET.id] = 5.0
    log.put(*OWNED, *at_instants(one_round()))
    await watch.take_in()
    assert store.raised() == []
    # It does not wait for another record once it has rested.
    clock.advance(timedelta(seconds=6))
    await watch.take_in()
    assert [case.kind for case in store.raised()] == ["self_match"]
    await watch.take_in()
    assert len(store.raised()) == 1
