"""Heads of the log: signed on a beat, never two for a size, never after the log went back."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from services.core.merkle import verify_consistency
from services.kit.kafka import LogWriter, OutRecord
from services.kit.outbox import headers_from_json
from services.kit.postgres import Pool
from services.ledger.adapters.tree_log import last_published
from services.ledger.publisher import Head
from services.ledger.settings import LedgerSettings
from tests.conftest import Stack
from tests.integration.ledger.conftest import ORIGIN, Tree

pytestmark = pytest.mark.integration


async def test_a_beat_signs_what_was_added_and_each_head_extends_the_last(tree: Tree) -> None:
    publisher = tree.publisher()
    assert await publisher.beat() is None
    for count in (1, 6, 300, 70_000):
        await tree.add(count)
        head = await publisher.beat()
        assert head is not None
        assert head.root == await tree.root()
        # With nothing new there is no new head.
        assert await publisher.beat() is None
    heads = await tree.notes()
    assert [head.size for head in heads] == [1, 7, 307, 70_307]
    for old, new in itertools.pairwise(heads):
        proof = tuple(await tree.log.consistency(old.size, new.size))
        assert verify_consistency(old.size, new.size, old.root, new.root, proof)
    assert await tree.owner.fetchval("SELECT count(*) FROM tree_tile WHERE level = 0") == 275


async def test_a_restarted_publisher_goes_on_from_what_was_signed(tree: Tree) -> None:
    await tree.add(5)
    assert await tree.publisher().beat() == Head(5, await tree.root())
    assert await tree.publisher().beat() is None
    await tree.add(2)
    assert await tree.publisher(Head(5, (await tree.notes())[0].root)).beat() is not None
    assert [head.size for head in await tree.notes()] == [5, 7]


async def test_nothing_is_signed_once_the_log_went_back(tree: Tree) -> None:
    await tree.add(5)
    publisher = tree.publisher(Head(9, bytes(32)))
    assert await publisher.beat() is None
    assert "9 entries published" in publisher.refused
    assert await publisher.beat() is None
    # It grew past the head that was published, but with other entries.
    await tree.add(10)
    assert await publisher.beat() is None
    assert "an extension of the head of size 9" in publisher.refused
    assert await tree.notes() == []
    rows = await tree.owner.fetch("SELECT topic FROM outbox")
    assert [row["topic"] for row in rows] == ["findings", "findings"]


async def test_a_tail_that_was_cut_off_stops_the_signing(
    tree: Tree, stack_super: asyncpg.Connection
) -> None:
    await tree.add(5)
    publisher = tree.publisher()
    assert await publisher.beat() is not None
    await as_superuser(stack_super, tree.owner, "DELETE FROM leaf WHERE idx = 4")
    assert await publisher.beat() is None
    assert "at least the 5 entries" in publisher.refused


async def test_a_tile_that_was_changed_stops_the_signing(
    tree: Tree, stack_super: asyncpg.Connection
) -> None:
    await tree.add(5)
    publisher = tree.publisher()
    assert await publisher.beat() is not None
    await as_superuser(
        stack_super,
        tree.owner,
        "UPDATE tree_tile SET hashes = sha256('x') || substr(hashes, 33) WHERE level = 0",
    )
    await tree.add(1)
    assert await publisher.beat() is None
    assert "an extension of the head of size 5" in publisher.refused


async def test_the_writer_can_change_neither_head_nor_tile(tree: Tree, pool: Pool) -> None:
    await tree.add(3)
    assert await tree.publisher().beat() is not None
    for statement in (
        "UPDATE signed_checkpoint SET note = 'x'",
        "DELETE FROM signed_checkpoint",
        "UPDATE tree_tile SET hashes = sha256('x')",
        "UPDATE leaf SET opening = NULL",
        "DELETE FROM tree_tile",
        "INSERT INTO erasure (idx, reason) VALUES (0, 'x')",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await pool.execute(statement)
    for statement in (
        "UPDATE leaf SET opening = NULL WHERE idx = 0",
        "UPDATE tree_tile SET hashes = sha256('x') WHERE level = 0",
        "TRUNCATE signed_checkpoint CASCADE",
        "INSERT INTO signed_checkpoint (size, root, note) VALUES (3, sha256('x'), 'two')",
        "INSERT INTO signed_checkpoint (size, root, note) VALUES (4, sha256('x'), 'beyond')",
        "UPDATE leaf SET opening = sha256('x') WHERE idx = 0",
        "UPDATE leaf SET cause = 'x' WHERE idx = 0",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await tree.owner.execute(statement)


async def test_an_opening_is_erased_with_a_reason_and_the_leaf_stays(tree: Tree) -> None:
    await tree.add(3)
    root = await tree.root()
    await tree.owner.execute("INSERT INTO erasure (idx, reason) VALUES (1, 'court order 7')")
    await tree.owner.execute("UPDATE leaf SET opening = NULL WHERE idx = 1")
    assert await tree.root() == root
    assert await tree.publisher().beat() == Head(3, root)


async def test_the_last_head_is_read_from_the_end_of_the_topic(
    tree: Tree, settings: LedgerSettings, sender: LogWriter
) -> None:
    assert await last_published(settings, ORIGIN) is None
    publisher = tree.publisher()
    for count in (3, 4):
        await tree.add(count)
        await publisher.beat()
    rows = await tree.owner.fetch("SELECT topic, key, headers, value FROM outbox ORDER BY seq")
    records = [
        OutRecord(r["topic"], r["key"], r["value"], headers_from_json(r["headers"])) for r in rows
    ]
    await sender.send_many(records)
    assert await last_published(settings, ORIGIN) == Head(7, await tree.root())
    assert await last_published(settings, "another") is None


async def as_superuser(conn: asyncpg.Connection, owner: asyncpg.Connection, statement: str) -> None:
    """Change a table of the owner's schema with every trigger and key switched off."""
    schema = await owner.fetchval("SELECT current_schema()")
    async with conn.transaction():
        await conn.execute(f'SET LOCAL search_path = "{schema}"')
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(
            "DO $$ DECLARE t record; BEGIN FOR t IN SELECT relname FROM pg_class WHERE "
            "relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') LOOP "
            "EXECUTE format('ALTER TABLE %I DISABLE TRIGGER USER', t.relname); END LOOP; END $$"
        )
        await conn.execute(statement)


@pytest_asyncio.fixture
async def stack_super(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """Return a connection of the database's owner of everything."""
    if not stack.superuser_dsn:
        pytest.skip("the superuser of an external database is not known")
    conn = await asyncpg.connect(stack.superuser_dsn)
    yield conn
    await conn.close()
