"""Fixtures for tests that need a real broker and a real database.

One embedded stack serves a whole run, whatever the number of pytest-xdist workers: the first
worker that collected a test which asks for it starts it, the process that started the run stops
it. ``SUANLI_TEST_KAFKA`` and ``SUANLI_TEST_POSTGRES`` point a run at a stack that runs already.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import settings

from infra.local.errors import LocalStackError
from infra.local.identity import start_mark
from infra.local.stack import LocalStack
from infra.local.topics import delete_topics, ensure_topics

ROOT = Path(__file__).parent
LOOPBACK = ["127.0.0.1", "localhost", "::1"]
MAY_CONNECT = ("contract", "e2e", "integration", "simulation")
FIRST = ("simulation", "e2e", "property", "integration")
STACK_FIXTURES = {"stack", "topic_prefix", "topics", "schema_prefix"}

RUN_VARIABLE = "SUANLI_TEST_RUN_DIR"
KAFKA_VARIABLE = "SUANLI_TEST_KAFKA"
POSTGRES_VARIABLE = "SUANLI_TEST_POSTGRES"

# For `--hypothesis-profile`: how `tests.property.examples` scales with these is said there.
settings.register_profile("dev", max_examples=20, deadline=None)
settings.register_profile("nightly", max_examples=500, deadline=None)
# Wall time on a busy machine tells nothing: an example of half a millisecond took 255 once.
settings.register_profile("test", deadline=None)
settings.load_profile("test")


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the broker and the database of this run are."""

    kafka_bootstrap: str
    postgres_dsn: str
    # Empty for an external database; a test that plays the superuser is skipped then.
    superuser_dsn: str = ""
    # Where participants log in to the broker; empty for an external one, like the above.
    direct_bootstrap: str = ""


def pytest_configure(config: pytest.Config) -> None:
    # Workers inherit the variable and so share one folder with the process that started them.
    if _is_worker(config) or RUN_VARIABLE in os.environ:
        return
    home = Path(tempfile.gettempdir()) / f"suanli-test-{os.getuid()}"
    home.mkdir(mode=0o711, exist_ok=True)
    _sweep(home)
    folder = home / f"run-{os.getpid()}"
    folder.mkdir(mode=0o711, exist_ok=True)
    (folder / "owner").write_text(start_mark(os.getpid()) or "", encoding="ascii")
    os.environ[RUN_VARIABLE] = str(folder)
    config.stash[_OWNED] = folder


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _rung(item) in MAY_CONNECT and item.get_closest_marker("allow_hosts") is None:
            item.add_marker(pytest.mark.allow_hosts(LOOPBACK))
    # The longest first, so that no worker is left with one of them when the others are done; what
    # was drawn stays the order within a rung.
    items.sort(key=lambda item: FIRST.index(rung) if (rung := _rung(item)) in FIRST else len(FIRST))


def pytest_collection_finish(session: pytest.Session) -> None:
    # Here and not in the fixture, since a first start may take longer than one test is allowed.
    asked = any(STACK_FIXTURES & set(getattr(item, "fixturenames", ())) for item in session.items)
    if not asked or session.config.option.collectonly or _external() is not None:
        return
    try:
        _embedded().start()
    except LocalStackError as error:
        pytest.exit(f"{error.message.en}\n{error.message.zh}", returncode=error.exit_code)


def pytest_sessionfinish(session: pytest.Session) -> None:
    folder = session.config.stash.get(_OWNED, None)
    if folder is not None:
        _discard(folder)
        os.environ.pop(RUN_VARIABLE, None)


@pytest.fixture(scope="session")
def stack() -> Stack:
    external = _external()
    if external is not None:
        return external
    embedded = _embedded()
    return Stack(
        embedded.kafka_bootstrap,
        embedded.postgres_dsn,
        embedded.postgres_superuser_dsn,
        embedded.kafka_direct_bootstrap,
    )


@pytest_asyncio.fixture
async def topic_prefix(stack: Stack) -> AsyncIterator[str]:
    """Return a prefix for this test's topics, which are deleted after it."""
    prefix = f"t-{secrets.token_hex(4)}-"
    yield prefix
    await delete_topics(stack.kafka_bootstrap, prefix)


@pytest_asyncio.fixture
async def topics(stack: Stack, topic_prefix: str) -> str:
    """Create all declared topics under this test's prefix and return the prefix."""
    await ensure_topics(stack.kafka_bootstrap, topic_prefix)
    return topic_prefix


@pytest_asyncio.fixture
async def schema_prefix(stack: Stack) -> AsyncIterator[str]:
    """Return a prefix for this test's database schemas, which are dropped after it."""
    prefix = f"t_{secrets.token_hex(4)}_"
    yield prefix
    connection = await asyncpg.connect(stack.postgres_dsn)
    try:
        rows = await connection.fetch(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, $1)", prefix
        )
        for row in rows:
            await connection.execute(f'DROP SCHEMA "{row["nspname"]}" CASCADE')
        roles = await connection.fetch(
            "SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", prefix
        )
        for row in roles:
            await connection.execute(f'DROP ROLE "{row["rolname"]}"')
    finally:
        await connection.close()


_OWNED = pytest.StashKey[Path]()


def _rung(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT).parts[0] if item.path.is_relative_to(ROOT) else ""


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _external() -> Stack | None:
    kafka, postgres = os.environ.get(KAFKA_VARIABLE), os.environ.get(POSTGRES_VARIABLE)
    if kafka is None and postgres is None:
        return None
    assert kafka, f"{POSTGRES_VARIABLE} is set, so {KAFKA_VARIABLE} must be too"
    assert postgres, f"{KAFKA_VARIABLE} is set, so {POSTGRES_VARIABLE} must be too"
    return Stack(kafka, postgres)


def _embedded() -> LocalStack:
    # Not durable: no test cuts the power, and a commit that waits for a disk slows them all.
    return LocalStack(Path(os.environ[RUN_VARIABLE]) / "stack", durable=False)


def _discard(folder: Path) -> None:
    LocalStack(folder / "stack").wipe()
    shutil.rmtree(folder, ignore_errors=True)


def _sweep(home: Path) -> None:
    """Stop the stacks of earlier runs that were killed before they could do it themselves."""
    for folder in home.glob("run-*"):
        owner = folder / "owner"
        mark = owner.read_text(encoding="ascii") if owner.exists() else None
        if mark is not None and start_mark(int(folder.name.removeprefix("run-"))) != mark:
            _discard(folder)
