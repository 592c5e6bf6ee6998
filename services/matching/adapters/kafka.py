"""The log as matching reads and writes it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from services.kit.kafka import LogReader, LogWriter, partition_of
from services.matching.crash import crash_point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.kit.records import OutRecord, Receipt
    from services.kit.settings import KitSettings

# Long enough for a send to be on the wire, so that a crash leaves it written and unknown.
_BEFORE_ACK_S = 0.05


async def open_reader(
    settings: KitSettings, topics: Sequence[str], own_market: str | None
) -> LogReader:
    """Return a reader, not started, of all partitions or only those of a market's key.

    Args:
        settings: Where the broker is.
        topics: What to read.
        own_market: The market whose partitions alone are read; ``None`` reads all.

    Raises:
        LogUnavailableError: if the broker or a topic is not there within half a minute.
    """
    if own_market is None:
        return LogReader(settings, topics)
    probe = LogReader(settings, topics)
    await probe.start({})
    counts = Counter(topic for topic, _ in probe.positions())
    await probe.stop()
    key = own_market.encode()
    own = {topic: [partition_of(key, count)] for topic, count in counts.items()}
    return LogReader(settings, topics, own)


class RelayWriter:
    """A log writer with the relay's two crash points around the acknowledgement.

    Args:
        writer: The writer that sends.
    """

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    async def send_many(self, records: Sequence[OutRecord]) -> list[Receipt]:
        """Write records in order, as `LogWriter.send_many`."""
        sending = asyncio.ensure_future(self._writer.send_many(records))
        await asyncio.sleep(0)
        crash_point("relay_before_ack")
        receipts = await sending
        crash_point("relay_after_ack")
        return receipts
