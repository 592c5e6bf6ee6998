"""Keeps what the comparison of books knows, so that a start reads what came since.

What is kept belongs to positions in the log and is written with them in one transaction. It is
dropped, and the log read from its beginning, if it does not fit its digest, was made by another
version of the program, is of other partitions or of a log that no longer has the positions, or if
the log was not read from its beginning for too long. A finding is stored before the round that it
is about counts as compared: a crash in between tells it again, under the same id, once.

Orders that are over are let go of: a start does not take them up, and `BookKeeper.recall` does when
a record names them again (docs/decisions/0040-a-start-takes-up-what-is-not-over.md).
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from services.auditor.book_parts import Difference, Parts, Row, key_of, value_of
from services.core.book_state import ORDERS
from services.kit.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from services.auditor.book_parts import Place
    from services.core.orders import Order
    from services.kit.clock import Clock
    from services.kit.records import Positions

# Of the time at most a twentieth goes into keeping.
_SHARE = 20


class PartStore(Protocol):
    """Where it is kept."""

    async def checkpoint(self) -> tuple[str, Positions, int, bytes, datetime] | None:
        """Return (version, positions, parts, digest, when the log was read from its beginning)."""
        ...

    def parts(self) -> AsyncIterator[Sequence[Row]]:
        """Yield the parts, some at a time."""
        ...

    async def over(
        self, market_id: str, name: str, keys: Sequence[str]
    ) -> Sequence[tuple[Row, bytes]]:
        """Return those of some parts that were let go, each with its digest."""
        ...

    async def keep(
        self,
        version: str,
        positions: Positions,
        changed: Difference,
        times: tuple[datetime, datetime],
        *,
        is_first: bool,
    ) -> None:
        """Write what changed with the positions, in one transaction; the first drops the rest."""
        ...


class BookKeeper:
    """Keeps and finds again.

    Args:
        store: Where.
        clock: The market's clock.
        version: Of all code that has a part in what is kept.
        every_s: Real seconds between two times.
        trust: For how long after the log was read from its beginning.
    """

    def __init__(
        self, store: PartStore, clock: Clock, *, version: str, every_s: float, trust: timedelta
    ) -> None:
        self._store = store
        self._clock = clock
        self._version = version
        self._every_s = every_s
        self._trust = trust
        self._parts = Parts()
        self._is_first = True
        self._positions: Positions = {}
        self._read_from = datetime.now(UTC)
        self._next = clock.monotonic() + every_s
        self._log = get_logger("auditor.books")

    def forget(self) -> None:
        """Begin anew: the log is read from its beginning."""
        self._parts, self._is_first = Parts(), True
        self._read_from = datetime.now(UTC)

    async def find(self) -> tuple[Positions, dict[Place, object]] | None:
        """Return positions and what was known there; ``None`` to begin at the beginning."""
        found = await self._store.checkpoint()
        if found is None:
            return None
        version, positions, count, digest, read_from = found
        parts = Parts()
        try:
            if version != self._version:
                raise ValueError("made by another version")
            if datetime.now(UTC) - read_from > self._trust:
                raise ValueError("the log was not read from its beginning for too long")
            async for rows in self._store.parts():
                await asyncio.to_thread(parts.take, rows)
            if (len(parts), parts.digest) != (count, digest):
                raise ValueError("parts do not fit their digest")
        except ValueError as error:
            self._log.warning("kept books dropped, the log is read whole", why=str(error))
            return None
        self._parts, self._is_first, self._read_from = parts, False, read_from
        self._positions = positions
        return positions, dict(parts)

    @property
    def is_due(self) -> bool:
        """Return whether it is time to keep."""
        return self._trust > timedelta(0) and self._clock.monotonic() >= self._next

    async def recall(self, market_id: str, order_ids: Iterable[str]) -> list[Order]:
        """Return those of some orders that were let go.

        Raises:
            ValueError: if one is not as it was kept: nothing that is kept is to be relied on.
        """
        if self._is_first:
            return []
        keys = [key_of(order_id) for order_id in order_ids]
        return [value_of(*row) for row in await self._store.over(market_id, ORDERS, keys)]

    async def keep(
        self,
        positions: Positions,
        now: Iterable[tuple[Place, object]],
        over: Iterable[Place] = (),
    ) -> bool:
        """Keep what is known at the positions; return whether it is.

        Args:
            positions: Where that is.
            now: All parts; none may change meanwhile.
            over: Those of them that are let go, and found again by `recall` alone.
        """
        began = self._clock.monotonic()
        try:
            changed = await asyncio.to_thread(self._parts.difference, now, over)
        except TypeError as error:
            # Then each start reads the whole log, as without it.
            self._log.warning("books cannot be kept", why=str(error))
            self._trust = timedelta(0)
            return False
        is_changed = changed.put or changed.dropped or changed.over
        if self._is_first or is_changed or positions != self._positions:
            times = (self._read_from, datetime.now(UTC))
            await self._store.keep(
                self._version, positions, changed, times, is_first=self._is_first
            )
            self._log.debug("books kept", parts=changed.count, changed=len(changed.put))
        self._is_first, self._positions = False, positions
        took = self._clock.monotonic() - began
        self._next = self._clock.monotonic() + max(self._every_s, _SHARE * took)
        return True
