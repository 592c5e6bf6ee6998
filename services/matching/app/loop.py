"""The life of a market's process: recover, take records in, run a round when it is due."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from services.core.phases import last_instant, next_cut
from services.kit.logging import get_logger
from services.kit.telemetry import METRICS
from services.matching.app.displacing import displaced_record
from services.matching.app.intake import Intake
from services.matching.app.rounds import freeze, settle
from services.matching.app.scribe import tell_capacity
from services.matching.crash import crash_point

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from datetime import datetime

    from schemas.market import RoundRules
    from services.kit.clock import Clock
    from services.kit.records import Positions, Record
    from services.matching.app.desk import Desk
    from services.matching.ports import Log, SealedRound, Solver, Store

Done = TypeVar("Done")
# A stop signal or a new due time is seen within this.
_READ_MS_MAX = 250
_READ_MS_MIN = 5
# What is on its way at the cut may still come in; a flood of records must not put it off.
_DRAIN_BATCHES_MAX = 50
_DRAIN_MS = 20
_PRUNE_EVERY_ROUNDS = 64
# What is cleared within this is not worth waiting for a record beside it.
_CLEARED_AT_ONCE_S = 0.02


@dataclass(frozen=True, slots=True)
class Ports:
    """What a market's process works with.

    Attributes:
        store: Commit point.
        log: All topics that matching reads.
        policies: The topic of policies alone, read until the market is defined.
        solver: Clears frozen books.
        clock: The market's clock.
        on_commit: Called after a commit that may have filled the outbox.
    """

    store: Store
    log: Log
    policies: Log
    solver: Solver
    clock: Clock
    on_commit: Callable[[], None]


class Matching:
    """Runs one market.

    Args:
        desk: State of the market, empty.
        ports: What it works with.
        epoch: Fencing epoch of the lease.
        speed: Market seconds per real second.
        batch_records: Records per intake transaction at most.
        is_stray_keeper: Whether records that no market's key leads to are dead-lettered here.
    """

    def __init__(
        self,
        desk: Desk,
        ports: Ports,
        *,
        epoch: int,
        speed: float,
        batch_records: int,
        is_stray_keeper: bool,
    ) -> None:
        self._desk = desk
        self._store = ports.store
        self._log_reader = ports.log
        self._policies = ports.policies
        self._solver = ports.solver
        self._clock = ports.clock
        self._on_commit = ports.on_commit
        self._epoch = epoch
        self._speed = speed
        self._batch_records = batch_records
        self._intake = Intake(desk, is_stray_keeper=is_stray_keeper)
        self._sealed_at: Positions = {}
        self._log = get_logger("matching").bind(market=desk.market_id)
        self._verdicts = METRICS.counter("intake_records_total", "Records judged", ("verdict",))
        self._seconds = METRICS.histogram("round_seconds", "Real time of a round", ("phase",))
        self._round = METRICS.gauge("round_seq", "Number of the last round published")

    async def start(self, stop: asyncio.Event) -> bool:
        """Recover what the store holds and wait for the market; False if stopped before."""
        loaded = await self._store.load()
        self._desk.load(loaded)
        positions = dict(loaded.positions)
        if self._desk.market is None:
            positions |= await self._wait_for_market(positions, stop)
        if self._desk.market is None:
            return False
        await self._log_reader.start(positions)
        if loaded.last_round is not None:
            self._sealed_at = dict(loaded.last_round.through)
            if loaded.is_sealed:
                self._log.info("round found sealed, clearing it", round=loaded.last_round.seq)
                self._intake.remember(loaded.waiting)
                await self._finish(loaded.last_round)
            await self._judge_waiting()
            await self._tell_displaced(loaded.last_round)
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Take records in and run rounds until ``stop`` is set."""
        due = self._due(self.now())
        while not stop.is_set():
            left_ms = (due - self.now()) / timedelta(milliseconds=1) / self._speed
            if left_ms > 0:
                rules = self._rules()
                await self.take_in(round(min(max(left_ms, _READ_MS_MIN), _READ_MS_MAX)), due)
                if self._rules() != rules:
                    # A round that was announced comes; a shorter cadence has one before it.
                    due = min(due, self._due(self.now()))
                continue
            await self._drain(due)
            if self._desk.is_halted(self.now()):
                due = self._due(self.now())
                continue
            await self._run_drained()
            due = self._due(self._desk.last_time)

    async def run_round(self) -> SealedRound:
        """Cut, clear and publish one round, now, halted or not; return it as it was sealed."""
        await self._drain()
        return await self._run_drained()

    async def _drain(self, due: datetime | None = None) -> None:
        for _ in range(_DRAIN_BATCHES_MAX):
            if not await self.take_in(_DRAIN_MS, due):
                break

    async def _run_drained(self) -> SealedRound:
        started = self._clock.monotonic()
        await self._recall(self._desk.missing_parents())
        through = self._log_reader.positions()
        after_urgent = bool(self._desk.stages.served)
        sealed = freeze(self._desk, self.now(), self._epoch, self._sealed_at, through)
        await self._store.seal(sealed, self._desk.changes)
        self._committed()
        self._sealed_at = through
        self._seconds.labels("seal").observe(self._clock.monotonic() - started)
        await self._finish(sealed)
        if after_urgent:
            await self._tell_displaced(sealed)
        if sealed.seq % _PRUNE_EVERY_ROUNDS == 0:
            await self._store.prune()
        return sealed

    async def take_in(self, timeout_ms: int, due: datetime | None = None) -> int:
        """Read, judge and commit one batch; return how many records it had.

        Args:
            timeout_ms: How long to wait for the first record, real milliseconds.
            due: When the round that takes them is cut: what it still takes in at or after that
                instant belongs to the phase before it, not to the next open one.
        """
        before = self._log_reader.positions()
        records = await self._log_reader.read(self._batch_records, timeout_ms)
        if records:
            await self._judge(records, before, due)
        return len(records)

    async def _judge(
        self, records: Sequence[Record], before: Positions, due: datetime | None
    ) -> None:
        now = self.now()
        if due is not None and now >= due:
            now = max(last_instant(due), self._desk.last_time)
        await self._recall(self._intake.ids_wanted(records))
        for record in records:
            verdict = self._intake.take(record, now)
            if verdict is not None:
                self._verdicts.labels(verdict.value).inc()
        tell_capacity(self._desk, now)
        await self._store.commit_intake(before, self._log_reader.positions(), self._desk.changes)
        self._committed()

    async def _judge_waiting(self) -> None:
        """Judge what waited for a round, now that it is published."""
        waiting = self._desk.take_waiting()
        if waiting:
            due = self._due(self._desk.last_time)
            await self._judge(waiting, self._log_reader.positions(), due)

    async def _taking_in(self, work: Coroutine[object, object, Done]) -> Done:
        """Do something that needs no state, and take records in until it is done.

        So an order gets its verdict while a round is cleared, save one that waits for it.
        """
        doing = asyncio.create_task(work)
        try:
            await asyncio.wait({doing}, timeout=_CLEARED_AT_ONCE_S)
            due = self._due(self._desk.last_time)
            while not doing.done() and not self._desk.is_full:
                if await self.take_in(_DRAIN_MS, due):
                    crash_point("while_clearing")
            return await doing
        finally:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)

    def now(self) -> datetime:
        """Return the market's time, which never goes back behind a seal, even over restarts."""
        return max(self._clock.now(), self._desk.last_time)

    async def _finish(self, sealed: SealedRound) -> None:
        started = self._clock.monotonic()
        cleared = await self._taking_in(self._solver.clear(sealed))
        self._seconds.labels("solve").observe(self._clock.monotonic() - started)
        crash_point("after_solve")
        started = self._clock.monotonic()
        # Every order of a sealed book is live, hence in memory, also after a restart.
        assert sealed.seq == self._desk.next_round, f"round {sealed.seq} is not the next"
        settle(self._desk, sealed, cleared, budget_ms=self._budget_ms(sealed))
        await self._store.publish(sealed, cleared, self._desk.changes)
        self._committed()
        self._seconds.labels("publish").observe(self._clock.monotonic() - started)
        self._round.set(sealed.seq)
        self._log.info(
            "round published",
            round=sealed.seq,
            at=sealed.market_time.isoformat(),
            status=cleared.status,
            welfare=cleared.result.welfare,
            allocations=len(cleared.result.allocations),
            solve_ms=cleared.solve_ms,
        )
        await self._judge_waiting()

    async def _tell_displaced(self, sealed: SealedRound) -> None:
        """Tell what a cycle's urgent rounds cost; after a restart again, lest it was not told."""
        if sealed.mobilisation:
            return
        told = await self._taking_in(displaced_record(self._store, self._solver, sealed))
        if told is None:
            return
        positions = self._log_reader.positions()
        self._desk.changes.outbox.append(told)
        await self._store.commit_intake(positions, positions, self._desk.changes)
        self._committed()

    def _budget_ms(self, sealed: SealedRound) -> int:
        """Return the real time that a solve may take and leave as much for the rest of a round."""
        return round(sealed.market.rules.round_every_s * 1000 / self._speed / 2)

    async def _recall(self, ids: set[str]) -> None:
        if ids:
            self._desk.recall(await self._store.orders_by_id(ids))

    def _committed(self) -> None:
        self._desk.committed()
        self._on_commit()

    def _rules(self) -> RoundRules:
        assert self._desk.market is not None, "rounds begin once the market is defined"
        return self._desk.market.rules

    def _due(self, after: datetime) -> datetime:
        """Return the next instant of the cadence; rounds that were missed are not made up."""
        if self._desk.stages.served:
            # What an urgent round leaves is cleared at once: no order waits longer for it.
            return after
        return next_cut(self._rules(), after)

    async def _wait_for_market(self, positions: Positions, stop: asyncio.Event) -> Positions:
        topic = "policies"
        own = {key: offset for key, offset in positions.items() if key[0] == topic}
        self._log.info("waiting for the market to be defined")
        await self._policies.start(own)
        while self._desk.market is None and not stop.is_set():
            before = self._policies.positions()
            records = await self._policies.read(self._batch_records, _READ_MS_MAX)
            for record in records:
                self._intake.take(record, self.now())
            if records:
                await self._store.commit_intake(
                    before, self._policies.positions(), self._desk.changes
                )
                self._committed()
        await self._policies.stop()
        return self._policies.positions()
