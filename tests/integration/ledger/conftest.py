from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from schemas.codec import encode
from schemas.registry import BY_MODEL
from services.core.merkle import Frontier
from services.core.tlog import notes
from services.core.tlog.checkpoints import Checkpoint
from services.core.tlog.notes import Note
from services.core.tlog.openings import log_entry
from services.kit.kafka import LogReader, LogWriter, OutRecord
from services.kit.postgres import LeaseKeeper, acquire_lease, create_pool, migrate
from services.kit.signing import NoteSigner, verify
from services.ledger.adapters.postgres import LEASE, PostgresStore, writer_dsn
from services.ledger.adapters.tree_log import PostgresTreeLog
from services.ledger.app import FIRST_TOPICS, LAST_TOPICS
from services.ledger.main import MIGRATIONS
from services.ledger.publisher import Head, Publisher
from services.ledger.settings import LedgerSettings
from services.ledger.writer import LedgerWriter
from tests.integration.ledger.bookings import BOOK, SETUP, Roles
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from schemas import events
    from services.kit.kafka import Positions, Receipt
    from services.kit.postgres import Pool
    from tests.conftest import Stack

ORIGIN = "suanli-exchange/ledger"


@pytest.fixture
def settings(stack: Stack, topic_prefix: str, schema_prefix: str) -> LedgerSettings:
    return LedgerSettings(
        kafka_bootstrap=stack.kafka_bootstrap,
        postgres_dsn=SecretStr(stack.postgres_dsn),
        topic_prefix=topic_prefix,
        schema_prefix=schema_prefix,
        ledger_checkpoint_every_s=0.2,
        _env_file=None,
    )


@pytest.fixture
def schema(settings: LedgerSettings) -> str:
    return settings.schema_of("ledger")


@pytest_asyncio.fixture
async def owner(settings: LedgerSettings, schema: str) -> AsyncIterator[asyncpg.Connection]:
    """Return a connection of the schema's owner, after the migrations."""
    async with migrated(settings, schema) as conn:
        yield conn


@pytest_asyncio.fixture
async def pool(
    settings: LedgerSettings, schema: str, owner: asyncpg.Connection
) -> AsyncIterator[Pool]:
    """Return a pool in the writer's role."""
    made = await create_pool(await writer_dsn(settings.postgres_dsn, schema), schema, min_size=0)
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def migrated(settings: LedgerSettings, schema: str) -> AsyncIterator[asyncpg.Connection]:
    """Make the schema and its roles; drop both afterwards."""
    await migrate(settings.postgres_dsn, schema, MIGRATIONS)
    conn = await asyncpg.connect(
        settings.postgres_dsn.get_secret_value(), server_settings={"search_path": schema}
    )
    try:
        yield conn
    finally:
        await conn.execute("RESET ROLE")
        await conn.execute(f'DROP SCHEMA "{schema}" CASCADE')
        for suffix in ("writer", "regulator", "participant"):
            await conn.execute(f'DROP ROLE IF EXISTS "{schema}_{suffix}"')
        await conn.close()


@pytest_asyncio.fixture(scope="module")
async def made(stack: Stack) -> AsyncIterator[tuple[asyncpg.Connection, str]]:
    """Return the owner's connection to a schema with a deposit of 100, a hold of 40, a round."""
    settings = LedgerSettings(postgres_dsn=SecretStr(stack.postgres_dsn), _env_file=None)
    schema = f"t_{secrets.token_hex(4)}_ledger"
    async with migrated(settings, schema) as conn:
        await conn.execute(BOOK.format(schema))
        await conn.execute(f'SET ROLE "{schema}_writer"')
        await conn.execute(SETUP)
        await conn.execute("RESET ROLE")
        yield conn, schema


@pytest_asyncio.fixture
async def roles(made: tuple[asyncpg.Connection, str]) -> AsyncIterator[Roles]:
    """Return the ledger's roles inside a transaction that is rolled back."""
    conn, schema = made
    transaction = conn.transaction()
    await transaction.start()
    yield Roles(conn, schema)
    await transaction.rollback()


