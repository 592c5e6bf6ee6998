"""The one writer: reads, decides, commits; and after any failure reads again what is stored.

The topics of money and capacity are read to their ends before the others are judged, so that
whatever was acknowledged before a demand was, counts for it.
"""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from services.core.merkle import Frontier
from services.kit.errors import LogUnavailableError
from services.kit.logging import get_logger
from services.kit.telemetry import METRICS
from services.ledger.app import FIRST_TOPICS, checkpoint_event, decode_all, handle
from services.ledger.crash import crash_point
from services.ledger.keys import keys_of
from services.ledger.pipeline import Pipeline
from services.ledger.ports import StoreFailedError
from services.ledger.state import Batch, Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.kit.kafka import Positions, Record
    from services.ledger.ports import Log, Store
    from services.ledger.settings import LedgerSettings
    from services.ledger.state import Input

# A database restart takes a few seconds; 20 tries with pauses up to 2 s outlast it.
_FAILURES_MAX = 20
_PAUSE_S_MAX = 2.0
_PAUSE_S = 0.1
_EMPTY = Batch()


class LedgerWriter:
    """Books batch after batch.

    Args:
        store: The database, under this writer's lease.
        first: Reader of `FIRST_TOPICS`, started.
        last: Reader of `LAST_TOPICS`, started.
        settings: Sizes and the log's origin.
        committed: Called after each commit that left something to send.
    """

    def __init__(
        self,
        store: Store,
        first: Log,
        last: Log,
        settings: LedgerSettings,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._first = first
        self._last = last
        self._settings = settings
        self._committed = committed
        self._pipeline = Pipeline(store)
        # As of the last commit, and as of the last decision, which may be one batch ahead.
        self._stored: Positions = {}
        self._committed_frontier = Frontier()
        self._decided: Positions = {}
        self._frontier = Frontier()
        self._waiting: tuple[Input, ...] = ()
        # In a row, without a commit between them.
        self._failures = 0
        self._carried: list[Record] = []
        self._is_fresh = True
        self._checkpoint_size = 0
        self._checkpoint_at = 0.0
        self._log = get_logger("ledger.writer")
        self._transfers = METRICS.counter("ledger_transfers_total", "Transfers booked")
        self._letters = METRICS.counter("ledger_dead_letters_total", "Records nobody could take")
        self._rounds = METRICS.counter("ledger_rounds_booked_total", "Rounds booked")
        self._size = METRICS.gauge("ledger_log_size", "Entries of the transparency log")
        self._wait = METRICS.gauge("ledger_waiting_records", "Records that wait for others")
        self._halts = METRICS.counter("ledger_market_halts_total", "Markets that were halted")

    @property
    def frontier(self) -> Frontier:
        """Return the log's frontier as of the last commit."""
        return self._committed_frontier

    def positions(self) -> Positions:
        """Return where the log has been read to, as of the last commit."""
        return dict(self._stored)

    async def run(self, stop: asyncio.Event) -> None:
        """Book until told to stop.

        Raises:
            StaleWriterError: if another writer has taken over.
            StoreFailedError: if the database stays away.
        """
        must_recover = True
        while not stop.is_set():
            try:
                if must_recover:
                    await self.recover()
                    must_recover = False
                await self.step()
            except StoreFailedError as error:
                self._failures += 1
                must_recover = True
                self._log.warning("batch given up", error=str(error), failures=self._failures)
                if self._failures > _FAILURES_MAX:
                    raise
                await asyncio.sleep(min(_PAUSE_S * 2**self._failures, _PAUSE_S_MAX))
        await self._final_checkpoint()

    async def recover(self) -> None:
        """Take everything from the store, and read the log from where it says."""
        await self._pipeline.forget()
        self._stored = self._decided = await self._store.positions()
        self._frontier, self._checkpoint_size = await self._store.log_head()
        self._committed_frontier = self._frontier
        crash_point("recovering")
        inputs, letters = decode_all(await self._store.waiting())
        assert not letters, "records that wait were read before"
        self._waiting = tuple(inputs)
        self._carried = []
        self._is_fresh = True
        for reader, is_first in ((self._first, True), (self._last, False)):
            await reader.seek(
                {
                    place: self._stored.get(place, 0)
                    for place in reader.positions()
                    if (place[0] in FIRST_TOPICS) == is_first
                }
            )

    async def step(self) -> int:
        """Read and decide one batch and begin to commit it; return how many records it had.

        With nothing to read, it waits for the commit under way.
        """
        records, after = await self._read()
        if not records and not (self._is_fresh and self._waiting):
            await self._beat()
            return 0
        self._is_fresh = False
        crash_point("after_read")
        # In a thread, so that the commit under way goes on meanwhile.
        inputs, letters = await asyncio.to_thread(decode_all, records)
        view = await self._pipeline.load(keys_of(inputs, self._waiting))
        now = datetime.now(UTC)
        outcome = await asyncio.to_thread(
            handle, view, inputs, self._waiting, after, self._frontier, now
        )
        batch = replace(outcome.batch, outbox=(*outcome.batch.outbox, *letters))
        batch = self._with_checkpoint(batch, outcome.frontier, now)
        crash_point("after_decide")
        stored = {**self._decided, **after}

        def done() -> None:
            self._failures = 0
            self._stored, self._committed_frontier = stored, outcome.frontier
            self._note(batch, len(letters))

        await self._pipeline.commit(batch, self._decided, after, done)
        self._decided = stored
        self._frontier, self._waiting = outcome.frontier, outcome.waiting
        return len(records)

    async def _read(self) -> tuple[list[Record], Positions]:
        """Return the next records and where they leave the log.

        Demand, allocations and deliveries are carried until money and offers that were
        acknowledged before them have been read.
        """
        limit = self._settings.ledger_batch_records_max
        if not self._carried:
            self._carried = await self._last.read(limit, self._settings.ledger_poll_ms)
        records: list[Record] = []
        caught_up = not self._carried
        if self._carried:
            try:
                ends = await self._first.end_offsets()
            except LogUnavailableError as error:
                self._log.warning("log does not answer", error=str(error))
                await asyncio.sleep(_PAUSE_S)
                ends = {}
            else:
                caught_up = _reached(self._first.positions(), ends)
            while not caught_up and ends and len(records) < limit:
                records += await self._first.read(limit, self._settings.ledger_poll_ms)
                caught_up = _reached(self._first.positions(), ends)
        else:
            records = await self._first.read(limit, 0)
        # Of what is carried, nothing is read yet; of the rest, as far as it is stored.
        after = self._decided | self._first.positions()
        if caught_up and self._carried:
            records += self._carried
            self._carried = []
            after |= self._last.positions()
        return records, after

    async def _beat(self) -> None:
        """Wait for the commit under way; keep a checkpoint of what was added, if it is time."""
        await self._pipeline.drain()
        self._failures = 0
        batch = self._with_checkpoint(_EMPTY, self._frontier, datetime.now(UTC))
        if batch.checkpoint is not None:
            await self._store.commit(batch, self._stored, self._stored)
            self._committed()

    async def _final_checkpoint(self) -> None:
        self._checkpoint_at = float("-inf")
        await self._beat()

    def _with_checkpoint(self, batch: Batch, frontier: Frontier, now: datetime) -> Batch:
        due = time.monotonic() - self._checkpoint_at >= self._settings.ledger_checkpoint_every_s
        if not due or frontier.size == self._checkpoint_size:
            return batch
        origin = self._settings.ledger_origin
        root = frontier.root()
        note = f"{origin}\n{frontier.size}\n{base64.b64encode(root).decode()}\n"
        self._checkpoint_at = time.monotonic()
        self._checkpoint_size = frontier.size
        kept = replace(batch, checkpoint=Checkpoint(frontier.size, root, frontier, note))
        if self._settings.ledger_log_key is not None:
            # The publisher tells the heads then, signed.
            return kept
        return replace(kept, outbox=(*batch.outbox, checkpoint_event(frontier, origin, now)))

    def _note(self, batch: Batch, undecoded: int) -> None:
        self._transfers.inc(len(batch.entries))
        self._rounds.inc(len(batch.rounds))
        self._size.set(self._committed_frontier.size)
        self._wait.set(len(self._waiting))
        letters = sum(record.topic == "dead-letters" for record in batch.outbox)
        if letters:
            self._letters.inc(letters)
            self._log.warning("records to the dead letters", records=letters, raw=undecoded)
        for row in batch.rounds:
            self._log.info("round booked", round_id=row.round_id, payment=row.payment)
        for halt in batch.halts:
            self._halts.inc()
            self._log.error(
                "market halted",
                market_id=halt.market_id,
                round_id=halt.round_id,
                code=halt.code,
                problem=halt.problem,
            )
        if batch.outbox or batch.entries or batch.erasures:
            self._committed()


def _reached(positions: Positions, ends: Positions) -> bool:
    return all(positions.get(place, 0) >= end for place, end in ends.items())
