"""Connections to Postgres: what a pool does with the plans of its statements."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg

from services.kit.postgres import create_pool

if TYPE_CHECKING:
    from services.kit.postgres import Pool
    from services.kit.settings import KitSettings

_LOOK_UP = """
SELECT n FROM unnest($1::text[]) AS w (topic) JOIN looked USING (topic)
"""
_SOME = [f"t{number}" for number in range(10)]


async def test_a_plan_that_was_made_for_an_empty_table_is_made_anew(
    settings: KitSettings, pool: Pool
) -> None:
    """Without that, ten look-ups by key read a million rows until somebody counts the table."""
    await pool.execute(
        "CREATE TABLE looked (topic text PRIMARY KEY, n int) WITH (autovacuum_enabled = off)"
    )
    few = await create_pool(
        settings.postgres_dsn, settings.schema_of("kit"), max_size=1, plans_live_s=1
    )
    async with few, few.acquire() as conn:

        async def planned() -> str:
            await conn.fetch(_LOOK_UP, _SOME)
            name = await conn.fetchval(
                "SELECT name FROM pg_prepared_statements WHERE statement = $1", _LOOK_UP
            )
            try:
                rows = await conn.fetch(f"EXPLAIN EXECUTE {name} ('{{{','.join(_SOME)}}}')")
            except asyncpg.InvalidSQLStatementNameError:
                # Its second ended since it was fetched.
                return await planned()
            return "\n".join(row[0] for row in rows)

        # After the fifth run the plan is one for all arguments, and is kept.
        for _ in range(6):
            assert "Seq Scan on looked" in await planned()
        await conn.execute("INSERT INTO looked SELECT n::text, n FROM generate_series(1, 20000) n")
        async with asyncio.timeout(20):
            while "Seq Scan on looked" in await planned():  # noqa: ASYNC110 - a plan cannot be awaited
                await asyncio.sleep(0.02)


async def test_what_is_found_by_keys_is_planned_so_though_the_table_is_empty(
    settings: KitSettings, pool: Pool
) -> None:
    await pool.execute(
        "CREATE TABLE sought (topic text PRIMARY KEY, n int) WITH (autovacuum_enabled = off)"
    )
    sought = _LOOK_UP.replace("looked", "sought")
    few = await create_pool(
        settings.postgres_dsn, settings.schema_of("kit"), max_size=1, plans_live_s=None
    )
    async with few, few.acquire() as conn:
        for _ in range(7):
            await conn.fetch(sought, _SOME)
        (row,) = await conn.fetch(
            "SELECT name, generic_plans FROM pg_prepared_statements WHERE statement = $1", sought
        )
        assert row["generic_plans"] > 0
        plan = await conn.fetch(f"EXPLAIN EXECUTE {row['name']} ('{{{','.join(_SOME)}}}')")
        assert "Index Scan using sought_pkey" in "\n".join(line[0] for line in plan)
