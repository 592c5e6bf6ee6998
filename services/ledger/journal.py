"""The canonical bytes of a journal entry, and the leaf made of them.

The form is specified with a test vector in ``docs/reference/journal.md``; change it only by
adding a version of the event.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from schemas.codec import Envelope, derive_id, headers_of
from schemas.events import JournalEntryRecorded
from services.core.merkle import leaf_hash
from services.kit.kafka import OutRecord
from services.ledger.state import Leaf

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from schemas.base import Model
    from services.ledger.state import Entry

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)

# The headers follow from the type of a body, not from what is in it.
_TYPE_ONLY = JournalEntryRecorded.__new__(JournalEntryRecorded)

# An event id is free text of the producer; what fits is kept, the rest is hashed.
_CAUSE = re.compile(r"[!-~]{1,200}")


def body_digest(body: Model) -> bytes:
    """Return SHA-256 of a body: equal requests have equal digests.

    Nulls are left out, so that a field added later with a null default changes no digest.
    """
    return hashlib.sha256(body.model_dump_json(exclude_none=True).encode()).digest()


def entry_digest(entry: Entry) -> bytes:
    """Return what tells a repeat of a transfer from another transfer under its id.

    Only what was asked for is in it, not what came of it (balances, place in the log).
    """
    transfer = entry.transfer
    parts: tuple[str, ...] = (
        str(transfer.id),
        transfer.kind,
        entry.purpose,
        transfer.debit,
        transfer.credit,
        transfer.unit,
        str(transfer.amount),
        str(transfer.pending_id or ""),
        entry.market_id or "",
        entry.round_id or "",
        entry.order_id or "",
    )
    if transfer.reverses is not None:
        parts += (str(transfer.reverses),)
    return hashlib.sha256("\n".join(parts).encode()).digest()


def cause_of(envelope: Envelope) -> str:
    """Return an event's id in a form that fits wherever a cause is named."""
    return envelope.id if _CAUSE.fullmatch(envelope.id) else derive_id(envelope.id)


def entry_bytes(entry: Entry, leaf_index: int) -> bytes:
    """Return the canonical JSON of a journal entry, a body of `JournalEntryRecorded`.

    It is written directly, since a model per entry would be half of the ledger's time; the
    tests decode what it writes.
    """
    transfer = entry.transfer
    body: dict[str, object] = {
        "entry_id": str(transfer.id),
        "kind": transfer.kind.value,
        "purpose": entry.purpose,
        "unit": transfer.unit,
        "amount": transfer.amount,
        "postings": [
            {
                "account": posting.account,
                "layer": posting.layer.value,
                "amount": posting.amount,
                "balance_after": posting.balance_after,
                "account_version": posting.account_version,
            }
            for posting in entry.postings
        ],
        "leaf_index": leaf_index,
        "occurred_at": entry.occurred_at.isoformat().replace("+00:00", "Z"),
        "cause": entry.cause,
    }
    optional = {
        "market_id": entry.market_id,
        "round_id": entry.round_id,
        "order_id": entry.order_id,
        # The entry that this one resolves: a hold, or the movement that a reversal takes back.
        "pending_id": _name_of(transfer.pending_id or transfer.reverses),
    }
    body |= {name: value for name, value in optional.items() if value is not None}
    return _CANONICAL.encode(body).encode()


def _name_of(entry_id: UUID | None) -> str | None:
    return None if entry_id is None else str(entry_id)


def write_leaves(
    entries: Sequence[Entry], first_index: int, source: str, recorded_at: datetime
) -> tuple[list[Leaf], list[OutRecord]]:
    """Return the log's new leaves and the records that publish them.

    The value of each record is its leaf's entry byte for byte, so that whoever reads the topic
    can check the log without asking for anything else.
    """
    leaves: list[Leaf] = []
    records: list[OutRecord] = []
    for index, entry in enumerate(entries, start=first_index):
        value = entry_bytes(entry, index)
        leaves.append(Leaf(index, value, leaf_hash(value)))
        entry_id = str(entry.transfer.id)
        envelope = Envelope(
            id=entry_id,
            source=source,
            occurred_at=entry.occurred_at,
            recorded_at=recorded_at,
            participant_id="exchange",
            correlation_id=entry.order_id or entry_id,
            causation_id=entry.cause,
            traceparent="",
            data=_TYPE_ONLY,
        )
        records.append(OutRecord("journal-entries", entry_id.encode(), value, headers_of(envelope)))
    return leaves, records
