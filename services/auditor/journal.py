"""The auditor's second half: every entry of the journal, checked as it comes.

The rules are those of the client's checker, which shares no code with the ledger. Its state lives
in the auditor's own schema and moves with the positions in the log, so that a crash anywhere
loses nothing and doubles no finding.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from schemas.codec import DecodeError, decode
from schemas.erasures import ErasureOrdered, JournalEntryErased
from schemas.events import (
    AllocationMade,
    CheckpointPublished,
    JournalEntryRecorded,
    OfferAmended,
    OfferSubmitted,
    RoundClosed,
)
from schemas.links import LinkCharged
from schemas.money import AllocationSettled, SettlementTermsSet
from schemas.shares import PremiumAssigned
from schemas.transparency import CheckpointCosigned
from services.auditor.crash import crash_point
from services.auditor.erasure_checks import ErasureChecks
from services.auditor.journal_heads import HeadChecks
from services.auditor.journal_rounds import RoundChecks, faults_of_entries
from services.auditor.journal_state import TILE, ErasureSeen, Found, JournalChanges
from services.auditor.settlement_checks import SettlementChecks
from services.kit.errors import LogUnavailableError
from services.kit.logging import get_logger
from services.kit.telemetry import METRICS
from suanli.check_booking import Bookings, place_of
from suanli.check_journal import Journal, Tree, is_erased, named_in, read_entry
from suanli.check_settlement import PURPOSES, move_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.codec import Envelope
    from schemas.events import Event
    from services.auditor.journal_state import Edge, JournalFacts, JournalStore
    from services.auditor.ports import MeasuredLog
    from services.kit.clock import Clock
    from services.kit.records import Record
    from suanli.check_log import Key

_READ_RECORDS_MAX = 2_000
_READ_MS_MAX = 250
# Entries that one transaction takes at most, those that waited among them.
_RUN_MAX = 5_000
Content = tuple[bytes, Any, bytes]
"""(bytes, what they say, leaf hash) of an entry."""


class JournalAuditor:
    """Checks entries, heads and bookings.

    Args:
        store: Commit point.
        log: The topics ``journal-entries``, ``checkpoints``, ``allocations``, ``offers``,
            ``participants``, ``settlements`` and ``policies``.
        clock: The market's clock.
        key: The log's verifier key, ``None`` if signatures are not checked.
        witnesses: Witnesses whose cosignatures are counted.
        gap_s: Real seconds after which an entry that others followed is missing.
        committed: Called after each commit that left something to send.
    """

    def __init__(
        self,
        store: JournalStore,
        log: MeasuredLog,
        clock: Clock,
        *,
        key: Key | None = None,
        witnesses: Sequence[Key] = (),
        gap_s: float,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._reader = log
        self._clock = clock
        self._heads = HeadChecks(store, key, witnesses)
        self._rounds = RoundChecks(store, log)
        self._settlements = SettlementChecks(store.settlements, log)
        self._erasures = ErasureChecks(store, log)
        self._gap_s = gap_s
        self._committed = committed
        self._facts: JournalFacts
        self._edge: Edge
        # (place of the entry that is awaited, since when)
        self._gap: tuple[int, float] | None = None
        self._gap_told = -1
        self._has_more = True
        self._log = get_logger("auditor.journal")
        self._checked = METRICS.counter("audit_entries_total", "Journal entries checked")
        self._size = METRICS.gauge("audit_entries_checked", "Entries checked from the first on")
        self._lag = METRICS.gauge("audit_lag_entries", "Entries under a head, not checked yet")
        self._found = METRICS.counter("audit_findings_total", "Findings raised", ("code",))

    @property
    def facts(self) -> JournalFacts:
        """Return where the journal stands."""
        return self._facts

    async def start(self) -> None:
        """Take the state from the store and go to its positions."""
        positions, facts, self._edge = await self._store.start()
        if facts.settling_from is None:
            facts = replace(facts, settling_from=facts.size)
        self._facts = facts
        await self._reader.start(positions)

    async def run(self, stop: asyncio.Event) -> None:
        """Read and check until ``stop`` is set."""
        while not stop.is_set():
            await self.take_in()

    async def take_in(self) -> None:
        """Read, check and commit one batch."""
        before = self._reader.positions()
        wait_ms = 0 if self._has_more else _READ_MS_MAX
        records = await self._reader.read(_READ_RECORDS_MAX, wait_ms)
        crash_point("journal_read")
        after = self._reader.positions()
        changes = JournalChanges(self._facts)
        arrived = await self._sort(records, changes)
        size = self._facts.size
        edge = await self._check(arrived, changes)
        await self._rounds.compare(changes, after)
        await self._settlements.compare(changes, after)
        await self._erasures.compare(changes)
        await self._note_gap(changes)
        crash_point("journal_decided")
        self._has_more = (
            changes.facts.size - size >= _RUN_MAX
            or self._rounds.has_more
            or self._settlements.has_more
        )
        if before == after and changes.facts == self._facts and not _says_something(changes):
            return
        codes = await self._store.commit(before, after, changes, self._clock.now())
        self._facts, self._edge = changes.facts, edge
        self._tell(codes, changes.facts.size - size)

    def _tell(self, codes: Sequence[str], checked: int) -> None:
        self._checked.inc(checked)
        self._size.set(self._facts.size)
        self._lag.set(max(0, self._facts.reach - self._facts.size))
        for code in codes:
            self._found.labels(code).inc()
            self._log.error("finding raised", code=code)
        if codes:
            self._committed()

    async def _sort(
        self, records: Sequence[Record], changes: JournalChanges
    ) -> dict[int, list[bytes]]:
        """Return the entries by their places; heads and rounds are taken in here."""
        arrived: dict[int, list[bytes]] = {}
        heads: list[Envelope] = []
        for record in records:
            try:
                envelope = decode(record.value, record.headers)
            except DecodeError as error:
                if record.topic in ("journal-entries", "checkpoints"):
                    changes.found.append(_unreadable(record, error))
                continue
            match envelope.data:
                case JournalEntryRecorded() | JournalEntryErased() as body:
                    content = record.value or b""
                    arrived.setdefault(body.leaf_index, []).append(content)
                    if isinstance(body, JournalEntryErased):
                        leaf = read_entry(content)[1].hex()
                        changes.erased.add(ErasureSeen(body.leaf_index, body.erasure_id, leaf))
                case ErasureOrdered() as body:
                    changes.ordered.add((body.erasure_id, body.leaf_hash))
                case CheckpointPublished() | CheckpointCosigned():
                    heads.append(envelope)
                case body:
                    _keep(record, body, changes)
        await self._heads.take_in(heads, changes)
        return arrived

    async def _check(self, arrived: dict[int, list[bytes]], changes: JournalChanges) -> Edge:
        """Check the entries that follow without a gap; return the edge of the tree after them."""
        size = self._facts.size
        again = {index: found for index, found in arrived.items() if index < size}
        ahead = {index: found for index, found in arrived.items() if index >= size}
        await self._check_again(again, changes)
        waiting = await self._store.waiting(size, _RUN_MAX)
        waiting |= await self._store.waiting_at(ahead)
        for index, contents in ahead.items():
            first = waiting.get(index, contents[0])
            if any(_differs(content, first) for content in contents):
                changes.found.append(_republished(index))
            if index not in waiting:
                waiting[index] = changes.waiting[index] = first
        run: list[Content] = []
        while size + len(run) in waiting and len(run) < _RUN_MAX:
            content = waiting[size + len(run)]
            run.append((content, *read_entry(content)))
        for index in range(size, size + len(run)):
            if changes.waiting.pop(index, None) is None:
                changes.taken.append(index)
        edge = self._edge
        if run:
            edge = await self._check_run(run, changes)
        await self._heads.judge_late(changes, edge)
        return edge

    async def _check_again(self, again: dict[int, list[bytes]], changes: JournalChanges) -> None:
        """Compare entries that were checked before with the leaves that were kept."""
        kept = await self._store.hashes(again) if again else {}
        for index, contents in again.items():
            if any(read_entry(content)[1] != kept.get(index) for content in contents):
                changes.found.append(_republished(index))

    async def _check_run(self, run: Sequence[Content], changes: JournalChanges) -> Edge:
        """Check entries that follow each other; return the edge of the tree after them."""
        size = self._facts.size
        edge = self._edge
        tree = Tree(edge.n * TILE, edge.nodes)
        for leaf in edge.hashes:
            tree.add(leaf)
        heads = await self._heads.within(size, size + len(run), changes)
        entries = [entry for _, entry, _ in run]
        books = await self._store.books(*named_in(entries))
        books.unseen = self._facts.unseen
        places = {place for entry in entries if (place := place_of(entry)) is not None}
        bookings = Bookings(await self._store.claims(places))
        journal = Journal({n: head.root for n, head in heads.items()}, tree, books)
        passing = await self._rounds.passing(changes, entries)
        tiles: dict[int, tuple[tuple[bytes, ...], list[bytes]]] = {
            edge.n: (edge.nodes, list(edge.hashes))
        }
        for index, (content, entry, leaf) in enumerate(run, start=size):
            if index % TILE == 0:
                tiles[index // TILE] = (journal.nodes, [])
            tiles[index // TILE][1].append(leaf)
            journal.add(index, content, (entry, leaf))
            if not is_erased(entry):
                bookings.add(index, entry)
                if entry.get("purpose") in PURPOSES:
                    moved = (index, str(entry.get("market_id")), move_of(entry))
                    changes.settling[str(entry["entry_id"])] = moved
            passing.add(index, entry, is_head=index + 1 in heads)
            changes.seen[str(entry["entry_id"])] = index
        changes.facts = replace(changes.facts, size=journal.size, unseen=books.unseen)
        changes.tiles = {n: (nodes, b"".join(leaves)) for n, (nodes, leaves) in tiles.items()}
        changes.books = books
        changes.claims.update({place: bookings.claims[place] for place in bookings.moved})
        faults = (*journal.faults, *bookings.faults, *passing.faults)
        changes.found += faults_of_entries(faults, entries, size)
        passing.finish(changes, bookings.assessed)
        self._heads.passed(journal.told, heads, changes)
        last = max(tiles)
        nodes, leaves = tiles[last]
        if len(leaves) == TILE:
            return replace(edge, n=last + 1, nodes=journal.nodes, hashes=())
        return replace(edge, n=last, nodes=nodes, hashes=tuple(leaves))

    async def _note_gap(self, changes: JournalChanges) -> None:
        """Raise a finding if an entry that others followed does not come."""
        size = changes.facts.size
        first = None if size < changes.facts.reach else await self._store.first_waiting()
        is_gap = size < changes.facts.reach or (first is not None and first > size)
        if not is_gap and not any(index > size for index in changes.waiting):
            self._gap = None
            return
        if self._gap is None or self._gap[0] != size:
            self._gap = (size, self._clock.monotonic())
        try:
            # What is still to be read may hold it.
            waited = await self._reader.lag() == 0
        except LogUnavailableError:
            waited = False
        if not waited:
            self._gap = (size, self._clock.monotonic())
        elif self._clock.monotonic() - self._gap[1] >= self._gap_s and self._gap_told != size:
            self._gap_told = size
            problem = f"entry {size}: missing, though a head or a later entry was published"
            changes.found.append(
                Found("journal.missing", str(size), (problem,), {"leaf_index": size})
            )


def _keep(record: Record, body: Event, changes: JournalChanges) -> None:
    """Keep what entries and rounds are compared with."""
    match body:
        case AllocationMade():
            changes.allocations.append(body)
        case PremiumAssigned() | LinkCharged():
            changes.charges.append(body)
        case RoundClosed():
            changes.closed.append(body)
        case OfferSubmitted() | OfferAmended():
            changes.offers.append(body)
        case AllocationSettled():
            changes.settlements.append((record.offset, body))
        case SettlementTermsSet():
            changes.terms.append(body)
        case _:
            pass


def _differs(content: bytes, first: bytes) -> bool:
    """Return whether these are two entries: what was erased still is the same leaf."""
    return content != first and read_entry(content)[1] != read_entry(first)[1]


def _says_something(changes: JournalChanges) -> bool:
    return bool(
        changes.found or changes.rounds or changes.taken or changes.waiting or changes.judged
    )


def _republished(index: int) -> Found:
    problem = f"entry {index}: published again with other bytes"
    return Found("journal.republished", str(index), (problem,), {"leaf_index": index})


def _unreadable(record: Record, error: DecodeError) -> Found:
    place: dict[str, str | int] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
    }
    key = f"{record.topic}/{record.partition}/{record.offset}"
    return Found("journal.unreadable", key, (f"{key}: {error}",), place)
