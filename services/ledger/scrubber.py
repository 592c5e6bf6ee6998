"""The scrubber: reads the stored log over and over, and says at once which entry was touched.

Whoever owns the database can switch off every guard in it. The hashes that the tree got when an
entry was booked, and the heads that were signed over them, do not change with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg

from services.core.errors import Message
from services.core.merkle import Frontier
from services.kit.logging import get_logger
from services.kit.telemetry import METRICS
from services.ledger.audit import QUERIES, snapshot
from services.ledger.audit_log import scrub_page
from services.ledger.findings import broken
from services.ledger.ports import StoreFailedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pydantic import SecretStr

    from services.core.errors import SettleError

# 4 tiles: entries with their rows take some 0.2 ms each, so a step is a fifth of a second.
LEAVES_A_STEP = 1_024
# Beyond this many, the findings say nothing new.
_TOLD_MAX = 1_000


class Scrubber:
    """Looks at one stretch of the log after the other.

    Args:
        dsn: Database; the user may act as the schema's regulator, or owns it.
        schema: Schema of the ledger.
        tell: Queues a finding.
        committed: Called after a finding was queued.
        leaves: Entries a step.
    """

    def __init__(
        self,
        dsn: str | SecretStr,
        schema: str,
        tell: Callable[[SettleError], Awaitable[None]],
        committed: Callable[[], None] = lambda: None,
        leaves: int = LEAVES_A_STEP,
    ) -> None:
        self._dsn = dsn
        self._schema = schema
        self._tell = tell
        self._committed = committed
        self._leaves = leaves
        self._frontier = Frontier()
        self._told: set[str] = set()
        self._log = get_logger("ledger.scrubber")
        self._passes = METRICS.counter("ledger_scrub_passes_total", "Times the whole log was read")
        self._found = METRICS.counter("ledger_scrub_problems_total", "Problems found in the log")

    async def run(self, stop: asyncio.Event, every_s: float) -> None:
        """Look at the next stretch on a beat until told to stop.

        Raises:
            StaleWriterError: if another writer has taken over.
        """
        while not stop.is_set():
            try:
                await self.step()
            except (OSError, asyncpg.PostgresError, StoreFailedError) as error:
                # The database is away; the writer decides how long that may last.
                self._log.warning("log not read", error=repr(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await stop.wait()

    async def step(self) -> Sequence[str]:
        """Look at the next stretch, and past the last one begin anew; return what is wrong."""
        async with snapshot(self._dsn, self._schema) as conn:
            page = await scrub_page(conn, QUERIES, self._frontier, self._leaves)
            problems = page.problems
            if not page.is_last:
                after = await scrub_page(conn, QUERIES, page.frontier, 1)
                # Else it is looked at with the next step.
                if after.is_last:
                    problems, page = (*problems, *after.problems), after
        self._frontier = Frontier() if page.is_last else page.frontier
        if page.is_last:
            self._passes.inc()
        await self._raise(problems)
        return problems

    async def _raise(self, problems: Sequence[str]) -> None:
        for problem in problems:
            if problem in self._told or len(self._told) >= _TOLD_MAX:
                continue
            self._log.error("log was changed", problem=problem)
            self._found.inc()
            await self._tell(_changed(problem))
            self._told.add(problem)
            self._committed()


def _changed(problem: str) -> SettleError:
    return broken(
        "settle.log_changed",
        Message(
            f"the stored log must be what was booked and signed, was changed: {problem}",
            f"存储的日志须与入账并签名时一致，实已被更改：{problem}",
        ),
        "log",
        problem,
        "what was booked",
    )
