"""What an entry says is erased; its leaf, every proof and every balance stay."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.codec import decode
from schemas.erasures import ErasureOrdered, JournalEntryErased
from schemas.transparency import JournalEntrySalted
from services.core.erasable import ERASABLE_PURPOSES
from services.core.merkle import Frontier, leaf_hash
from services.core.tlog.openings import logged
from services.kit.errors import SendUnknownError
from services.kit.kafka import LogReader
from services.ledger.adapters.journal_relay import JournalRelay
from services.ledger.audit import audit
from services.ledger.scrubber import Scrubber
from suanli.check_journal import Journal
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.kit.kafka import LogWriter, OutRecord, Receipt, Record
    from services.kit.postgres import Pool
    from services.ledger.settings import LedgerSettings
    from tests.integration.ledger.conftest import Ledger

pytestmark = pytest.mark.integration


def order(leaf: asyncpg.Record, name: str = "1", confirm: str | None = None) -> ErasureOrdered:
    entry_id = str(leaf["id"])
    return ErasureOrdered(
        erasure_id=f"era_{w.key26(entry_id + name)}",
        entry_id=entry_id,
        leaf_hash=confirm or leaf["hash"].hex(),
        participant_id="operator",
        reason="request of the person concerned",
    )


async def leaves(owner: asyncpg.Connection) -> list[asyncpg.Record]:
    return await owner.fetch(
        "SELECT l.idx, l.hash, l.opening, l.cause, k.id FROM leaf AS l "
        "JOIN transfer_key AS k ON k.leaf_idx = l.idx ORDER BY l.idx"
    )


async def booked(ledger: Ledger) -> None:
    """Book three deposits, a payout and a hold."""
    await ledger.send(
        w.registered("lab"),
        *(w.deposited("lab", 50 * w.YUAN, name) for name in "abc"),
        w.withdrawn("lab", 20 * w.YUAN),
    )
    await ledger.settle()
    await ledger.send(w.demanded("d", "lab", chips=1))
    await ledger.settle()


async def read_all(settings: LedgerSettings, topic: str) -> list[Record]:
    reader = LogReader(settings, [topic])
    await reader.start({})
    found: list[Record] = []
    try:
        async with asyncio.timeout(20):
            while await reader.lag():
                found += await reader.read(500, 100)
    finally:
        await reader.stop()
    return found


async def test_a_deposit_is_erased_once_and_the_books_still_balance(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    await booked(ledger)
    before = await leaves(owner)
    wanted = order(before[0])
    await ledger.send(wanted, wanted, order(before[0], "again"))
    await ledger.settle()
    after = await leaves(owner)
    assert [row["hash"] for row in after] == [row["hash"] for row in before]
    gone = [row["idx"] for row in after if row["opening"] is None]
    assert gone == [0]
    assert (after[0]["cause"], before[0]["cause"] is not None) == (None, True)
    kept = await owner.fetch("SELECT idx, reason, erasure_id FROM erasure")
    assert [tuple(row) for row in kept] == [(0, wanted.reason, wanted.erasure_id)]
    # The sums are as they were, and money still moves.
    await ledger.send(w.withdrawn("lab", 30 * w.YUAN, "2"))
    await ledger.settle()
    report = await audit(settings.postgres_dsn, schema)
    assert report.ok, "\n".join(report.lines())
    told: list[Any] = []

    async def tell(error: object) -> None:
        told.append(error)

    assert await Scrubber(settings.postgres_dsn, schema, tell).step() == ()


async def test_what_sums_or_rounds_need_is_refused_for_good_with_its_reason(
    ledger: Ledger, owner: asyncpg.Connection
) -> None:
    await booked(ledger)
    found = await leaves(owner)
    # A hold; another leaf's hash; an entry that is none.
    unknown = order(found[0], "u").model_copy(
        update={"entry_id": "0" * 8 + str(found[0]["id"])[8:]}
    )
    await ledger.send(order(found[4], "h"), order(found[0], "c", found[1]["hash"].hex()), unknown)
    await ledger.settle()
    # The last that was posted: only a hold came after it, which moved the escrow and not the bank.
    await ledger.send(order(found[3], "l"))
    await ledger.settle()
    rows = await owner.fetch("SELECT refusal FROM erasure_order")
    assert sorted(row["refusal"] for row in rows) == [
        "erasure.last_movement",
        "erasure.needed",
        "erasure.not_confirmed",
        "erasure.unknown",
    ]
    assert all(row["opening"] is not None for row in await leaves(owner))
    events = await owner.fetch("SELECT value FROM outbox WHERE topic = 'settlements' ORDER BY seq")
    reasons = [json.loads(row["value"])["reason"] for row in events]
    assert len(reasons) == 4
    assert all(reason["en"].startswith("entry_id: must be ") for reason in reasons)
    assert all(reason["zh"].startswith("entry_id：须为") for reason in reasons)


async def test_the_writers_credential_erases_nothing_that_is_needed_and_no_trace(
    ledger: Ledger, owner: asyncpg.Connection, pool: Pool
) -> None:
    await booked(ledger)
    found = await leaves(owner)
    await pool.execute(
        "INSERT INTO erasure_order (erasure_id, body_hash) VALUES ('era_x', sha256('x'))"
    )
    for row in (found[3], found[4]):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="can be erased"):
            await pool.execute("SELECT erase_entry('era_x', $1, 'mine')", row["id"])
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await pool.execute("SELECT erase_entry('era_y', $1, 'mine')", found[0]["id"])
    for statement in ("DELETE FROM erasure_order", "UPDATE erasure_order SET refusal = 'x'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(statement)


async def test_the_database_lets_the_same_purposes_be_erased_as_the_services(
    owner: asyncpg.Connection,
) -> None:
    text = await owner.fetchval("SELECT pg_get_functiondef('erase_entry'::regproc)")
    (listed,) = re.findall(r"t\.purpose\) IN\s*\(([^)]*)\)", text)
    assert set(re.findall("'([a-z_]+)'", listed)) == ERASABLE_PURPOSES


class LosesAnswers:
    """A writer whose acknowledgements are lost the first times."""

    def __init__(self, writer: LogWriter, times: int) -> None:
        self._writer = writer
        self._left = times

    async def send_many(
        self, records: Sequence[OutRecord], *, within_s: float | None = None
    ) -> list[Receipt]:
        receipts = await self._writer.send_many(records, within_s=within_s)
        self._left -= 1
        if self._left >= 0:
            raise SendUnknownError("test", "lost")
        return receipts


def shown(records: Sequence[Record]) -> dict[bytes, Record]:
    """Return the latest record of each key, which is what a compacted topic keeps."""
    return {record.key or b"": record for record in records}


async def test_the_topic_has_the_erased_record_last_however_often_the_relay_dies(
    ledger: Ledger, owner: asyncpg.Connection, pool: Pool, settings: LedgerSettings
) -> None:
    await booked(ledger)
    found = await leaves(owner)
    # Erased before it was ever sent, and after.
    await ledger.send(order(found[1]))
    await ledger.settle()
    assert await JournalRelay(pool, ledger.sender, epoch=None).relay_once() == 5
    await ledger.send(order(found[0]))
    await ledger.settle()
    dying = JournalRelay(pool, LosesAnswers(ledger.sender, 2), epoch=None)
    for _ in range(2):
        with pytest.raises(SendUnknownError):
            await dying.relay_once()
    assert await dying.relay_once() == 1
    assert await dying.relay_once() == 0

    records = await read_all(settings, "journal-entries")
    kinds = [type(decode(record.value, record.headers).data) for record in records]
    # 4 entries, one erased at once; then thrice the same for the other.
    assert kinds.count(JournalEntrySalted) == 4
    assert kinds.count(JournalEntryErased) == 4
    kept = shown(records)
    assert len(kept) == 5
    by_place = {json.loads(r.value or b"")["leaf_index"]: r.value or b"" for r in kept.values()}
    root = Frontier().extend(row["hash"] for row in found).root()
    told = [by_place[index] for index in range(5)]
    assert Frontier().extend(leaf_hash(logged(one)) for one in told).root() == root
    # Whoever checks the journal from outside finds every leaf, and every balance behind the gap.
    journal = Journal({5: root.hex()})
    for index, content in enumerate(told):
        journal.add(index, content)
    outcomes = {item.code: item for item in journal.outcomes()}
    assert all(item.ok for item in outcomes.values()), outcomes
    assert outcomes["erased"].checked == 2


@pytest.mark.slow
async def test_the_broker_drops_the_erased_bytes_themselves(
    ledger: Ledger, owner: asyncpg.Connection, pool: Pool, settings: LedgerSettings
) -> None:
    await booked(ledger)
    relay = JournalRelay(pool, ledger.sender, epoch=None)
    assert await relay.relay_once() == 5
    (original,) = [
        record.value
        for record in await read_all(settings, "journal-entries")
        if json.loads(record.value or b"")["leaf_index"] == 0
    ]
    await ledger.send(order((await leaves(owner))[0]))
    await ledger.settle()
    assert await relay.relay_once() == 1
    topic = f"{settings.topic_prefix}journal-entries"
    quick = {
        "cleanup.policy": "compact",
        "max.compaction.lag.ms": "1",
        "segment.ms": "1",
        "min.cleanable.dirty.ratio": "0.0",
    }
    client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await client.start()
    try:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, quick)])
    finally:
        await client.close()
    # A segment is closed by what follows it.
    await ledger.send(w.deposited("lab", w.YUAN, "z"), w.deposited("lab", w.YUAN, "y"))
    await ledger.settle()
    async with asyncio.timeout(60):
        while True:
            await ledger.send(w.deposited("lab", w.YUAN, str(asyncio.get_running_loop().time())))
            await ledger.settle()
            await relay.relay_once()
            values = [record.value for record in await read_all(settings, "journal-entries")]
            if original not in values:
                break
            await asyncio.sleep(0.2)
    places = {json.loads(value or b"")["leaf_index"] for value in values}
    assert places == set(range(max(places) + 1))