@dataclass
class Ledger:
    """A running ledger over a real log and a real database.

    Attributes:
        writer: Its writer.
        store: Its store.
        readers: Readers of the first and the last topics.
    """

    settings: LedgerSettings
    pool: Pool
    store: PostgresStore
    writer: LedgerWriter
    readers: Sequence[LogReader]
    lease: LeaseKeeper
    sender: LogWriter = field(repr=False)

    @classmethod
    async def start(cls, settings: LedgerSettings, pool: Pool, sender: LogWriter) -> Ledger:
        lease = LeaseKeeper(pool, LEASE, settings.ledger_holder, settings.ledger_lease_s)
        epoch = await lease.acquire()
        assert epoch is not None
        store = PostgresStore(pool, epoch)
        positions = await store.positions()
        readers = [LogReader(settings, topics) for topics in (FIRST_TOPICS, LAST_TOPICS)]
        for reader, topics in zip(readers, (FIRST_TOPICS, LAST_TOPICS), strict=True):
            await reader.start({k: v for k, v in positions.items() if k[0] in topics})
        writer = LedgerWriter(store, readers[0], readers[1], settings)
        await writer.recover()
        return cls(settings, pool, store, writer, readers, lease, sender)

    async def send(self, *bodies: events.Event) -> list[Receipt]:
        return await self.sender.send_many([record_of(body) for body in bodies])

    async def settle(self) -> None:
        """Book until everything that is on the log has been read."""
        ends: Positions = {}
        for reader in self.readers:
            ends |= await reader.end_offsets()
        async with asyncio.timeout(15):
            while any(self.writer.positions().get(k, 0) < end for k, end in ends.items()):
                await self.writer.step()

    async def stop(self) -> None:
        for reader in self.readers:
            await reader.stop()


def record_of(body: events.Event) -> OutRecord:
    key, value, headers = encode(w.envelope_of(body))
    return OutRecord(BY_MODEL[type(body)].topic, key, value, headers)


@pytest_asyncio.fixture
async def sender(settings: LedgerSettings, topics: str) -> AsyncIterator[LogWriter]:
    made = LogWriter(settings)
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def ledger(settings: LedgerSettings, pool: Pool, sender: LogWriter) -> AsyncIterator[Ledger]:
    made = await Ledger.start(settings, pool, sender)
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def stack_conn(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """Return a connection of its own, for looking at the others."""
    conn = await asyncpg.connect(stack.postgres_dsn)
    yield conn
    await conn.close()


@dataclass
class Tree:
    """A ledger's log with leaves of this test alone."""

    owner: asyncpg.Connection
    log: PostgresTreeLog
    signer: NoteSigner

    async def add(self, count: int) -> None:
        first = await self.owner.fetchval("SELECT count(*) FROM leaf")
        rows = []
        for index in range(first, first + count):
            salt = secrets.token_bytes(32)
            rows.append((index, 1, 1, log_entry(salt), salt))
        columns = ["idx", "debit_version", "credit_version", "entry", "opening"]
        await self.owner.copy_records_to_table("leaf", records=rows, columns=columns)

    async def notes(self) -> list[Checkpoint]:
        """Return the signed heads in the outbox, their signatures verified."""
        rows = await self.owner.fetch("SELECT note FROM signed_checkpoint ORDER BY size")
        found = []
        for row in rows:
            note = Note.parse(row["note"])
            assert notes.verified(note, [self.signer.verifier], verify)
            found.append(Checkpoint.parse(note.text))
        return found

    async def root(self) -> bytes:
        rows = await self.owner.fetch("SELECT hash FROM leaf ORDER BY idx")
        return Frontier().extend(row["hash"] for row in rows).root()

    def publisher(self, published: Head | None = None) -> Publisher:
        return Publisher(self.log, self.signer, published)


@pytest_asyncio.fixture
async def tree(owner: asyncpg.Connection, pool: Pool) -> AsyncIterator[Tree]:
    epoch = await acquire_lease(pool, LEASE, "test", 60)
    assert epoch is not None
    yield Tree(owner, PostgresTreeLog(pool, epoch, ORIGIN), NoteSigner.generate(ORIGIN))
