"""The journal's audit: offline on one core, and by the auditor's service as the entries come.

(1) `suanli audit --offline` over an export; (2) the service with a real broker and a durable
database, from an empty schema until the head over all entries was found right. Every entry is a
movement between two of 10,000 accounts, drawn by Zipf's law with exponent 1.0.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from pydantic import SecretStr

from infra.local.stack import LocalStack
from infra.local.topics import ensure_topics
from loadtests.journal_records import published
from loadtests.ledger import zipf
from schemas.codec import Envelope, derive_id, encode
from schemas.events import DepositRecorded
from schemas.transparency import CheckpointSigned
from services.auditor.main import run
from services.auditor.settings import AuditorSettings
from services.core.merkle import Frontier, leaf_hash
from services.core.postings import TransferKind, derive_uuid
from services.core.tlog.checkpoints import Checkpoint
from services.core.tlog.openings import log_entry
from services.kit.kafka import LogWriter, OutRecord
from services.kit.run import ServiceContext
from services.kit.signing import NoteSigner
from services.ledger.app import finish
from services.ledger.books import Books
from services.ledger.state import BANK, View, cny_account
from suanli.check_log import Key
from suanli.cli import offline

if TYPE_CHECKING:
    from collections.abc import Sequence

ENTRIES = int(os.environ.get("SUANLI_LOADTEST_ENTRIES", "50000"))
ACCOUNTS = 10_000
ORIGIN = "suanli-exchange/ledger"
_RICH = 10**9
_SEND = 5_000
_WAIT_S = 900.0


def journal() -> list[OutRecord]:
    """Return the records of a journal, as the ledger writes them."""
    now = datetime.now(UTC)
    body = DepositRecorded(
        deposit_id="dep_" + "a" * 26, participant_id="p", amount=1, reference="load test"
    )
    cause = Envelope("cause", "/suanli/loadtest", now, now, "p", "load", "", "", body)
    books, drawn = Books(View(), now), zipf(1.0, ACCOUNTS)
    funded: set[str] = set()
    while len(books.entries) < ENTRIES:
        debit, credit = (cny_account(str(next(drawn))) for _ in range(2))
        # Money comes with the first use of an account, so that none goes below zero.
        first = (BANK, debit, _RICH) if debit not in funded else (debit, credit, 1_000)
        funded.add(debit)
        if first[0] == first[1]:
            continue
        place = (derive_uuid("loadtest", str(len(books.entries))), first[0], first[1])
        books.transfer(TransferKind.SINGLE, place, first[2], cause, "deposit")
    outcome = finish(books, [], ((), []), Frontier())
    return published(outcome.batch)


def head_of(records: Sequence[OutRecord], signer: NoteSigner) -> CheckpointSigned:
    """Return the signed head over all of them."""
    frontier = Frontier().extend(leaf_hash(log_entry(record.value)) for record in records)
    note = signer.sign(str(Checkpoint(ORIGIN, frontier.size, frontier.root())))
    return CheckpointSigned(
        origin=ORIGIN, size=frontier.size, root=frontier.root().hex(), note=str(note)
    )


def audit_offline(records: Sequence[OutRecord], head: CheckpointSigned, key: str) -> float:
    """Return the processor's seconds that the audit of an export takes, whatever runs beside."""
    with tempfile.TemporaryDirectory(prefix="suanli-load-") as name:
        folder = Path(name)
        with (folder / offline.JOURNAL).open("wb") as file:
            file.writelines(record.value + b"\n" for record in records)
        told = {"size": head.size, "root": head.root, "note": head.note}
        (folder / offline.HEADS).write_text(json.dumps(told) + "\n", encoding="utf-8")
        (folder / offline.CHECKPOINT).write_text(head.note, encoding="utf-8")
        for empty in (offline.OFFERS, offline.ALLOCATIONS, offline.ROUNDS):
            (folder / empty).touch()
        began = time.process_time()
        outcomes = offline.run(folder, Key.parse(key), ())
        took = time.process_time() - began
    assert all(outcome.ok for outcome in outcomes), [one.problems for one in outcomes]
    return took


async def audit_live(
    settings: AuditorSettings, records: Sequence[OutRecord], head: CheckpointSigned
) -> float:
    """Return seconds from the auditor's start until it has found the head right."""
    writer = LogWriter(settings)
    await writer.start()
    for first in range(0, len(records), _SEND):
        await writer.send_many(records[first : first + _SEND])
    now = datetime.now(UTC)
    event_id = derive_id("loadtest", head.root)
    key, value, headers = encode(
        Envelope(event_id, "/suanli/loadtest", now, now, "exchange", event_id, "", "", head)
    )
    await writer.send_many([OutRecord("checkpoints", key, value, headers)])
    await writer.stop()
    context = ServiceContext("auditor", settings)
    began = time.perf_counter()
    serving = asyncio.create_task(context.serve(run))
    try:
        await _until_right(settings, head.size)
        return time.perf_counter() - began
    finally:
        context.stop_event.set()
        await serving


async def _until_right(settings: AuditorSettings, size: int) -> None:
    conn = await asyncpg.connect(
        settings.postgres_dsn.get_secret_value(),
        server_settings={"search_path": settings.schema_of("auditor")},
    )
    try:
        async with asyncio.timeout(_WAIT_S):
            fits = None
            while not fits:
                await asyncio.sleep(0.2)
                try:
                    fits = await conn.fetchval("SELECT fits FROM head_seen WHERE size = $1", size)
                except asyncpg.UndefinedTableError:
                    continue
        assert await conn.fetchval("SELECT count(*) FROM finding") == 0
    finally:
        await conn.close()


def main() -> list[str]:
    """Run both on an embedded stack of their own."""
    signer = NoteSigner.generate(ORIGIN)
    records = journal()
    head = head_of(records, signer)
    key = str(signer.verifier)
    alone = audit_offline(records, head, key)
    folder = Path(tempfile.mkdtemp(prefix="suanli-load-"))
    folder.chmod(0o711)
    stack = LocalStack(folder / "s")
    try:
        stack.start(quiet=True)
        asyncio.run(ensure_topics(stack.kafka_bootstrap))
        settings = AuditorSettings(
            _env_file=None,
            kafka_bootstrap=stack.kafka_bootstrap,
            postgres_dsn=SecretStr(stack.postgres_dsn),
            auditor_log_key=key,
            auditor_compare_s=0,
        )
        live = asyncio.run(audit_live(settings, records, head))
    finally:
        stack.wipe()
        shutil.rmtree(folder, ignore_errors=True)
    million_s = 1e6 * alone / len(records)
    return [
        f"{len(records)} entries of {len(records[0].value)} bytes",
        f"offline, one core    {len(records) / alone:8.0f}/s   a million in {million_s:.0f} s",
        f"service, as they come{len(records) / live:8.0f}/s   start included",
    ]
