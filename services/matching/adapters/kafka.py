"""The log as matching reads and writes it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from services.kit.kafka import LogReader, partition_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.kit.settings import KitSettings

# Far less than the second within which a verdict is promised. A busy market's orders share
# transactions then, of which each costs as much as 20 orders.
_LINGER_S = 0.02


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
        return LogReader(settings, topics, linger_s=_LINGER_S)
    probe = LogReader(settings, topics)
    await probe.start({})
    counts = Counter(topic for topic, _ in probe.positions())
    await probe.stop()
    key = own_market.encode()
    own = {topic: [partition_of(key, count)] for topic, count in counts.items()}
    return LogReader(settings, topics, own, linger_s=_LINGER_S)
