"""Named points at which a test can kill a process, as `kill -9` would.

``SUANLI_CRASH_AT=after_commit`` kills at the first pass of that point, ``after_commit:3`` at the
third. Unset, as always outside tests, a point costs one comparison.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.kit.outbox import Writer
    from services.kit.records import OutRecord, Receipt

EXIT_CODE = 137


class CrashPoints:
    """The points of one service; called with a name, it ends the process if a test says so.

    Args:
        names: All there are.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        point, _, count = os.environ.get("SUANLI_CRASH_AT", "").partition(":")
        self._passes_left = {point: int(count or "1")} if point else {}

    def __call__(self, name: str) -> None:
        """End the process here and now if it is time; nothing is flushed or closed."""
        assert name in self._names, f"unknown crash point {name}"
        if name not in self._passes_left:
            return
        self._passes_left[name] -= 1
        if self._passes_left[name] == 0:
            os._exit(EXIT_CODE)


class RelayWriter:
    """A log writer with the relay's two crash points around the acknowledgement.

    Args:
        writer: The writer that sends.
        crash_point: Knows ``relay_before_ack`` and ``relay_after_ack``.
    """

    def __init__(self, writer: Writer, crash_point: CrashPoints) -> None:
        self._writer = writer
        self._crash_point = crash_point

    async def send_many(
        self, records: Sequence[OutRecord], *, within_s: float | None = None
    ) -> list[Receipt]:
        """Write records in order, as `LogWriter.send_many`."""
        sending = asyncio.ensure_future(self._writer.send_many(records, within_s=within_s))
        await asyncio.sleep(0)
        self._crash_point("relay_before_ack")
        receipts = await sending
        self._crash_point("relay_after_ack")
        return receipts
