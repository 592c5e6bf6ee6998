from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.events import JournalEntryRecorded
from services.core.merkle import leaf_hash
from services.core.postings import (
    Account,
    Hold,
    Transfer,
    TransferKind,
    book,
    derive_uuid,
)
from services.ledger.journal import entry_bytes, entry_digest, write_leaves
from services.ledger.state import UNIT, Entry

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "journal.md"
HELD = 20_000_000


def captured(amount: int = 11_500_000) -> Entry:
    """Return the entry of the page's example: a round captures part of a hold."""
    hold = Hold(derive_uuid("hold", "example"), "cny:lab", "escrow:jjj-spot", UNIT, HELD)
    accounts = {
        "cny:lab": Account(
            "cny:lab",
            UNIT,
            floor_zero=True,
            debits_pending=HELD,
            credits_posted=100_000_000,
            version=2,
        ),
        "escrow:jjj-spot": Account(
            "escrow:jjj-spot", UNIT, floor_zero=True, credits_pending=HELD, version=1
        ),
    }
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
        book(transfer, accounts, hold).postings,
        "hold_captured",
        datetime(2026, 11, 24, 8, 15, tzinfo=UTC),
        "5f" * 16,
        HELD,
        "jjj-spot",
        "jjj-spot:7",
        "dem_" + "e" * 26,
    )


def test_the_bytes_and_the_hash_are_those_of_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*)\n```", text)
    value = entry_bytes(captured(), 41)
    assert value.decode() == example
    assert leaf_hash(value).hex() in text


@given(st.integers(1, HELD), st.integers(0, 10**9))
def test_what_is_written_directly_is_a_body_of_the_event_in_canonical_form(
    amount: int, index: int
) -> None:
    leaves, records = write_leaves([captured(amount)], index, "/suanli/ledger", datetime.now(UTC))
    body = decode(records[0].value, records[0].headers).data
    assert isinstance(body, JournalEntryRecorded)
    assert (body.amount, body.leaf_index) == (amount, index)
    again = body.model_dump(mode="json", exclude_none=True)
    assert sorted(again) == sorted(JournalEntryRecorded.model_fields)
    assert records[0].value == leaves[0].entry
    assert records[0].key == body.entry_id.encode()


def test_the_digest_of_an_entry_depends_on_what_was_asked_and_not_on_what_came_of_it() -> None:
    assert entry_digest(captured()) == entry_digest(captured())
    assert entry_digest(captured(1)) != entry_digest(captured(2))
