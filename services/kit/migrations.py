"""Migrations in dbmate's file format, applied by the service itself at start.

A file is ``NNNN_name.sql`` with ``-- migrate:up`` and, if it can be undone by hand,
``-- migrate:down``. Source: the format section of dbmate's readme.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import asyncpg

from services.kit.errors import MigrationChangedError, MigrationError
from services.kit.logging import get_logger
from services.kit.pgconnect import connect, quote_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import SecretStr

    from services.kit.pgtypes import Conn

_FILE = re.compile(r"^(\d{4,14})_[a-z0-9_]+\.sql$")
_MARK = re.compile(r"^--\s*migrate:(up|down)[ \t]*(.*)$", re.MULTILINE)
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  version text PRIMARY KEY,
  checksum text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file.

    Attributes:
        version: Digits before the first ``_`` of its name.
        name: File name.
        checksum: Hexadecimal SHA-256 of the file, its line ends as on Unix.
        up_sql: What ``-- migrate:up`` holds.
    """

    version: str
    name: str
    checksum: str
    up_sql: str


def read_migrations(folder: Path) -> list[Migration]:
    """Return the migrations of a folder in the order of their versions.

    Raises:
        MigrationError: if a file is misnamed, has no up part, asks to run outside a
            transaction, or shares its version with another.
    """
    found = [_parse(path) for path in sorted(folder.glob("*.sql"))]
    found.sort(key=lambda migration: int(migration.version))
    for one, other in pairwise(found):
        if int(one.version) == int(other.version):
            raise MigrationError(
                "kit.migration_twice",
                other.version,
                f"version {other.version} must be one file, was {one.name} and {other.name}",
                f"版本 {other.version} 只能有一个文件，实有 {one.name} 与 {other.name}",
            )
    return found


async def migrate(dsn: str | SecretStr, schema: str, folder: Path) -> list[str]:
    """Bring a schema up to date; several processes may call it at the same time.

    Args:
        dsn: Database.
        schema: Schema, prefix included; created if it is not there.
        folder: Folder of migration files.

    Returns:
        The versions that this call applied, in order; empty if there was nothing to do.

    Raises:
        MigrationChangedError: if an applied migration's file has changed or is gone.
        MigrationError: if a file cannot be used, or is older than one already applied.
        asyncpg.PostgresError: if a statement fails; that migration leaves nothing behind.
    """
    wanted = read_migrations(folder)
    conn = await connect(dsn, schema)
    try:
        # Held by the session, so that a crash frees it.
        await conn.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", f"migrate:{schema}")
        await conn.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_schema(schema)}")
        await conn.execute(_TABLE)
        return await _apply(conn, schema, wanted)
    finally:
        await conn.close()


async def check_migrated(dsn: str | SecretStr, schema: str, folder: Path) -> None:
    """Check that a schema is up to date, for a service whose login does not own it.

    Raises:
        MigrationChangedError: if an applied migration's file has changed or is gone.
        MigrationError: if a migration was not applied.
    """
    wanted = read_migrations(folder)
    conn = await connect(dsn, schema)
    try:
        rows = await conn.fetch("SELECT version, checksum FROM schema_migrations")
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        # Nothing of it is there, or nothing that this login may see.
        rows = []
    finally:
        await conn.close()
    applied = {row["version"]: row["checksum"] for row in rows}
    _check(applied, wanted)
    for migration in wanted:
        if migration.version not in applied:
            raise MigrationError(
                "kit.migration_missing",
                migration.version,
                f"{migration.name} must be applied to {schema}, was not or may not be seen: run "
                "`suanli-exchange migrate` as the owner, with the service's SUANLI_..._LOGIN",
                f"{migration.name} 须已在 {schema} 执行，实未执行或无权查看：请以该模式的所有者"
                "运行 `suanli-exchange migrate`，并设置该服务的 SUANLI_..._LOGIN",
            )


async def _apply(conn: Conn, schema: str, wanted: Sequence[Migration]) -> list[str]:
    log = get_logger("kit.migrations").bind(schema=schema)
    rows = await conn.fetch("SELECT version, checksum FROM schema_migrations")
    applied = {row["version"]: row["checksum"] for row in rows}
    _check(applied, wanted)
    done: list[str] = []
    for migration in wanted:
        if migration.version in applied:
            continue
        async with conn.transaction():
            await conn.execute(migration.up_sql)
            await conn.execute(
                "INSERT INTO schema_migrations (version, checksum) VALUES ($1, $2)",
                migration.version,
                migration.checksum,
            )
        log.info("migration applied", migration=migration.name)
        done.append(migration.version)
    return done


def _check(applied: dict[str, str], wanted: Sequence[Migration]) -> None:
    by_version = {migration.version: migration for migration in wanted}
    newest = max(map(int, applied), default=-1)
    for version, checksum in applied.items():
        migration = by_version.get(version)
        if migration is None:
            raise MigrationChangedError(
                "kit.migration_gone",
                version,
                f"applied migration {version} must have its file, was not found",
                f"已执行的迁移 {version} 的文件不见了",
            )
        if migration.checksum != checksum:
            raise MigrationChangedError(
                "kit.migration_changed",
                version,
                f"{migration.name} must have checksum {checksum}, was {migration.checksum};"
                " write a further migration instead of changing an applied one",
                f"{migration.name} 的校验和应为 {checksum}，实为 {migration.checksum}；"
                "请新增迁移，不要修改已执行的迁移",
            )
    for migration in wanted:
        if migration.version not in applied and int(migration.version) < newest:
            raise MigrationError(
                "kit.migration_late",
                migration.version,
                f"{migration.name} must come after applied version {newest}, was before it",
                f"{migration.name} 的版本须在已执行的 {newest} 之后",
            )


def _parse(path: Path) -> Migration:
    named = _FILE.match(path.name)
    if named is None:
        raise MigrationError(
            "kit.migration_name",
            path.name,
            f"a migration's name must be NNNN_lower_case.sql, was {path.name}",
            f"迁移文件名须为 NNNN_lower_case.sql，实为 {path.name}",
        )
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    marks = list(_MARK.finditer(text))
    if [mark.group(1) for mark in marks] not in (["up"], ["up", "down"]) or marks[0].group(2):
        raise MigrationError(
            "kit.migration_format",
            named.group(1),
            f"{path.name} must have one '-- migrate:up' without options, then at most one"
            " '-- migrate:down', was otherwise",
            f"{path.name} 须有一个不带选项的“-- migrate:up”，其后至多一个“-- migrate:down”",
        )
    end = marks[1].start() if len(marks) == 2 else len(text)
    return Migration(
        version=named.group(1),
        name=path.name,
        checksum=hashlib.sha256(text.encode()).hexdigest(),
        up_sql=text[marks[0].end() : end],
    )
