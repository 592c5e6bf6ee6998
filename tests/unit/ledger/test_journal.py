from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Envelope, decode, headers_of
from schemas.erasures import JournalEntryErased
from schemas.events import JournalEntryRecorded
from schemas.transparency import JournalEntrySalted
from services.core.merkle import leaf_hash
from services.core.postings import (
    Account,
    Hold,
    Layer,
    Posting,
    Transfer,
    TransferKind,
    book,
    derive_uuid,
)
from services.core.tlog.openings import is_commitment, log_entry
from services.core.tlog.openings import logged as logged_of
from services.ledger.journal import (
    Published,
    draw_salts,
    entry_bytes,
    entry_digest,
    journal_records,
    write_leaves,
)
from services.ledger.state import UNIT, Entry

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "journal.md"
HELD = 20_000_000
SALT = bytes(range(32))


def captured(amount: int = 11_500_000) -> Entry:
    """Return the entry of the page's example: a round captures part of a hold."""
    hold = Hold(derive_uuid("hold", "example"), "cny:lab", "escrow:jjj-spot", UNIT, HELD)
    lab = Account(
        "cny:lab",
        UNIT,
        floor_zero=True,
        debits_pending=HELD,
        credits_posted=100_000_000,
        version=2,
    )
    escrow = Account("escrow:jjj-spot", UNIT, floor_zero=True, credits_pending=HELD, version=1)
    transfer = Transfer(
        derive_uuid("post", "example"),
        TransferKind.POST,
        hold.debit,
        hold.credit,
        UNIT,
        amount,
        hold.id,
    )
    return Entry(
        transfer,
        book(transfer, lab, escrow, hold).postings,
        "hold_captured",
        datetime(2026, 11, 24, 8, 15, tzinfo=UTC),
        "5f" * 16,
        HELD,
        "jjj-spot",
        "jjj-spot:7",
        "dem_" + "e" * 26,
    )


def test_the_bytes_the_commitment_and_the_hash_are_those_of_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    erased, example, older = re.findall(r"```json\n(.*)\n```", text)
    opening = entry_bytes(captured(), 41, SALT)
    assert opening.decode() == example
    logged = log_entry(opening)
    assert logged.hex() in text
    assert leaf_hash(logged).hex() in text
    assert is_commitment(logged)
    # What stands in the place of the entry once it is erased is the same leaf.
    assert JournalEntryErased.model_validate_json(erased).model_dump_json() == erased
    assert logged_of(erased.encode()) == logged
    # Leaves of version 1 go on being what they were: the entry itself.
    assert leaf_hash(older.encode()).hex() in text
    assert not is_commitment(older.encode())
    assert JournalEntryRecorded.model_validate_json(older).leaf_index == 41
    assert entry_bytes(captured(), 41, None).decode() == older


NOW = datetime(2026, 11, 25, tzinfo=UTC)


def told_of(entry: Entry, opening: bytes) -> Published:
    return Published(
        entry.transfer.id, opening, entry.occurred_at, NOW, entry.order_id, entry.cause
    )


@given(st.integers(1, HELD), st.integers(0, 10**9), st.binary(min_size=32, max_size=32))
def test_what_is_written_directly_is_a_body_of_the_event_in_canonical_form(
    amount: int, index: int, salt: bytes
) -> None:
    entry = captured(amount)
    leaves = write_leaves([entry], index, [salt])
    records = journal_records([told_of(entry, leaves[0].opening)], "/suanli/ledger")
    body = decode(records[0].value, records[0].headers).data
    assert isinstance(body, JournalEntrySalted)
    assert (body.amount, body.leaf_index, body.salt) == (amount, index, salt.hex())
    again = body.model_dump(mode="json", exclude_none=True)
    assert set(JournalEntrySalted.model_fields) - set(again) <= {"reverses"}
    assert records[0].value == leaves[0].opening
    assert leaves[0].entry == log_entry(leaves[0].opening)
    assert leaves[0].salt == salt
    assert records[0].key == body.entry_id.encode()


def test_no_two_entries_share_a_salt() -> None:
    drawn = draw_salts(1000)
    assert {len(salt) for salt in drawn} == {32}
    assert len(set(drawn)) == 1000


def test_the_digest_of_an_entry_depends_on_what_was_asked_and_not_on_what_came_of_it() -> None:
    assert entry_digest(captured()) == entry_digest(captured())
    assert entry_digest(captured(1)) != entry_digest(captured(2))


_WORDS = st.text(max_size=12) | st.sampled_from(['"', "\\", "\n\u2028\x7f", "京津冀", "\x01"])


@given(
    cause=_WORDS,
    market=st.none() | _WORDS,
    order=st.none() | _WORDS,
    round_id=st.none() | _WORDS,
    resolved=st.none() | st.uuids(),
    amount=st.integers(0, 10**17),
    balances=st.lists(st.integers(-(10**17), 10**17), max_size=4),
    micros=st.integers(0, 10**6 - 1),
)
def test_entries_are_written_as_json_would_be_with_its_keys_sorted(
    cause: str,
    market: str | None,
    order: str | None,
    round_id: str | None,
    resolved: UUID | None,
    amount: int,
    balances: list[int],
    micros: int,
) -> None:
    kind = TransferKind.SINGLE if resolved is None else TransferKind.VOID
    transfer = Transfer(UUID(int=7), kind, "cny:a", "cny:b", "CNY-micro", amount, resolved)
    postings = tuple(
        Posting(f"cny:{cause}", Layer.PENDING, at + 1, at + 1, balance)
        for at, balance in enumerate(balances)
    )
    at = datetime(2026, 11, 24, 8, microsecond=micros, tzinfo=UTC)
    entry = Entry(transfer, postings, "test", at, cause, None, market, round_id, order)
    written = entry_bytes(entry, 9, SALT)
    found = json.loads(written)
    plain = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert written == plain.encode()
    assert (found["cause"], found["salt"]) == (cause, SALT.hex())
    optional = {"market_id": market, "order_id": order, "round_id": round_id}
    optional["pending_id"] = None if resolved is None else str(resolved)
    assert {name: found.get(name) for name in optional} == optional
    assert [item["balance_after"] for item in found["postings"]] == balances
    assert found["occurred_at"] == at.isoformat().replace("+00:00", "Z")


def test_headers_of_an_entry_are_those_that_its_envelope_has() -> None:
    entries = [
        Entry(
            Transfer(UUID(int=n), TransferKind.SINGLE, "cny:a", "cny:b", "CNY-micro", 1),
            (),
            "test",
            datetime(2026, 11, 24, n, tzinfo=UTC),
            f"cause-{n}",
            None,
            order_id=f"dem_{n}" if n % 2 else None,
        )
        for n in range(4)
    ]
    records = journal_records([told_of(entry, b"{}") for entry in entries], "/suanli/ledger")
    for entry, record in zip(entries, records, strict=True):
        entry_id = str(entry.transfer.id)
        envelope = Envelope(
            id=entry_id,
            source="/suanli/ledger",
            occurred_at=entry.occurred_at,
            recorded_at=NOW,
            participant_id="exchange",
            correlation_id=entry.order_id or entry_id,
            causation_id=entry.cause,
            traceparent="",
            data=JournalEntrySalted.__new__(JournalEntrySalted),
        )
        assert record.headers == headers_of(envelope)
