from __future__ import annotations

from pathlib import Path

import pytest

from services.kit.errors import MigrationError
from services.kit.migrations import read_migrations
from services.kit.postgres import KIT_TABLES_SQL

MIGRATIONS = Path(__file__).parents[3] / "infra" / "postgres" / "migrations"


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8", newline="")


def test_the_up_part_ends_where_the_down_part_begins(tmp_path: Path) -> None:
    write(tmp_path, "0001_a.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n")
    (migration,) = read_migrations(tmp_path)
    assert migration.version == "0001"
    assert migration.up_sql.strip() == "SELECT 1;"


def test_migrations_come_in_the_order_of_their_versions(tmp_path: Path) -> None:
    for name in ("0010_c.sql", "0002_b.sql", "0001_a.sql"):
        write(tmp_path, name, "-- migrate:up\nSELECT 1;\n")
    assert [migration.version for migration in read_migrations(tmp_path)] == [
        "0001",
        "0002",
        "0010",
    ]


def test_the_checksum_ignores_line_ends_and_sees_every_other_change(tmp_path: Path) -> None:
    sums = []
    for text in (
        "-- migrate:up\nSELECT 1;\n",
        "-- migrate:up\r\nSELECT 1;\r\n",
        "-- migrate:up\nSELECT  1;\n",
    ):
        write(tmp_path, "0001_a.sql", text)
        sums.append(read_migrations(tmp_path)[0].checksum)
    assert sums[0] == sums[1] != sums[2]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("one.sql", "-- migrate:up\n", "kit.migration_name"),
        ("0001_A.sql", "-- migrate:up\n", "kit.migration_name"),
        ("0001_a.sql", "SELECT 1;", "kit.migration_format"),
        ("0001_a.sql", "-- migrate:down\n-- migrate:up\n", "kit.migration_format"),
        ("0001_a.sql", "-- migrate:up\n-- migrate:up\n", "kit.migration_format"),
        ("0001_a.sql", "-- migrate:up transaction:false\n", "kit.migration_format"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(
    name: str, text: str, code: str, tmp_path: Path
) -> None:
    write(tmp_path, name, text)
    with pytest.raises(MigrationError) as caught:
        read_migrations(tmp_path)
    assert caught.value.code == code
    assert name in str(caught.value)


def test_two_files_of_one_version_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "0001_a.sql", "-- migrate:up\n")
    write(tmp_path, "0001_b.sql", "-- migrate:up\n")
    with pytest.raises(MigrationError, match=r"0001_a\.sql and 0001_b\.sql"):
        read_migrations(tmp_path)


@pytest.mark.parametrize(
    "first",
    sorted(path for path in MIGRATIONS.glob("*/0001_*.sql")),
    ids=lambda path: path.parent.name,
)
def test_a_service_s_first_migration_holds_the_kit_s_tables_word_for_word(first: Path) -> None:
    assert KIT_TABLES_SQL.strip() in first.read_text(encoding="utf-8")
