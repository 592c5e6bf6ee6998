"""An auditor on a real broker and database, and a hand that writes its topics as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from schemas import events
from schemas.codec import decode, encode
from schemas.registry import BY_MODEL
from schemas.transparency import AuditProgressed, CheckpointCosigned, CheckpointSigned
from services.auditor.main import run
from services.auditor.settings import AuditorSettings
from services.core.merkle import Frontier, leaf_hash
from services.core.tlog.checkpoints import Checkpoint
from services.core.tlog.notes import KeyKind
from services.core.tlog.openings import logged
from services.kit.kafka import LogReader, LogWriter, OutRecord
from services.kit.run import ServiceContext
from services.kit.signing import NoteSigner
from tests.unit.ledger import world as w

ORIGIN = "suanli-exchange/ledger"
WITNESS = NoteSigner.generate("regulator.example/w", KeyKind.COSIGNATURE_ED25519)
Json = dict[str, Any]
# A machine at load 6 starts a service in some seconds.
WITHIN_S = 20


@dataclass
class Wire:
    """The topics that an auditor reads, and what it makes of them."""

    settings: AuditorSettings
    writer: LogWriter
    signer: NoteSigner
    found: list[events.FindingRaised] = field(default_factory=list)
    progress: list[AuditProgressed] = field(default_factory=list)

    async def say(self, *bodies: events.Event) -> None:
        """Write events to their topics."""
        records = []
        for body in bodies:
            key, value, headers = encode(w.envelope_of(body))
            records.append(OutRecord(BY_MODEL[type(body)].topic, key, value, headers))
        await self.writer.send_many(records)

    async def head(
        self, entries: Sequence[OutRecord], size: int = 0, signer: NoteSigner | None = None
    ) -> None:
        """Publish the signed head of the first entries, by default of all."""
        size = size or len(entries)
        leaves = [leaf_hash(logged(record.value)) for record in entries[:size]]
        root = Frontier().extend(leaves).root()
        note = (signer or self.signer).sign(str(Checkpoint(ORIGIN, size, root)))
        head = CheckpointSigned(origin=ORIGIN, size=size, root=root.hex(), note=str(note))
        await self.say(head)

    async def cosign(
        self, entries: Sequence[OutRecord], signer: NoteSigner = WITNESS, name: str = ""
    ) -> None:
        """Publish a witness's cosignature of the head over all entries."""
        leaves = [leaf_hash(logged(record.value)) for record in entries]
        root = Frontier().extend(leaves).root()
        line = str(signer.cosign(str(Checkpoint(ORIGIN, len(leaves), root)), 1_790_000_000).line())
        await self.say(
            CheckpointCosigned(
                origin=ORIGIN,
                size=len(leaves),
                root=root.hex(),
                witness=name or signer.verifier.name,
                line=line,
            )
        )

    @asynccontextmanager
    async def auditing(self) -> AsyncIterator[None]:
        """Run the auditor inside the test."""
        context = ServiceContext("auditor", self.settings)
        serving = asyncio.create_task(context.serve(run))
        try:
            yield
        finally:
            context.stop_event.set()
            assert await serving == 0

    async def rows(self, query: str) -> list[asyncpg.Record]:
        """Return what the auditor's schema holds, nothing if it is not there yet."""
        conn = await asyncpg.connect(
            self.settings.postgres_dsn.get_secret_value(),
            server_settings={"search_path": self.settings.schema_of("auditor")},
        )
        try:
            return await conn.fetch(query)
        except asyncpg.UndefinedTableError:
            return []
        finally:
            await conn.close()

    async def until(self, query: str, wanted: Callable[[Any], bool]) -> None:
        """Wait until the only value of a query is as wanted."""
        found: Any = None
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    rows = await self.rows(query)
                    found = rows[0][0] if rows else None
                    if found is not None and wanted(found):
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{query}: {found}") from None

    async def until_checked(self, size: int, head: int | None = None) -> None:
        """Wait until entries, and the head of a size, were checked."""
        head = size if head is None else head
        await self.until(
            "SELECT facts::text FROM journal_state",
            lambda text: (json.loads(text)["size"], json.loads(text)["reach"]) == (size, head),
        )

    async def findings(self) -> list[events.FindingRaised]:
        """Return all findings on the topic that tell of a fault, once all were sent."""
        await self.until("SELECT count(*) FROM outbox WHERE sent_at IS NULL", lambda n: n == 0)
        reader = LogReader(self.settings, ["findings"])
        await reader.start({})
        self.found.clear()
        self.progress.clear()
        try:
            async with asyncio.timeout(WITHIN_S):
                while await reader.lag():
                    for record in await reader.read(500, 100):
                        data = decode(record.value, record.headers).data
                        if isinstance(data, AuditProgressed):
                            self.progress.append(data)
                        elif isinstance(data, events.FindingRaised) and not data.ok:
                            self.found.append(data)
        finally:
            await reader.stop()
        return self.found

    async def told(self, wanted: Callable[[AuditProgressed], bool]) -> AuditProgressed:
        """Wait for an event about the progress that is as wanted."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                await self.findings()
                if self.progress and wanted(self.progress[-1]):
                    return self.progress[-1]
                await asyncio.sleep(0.1)


@asynccontextmanager
async def open_wire(settings: AuditorSettings, signer: NoteSigner) -> AsyncIterator[Wire]:
    """Give the topics, which exist already."""
    async with contextlib.AsyncExitStack() as stack:
        writer = LogWriter(settings)
        await writer.start()
        stack.push_async_callback(writer.stop)
        yield Wire(settings, writer, signer)


def changed(record: OutRecord, change: Callable[[Json], object]) -> OutRecord:
    """Return an entry that says something else, in canonical bytes."""
    body = json.loads(record.value)
    change(body)
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return OutRecord(record.topic, record.key, text.encode(), record.headers)


def codes(found: Sequence[events.FindingRaised]) -> list[str]:
    """Return the codes of findings, sorted."""
    return sorted(finding.summary.code for finding in found)
