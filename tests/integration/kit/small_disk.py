"""A disk of our own that can be filled: tables of a schema lie on it, nothing else does."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.conftest import Stack

_BYTES = 16 * 1024 * 1024
_BLOCK = b"\0" * 65_536


class SmallDisk:
    """A disk with tables on it.

    Args:
        folder: Where it is mounted.
        superuser: Connection to the database whose tables lie on it.
        space: Name of its tablespace.
    """

    def __init__(self, folder: Path, superuser: asyncpg.Connection, space: str) -> None:
        self._filler = folder / "filler"
        self._superuser = superuser
        self._space = space

    async def fill(self) -> None:
        """Leave no byte free, and make sure that the database finds none."""
        with contextlib.suppress(OSError), self._filler.open("wb", buffering=0) as out:
            while True:
                out.write(_BLOCK)
        with pytest.raises(asyncpg.DiskFullError):
            await self._superuser.execute(
                f"CREATE TABLE {self._space} TABLESPACE {self._space} AS "  # noqa: S608 - our name
                "SELECT repeat(n::text, 1000) AS text FROM generate_series(1, 1000) AS n"
            )

    def free(self) -> None:
        """Give it all back."""
        self._filler.unlink()


@asynccontextmanager
async def on_a_small_disk(stack: Stack, schema: str) -> AsyncIterator[SmallDisk]:
    """Move a schema's tables to a small disk, and back at the end.

    Skips the test where no disk can be mounted, or the database's superuser is not ours.
    """
    if not stack.superuser_dsn:
        pytest.skip("needs the database's superuser, which an external database does not give")
    connection = await asyncpg.connect(stack.superuser_dsn)
    name = f"small_{secrets.token_hex(4)}"
    try:
        data = await connection.fetchval("SHOW data_directory")
        with _mounted(Path(data)) as folder:
            await connection.execute(f"CREATE TABLESPACE {name} LOCATION '{folder / 'data'}'")
            try:
                await _move(connection, schema, name)
                yield SmallDisk(folder, connection, name)
            finally:
                await _move(connection, schema, "pg_default")
                # A checkpoint lets go of the files that were moved.
                await connection.execute("CHECKPOINT")
                await connection.execute(f"DROP TABLESPACE {name}")
    finally:
        await connection.close()


async def _move(connection: asyncpg.Connection, schema: str, space: str) -> None:
    rows = await connection.fetch(
        "SELECT c.oid::regclass::text AS name FROM pg_class AS c "
        "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relkind = 'r'",
        schema,
    )
    for row in rows:
        await connection.execute(f"ALTER TABLE {row['name']} SET TABLESPACE {space}")


@contextlib.contextmanager
def _mounted(data: Path) -> Iterator[Path]:
    server = data.stat()
    folder = Path(tempfile.mkdtemp(prefix="suanli-small-"))
    folder.chmod(0o711)
    mount = shutil.which("mount")
    options = f"size={_BYTES},mode=711"
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False, capture_output=True
    )
    if not done or done.returncode:
        folder.rmdir()
        pytest.skip("needs the right to mount a small disk, which this machine does not give")
    try:
        (folder / "data").mkdir()
        os.chown(folder / "data", server.st_uid, server.st_gid)
        yield folder
    finally:
        umount = shutil.which("umount")
        assert umount is not None, "what was mounted can be unmounted"
        subprocess.run([umount, "--lazy", folder], check=True)
        folder.rmdir()
