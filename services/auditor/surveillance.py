"""The market watch: keeps the tape of each market's day and publishes what the rules find.

Cases are raised at the close of each round and, for good, when the next day has begun. What makes
the tape is stored as it comes, so that a restart reads it back and goes on.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol

from schemas.codec import DecodeError, Envelope, decode, derive_id, encode
from schemas.events import MarketDefined, OffsetRange, ParticipantRegistered
from schemas.registry import BY_MODEL
from schemas.surveillance import (
    CASE_EVIDENCE_MAX,
    CASE_PARTICIPANTS_MAX,
    ParticipantOwned,
    SurveillanceCaseRaised,
)
from services.core.round_events import wire_reason
from services.core.surveillance.evaluate import evaluate
from services.core.surveillance.tape_builder import (
    WATCHED,
    TapeBuilder,
    milliseconds,
    subject_of,
)
from services.kit.logging import get_logger
from services.kit.records import OutRecord
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.auditor.ports import Log
    from services.core.surveillance.cases import Case
    from services.kit.clock import Clock
    from services.kit.records import Headers, Positions, Record

TOPICS = (
    "participants",
    "policies",
    "offers",
    "demand",
    "order-status",
    "rounds",
    "allocations",
)

_SOURCE = "/suanli/auditor"
_READ_RECORDS_MAX = 1000
_READ_MS_MAX = 250
# A running day is judged for at most a tenth of the time, however many orders and rounds it has.
_REST = 10
_EPOCH = date(1970, 1, 1).toordinal()
# What the whole day does not show: prices came back, an owner was told otherwise.
_LOST = "not_found_at_end"
_LOST_EN = "Found in the course of the day, and no more when it was over"
_LOST_ZH = "日间曾发现，收市后全天数据已不再显示"
_TYPES = frozenset(
    row.type.encode()
    for row in BY_MODEL.values()
    if issubclass(row.model, (*WATCHED, ParticipantRegistered))
)


@dataclass(frozen=True, slots=True)
class Kept:
    """An event of the tape as it is stored.

    Attributes:
        event_id: Its id.
        subject: What it is kept and forgotten with.
        value: Its bytes.
        headers: Its headers.
    """

    event_id: str
    subject: str
    value: bytes
    headers: Headers

    @property
    def lasting(self) -> bool:
        """Return whether a later one of its subject takes its place."""
        return self.subject.startswith(("participant:", "market:"))


@dataclass(frozen=True, slots=True)
class Told:
    """A revision of a case that was published.

    Attributes:
        case_id: The case.
        market_id: Its market.
        day: Its day, days since 1970.
        revision: The revision.
        digest: Digest of what it said.
        body: What was published, as JSON; ``None`` of cases from before it was kept.
    """

    case_id: str
    market_id: str
    day: int
    revision: int
    digest: str
    body: str | None


@dataclass(slots=True)
class WatchChanges:
    """What one transaction writes."""

    kept: list[Kept] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    outbox: list[OutRecord] = field(default_factory=list)


class WatchStore(Protocol):
    """The commit point; a write fails with StaleWriterError once the lease is lost."""

    async def load(self) -> tuple[Positions, list[Kept]]:
        """Claim the positions; return them and the events of the tape, as they came."""
        ...

    async def told(self, case_ids: Iterable[str]) -> dict[str, Told]:
        """Return the latest revision of those cases that were published."""
        ...

    async def told_of(self, market_id: str, day: int) -> list[Told]:
        """Return the latest revision of every case of a day that was published."""
        ...

    async def commit(self, before: Positions, after: Positions, changes: WatchChanges) -> None:
        """Move the positions and write events, cases and records, in one transaction."""
        ...


class MarketWatch:
    """Runs the rules of surveillance over what the log tells.

    Args:
        store: Commit point.
        log: Records of `TOPICS`.
        clock: The market's clock.
    """

    def __init__(self, store: WatchStore, log: Log, clock: Clock) -> None:
        self._store = store
        self._reader = log
        self._clock = clock
        self._builders: dict[str, TapeBuilder] = {}
        self._owners: dict[str, str] = {}
        self._judged: set[str] = set()
        # Market -> real second before which its running day is not judged again.
        self._rests_until_s: dict[str, float] = {}
        self._resting = False
        self._log = get_logger("auditor.surveillance")
        self._cases = METRICS.counter("surveillance_cases_total", "Cases raised", ("kind",))
        self._seconds = METRICS.histogram("surveillance_seconds", "Time to run all rules")

    async def run(self, stop: asyncio.Event) -> None:
        """Read and judge until ``stop`` is set."""
        positions, kept = await self._store.load()
        for item in kept:
            self._keep(decode(item.value, item.headers))
        await self._reader.start(positions)
        while not stop.is_set():
            await self.take_in()

    async def take_in(self) -> None:
        """Read one batch, run the rules over the days that it completes, and commit."""
        before = self._reader.positions()
        records = await self._reader.read(_READ_RECORDS_MAX, _READ_MS_MAX)
        if not records and not self._resting:
            return
        self._resting = False
        changes = WatchChanges()
        for record in records:
            envelope = _watched(record)
            if envelope is not None:
                changes.kept.append(_kept(envelope, record))
                self._keep(envelope)
        for market_id in sorted(self._builders):
            await self._judge(self._builders[market_id], changes)
        await self._store.commit(before, self._reader.positions(), changes)

    def _keep(self, envelope: Envelope) -> None:
        data = envelope.data
        if isinstance(data, ParticipantRegistered):
            owner = data.beneficial_owner if isinstance(data, ParticipantOwned) else None
            self._owners[data.participant_id] = owner or data.participant_id
            return
        market_id = data.market.id if isinstance(data, MarketDefined) else _market_of(envelope)
        builder = self._builders.setdefault(market_id, TapeBuilder(market_id))
        builder.add(data, envelope.id, milliseconds(envelope.occurred_at))

    async def _judge(self, builder: TapeBuilder, changes: WatchChanges) -> None:
        """Run the rules if a round has become whole; let go of the days before the latest."""
        fresh = {
            round_id
            for round_id, closed in builder.whole_rounds().items()
            if round_id not in self._judged
            and self._has_read(closed.offers_through)
            and self._has_read(closed.demand_through)
        }
        if not fresh:
            return
        days = builder.days()
        started_s = self._clock.monotonic()
        if len(days) == 1 and started_s < self._rests_until_s.get(builder.market_id, 0.0):
            self._resting = True
            return
        self._judged |= fresh
        for day in days:
            is_final = day < days[-1]
            tape = builder.tape(day, self._owners)
            with self._seconds.time():
                # A day of 100,000 orders takes seconds, in which the lease must be renewed.
                cases = await asyncio.to_thread(evaluate, tape)
            await self._tell(cases, changes, is_final=is_final)
            if is_final:
                told = await self._store.told_of(builder.market_id, day)
                self._tell_lost(told, {case.case_id for case in cases}, changes)
                forgotten = builder.forget(day)
                changes.forgotten += forgotten
                self._judged -= {one.removeprefix("round:") for one in forgotten}
        took_s = self._clock.monotonic() - started_s
        self._rests_until_s[builder.market_id] = started_s + took_s * _REST

    async def _tell(self, cases: Sequence[Case], changes: WatchChanges, *, is_final: bool) -> None:
        known = await self._store.told([case.case_id for case in cases])
        known |= {told.case_id: told for told in changes.told}
        for case in cases:
            digest, before = _digest(case, is_final=is_final), known.get(case.case_id)
            # During the day a case is told once; what it came to is told when the day is over.
            if before is not None and (before.digest == digest or not is_final):
                continue
            revision = 1 if before is None else before.revision + 1
            event = _event_of(case, revision, is_final=is_final)
            self._note(event, case.day, digest, changes)
            self._cases.labels(case.kind.value).inc()
            self._log.warning(
                "case raised", case_id=case.case_id, kind=case.kind.value, revision=revision
            )

    def _tell_lost(self, told: Sequence[Told], found: set[str], changes: WatchChanges) -> None:
        """Tell the end of the day for cases that the whole of it does not show any more."""
        for before in told:
            if before.case_id in found or before.body is None:
                continue
            last = SurveillanceCaseRaised.model_validate_json(before.body)
            if last.is_final:
                continue
            summary = last.summary.model_copy(
                update={
                    "code": _LOST,
                    "en": f"{_LOST_EN}: {last.summary.en}",
                    "zh": f"{_LOST_ZH}：{last.summary.zh}",
                }
            )
            update = {"revision": before.revision + 1, "is_final": True, "summary": summary}
            event = last.model_copy(update=update)
            digest = hashlib.sha256(event.model_dump_json().encode()).hexdigest()
            self._note(event, before.day, digest, changes)
            self._log.warning("case not found any more", case_id=before.case_id)

    def _note(
        self, event: SurveillanceCaseRaised, day: int, digest: str, changes: WatchChanges
    ) -> None:
        told = Told(
            event.case_id, event.market_id, day, event.revision, digest, event.model_dump_json()
        )
        changes.told.append(told)
        changes.outbox.append(self._record(event))

    def _has_read(self, through: Sequence[OffsetRange]) -> bool:
        positions = self._reader.positions()
        return all(positions.get((part.topic, part.partition), 0) >= part.end for part in through)

    def _record(self, event: SurveillanceCaseRaised) -> OutRecord:
        row = BY_MODEL[SurveillanceCaseRaised]
        key, value, headers = encode(
            Envelope(
                id=derive_id(row.type, event.case_id, str(event.revision)),
                source=_SOURCE,
                occurred_at=self._clock.now(),
                recorded_at=datetime.now(UTC),
                participant_id="exchange",
                correlation_id=event.case_id,
                causation_id="",
                traceparent="",
                data=event,
            )
        )
        return OutRecord(row.topic, key, value, headers)


def _event_of(case: Case, revision: int, *, is_final: bool) -> SurveillanceCaseRaised:
    return SurveillanceCaseRaised(
        case_id=case.case_id,
        market_id=case.market_id,
        day=date.fromordinal(_EPOCH + case.day).isoformat(),
        revision=revision,
        is_final=is_final,
        kind=case.kind.value,
        severity=case.severity.value,
        participants=case.participants[:CASE_PARTICIPANTS_MAX],
        participants_total=len(case.participants),
        evidence=case.evidence[:CASE_EVIDENCE_MAX],
        evidence_total=len(case.evidence),
        figures=dict(case.figures),
        summary=wire_reason(case.summary),
    )


def _market_of(envelope: Envelope) -> str:
    market_id: str = getattr(envelope.data, "market_id", "")
    assert market_id, f"{type(envelope.data).__name__} must name its market"
    return market_id


def _watched(record: Record) -> Envelope | None:
    """Return the event of a record if it is one that makes a tape."""
    # Most bytes are pieces of round files, which need no parsing here.
    if dict(record.headers).get("ce_type") not in _TYPES:
        return None
    try:
        return decode(record.value, record.headers)
    except DecodeError:
        # Its consumer buries it in the dead letters and says so; there is no order to watch.
        return None


def _kept(envelope: Envelope, record: Record) -> Kept:
    data = envelope.data
    if isinstance(data, ParticipantRegistered):
        subject = f"participant:{data.participant_id}"
    else:
        subject = subject_of(data)
    return Kept(envelope.id, subject, record.value or b"", record.headers)


def _digest(case: Case, *, is_final: bool) -> str:
    # That the day is over is told, too: whoever reads a case has to know whether it can grow.
    said = [case.participants, case.evidence, case.figures, is_final]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()
