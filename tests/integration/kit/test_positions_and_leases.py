from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from services.kit.errors import StaleWriterError
from services.kit.postgres import (
    LeaseKeeper,
    acquire_lease,
    advance,
    advance_all,
    assert_lease,
    claim_positions,
    load_positions,
    release_lease,
    renew_lease,
)

if TYPE_CHECKING:
    from services.kit.postgres import Pool

pytestmark = pytest.mark.integration


async def run_out(pool: Pool) -> None:
    await pool.execute("UPDATE lease SET until = clock_timestamp() - interval '1 second'")


async def test_a_position_moves_from_where_the_writer_stood(pool: Pool) -> None:
    async with pool.acquire() as conn:
        assert await load_positions(conn, ["a"]) == {}
        await advance(conn, "a", 0, 0, 5, epoch=1)
        await advance(conn, "a", 0, 5, 9, epoch=1)
        assert await load_positions(conn, ["a", "b"]) == {("a", 0): 9}


async def test_a_zombie_that_missed_a_batch_is_refused_and_its_output_rolls_back(
    pool: Pool,
) -> None:
    await pool.execute("CREATE TABLE output (text text)")
    async with pool.acquire() as conn:
        await advance(conn, "a", 0, 0, 5, epoch=1)
        await advance(conn, "a", 0, 5, 9, epoch=1)

        async def zombie() -> None:
            async with conn.transaction():
                await conn.execute("INSERT INTO output VALUES ('twice')")
                await advance(conn, "a", 0, 5, 9, epoch=1)

        with pytest.raises(StaleWriterError, match="was 9 in epoch 1"):
            await zombie()
        assert await conn.fetchval("SELECT count(*) FROM output") == 0
        assert await load_positions(conn, ["a"]) == {("a", 0): 9}


async def test_a_writer_of_an_older_epoch_is_refused_even_at_the_right_position(
    pool: Pool,
) -> None:
    async with pool.acquire() as conn:
        await advance(conn, "a", 0, 0, 5, epoch=1)
        assert await claim_positions(conn, ["a"], epoch=2) == {("a", 0): 5}
        with pytest.raises(StaleWriterError, match="was 5 in epoch 2"):
            await advance(conn, "a", 0, 5, 6, epoch=1)
        await advance(conn, "a", 0, 5, 6, epoch=2)
        with pytest.raises(StaleWriterError, match=r"must be at most 1, was 2"):
            await claim_positions(conn, ["a"], epoch=1)


async def test_of_two_writers_that_start_at_0_at_once_exactly_one_wins(pool: Pool) -> None:
    async def first_batch() -> bool:
        async with pool.acquire() as conn:
            try:
                async with conn.transaction():
                    await advance(conn, "a", 0, 0, 3, epoch=0)
                    await asyncio.sleep(0.02)
            except StaleWriterError:
                return False
            return True

    won = await asyncio.gather(*(first_batch() for _ in range(4)))
    assert sorted(won) == [False, False, False, True]


async def test_advance_all_moves_what_differs_and_nothing_if_one_is_stale(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await advance_all(conn, {}, {("a", 0): 2, ("a", 1): 0, ("b", 0): 1}, epoch=1)
        stored = {("a", 0): 2, ("b", 0): 1}
        assert await load_positions(conn, ["a", "b"]) == stored
        with pytest.raises(StaleWriterError, match="b/0"):
            async with conn.transaction():
                await advance_all(conn, {("a", 0): 2}, {("a", 0): 3, ("b", 0): 4}, epoch=1)
        assert await load_positions(conn, ["a", "b"]) == stored


async def test_a_lease_is_held_by_one_until_it_runs_out_and_its_epoch_only_grows(
    pool: Pool,
) -> None:
    assert await acquire_lease(pool, "m", "one", ttl_s=10) == 1
    assert await acquire_lease(pool, "m", "two", ttl_s=10) is None
    await run_out(pool)
    assert await acquire_lease(pool, "m", "two", ttl_s=10) == 2
    assert not await renew_lease(pool, "m", "one", 1, ttl_s=10)
    assert not await release_lease(pool, "m", "one", 1)
    assert await renew_lease(pool, "m", "two", 2, ttl_s=10)
    assert await release_lease(pool, "m", "two", 2)
    assert await acquire_lease(pool, "m", "one", ttl_s=10) == 3


async def test_a_restarted_holder_takes_over_from_its_former_self_at_once(pool: Pool) -> None:
    assert await acquire_lease(pool, "m", "one", ttl_s=60) == 1
    assert await acquire_lease(pool, "m", "one", ttl_s=60) == 2
    with pytest.raises(StaleWriterError, match="must be 1, was 2"):
        await assert_lease(pool, "m", 1)  # type: ignore[arg-type]
    assert not await renew_lease(pool, "m", "one", 1, ttl_s=60)


async def test_a_transaction_under_a_lease_holds_off_the_next_holder_until_it_ends(
    pool: Pool,
) -> None:
    assert await acquire_lease(pool, "m", "one", ttl_s=10) == 1
    await run_out(pool)
    async with pool.acquire() as conn:
        async with conn.transaction():
            await assert_lease(conn, "m", 1)
            taking_over = asyncio.create_task(acquire_lease(pool, "m", "two", ttl_s=10))
            await asyncio.sleep(0.1)
            assert not taking_over.done()
            await advance(conn, "a", 0, 0, 1, epoch=1)
        assert await taking_over == 2
        with pytest.raises(StaleWriterError):
            await assert_lease(conn, "m", 1)


async def test_a_keeper_says_when_its_lease_was_taken(pool: Pool) -> None:
    keeper = LeaseKeeper(pool, "m", "one", ttl_s=0.9)
    assert await keeper.acquire() == 1
    keeping = asyncio.create_task(keeper.keep())
    await asyncio.sleep(1.1)
    # Renewed all along, though older than its time to live.
    assert await acquire_lease(pool, "m", "two", ttl_s=10) is None
    await pool.execute("UPDATE lease SET holder = 'two', epoch = 2")
    with pytest.raises(StaleWriterError, match="lease m"):
        await keeping


async def test_a_keeper_waits_for_the_lease_and_gives_up_when_told_to_stop(pool: Pool) -> None:
    first = LeaseKeeper(pool, "m", "one", ttl_s=5)
    second = LeaseKeeper(pool, "m", "two", ttl_s=0.1)
    await first.acquire()
    stop = asyncio.Event()
    waiting = asyncio.create_task(second.acquire(stop))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await first.release()
    assert await waiting == 2
    stop.set()
    assert await LeaseKeeper(pool, "m", "three").acquire(stop) is None
