"""Reading topics by one gateway at a time, from where the last one stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from services.kit.postgres import claim_positions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from services.kit.kafka import LogReader
    from services.kit.postgres import LeaseKeeper, Pool


async def read_under_lease(
    pool: Pool,
    reader: LogReader,
    keeper: LeaseKeeper,
    topics: Sequence[str],
    stop: asyncio.Event,
    read_on: Callable[[asyncio.Event, int], Awaitable[None]],
    *beside: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
) -> None:
    """Take the lease, then read until ``stop`` is set.

    Args:
        pool: Pool of the gateway's schema, which has the positions.
        reader: Reader of the topics, not started.
        keeper: Keeper of the lease.
        topics: What is read.
        stop: Ends it.
        read_on: Reads with the lease's epoch until ``stop`` is set.
        beside: What runs as long.

    Raises:
        StaleWriterError: if another instance took over; this one must start anew.
    """
    epoch = await keeper.acquire(stop)
    if epoch is None:
        return
    async with pool.acquire() as conn, conn.transaction():
        positions = await claim_positions(conn, topics, epoch)
    await reader.start(positions)
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(one(stop)) for one in (keeper.keep, *beside)]
            await read_on(stop, epoch)
            for one in running:
                one.cancel()
    finally:
        await reader.stop()
        await keeper.release()
