from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.kit.errors import MigrationChangedError, MigrationError
from services.kit.postgres import connect, create_pool, migrate

if TYPE_CHECKING:
    from pathlib import Path

    from services.kit.settings import KitSettings

pytestmark = pytest.mark.integration

FIRST = "-- migrate:up\nCREATE TABLE one (n int);\nINSERT INTO one VALUES (1);\n"
SECOND = "-- migrate:up\nCREATE TABLE two (n int);\n-- migrate:down\nDROP TABLE two;\n"


@pytest.fixture
def schema(settings: KitSettings) -> str:
    return settings.schema_of("migrated")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    (tmp_path / "0002_second.sql").write_text(SECOND)
    return tmp_path


async def test_migrate_applies_each_file_once(
    settings: KitSettings, schema: str, folder: Path
) -> None:
    assert await migrate(settings.postgres_dsn, schema, folder) == ["0001", "0002"]
    assert await migrate(settings.postgres_dsn, schema, folder) == []
    (folder / "0003_third.sql").write_text("-- migrate:up\nINSERT INTO two VALUES (7);\n")
    assert await migrate(settings.postgres_dsn, schema, folder) == ["0003"]
    conn = await connect(settings.postgres_dsn, schema)
    assert await conn.fetchval("SELECT n FROM one") == 1
    assert await conn.fetchval("SELECT n FROM two") == 7
    await conn.close()


async def test_processes_that_migrate_at_the_same_time_apply_each_file_once(
    settings: KitSettings, schema: str, folder: Path
) -> None:
    done = await asyncio.gather(*(migrate(settings.postgres_dsn, schema, folder) for _ in range(4)))
    assert sorted(done) == [[], [], [], ["0001", "0002"]]


async def test_an_applied_file_that_was_changed_is_detected(
    settings: KitSettings, schema: str, folder: Path
) -> None:
    await migrate(settings.postgres_dsn, schema, folder)
    (folder / "0001_first.sql").write_text(FIRST.replace("int", "bigint"))
    with pytest.raises(MigrationChangedError) as caught:
        await migrate(settings.postgres_dsn, schema, folder)
    assert caught.value.code == "kit.migration_changed"
    assert "0001_first.sql must have checksum" in str(caught.value)


async def test_an_applied_file_that_is_gone_is_detected(
    settings: KitSettings, schema: str, folder: Path
) -> None:
    await migrate(settings.postgres_dsn, schema, folder)
    (folder / "0002_second.sql").unlink()
    with pytest.raises(MigrationChangedError, match="0002 must have its file"):
        await migrate(settings.postgres_dsn, schema, folder)


async def test_a_file_that_comes_before_an_applied_one_is_refused(
    settings: KitSettings, schema: str, folder: Path
) -> None:
    (folder / "0001_first.sql").unlink()
    await migrate(settings.postgres_dsn, schema, folder)
    (folder / "0001_first.sql").write_text(FIRST)
    with pytest.raises(MigrationError, match="must come after applied version 2"):
        await migrate(settings.postgres_dsn, schema, folder)


async def test_a_migration_that_fails_leaves_nothing_behind_and_keeps_the_ones_before(
    settings: KitSettings, schema: str, folder: Path
) -> None:
    (folder / "0003_broken.sql").write_text(
        "-- migrate:up\nCREATE TABLE three (n int);\nSELECT no_such_function();\n"
    )
    with pytest.raises(asyncpg.UndefinedFunctionError):
        await migrate(settings.postgres_dsn, schema, folder)
    (folder / "0003_broken.sql").write_text("-- migrate:up\nCREATE TABLE three (n int);\n")
    assert await migrate(settings.postgres_dsn, schema, folder) == ["0003"]


async def test_a_pool_sees_its_own_schema_only_and_bounds_its_statements(
    settings: KitSettings, schema: str, folder: Path
) -> None:
    await migrate(settings.postgres_dsn, schema, folder)
    pool = await create_pool(settings.postgres_dsn, schema, min_size=0, statement_timeout_s=0.2)
    try:
        assert await pool.fetchval("SELECT current_schemas(false)") == [schema]
        with pytest.raises(asyncpg.QueryCanceledError):
            await pool.execute("SELECT pg_sleep(5)")
        # Released connections keep the search path.
        assert await pool.fetchval("SELECT n FROM one") == 1
    finally:
        await pool.close()
