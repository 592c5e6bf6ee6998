"""The auditor's fourth part: orders by signed records against the records and the lives of keys.

Nothing is stored: it is told of each order that names a record, and finds the record and all that
was told of keys before the order on the log. What comes again at the next start gives the same
findings, which are told once.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING, Protocol

from schemas.codec import DecodeError, decode
from schemas.signing_keys import SigningKeySet
from services.auditor.journal_state import Found
from services.auditor.ports import MeasuredLog
from services.core.direct_audit import KeyLives, fault_of, record_of
from services.kit.errors import LogUnavailableError
from services.kit.logging import get_logger
from services.kit.telemetry import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from services.core.direct_audit import NamedOrder, Place, SignedRecord
    from services.kit.clock import Clock
    from services.kit.records import Positions

_READ_RECORDS_MAX = 2_000
_READ_MS_MAX = 250
# Records that no order named yet: those that were refused, and those whose orders come next. An
# older one is read again when an order names it.
_KEPT_MAX = 5_000


class FoundStore(Protocol):
    """Where findings go."""

    async def add_found(self, found: Sequence[Found], now: datetime) -> Sequence[str]:
        """Write findings; return the codes of those that are new."""
        ...


class RecordsLog(MeasuredLog, Protocol):
    """A log in which one can go back."""

    async def seek(self, positions: Positions) -> None:
        """Read again from these positions."""
        ...


class DirectAuditor:
    """Holds orders against the signed records that they name.

    Args:
        store: Findings.
        keys: The topic that tells of keys, from its beginning.
        records: The topics of signed records, from their beginning.
        clock: The market's clock.
        verify: Returns whether an Ed25519 signature by a public key fits a message.
    """

    def __init__(
        self,
        store: FoundStore,
        keys: MeasuredLog,
        records: RecordsLog,
        clock: Clock,
        verify: Callable[[bytes, bytes, bytes], bool],
    ) -> None:
        self._store = store
        self._keys = keys
        self._records = records
        self._clock = clock
        self._verify = verify
        self._lives = KeyLives()
        self._kept: OrderedDict[Place, SignedRecord] = OrderedDict()
        self._waiting: list[NamedOrder] = []
        self._checked: set[str] = set()
        self._reading: list[MeasuredLog] = []
        self._log = get_logger("auditor.direct")
        self._found = METRICS.counter("audit_findings_total", "Findings raised", ("code",))
        self._count = METRICS.counter("audit_direct_total", "Orders held against signed records")

    def tell(self, named: NamedOrder) -> None:
        """Have an order checked; a copy says nothing new."""
        if named.order.order_id not in self._checked:
            self._checked.add(named.order.order_id)
            self._waiting.append(named)

    @property
    def is_waiting(self) -> bool:
        """Return whether there are orders to check."""
        return bool(self._waiting)

    async def check(self) -> bool:
        """Check what waits; return whether it came to that, or should be called again."""
        try:
            await self._start()
            missing = await self._missing()
            if not await self._read_keys() or not await self._read_records(missing):
                return False
        except LogUnavailableError as error:
            self._log.warning("signed records wait for the log", error=str(error))
            return False
        found = [one for named in self._waiting if (one := self._judged(named)) is not None]
        codes = await self._store.add_found(found, self._clock.now()) if found else ()
        for code in codes:
            self._found.labels(code).inc()
            self._log.error("finding raised", code=code)
        self._count.inc(len(self._waiting))
        # Only now: several orders may name one record.
        for named in self._waiting:
            self._kept.pop(named.place, None)
        self._waiting.clear()
        return True

    async def _start(self) -> None:
        """Begin to read at the log's beginning; most exchanges have no signed records."""
        for log in (self._keys, self._records):
            if log not in self._reading:
                await log.start({})
                self._reading.append(log)

    def _judged(self, named: NamedOrder) -> Found | None:
        record = self._kept.get(named.place)
        fault = fault_of(named, record, self._lives, self._verify)
        if fault is None:
            return None
        order = named.order
        evidence: dict[str, str | int] = {"order_id": order.order_id}
        if record is not None:
            evidence["key_id"] = record.key_id[:200]
        topic, partition, offset = named.place
        evidence |= {"topic": topic, "partition": partition, "offset": offset}
        return Found(
            f"direct.{fault.code}", order.order_id, (fault.text,), evidence, order.market_id
        )

    async def _missing(self) -> dict[tuple[str, int], int]:
        """Return how far each partition is to be read; go to where that begins."""
        ends = await self._records.end_offsets()
        at = self._records.positions()
        wanted: dict[tuple[str, int], list[int]] = defaultdict(list)
        for named in self._waiting:
            topic, partition, offset = named.place
            # A record is on the log before its order: what is beyond the end is not there.
            if named.place not in self._kept and offset < ends.get((topic, partition), 0):
                wanted[topic, partition].append(offset)
        # Nor is it read from the beginning what comes before the first that is named.
        start = {
            place: min(all_of)
            for place, all_of in wanted.items()
            if min(all_of) < at[place] or not at[place]
        }
        if start:
            await self._records.seek(start)
        return {place: max(all_of) + 1 for place, all_of in wanted.items()}

    async def _read_keys(self) -> bool:
        """Read what was told of keys up to now; return whether that was possible."""
        ends = await self._keys.end_offsets()
        while any(self._keys.positions().get(place, 0) < end for place, end in ends.items()):
            records = await self._keys.read(_READ_RECORDS_MAX, _READ_MS_MAX)
            if not records:
                return False
            for record in records:
                try:
                    event = decode(record.value, record.headers).data
                except DecodeError:
                    # Its consumers bury it in the dead letters and say so.
                    continue
                if isinstance(event, SigningKeySet):
                    self._lives.take(event, record.timestamp_ms)
        return True

    async def _read_records(self, until: Positions) -> bool:
        """Read signed records as far as they were named; return whether that was possible."""
        named = {one.place for one in self._waiting}
        while any(self._records.positions().get(place, 0) < end for place, end in until.items()):
            records = await self._records.read(_READ_RECORDS_MAX, _READ_MS_MAX)
            if not records:
                return False
            for record in records:
                place = (record.topic, record.partition, record.offset)
                self._kept[place] = record_of(record.headers, record.value)
            others = [place for place in self._kept if place not in named]
            for place in others[: max(0, len(others) - _KEPT_MAX)]:
                del self._kept[place]
        return True
