"""Erased entries to the auditor: the same leaves, seen before or not, and no way to hide more."""

from __future__ import annotations

import hashlib
import json

import pytest

from schemas.erasures import ErasureOrdered, JournalEntryErased
from services.core.merkle import leaf_hash
from services.core.tlog.openings import logged
from services.kit.kafka import OutRecord
from tests.integration.auditor.wire import Wire, codes
from tests.unit.ledger import world as w

pytestmark = pytest.mark.integration


ORDER = "era_" + "a" * 26


def ordered(record: OutRecord, erasure_id: str = ORDER) -> ErasureOrdered:
    return ErasureOrdered(
        erasure_id=erasure_id,
        entry_id=json.loads(record.value)["entry_id"],
        leaf_hash=leaf_hash(logged(record.value)).hex(),
        participant_id="operator",
        reason="request of the person concerned",
    )


def erased(record: OutRecord, commitment: str = "") -> JournalEntryErased:
    body = json.loads(record.value)
    return JournalEntryErased(
        commitment=commitment or hashlib.sha256(record.value).hexdigest(),
        entry_id=body["entry_id"],
        erased_at=w.NOW,
        erasure_id=ORDER,
        leaf_index=body["leaf_index"],
        occurred_at=w.NOW,
    )


async def test_an_entry_that_was_checked_and_then_erased_is_no_finding(
    wire: Wire, entries: list[OutRecord]
) -> None:
    size = len(entries)
    await wire.writer.send_many(entries)
    await wire.head(entries)
    async with wire.auditing():
        await wire.until_checked(size)
        await wire.say(ordered(entries[0]))
        await wire.say(erased(entries[0]))
        await wire.until(
            "SELECT sum(next_offset) FROM consumer_offset WHERE topic = 'journal-entries'",
            lambda n: n == size + 1,
        )
        await wire.until("SELECT bool_and(compared) FROM erasure_seen", lambda is_done: is_done)
        assert await wire.findings() == []


async def test_an_auditor_that_never_saw_the_entry_has_every_leaf_and_balance_behind_it(
    wire: Wire, entries: list[OutRecord]
) -> None:
    await wire.say(ordered(entries[0]))
    await wire.say(erased(entries[0]))
    await wire.writer.send_many(entries[1:])
    await wire.head(entries)
    async with wire.auditing():
        await wire.until_checked(len(entries))
        await wire.until("SELECT count(*) FROM head_seen WHERE fits", lambda n: n == 1)
        assert await wire.findings() == []
    (lab,) = await wire.rows("SELECT sums::text FROM account_sum WHERE account = 'cny:lab'")
    last = [
        posting["balance_after"]
        for record in entries
        for posting in json.loads(record.value)["postings"]
        if (posting["account"], posting["layer"]) == ("cny:lab", "posted")
    ]
    assert json.loads(lab[0])["posted"] == last[-1]


async def test_another_commitment_in_the_place_of_an_entry_is_found(
    wire: Wire, entries: list[OutRecord]
) -> None:
    await wire.writer.send_many(entries)
    await wire.head(entries)
    async with wire.auditing():
        await wire.until_checked(len(entries))
        await wire.say(ordered(entries[0]))
        await wire.say(erased(entries[0], "5f" * 32))
        await wire.until(
            "SELECT sum(next_offset) FROM consumer_offset WHERE topic = 'journal-entries'",
            lambda n: n == len(entries) + 1,
        )
        await wire.until("SELECT count(*) FROM finding", lambda n: n == 2)
        found = await wire.findings()
    # What stands there now is no leaf that anybody ordered to erase, either.
    assert codes(found) == ["journal.erased", "journal.republished"]
    assert [finding.summary.params["leaf_index"] for finding in found] == [0, 0]


async def test_an_erasure_that_nobody_ordered_is_found_once_and_an_order_for_another_is_none(
    wire: Wire, entries: list[OutRecord]
) -> None:
    await wire.writer.send_many(entries)
    await wire.head(entries)
    await wire.say(ordered(entries[1]), ordered(entries[2], "era_" + "b" * 26))
    # The first has no order of its own; the second has.
    await wire.say(erased(entries[0]), erased(entries[1]))
    async with wire.auditing():
        await wire.until_checked(len(entries))
        await wire.until("SELECT count(*) FROM erasure_seen WHERE compared", lambda n: n == 2)
        await wire.say(erased(entries[0]))
        await wire.until(
            "SELECT sum(next_offset) FROM consumer_offset WHERE topic = 'journal-entries'",
            lambda n: n == len(entries) + 3,
        )
        (finding,) = await wire.findings()
    assert finding.summary.code == "journal.erased"
    params = {"severity": "critical", "leaf_index": 0, "erasure_id": ORDER}
    assert finding.summary.params == params
    assert ORDER in finding.problems[0]
