"""All that the log has of one market, read from its beginning."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from schemas import events
from services.core.codec import result_from_dict
from services.core.errors import DomainError, Message
from services.core.market_log import INPUTS, MarketLog, Read, Round, Status
from services.core.market_records import TOPICS, market_event, read_of, status_of
from services.core.round_file import join_file
from services.gateway.errors import TooLargeError, UnavailableError
from services.kit.errors import LogUnavailableError
from services.kit.kafka import LogReader, partition_of

if TYPE_CHECKING:
    from schemas.codec import Envelope
    from services.core.book import Result
    from services.kit.kafka import Record
    from services.kit.settings import KitSettings

_BATCH_RECORDS = 500
_READ_MS = 500
_FILE_BYTES_MAX = 1 << 30


class KafkaMarketLogs:
    """Reads a market's log whole.

    Args:
        settings: Where the broker is.
        records_max: Records that are read at most, of all topics together.
    """

    def __init__(self, settings: KitSettings, records_max: int) -> None:
        self._settings = settings
        self._records_max = records_max

    async def read(self, market_id: str) -> MarketLog:
        """Return what the log has of a market now.

        Raises:
            TooLargeError: if that is more than this instance reads.
            UnavailableError: if the broker does not answer.
        """
        try:
            return await self._read(market_id)
        except LogUnavailableError as error:
            raise UnavailableError("log_unavailable", error.message) from error

    async def _read(self, market_id: str) -> MarketLog:
        key = market_id.encode()
        probe = LogReader(self._settings, TOPICS)
        await probe.start({})
        counts = Counter(topic for topic, _ in probe.positions())
        await probe.stop()
        own = {topic: partition_of(key, counts[topic]) for topic in TOPICS}
        reader = LogReader(self._settings, TOPICS, {topic: [at] for topic, at in own.items()})
        await reader.start({})
        try:
            ends = await reader.end_offsets()
            self._check_size(market_id, sum(ends.values()))
            gathered = _Gathered(market_id)
            while any(reader.positions().get(place, 0) < end for place, end in ends.items()):
                for record in await reader.read(_BATCH_RECORDS, _READ_MS):
                    if record.key == key:
                        gathered.add(record)
        finally:
            await reader.stop()
        return gathered.log(own)

    def _check_size(self, market_id: str, count: int) -> None:
        if count <= self._records_max:
            return
        most = self._records_max
        raise TooLargeError(
            "book.log_too_long",
            Message(
                f"market_id: must have at most {most} records on the log to be rebuilt here, was "
                f"{count} ({market_id}); raise SUANLI_GATEWAY_REPLAY_RECORDS_MAX",
                f"market_id：日志记录须不超过 {most} 条方可在此重建，实为 {count} 条"
                f"（{market_id}）；请调高 SUANLI_GATEWAY_REPLAY_RECORDS_MAX",
            ),
            field="market_id",
            value=f"{count} records",
            allowed=f"at most {most} records",
        )


class _Gathered:
    """Records of a market, sorted into what a replay needs; copies of an event count once."""

    def __init__(self, market_id: str) -> None:
        self._market_id = market_id
        self._inputs: dict[str, list[Read]] = {topic: [] for topic in INPUTS}
        self._statuses: dict[str, Status] = {}
        self._sealed: dict[str, events.RoundSealed] = {}
        self._parts: dict[str, dict[int, events.RoundFilePart]] = defaultdict(dict)
        self._closed: dict[str, str] = {}

    def add(self, record: Record) -> None:
        """Take a record; what is no event of its topic and market is passed over."""
        found = market_event(record.topic, record.value, record.headers)
        if found is None or found[0] != self._market_id:
            return
        envelope = found[1]
        if record.topic in INPUTS:
            self._inputs[record.topic].append(read_of(record.topic, record.offset, envelope))
        else:
            self._add_output(envelope)

    def _add_output(self, envelope: Envelope) -> None:
        data = envelope.data
        if isinstance(data, events.OrderStatusChanged):
            self._statuses.setdefault(envelope.id, status_of(envelope, data))
        elif isinstance(data, events.RoundSealed):
            self._sealed.setdefault(data.round_id, data)
        elif isinstance(data, events.RoundFilePart):
            self._parts[data.round_id][data.part] = data
        elif isinstance(data, events.RoundClosed):
            self._closed.setdefault(data.round_id, envelope.id)

    def log(self, partitions: dict[str, int]) -> MarketLog:
        """Return the market's log."""
        rounds = [
            Round(sealed, self._result(sealed.round_id), self._closed.get(sealed.round_id, ""))
            for sealed in sorted(self._sealed.values(), key=lambda item: item.seq)
        ]
        statuses = list(self._statuses.values())
        return MarketLog(self._market_id, self._inputs, statuses, rounds, partitions)

    def _result(self, round_id: str) -> Result | None:
        parts = self._parts.pop(round_id, None)
        if not parts:
            return None
        try:
            file = json.loads(join_file(list(parts.values()), _FILE_BYTES_MAX))
            return result_from_dict(file["result"])
        except (ValueError, KeyError, TypeError, DomainError):
            # As if it were not cleared: the book of the next round then differs, which is told.
            return None
