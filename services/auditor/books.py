"""The auditor's third part: the book of each round against the orders on the log.

Its state is rebuilt from the log, or gone on with where `services.auditor.book_keeper` left it; a
finding has the same id whenever it is found, and is told once. A round is looked at once all that
it names was read. Statuses are sent apart from rounds, so a difference is told only after it
stood for a while with nothing left to read, and again in a state that was rebuilt from the log's
beginning.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Protocol

from services.auditor.book_market import Market, market_of, parts_of_market, place_of
from services.auditor.journal_state import Found
from services.core.book_audit import BookAudit, RoundBook
from services.core.codec import result_from_dict
from services.core.direct_audit import named_order
from services.core.errors import DomainError
from services.core.market_log import INPUTS
from services.core.market_records import market_event, read_of
from services.core.round_file import join_file
from services.kit.errors import LogGapError, LogUnavailableError
from services.kit.kafka import partition_of
from services.kit.logging import get_logger
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from schemas import events
    from services.auditor.book_keeper import BookKeeper
    from services.auditor.book_parts import Place
    from services.auditor.direct import DirectAuditor
    from services.auditor.ports import MeasuredLog
    from services.core.book import Result
    from services.core.book_audit import BookCheck, BookFault
    from services.core.book_state import Part
    from services.kit.clock import Clock
    from services.kit.records import Positions, Record

_READ_RECORDS_MAX = 2_000
_READ_MS_MAX = 250
_PROBLEMS_MAX = 20


class BookStore(Protocol):
    """Where verdicts are found and findings go."""

    async def verdicts(self, round_ids: Iterable[str]) -> dict[str, bool]:
        """Return round -> whether its file obeys every rule, of those that were judged."""
        ...

    async def add_found(self, found: Sequence[Found], now: datetime) -> Sequence[str]:
        """Write findings; return the codes of those that are new."""
        ...


class BookAuditor:
    """Compares books.

    Args:
        store: Verdicts and findings.
        open_log: Opens `TOPICS`, anew each time.
        clock: The market's clock.
        gap_s: Real seconds for which a difference must stand.
        file_bytes_max: Largest round file that is unpacked.
        told: Called after each commit that left something to send.
        direct: Is told of orders by signed records, and checks them before more is read.
        keeper: Keeps what is known; without it each start reads the whole log.
    """

    def __init__(
        self,
        store: BookStore,
        open_log: Callable[[], MeasuredLog],
        clock: Clock,
        *,
        gap_s: float,
        file_bytes_max: int,
        told: Callable[[], None] = lambda: None,
        direct: DirectAuditor | None = None,
        keeper: BookKeeper | None = None,
    ) -> None:
        self._store = store
        self._open_log = open_log
        self._clock = clock
        self._gap_s = gap_s
        self._file_bytes_max = file_bytes_max
        self._committed = told
        self._direct = direct
        self._keeper = keeper
        self._reader: MeasuredLog
        self._counts: Counter[str] = Counter()
        self._markets: dict[str, Market] = {}
        # Rounds whose difference stood in a state that was rebuilt from the beginning.
        self._read_again: set[str] = set()
        self._done: set[str] = set()
        self._log = get_logger("auditor.books")
        self._compared = METRICS.counter("audit_books_total", "Books compared with the log")
        self._found = METRICS.counter("audit_findings_total", "Findings raised", ("code",))

    @property
    def compared(self) -> int:
        """Return how many rounds' books were compared since the log's beginning was read."""
        return len(self._done)

    async def start(self) -> None:
        """Go on with what was kept, else go to the log's beginning with nothing known."""
        found = None if self._keeper is None else await self._keeper.find()
        if found is not None and await self._resume(*found):
            return
        await self._begin()

    async def _begin(self) -> None:
        self._markets.clear()
        if self._keeper is not None:
            self._keeper.forget()
        self._reader = self._open_log()
        await self._reader.start({})
        self._counts = Counter(topic for topic, _ in self._reader.positions())

    async def _resume(self, positions: Positions, known: Mapping[Place, object]) -> bool:
        """Go to positions with what was known there; return whether the log still has them."""
        self._reader = self._open_log()
        try:
            await self._reader.start(positions)
        except LogGapError:
            await self._reader.stop()
            return False
        if self._reader.positions() != positions:
            # Partitions were added, and keys may lead to others now.
            await self._reader.stop()
            return False
        self._counts = Counter(topic for topic, _ in positions)
        of_market: dict[str, dict[Part, object]] = defaultdict(dict)
        for (market_id, name, key), value in known.items():
            if market_id:
                of_market[market_id][name, key] = value
            else:
                self._done.add(str(key))
        for market_id, parts in of_market.items():
            self._markets[market_id] = market_of(market_id, self._places(market_id), parts)
        self._log.info("books gone on with", parts=len(known), rounds=len(self._done))
        return True

    async def keep(self) -> None:
        """Keep what is known, unless there is anything that still waits to be checked."""
        is_waiting = self._direct is not None and self._direct.is_waiting
        if self._keeper is None or is_waiting:
            return
        over = {market_id: market.audit.over() for market_id, market in self._markets.items()}
        places = {
            (market_id, *place_of(order)) for market_id, orders in over.items() for order in orders
        }
        if await self._keeper.keep(self._reader.positions(), self._known(), places):
            for market_id, orders in over.items():
                self._markets[market_id].audit.forget(orders)

    def _known(self) -> Iterator[tuple[Place, object]]:
        for round_id in self._done:
            yield ("", "done", round_id), True
        for market_id, market in self._markets.items():
            for (name, key), value in parts_of_market(market):
                yield (market_id, name, key), value

    async def take_in(self) -> None:
        """Read a batch and compare the rounds that it completes."""
        if self._direct is not None and self._direct.is_waiting:
            if not await self._direct.check():
                return
            self._committed()
        records = await self._reader.read(_READ_RECORDS_MAX, _READ_MS_MAX)
        for record in records:
            self._take(record)
        for market_id in sorted(self._markets):
            # If a difference stood, the log is read again, with no market known yet.
            while market_id in self._markets:
                if not await self._compare_next(self._markets[market_id]):
                    break
        for market in self._markets.values():
            await self._watch_for_gaps(market)
        if self._keeper is not None and self._keeper.is_due:
            await self.keep()

    # --- reading ------------------------------------------------------------------------------

    def _take(self, record: Record) -> None:
        """Sort a record in; what is no event of its topic and market is passed over."""
        found = market_event(record.topic, record.value, record.headers)
        if found is None:
            return
        own, envelope = found
        if not own or record.key != own.encode():
            return
        if own not in self._markets:
            self._markets[own] = Market(BookAudit(own, self._places(own)))
        market = self._markets[own]
        if record.topic in INPUTS:
            market.audit.read(read_of(record.topic, record.offset, envelope))
            named = named_order(envelope, record.timestamp_ms)
            if self._direct is not None and named is not None:
                self._direct.tell(named)
        else:
            market.take_output(envelope)

    def _places(self, market_id: str) -> dict[str, int]:
        return {topic: partition_of(market_id.encode(), self._counts[topic]) for topic in INPUTS}

    # --- comparing ----------------------------------------------------------------------------

    async def _compare_next(self, market: Market) -> bool:
        """Compare the next round of a market; return whether that was possible."""
        one = await self._next_round(market)
        if one is None:
            return False
        if not await self._recall(market, one):
            return False
        # A book of 100,000 orders takes seconds, in which the lease must be renewed.
        checked = await asyncio.to_thread(market.audit.check, one)
        if checked.faults and checked.round_id not in self._done:
            if not await self._stands(market, checked):
                return False
            await self._tell(one, checked)
        market.audit.accept(checked)
        market.pass_on(checked.round_id)
        if checked.round_id not in self._done:
            self._done.add(checked.round_id)
            self._compared.inc()
        return True

    async def _recall(self, market: Market, one: RoundBook) -> bool:
        """Take up the orders that were over and are named again; return whether that was possible.

        What was kept of one and does not fit its digest makes all of it void.
        """
        if self._keeper is None or not (named := market.audit.named(one)):
            return True
        try:
            market.audit.recall(await self._keeper.recall(market.audit.market_id, named))
        except ValueError as error:
            self._log.warning("kept books dropped, the log is read whole", why=str(error))
            await self._reader.stop()
            await self._begin()
            return False
        return True

    async def _next_round(self, market: Market) -> RoundBook | None:
        """Return the next round, once all that it names was read and its file was judged."""
        sealed, closed_id = market.sealed.get(market.next_seq), market.closed.get(market.next_seq)
        if sealed is None or closed_id is None:
            return None
        if not await self._has_read_for(market, sealed):
            return None
        verdicts = await self._store.verdicts([sealed.round_id])
        parts = list(market.parts.get(sealed.round_id, {}).values())
        if sealed.round_id not in verdicts or not parts:
            return None
        book, result = await asyncio.to_thread(_file_of, parts, self._file_bytes_max)
        return RoundBook(sealed, closed_id, book, result, verdicts[sealed.round_id])

    async def _has_read_for(self, market: Market, sealed: events.RoundSealed) -> bool:
        """Return whether all was read that a round took in and told of it."""
        ends = market.status_ends.get(sealed.seq)
        if ends is None:
            try:
                all_ends = await self._reader.end_offsets()
            except LogUnavailableError:
                return False
            ends = {place: end for place, end in all_ends.items() if place[0] == "order-status"}
            market.status_ends[sealed.seq] = ends
        wanted = ends | {(item.topic, item.partition): item.end for item in sealed.manifest}
        positions = self._reader.positions()
        return all(positions.get(place, 0) >= end for place, end in wanted.items())

    async def _stands(self, market: Market, checked: BookCheck) -> bool:
        """Return whether a difference is one, and not a record that is still to come."""
        now = self._clock.monotonic()
        if not await self._has_read_all() or market.differs_since is None:
            market.differs_since = now
            return False
        if now - market.differs_since < self._gap_s:
            return False
        if checked.round_id in self._read_again:
            return True
        self._read_again.add(checked.round_id)
        self._log.warning("book differs, the log is read again", round_id=checked.round_id)
        await self._reader.stop()
        await self._begin()
        return False

    async def _watch_for_gaps(self, market: Market) -> None:
        """Tell of a round that never came whole though later ones did: it stops the comparison."""
        later, missing = market.first_later(), market.missing()
        if later is None or later in market.stalls_told or not missing:
            market.stalls_since = None
            return
        now = self._clock.monotonic()
        if market.stalls_since is None or not await self._has_read_all():
            market.stalls_since = now
        elif now - market.stalls_since >= self._gap_s:
            market.stalls_told.add(later)
            market_id = market.audit.market_id
            round_id = f"{market_id}:{market.next_seq}"
            text = f"{round_id}: its {', '.join(missing)} must be on the log before later rounds"
            evidence = {"round_id": round_id, "missing": ", ".join(missing)}
            one = Found(
                "book.stalled", f"{market_id}:{later}", (text,), evidence, market_id, round_id
            )
            await self._add([one])

    async def _has_read_all(self) -> bool:
        try:
            return await self._reader.lag() == 0
        except LogUnavailableError:
            return False

    async def _tell(self, one: RoundBook, checked: BookCheck) -> None:
        by_code: dict[str, list[BookFault]] = defaultdict(list)
        for fault in checked.faults:
            by_code[fault.code].append(fault)
        found = [_found(code, one.sealed, faults) for code, faults in sorted(by_code.items())]
        await self._add(found)

    async def _add(self, found: Sequence[Found]) -> None:
        codes = await self._store.add_found(found, self._clock.now())
        for code in codes:
            self._found.labels(code).inc()
            self._log.error("finding raised", code=code, round_id=found[0].round_id)
        if codes:
            self._committed()


def _found(code: str, sealed: events.RoundSealed, faults: Sequence[BookFault]) -> Found:
    evidence: dict[str, str | int] = {"round_id": sealed.round_id, "orders": len(faults)}
    first = next((fault.order_id for fault in faults if fault.order_id), "")
    if first:
        evidence["order_id"] = first
    return Found(
        f"book.{code}",
        sealed.round_id,
        tuple(fault.text for fault in faults[:_PROBLEMS_MAX]),
        evidence,
        sealed.market_id,
        sealed.round_id,
    )


def _file_of(
    parts: Sequence[events.RoundFilePart], bytes_max: int
) -> tuple[dict[str, Any], Result | None]:
    """Return book and result of a round file; what cannot be read counts as nothing."""
    try:
        file = json.loads(join_file(parts, bytes_max))
        book = dict(file["book"])
    except (ValueError, KeyError, TypeError):
        # That the file is none is told by its verdict.
        return {}, None
    try:
        return book, result_from_dict(file["result"])
    except (ValueError, KeyError, TypeError, DomainError):
        return book, None
