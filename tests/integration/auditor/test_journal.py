"""The auditor reads the journal as it comes: what was forged is found, named, and told once."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from services.core.tlog.notes import KeyKind
from services.kit.kafka import OutRecord
from services.kit.signing import NoteSigner
from tests.integration.auditor.wire import ORIGIN, WITNESS, Json, Wire, changed, codes

pytestmark = pytest.mark.integration


async def test_an_honest_journal_leaves_no_finding_and_its_balances(
    wire: Wire, entries: list[OutRecord]
) -> None:
    size = len(entries)
    # Backwards: an entry may come before its predecessor, and a head before its entries.
    await wire.head(entries, 5)
    await wire.writer.send_many(entries[::-1])
    await wire.head(entries)
    # A witness that is known, and one that is not: only the first counts, however often it comes.
    stranger = NoteSigner.generate("stranger.example/w", KeyKind.COSIGNATURE_ED25519)
    for signer in (WITNESS, WITNESS, stranger):
        await wire.cosign(entries, signer)
    async with wire.auditing():
        await wire.until_checked(size)
        # Again, which changes nothing.
        await wire.writer.send_many(entries[:3])
        await wire.head(entries)
        await wire.until(
            "SELECT sum(next_offset) FROM consumer_offset WHERE topic = 'journal-entries'",
            lambda n: n == size + 3,
        )
        assert await wire.findings() == []
        await wire.until("SELECT count(*) FROM head_seen WHERE fits", lambda n: n == 2)
        told = await wire.told(lambda found: found.entries_checked == found.head_size == size)
        assert (told.entries_published, told.findings, told.cosignatures) == (size, 0, 1)
    rows = await wire.rows("SELECT account, sums::text FROM account_sum")
    last: dict[tuple[str, str], int] = {}
    for record in entries:
        for posting in json.loads(record.value)["postings"]:
            last[posting["account"], posting["layer"]] = posting["balance_after"]
    rebuilt = {(row[0], layer): n for row in rows for layer, n in json.loads(row[1]).items()}
    assert rebuilt == last
    # Every entry has been taken, and every hold of the day was resolved.
    assert (await wire.rows("SELECT count(*) FROM entry_waiting"))[0][0] == 0
    assert (await wire.rows("SELECT count(*) FROM hold_open"))[0][0] == 0


def _more(body: Json) -> None:
    body["amount"] += 1


def _shifted(body: Json) -> None:
    body["postings"][1]["balance_after"] += 7


def _other_hold(body: Json) -> None:
    body["pending_id"] = body["entry_id"]


@pytest.mark.parametrize(
    ("kind", "change", "rule"),
    [("single", _more, "sums"), ("hold", _shifted, "balances"), ("post", _other_hold, "holds")],
)
async def test_an_entry_that_was_forged_before_it_was_signed_is_named_once(
    wire: Wire, entries: list[OutRecord], kind: str, change: Callable[[Json], None], rule: str
) -> None:
    at = next(n for n, one in enumerate(entries) if json.loads(one.value)["kind"] == kind)
    forged = [*entries[:at], changed(entries[at], change), *entries[at + 1 :]]
    await wire.writer.send_many(forged)
    await wire.head(forged)
    async with wire.auditing():
        await wire.until_checked(len(forged))
        (finding,) = await wire.findings()
    assert finding.summary.code == "journal.entry"
    assert finding.summary.params["leaf_index"] == at
    assert finding.summary.params["rule"] == rule
    assert finding.summary.params["severity"] == "critical"
    assert finding.summary.params["entry_id"] == json.loads(entries[at].value)["entry_id"]
    assert all(problem.startswith(f"entry {at}: ") for problem in finding.problems)
    assert str(at) in finding.summary.en
    assert str(at) in finding.summary.zh


async def test_an_entry_that_was_forged_after_it_was_signed_parts_head_and_entries_once(
    wire: Wire, entries: list[OutRecord]
) -> None:
    forged = [*entries]
    forged[2] = changed(entries[2], _more)
    await wire.writer.send_many(forged)
    for size in (2, 4, 6, len(entries)):
        await wire.head(entries, size)
    async with wire.auditing():
        await wire.until_checked(len(forged))
        found = {finding.summary.code: finding for finding in await wire.findings()}
    assert sorted(found) == ["head.root", "journal.entry"]
    assert found["journal.entry"].summary.params["leaf_index"] == 2
    # The first head that does not fit is named, and how far they fitted.
    assert found["head.root"].summary.params["size"] == 4
    assert "up to 2 they fit" in found["head.root"].problems[0]


async def test_two_swapped_entries_are_both_named(wire: Wire, entries: list[OutRecord]) -> None:
    swapped = [*entries]
    swapped[3] = changed(entries[4], lambda body: body.update(leaf_index=3))
    swapped[4] = changed(entries[3], lambda body: body.update(leaf_index=4))
    await wire.writer.send_many(swapped)
    await wire.head(entries)
    async with wire.auditing():
        await wire.until_checked(len(swapped))
        found = await wire.findings()
    named = {f.summary.params["leaf_index"] for f in found if f.summary.code == "journal.entry"}
    assert {3, 4} <= named
    assert "head.root" in codes(found)


async def test_a_missing_entry_is_named_and_the_rest_waits_for_it(
    wire: Wire, entries: list[OutRecord]
) -> None:
    await wire.writer.send_many([*entries[:4], *entries[5:]])
    await wire.head(entries)
    async with wire.auditing():
        await wire.until("SELECT count(*) FROM finding", lambda n: n == 1)
        (finding,) = await wire.findings()
        assert finding.summary.code == "journal.missing"
        assert finding.summary.params["leaf_index"] == 4
        assert finding.summary.params["severity"] == "warning"
        await wire.until_checked(4, len(entries))
        # It was on its way after all.
        await wire.writer.send_many([entries[4]])
        await wire.until_checked(len(entries))
        assert len(await wire.findings()) == 1


async def test_an_entry_that_is_served_again_otherwise_is_held_against_the_kept_leaf(
    wire: Wire, entries: list[OutRecord]
) -> None:
    await wire.writer.send_many(entries)
    await wire.head(entries)
    async with wire.auditing():
        await wire.until_checked(len(entries))
        again = changed(entries[1], lambda body: body.update(purpose="gift"))
        await wire.writer.send_many([again, again])
        await wire.until("SELECT count(*) FROM finding", lambda n: n == 1)
        (finding,) = await wire.findings()
    assert finding.summary.code == "journal.republished"
    assert finding.summary.params["leaf_index"] == 1


async def test_heads_must_be_signed_and_have_one_root_for_a_size(
    wire: Wire, entries: list[OutRecord]
) -> None:
    other = [*entries]
    other[0] = changed(entries[0], lambda body: body.update(purpose="gift"))
    await wire.writer.send_many(entries)
    await wire.head(entries)
    # A second history under the same key, and one under another.
    await wire.head(other)
    await wire.head(other, 3, NoteSigner.generate(ORIGIN))
    async with wire.auditing():
        await wire.until("SELECT count(*) FROM finding", lambda n: n == 2)
        await wire.until_checked(len(entries))
        found = {finding.summary.code: finding for finding in await wire.findings()}
    assert sorted(found) == ["head.forked", "head.signature"]
    assert found["head.forked"].summary.params["size"] == len(entries)
    assert found["head.signature"].summary.params["size"] == 3


async def test_a_record_that_is_no_event_is_told_with_its_place(
    wire: Wire, entries: list[OutRecord]
) -> None:
    await wire.writer.send_many([OutRecord("journal-entries", b"x", b"{", ()), *entries])
    await wire.head(entries)
    async with wire.auditing():
        await wire.until_checked(len(entries))
        (finding,) = await wire.findings()
    assert finding.summary.code == "journal.unreadable"
    assert finding.summary.params["offset"] == 0
