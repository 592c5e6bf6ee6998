"""The auditor: puts every round file together again and has it verified independently."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.base import MONEY_MAX_MICRO_YUAN
from schemas.codec import DecodeError, Envelope, decode, derive_id, encode
from schemas.events import FindingRaised, RoundCleared, RoundFilePart, RoundSealed
from schemas.registry import BY_MODEL
from services.auditor.ports import TOLD, Changes, Checked, Judged, Verdict
from services.auditor.told import differences, digest_of, digests_of, place_of, told_before
from services.core.reasons import why
from services.core.round_events import wire_reason
from services.core.round_file import join_file
from services.kit.logging import get_logger
from services.kit.records import OutRecord
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from services.auditor.ports import Checker, Log, RoundEvent, Store, ToldEvent
    from services.auditor.told import Place
    from services.kit.clock import Clock
    from services.kit.records import Record

TOPIC = "rounds"

_SOURCE = "/suanli/auditor"
_TOLD = tuple(TOLD.values())
_READ_RECORDS_MAX = 200
_READ_MS_MAX = 250
_PROBLEMS_MAX = 20
_PROBLEM_CHARACTERS_MAX = 1000


class Auditor:
    """Judges rounds as their files become whole.

    Args:
        store: Commit point.
        log: The topic of rounds.
        checker: Verifies files.
        clock: The market's clock.
        file_bytes_max: Largest round file that is unpacked.
    """

    def __init__(
        self, store: Store, log: Log, checker: Checker, clock: Clock, *, file_bytes_max: int
    ) -> None:
        self._store = store
        self._log_reader = log
        self._checker = checker
        self._clock = clock
        self._file_bytes_max = file_bytes_max
        self._sealed: dict[str, RoundSealed] = {}
        self._cleared: dict[str, RoundCleared] = {}
        self._told: dict[str, dict[Place, ToldEvent]] = defaultdict(dict)
        self._parts: dict[str, dict[int, RoundFilePart]] = defaultdict(dict)
        self._log = get_logger("auditor")
        self._verdicts = METRICS.counter("rounds_judged_total", "Rounds judged", ("ok",))

    async def run(self, stop: asyncio.Event) -> None:
        """Read and judge until ``stop`` is set."""
        positions, parts = await self._store.load()
        for event in parts:
            self._keep(event)
        await self._log_reader.start(positions)
        while not stop.is_set():
            await self.take_in()

    async def take_in(self) -> None:
        """Read, judge and commit one batch."""
        before = self._log_reader.positions()
        records = await self._log_reader.read(_READ_RECORDS_MAX, _READ_MS_MAX)
        if not records:
            return
        found = [event for event in map(_event_of, records) if event is not None]
        judged = await self._store.judged({event.round_id for event in found})
        changes = Changes()
        for event in found:
            if event.round_id in judged:
                self._note_repeat(event, judged[event.round_id], changes)
                continue
            if self._is_told_otherwise(event, changes):
                continue
            self._keep(event)
            changes.parts.append(event)
            verdict = await self._judge_if_whole(event.round_id)
            if verdict is not None:
                changes.verdicts.append(verdict)
                changes.outbox.append(self._finding(verdict))
                judged[event.round_id] = Judged(verdict.file_sha256, verdict.told)
        await self._store.commit(before, self._log_reader.positions(), changes)

    def _keep(self, event: RoundEvent) -> None:
        match event:
            case RoundSealed():
                self._sealed[event.round_id] = event
            case RoundCleared():
                self._cleared[event.round_id] = event
            case RoundFilePart():
                self._parts[event.round_id][event.part] = event
            case _:
                self._told[event.round_id][place_of(event)] = event

    def _note_repeat(self, event: RoundEvent, judged: Judged, changes: Changes) -> None:
        """Raise a finding if a judged round is told otherwise now; a repeat is harmless."""
        if isinstance(event, RoundFilePart):
            if event.sha256 != judged.file_sha256:
                self._note_other("file", judged.file_sha256, event, event.sha256, changes)
        elif isinstance(event, _TOLD):
            wanted, found = told_before(event, judged), digest_of(event)
            if wanted is not None and found != wanted:
                self._note_other(place_of(event)[0], wanted, event, found, changes)

    def _is_told_otherwise(self, event: RoundEvent, changes: Changes) -> bool:
        """Raise a finding if something of a round is told a second time, and differs."""
        if not isinstance(event, _TOLD):
            return False
        first = self._told[event.round_id].get(place_of(event))
        if first is None or first == event:
            return False
        kind = place_of(event)[0]
        self._note_other(kind, digest_of(first), event, digest_of(event), changes)
        return True

    def _note_other(
        self,
        what: str,
        wanted: str,
        event: RoundFilePart | ToldEvent,
        found: str,
        changes: Changes,
    ) -> None:
        verdict = Verdict(
            event.round_id,
            event.market_id,
            ok=False,
            problems=(f"round {what} must be {wanted} as told before, was {found}",),
            file_sha256=found,
            check_ms=0,
        )
        changes.outbox.append(self._finding(verdict))

    async def _judge_if_whole(self, round_id: str) -> Verdict | None:
        parts = self._parts.get(round_id, {})
        sealed, cleared = self._sealed.get(round_id), self._cleared.get(round_id)
        if sealed is None or cleared is None or not parts:
            return None
        if len(parts) < next(iter(parts.values())).parts:
            return None
        started = self._clock.monotonic()
        told = self._told.get(round_id, {})
        checked, problems = await self._problems(sealed, cleared, told, parts)
        for kept in (self._sealed, self._cleared, self._told, self._parts):
            kept.pop(round_id, None)
        verdict = Verdict(
            round_id=round_id,
            market_id=sealed.market_id,
            ok=not problems,
            problems=problems,
            file_sha256=parts[min(parts)].sha256,
            check_ms=round((self._clock.monotonic() - started) * 1000),
            told=digests_of(told),
            money=checked.money,
        )
        self._verdicts.labels(str(verdict.ok).lower()).inc()
        level = self._log.info if verdict.ok else self._log.error
        level("round judged", round_id=round_id, ok=verdict.ok, problems=problems[:3])
        return verdict

    async def _problems(
        self,
        sealed: RoundSealed,
        cleared: RoundCleared,
        told: Mapping[Place, ToldEvent],
        parts: Mapping[int, RoundFilePart],
    ) -> tuple[Checked, tuple[str, ...]]:
        try:
            file = join_file(tuple(parts.values()), self._file_bytes_max)
        except ValueError as error:
            return Checked(ok=False, problems=()), (f"round file: {error}",)
        checked = await self._checker.check(file)
        problems = list(checked.problems)
        if not checked.ok and not problems:
            problems.append("the checker refused the round without a reason")
        problems += _differences(sealed, cleared, checked)
        if checked.ok:
            problems += differences(sealed, told, checked)
        shown = problems[:_PROBLEMS_MAX]
        return checked, tuple(text[:_PROBLEM_CHARACTERS_MAX] for text in shown)

    def _finding(self, verdict: Verdict) -> OutRecord:
        count = len(verdict.problems)
        summary = why("round_verified") if verdict.ok else why("round_refuted", problems=count)
        finding_id = f"{verdict.round_id}/auditor/{verdict.file_sha256[:16]}"
        event = FindingRaised(
            finding_id=finding_id,
            market_id=verdict.market_id,
            round_id=verdict.round_id,
            kind="round_verified" if verdict.ok else "round_refuted",
            ok=verdict.ok,
            summary=wire_reason(summary),
            problems=verdict.problems,
        )
        row = BY_MODEL[FindingRaised]
        key, value, headers = encode(
            Envelope(
                id=derive_id(row.type, finding_id),
                source=_SOURCE,
                occurred_at=self._clock.now(),
                recorded_at=datetime.now(UTC),
                participant_id="exchange",
                correlation_id=verdict.round_id,
                causation_id="",
                traceparent="",
                data=event,
            )
        )
        return OutRecord(row.topic, key, value, headers)


def _event_of(record: Record) -> RoundEvent | None:
    try:
        event = decode(record.value, record.headers).data
    except DecodeError:
        # Only matching writes here; what is no event of it makes a round incomplete, and an
        # incomplete round gets no verdict.
        get_logger("auditor").exception("record is no event", offset=record.offset)
        return None
    kinds = (RoundSealed, RoundCleared, RoundFilePart, *_TOLD)
    return event if isinstance(event, kinds) else None


def _differences(sealed: RoundSealed, cleared: RoundCleared, checked: Checked) -> list[str]:
    """Return where the announced numbers are not those of the file."""
    bound = None if checked.bound is None else min(checked.bound, MONEY_MAX_MICRO_YUAN)
    pairs = (
        ("round-sealed.round_id", sealed.round_id, checked.round_id),
        ("round-sealed.book_digest", sealed.book_digest, checked.book_digest),
        ("round-sealed.rules_digest", sealed.rules_digest, checked.rules_digest),
        ("round-cleared.result_digest", cleared.result_digest, checked.result_digest),
        ("round-cleared.welfare", cleared.welfare, checked.welfare),
        ("round-cleared.bound", cleared.bound, bound),
    )
    return [
        f"{name} must be {found} as in the round file, was {told}"
        for name, told, found in pairs
        if told != found
    ]
