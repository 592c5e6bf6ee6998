"""Leases with fencing epochs: one writer at a time, and an old one's writes hit nothing.

The database's clock decides when a lease has run out, so machines need not agree on time.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncpg

from services.kit.errors import StaleWriterError
from services.kit.logging import get_logger
from services.kit.pgconnect import LOST_ERRORS

if TYPE_CHECKING:
    from services.kit.pgtypes import Conn, Executor, Pool

_PASSING: tuple[type[Exception], ...] = (asyncpg.PostgresError, *LOST_ERRORS)

_ACQUIRE = """
INSERT INTO lease AS held (name, epoch, holder, until)
VALUES ($1, 1, $2, clock_timestamp() + $3::double precision * interval '1 second')
ON CONFLICT (name) DO UPDATE
  SET epoch = held.epoch + 1, holder = excluded.holder, until = excluded.until
  WHERE held.until <= clock_timestamp() OR held.holder = excluded.holder
RETURNING epoch
"""
_RENEW = """
UPDATE lease SET until = clock_timestamp() + $4::double precision * interval '1 second'
WHERE name = $1 AND holder = $2 AND epoch = $3
"""
_LEFT = """
SELECT epoch, extract(epoch FROM until - clock_timestamp())::double precision AS left_s
FROM lease WHERE name = $1
"""
_RELEASE = """
UPDATE lease SET until = clock_timestamp() WHERE name = $1 AND holder = $2 AND epoch = $3
"""


async def acquire_lease(conn: Executor, name: str, holder: str, ttl_s: float) -> int | None:
    """Take a lease that is free, has run out, or is held under the same holder name.

    A restarted process therefore takes over from its former self at once, and the former
    self is fenced by the epoch.

    Args:
        conn: Connection; the lease is taken when its transaction commits.
        name: What is leased.
        holder: Name that is the same after a restart and differs between instances.
        ttl_s: Seconds until others may take it unless it is renewed.

    Returns:
        The new fencing epoch, 1 for the first holder; ``None`` if another holds the lease.
    """
    epoch: int | None = await conn.fetchval(_ACQUIRE, name, holder, ttl_s)
    return epoch


async def renew_lease(conn: Executor, name: str, holder: str, epoch: int, ttl_s: float) -> bool:
    """Extend a lease by ``ttl_s`` seconds from now; ``False`` if another has taken it."""
    return await conn.execute(_RENEW, name, holder, epoch, ttl_s) == "UPDATE 1"


async def release_lease(conn: Executor, name: str, holder: str, epoch: int) -> bool:
    """Let others take the lease at once; ``False`` if another has taken it already."""
    return await conn.execute(_RELEASE, name, holder, epoch) == "UPDATE 1"


async def lease_left_s(conn: Executor, name: str, epoch: int) -> float:
    """Return the seconds for which nobody else can take the lease, 0 or less if somebody may.

    For what cannot be written in the database's transaction: do it within that time, counted from
    before this call, or not at all.

    Raises:
        StaleWriterError: if the lease is not in this epoch.
    """
    row = await conn.fetchrow(_LEFT, name)
    found = None if row is None else row["epoch"]
    if row is None or found != epoch:
        raise StaleWriterError(f"epoch of lease {name}", str(found), str(epoch))
    return float(row["left_s"])


async def assert_lease(conn: Conn, name: str, epoch: int) -> None:
    """Hold off any take-over until this transaction ends.

    Call it first in every transaction that writes under the lease.

    Raises:
        StaleWriterError: if the lease is not in this epoch.
    """
    found = await conn.fetchval("SELECT epoch FROM lease WHERE name = $1 FOR SHARE", name)
    if found != epoch:
        raise StaleWriterError(f"epoch of lease {name}", str(found), str(epoch))


class LeaseKeeper:
    """Takes a lease, renews it in the background and says when it is lost.

    Args:
        pool: Pool of the service's schema.
        name: What is leased.
        holder: Name that is the same after a restart and differs between instances.
        ttl_s: Seconds after which a silent holder may be replaced.
    """

    def __init__(self, pool: Pool, name: str, holder: str, ttl_s: float = 10.0) -> None:
        assert ttl_s > 0, f"ttl_s must be above 0, was {ttl_s}"
        self._pool = pool
        self._name = name
        self._holder = holder
        self._ttl_s = ttl_s
        self._epoch: int | None = None
        self._log = get_logger("kit.lease").bind(lease=name, holder=holder)

    @property
    def epoch(self) -> int:
        """Return the fencing epoch; the lease must have been acquired."""
        assert self._epoch is not None, "acquire() first"
        return self._epoch

    async def acquire(self, stop: asyncio.Event | None = None) -> int | None:
        """Wait for the lease; return its epoch, or ``None`` if ``stop`` was set before."""
        stop = stop or asyncio.Event()
        while not stop.is_set():
            self._epoch = await acquire_lease(self._pool, self._name, self._holder, self._ttl_s)
            if self._epoch is not None:
                self._log.info("lease acquired", epoch=self._epoch)
                return self._epoch
            await _wait(stop, self._ttl_s / 5)
        return None

    async def keep(self, stop: asyncio.Event | None = None) -> None:
        """Renew until ``stop`` is set or the task is cancelled.

        A database that cannot be reached is tried again for as long as the lease lasts;
        after that another may hold it and this process must start anew.

        Raises:
            StaleWriterError: if the lease is lost.
        """
        stop = stop or asyncio.Event()
        loop = asyncio.get_running_loop()
        renewed_at = loop.time()
        while not stop.is_set():
            await _wait(stop, self._ttl_s / 3)
            asked_at = loop.time()
            try:
                kept = await renew_lease(
                    self._pool, self._name, self._holder, self.epoch, self._ttl_s
                )
            except _PASSING as error:
                self._log.warning("lease not renewed", error=repr(error))
                kept = loop.time() - renewed_at < self._ttl_s
            else:
                renewed_at = asked_at
            if not kept:
                raise StaleWriterError(f"lease {self._name}", "lost", f"epoch {self.epoch}")

    async def release(self) -> None:
        """Give the lease up, if it is held, so that another instance need not wait."""
        if self._epoch is not None:
            epoch, self._epoch = self._epoch, None
            await release_lease(self._pool, self._name, self._holder, epoch)


async def _wait(stop: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await stop.wait()
