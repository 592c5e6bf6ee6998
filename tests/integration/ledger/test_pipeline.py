"""The ledger on a real log and a real database: booked whole, once, in spite of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from schemas import events
from schemas.codec import decode
from schemas.types import Role
from services.core.merkle import Frontier, leaf_hash
from services.core.tlog.openings import log_entry
from services.kit.errors import StaleWriterError
from services.kit.kafka import LogReader, LogWriter, OutRecord, Record, partition_of
from services.kit.postgres import OutboxRelay
from services.ledger.adapters.journal_relay import JournalRelay
from services.ledger.audit import audit
from services.ledger.settings import LedgerSettings
from tests.integration.ledger.conftest import Ledger, record_of
from tests.unit.ledger import world as w

if TYPE_CHECKING:
    from services.kit.postgres import Pool

pytestmark = pytest.mark.integration

PARTITIONS = 4


async def open_market(ledger: Ledger) -> None:
    """Admit a lab with 100 yuan and a cloud with 10 chips for a day."""
    await ledger.send(
        w.registered("lab"),
        w.registered("cloud", Role.PROVIDER),
        w.deposited("lab", 100 * w.YUAN),
        w.offered("o1", "cloud", chips=10),
    )


def a_round(
    seq: int, *bodies: events.AllocationMade | events.HoldAdjusted, offers_end: int = 0
) -> list[events.Event]:
    return w.round_bodies(
        seq,
        bodies,
        fee_ppm=10_000,
        offers_end=offers_end,
        demand_end=1,
        partition=partition_of(w.MARKET.encode(), PARTITIONS),
    )


ALLOCATION = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 10, 900_000), (1, 5, 500_000)])
ROUND = a_round(1, ALLOCATION, w.kept(1, "d1", "lab", 5 * w.YUAN))


async def free(owner: asyncpg.Connection, schema: str, participant: str) -> int:
    async with owner.transaction():
        await owner.execute(f'SET LOCAL ROLE "{schema}_regulator"')
        return int(
            await owner.fetchval(
                "SELECT credits_posted - debits_posted - debits_pending FROM account "
                "WHERE name = $1",
                f"cny:{participant}",
            )
        )


async def check(settings: LedgerSettings, schema: str) -> None:
    report = await audit(settings.postgres_dsn, schema)
    assert report.ok, "\n".join(report.lines())


async def test_a_demand_is_held_captured_refunded_and_delivered(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    await open_market(ledger)
    await ledger.send(w.demanded("d1", "lab", chips=10))
    await ledger.settle()
    assert await free(owner, schema, "lab") == 80 * w.YUAN
    await ledger.send(*ROUND)
    await ledger.settle()
    # 20 held, 11.5 captured, 5 kept, 3.5 refunded.
    assert await free(owner, schema, "lab") == 83_500_000
    await ledger.send(w.delivered(ALLOCATION, [(0, 10), (1, 2)]))
    await ledger.settle()
    assert await free(owner, schema, "cloud") == 10 * w.YUAN * 99 // 100
    await check(settings, schema)


async def test_a_round_that_comes_twice_or_in_parts_is_booked_once(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    await open_market(ledger)
    await ledger.send(w.demanded("d1", "lab", chips=10))
    await ledger.settle()
    await ledger.send(*ROUND[:-1])
    await ledger.settle()
    assert await owner.fetchval("SELECT count(*) FROM round_booked") == 0
    assert await owner.fetchval("SELECT count(*) FROM waiting_record") == 2
    await ledger.send(*ROUND[1:])
    await ledger.send(*ROUND)
    await ledger.settle()
    assert await owner.fetchval("SELECT count(*) FROM round_booked") == 1
    assert await owner.fetchval("SELECT count(*) FROM waiting_record") == 0
    assert await free(owner, schema, "lab") == 83_500_000
    await check(settings, schema)


async def test_a_new_process_goes_on_where_the_old_one_died(
    ledger: Ledger,
    owner: asyncpg.Connection,
    settings: LedgerSettings,
    schema: str,
    pool: Pool,
    sender: LogWriter,
) -> None:
    await open_market(ledger)
    await ledger.send(w.demanded("d1", "lab", chips=10), *ROUND[:2])
    await ledger.settle()
    # The old process is simply not asked again, as if it had been killed.
    second = await Ledger.start(settings, pool, sender)
    try:
        await second.send(*ROUND[2:])
        await second.settle()
        assert await owner.fetchval("SELECT count(*) FROM round_booked") == 1
        assert second.writer.frontier.size == await owner.fetchval("SELECT count(*) FROM leaf")
        await check(settings, schema)
    finally:
        await second.stop()


async def test_a_zombie_writes_nothing_and_stops(
    ledger: Ledger,
    owner: asyncpg.Connection,
    settings: LedgerSettings,
    schema: str,
    pool: Pool,
    sender: LogWriter,
) -> None:
    await open_market(ledger)
    await ledger.settle()
    successor = await Ledger.start(settings, pool, sender)
    try:
        await ledger.send(w.demanded("d1", "lab", chips=10))
        with pytest.raises(StaleWriterError):
            await ledger.settle()
        assert await owner.fetchval("SELECT count(*) FROM demand_hold") == 0
        await successor.settle()
        assert await owner.fetchval("SELECT count(*) FROM demand_hold") == 1
        await check(settings, schema)
    finally:
        await successor.stop()


async def test_a_commit_whose_answer_was_lost_is_read_back_and_not_repeated(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    await open_market(ledger)
    await ledger.send(w.demanded("d1", "lab", chips=10))
    # The batch is committed behind the writer's back: it believes in its old position.
    before = ledger.writer.positions()
    await ledger.settle()
    ledger.writer._stored = before
    await ledger.writer.recover()
    await ledger.send(*ROUND)
    await ledger.settle()
    assert await owner.fetchval("SELECT count(*) FROM demand_hold") == 1
    await check(settings, schema)


async def test_poison_goes_to_the_dead_letters_and_the_partition_moves_on(
    ledger: Ledger,
    owner: asyncpg.Connection,
    settings: LedgerSettings,
    schema: str,
    sender: LogWriter,
) -> None:
    await open_market(ledger)
    good = record_of(w.demanded("d1", "lab", chips=10))
    poison = [
        OutRecord("demand", good.key, b"\x00\xffrandom"),
        OutRecord("demand", good.key, b"{" + b"x" * (64 * 1024), good.headers),
        OutRecord("demand", good.key, b"[" * 60_000, good.headers),
        OutRecord("demand", good.key, good.value.replace(b"10", b"NaN"), good.headers),
        OutRecord("offers", good.key, good.value, good.headers),
        OutRecord("allocations", good.key, b"\xf0\x28\x8c\x28", good.headers),
        OutRecord("participants", good.key, b"", (("ce_type", b"\xff"),)),
    ]
    await sender.send_many([*poison, good])
    await ledger.settle()
    rows = await owner.fetch("SELECT value FROM outbox WHERE topic = 'dead-letters'")
    # Matching reads offers and demand as well, and buries what is no event there.
    buried = [record for record in poison if record.topic in ("offers", "demand")]
    assert len(buried) == len(poison) - 2
    assert {row["value"] for row in rows} == {
        record.value for record in poison if record not in buried
    }
    assert await free(owner, schema, "lab") == 80 * w.YUAN
    await check(settings, schema)


async def test_an_oversold_round_stops_its_market_and_the_audit_says_so(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    await open_market(ledger)
    await ledger.send(w.demanded("d1", "lab", chips=20), w.deposited("lab", 1))
    oversold = w.allocated(1, "d1", "lab", "o1", "cloud", [(0, 11, w.YUAN)])
    await ledger.send(*a_round(1, oversold))
    await ledger.settle()
    assert await owner.fetchval("SELECT code FROM market_halt") == "settle.oversold"
    assert await owner.fetchval("SELECT count(*) FROM outbox WHERE topic = 'findings'") == 1
    assert await owner.fetchval("SELECT count(*) FROM allocation") == 0
    report = await audit(settings.postgres_dsn, schema)
    assert [item.code for item in report.checks if not item.ok] == ["no_halt"]


async def test_a_halted_market_goes_on_once_its_cause_and_its_row_are_gone(
    ledger: Ledger, owner: asyncpg.Connection, settings: LedgerSettings, schema: str
) -> None:
    await ledger.send(w.registered("lab"), w.deposited("lab", 100 * w.YUAN))
    await ledger.send(w.offered("o1", "cloud", chips=10), w.demanded("d1", "lab", chips=10))
    # The provider is not registered, so the round cannot be booked.
    await ledger.send(*ROUND)
    await ledger.settle()
    assert await owner.fetchval("SELECT code FROM market_halt") == "settle.allocation"
    await ledger.send(w.registered("cloud", Role.PROVIDER))
    await ledger.settle()
    assert await owner.fetchval("SELECT count(*) FROM round_booked") == 0
    await owner.execute("DELETE FROM market_halt")
    await ledger.writer.recover()
    # One to decide, one to wait for the commit.
    await ledger.writer.step()
    await ledger.writer.step()
    assert await owner.fetchval("SELECT count(*) FROM round_booked") == 1
    assert await owner.fetchval("SELECT count(*) FROM waiting_record") == 0
    await check(settings, schema)


async def test_offers_are_read_before_a_round_that_needs_them(
    ledger: Ledger, owner: asyncpg.Connection
) -> None:
    await open_market(ledger)
    await ledger.send(w.demanded("d1", "lab", chips=10))
    (place,) = await ledger.send(w.offered("o2", "cloud", chips=3))
    allocation = w.allocated(1, "d1", "lab", "o2", "cloud", [(0, 3, w.YUAN)])
    await ledger.send(
        *a_round(1, allocation, w.kept(1, "d1", "lab", 0), offers_end=place.offset + 1)
    )
    await ledger.settle()
    assert await owner.fetchval("SELECT allocated FROM offer_period") == 3


async def test_the_outbox_reaches_the_log_and_the_journal_topic_rebuilds_the_tree(
    ledger: Ledger,
    settings: LedgerSettings,
    pool: Pool,
    sender: LogWriter,
) -> None:
    await open_market(ledger)
    await ledger.send(w.demanded("d1", "lab", chips=10), *ROUND)
    await ledger.settle()
    for relay in (OutboxRelay(pool, sender), JournalRelay(pool, sender, epoch=None)):
        while await relay.relay_once():
            pass
    reader = LogReader(settings, ["journal-entries", "holds"])
    await reader.start({})
    records: list[Record] = []
    while sum((await reader.end_offsets()).values()) > len(records):
        records += await reader.read()
    await reader.stop()
    entries = {}
    kinds = []
    for record in records:
        event = decode(record.value, record.headers).data
        if isinstance(event, events.JournalEntryRecorded):
            entries[event.leaf_index] = leaf_hash(log_entry(record.value or b""))
        else:
            kinds.append(type(event).__name__)
    tree = Frontier().extend(entries[index] for index in sorted(entries))
    assert tree == ledger.writer.frontier
    assert kinds == ["HoldPlaced", "HoldCaptured"]


async def test_a_checkpoint_is_kept_on_a_beat_while_the_log_grows(
    ledger: Ledger, owner: asyncpg.Connection
) -> None:
    await open_market(ledger)
    await ledger.settle()
    ledger.writer._checkpoint_at = float("-inf")
    await ledger.writer.step()
    row = await owner.fetchrow("SELECT size, root FROM checkpoint ORDER BY size DESC LIMIT 1")
    assert row is not None
    assert (row["size"], row["root"]) == (1, ledger.writer.frontier.root())
    count = await owner.fetchval("SELECT count(*) FROM checkpoint")
    ledger.writer._checkpoint_at = float("-inf")
    await ledger.writer.step()
    # Nor does a new start make a second one of the same size.
    await ledger.writer.recover()
    ledger.writer._checkpoint_at = float("-inf")
    await ledger.writer.step()
    assert await owner.fetchval("SELECT count(*) FROM checkpoint") == count
