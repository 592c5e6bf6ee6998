"""The canonical bytes of a journal entry, and the leaf that commits to them.

The form is specified with test vectors in ``docs/reference/journal.md``; change it only by
adding a version of the event.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from schemas.codec import Envelope, derive_id, encode, headers_of
from schemas.erasures import JournalEntryErased
from schemas.transparency import JournalEntrySalted
from services.core.merkle import leaf_hash
from services.core.tlog.openings import SALT_BYTES, log_entry
from services.kit.kafka import OutRecord
from services.ledger.state import Leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from schemas.base import Model
    from services.core.postings import Transfer
    from services.ledger.state import Entry

_quoted = json.encoder.encode_basestring
"""Returns text as JSON with only ``"``, ``\\`` and control characters escaped."""

# The headers follow from the type of a body, not from what is in it.
_TYPE_ONLY = JournalEntrySalted.__new__(JournalEntrySalted)

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
    return transfer_digest(
        entry.transfer, entry.purpose, entry.market_id, entry.round_id, entry.order_id
    )


def transfer_digest(
    transfer: Transfer,
    purpose: str,
    market_id: str | None,
    round_id: str | None,
    order_id: str | None,
) -> bytes:
    """Return `entry_digest` of a transfer and what it is about."""
    parts: tuple[str, ...] = (
        str(transfer.id),
        transfer.kind,
        purpose,
        transfer.debit,
        transfer.credit,
        transfer.unit,
        str(transfer.amount),
        str(transfer.pending_id or ""),
        market_id or "",
        round_id or "",
        order_id or "",
    )
    if transfer.reverses is not None:
        parts += (str(transfer.reverses),)
    return hashlib.sha256("\n".join(parts).encode()).digest()


def cause_of(envelope: Envelope) -> str:
    """Return an event's id in a form that fits wherever a cause is named."""
    return envelope.id if _CAUSE.fullmatch(envelope.id) else derive_id(envelope.id)


def draw_salts(count: int) -> list[bytes]:
    """Return fresh salts; nobody can guess an entry from what the log holds of it."""
    drawn = secrets.token_bytes(SALT_BYTES * count)
    return [drawn[at : at + SALT_BYTES] for at in range(0, len(drawn), SALT_BYTES)]


def entry_bytes(entry: Entry, leaf_index: int, salt: bytes | None) -> bytes:
    """Return the canonical JSON of a journal entry, a body of `JournalEntrySalted`.

    Without a salt it is a body of version 1, `JournalEntryRecorded`.

    It is written member by member in the order of their names, since a model or a sorted
    dictionary per entry would be half of the ledger's time; the tests compare it with both.
    """
    transfer, postings, purpose, occurred_at, cause, _, market_id, round_id, order_id, _ = entry
    entry_id, kind, _, _, unit, amount, pending_id, reverses = transfer
    # The entry that this one resolves: a hold, or the movement that a reversal takes back.
    resolved = pending_id or reverses
    told = ",".join(
        [
            f'{{"account":{_quoted(account)},"account_version":{version},'
            f'"amount":{amount},"balance_after":{balance},"layer":"{layer}"}}'
            for account, layer, amount, version, balance in postings
        ]
    )
    return (
        f'{{"amount":{amount},"cause":{_quoted(cause)},'
        f'"entry_id":"{entry_id}","kind":"{kind}","leaf_index":{leaf_index},'
        f"{_member('market_id', market_id)}"
        f'"occurred_at":"{_iso(occurred_at)}",'
        f"{_member('order_id', order_id)}"
        f"{_member('pending_id', None if resolved is None else str(resolved))}"
        f'"postings":[{told}],"purpose":{_quoted(purpose)},'
        f"{_member('round_id', round_id)}"
        f"{_member('salt', None if salt is None else salt.hex())}"
        f'"unit":{_quoted(unit)}}}'
    ).encode()


def _member(name: str, value: str | None) -> str:
    return "" if value is None else f'"{name}":{_quoted(value)},'


# Batches are of few instants and of many entries; the bound keeps a day's.
@lru_cache(maxsize=4096)
def _iso(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def write_leaves(
    entries: Sequence[Entry], first_index: int, salts: Sequence[bytes] | None = None
) -> list[Leaf]:
    """Return the log's new leaves.

    Args:
        entries: What was booked.
        first_index: Place of the first one in the log.
        salts: One per entry; drawn here if none are given.
    """
    leaves: list[Leaf] = []
    drawn = draw_salts(len(entries)) if salts is None else salts
    for index, (entry, salt) in enumerate(zip(entries, drawn, strict=True), start=first_index):
        opening = entry_bytes(entry, index, salt)
        logged = log_entry(opening)
        leaves.append(Leaf(index, logged, leaf_hash(logged), opening, salt))
    return leaves


@dataclass(frozen=True, slots=True)
class Published:
    """What the record of an entry is made of.

    Attributes:
        id: Of the entry.
        opening: Its canonical bytes.
        occurred_at: On the market's clock.
        recorded_at: On the wall clock.
        order_id: The order that it is about, ``None`` if there is none.
        cause: Id of the event that caused it.
    """

    id: UUID
    opening: bytes
    occurred_at: datetime
    recorded_at: datetime
    order_id: str | None
    cause: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What the record in the place of an erased entry is made of.

    Attributes:
        seq: Its number among the erasures.
        idx: Place in the log.
        id: Of the entry.
        erasure_id: The order.
        erased_at: On the wall clock.
        occurred_at: When the entry happened, on the market's clock.
        recorded_at: When it was booked, on the wall clock.
        commitment: SHA-256 of its bytes.
    """

    seq: int
    idx: int
    id: UUID
    erasure_id: str
    erased_at: datetime
    occurred_at: datetime
    recorded_at: datetime | None
    commitment: bytes


def journal_records(entries: Iterable[Published], source: str) -> list[OutRecord]:
    """Return the records that publish entries.

    The value of each record is its leaf's opening byte for byte, so that whoever reads the topic
    can check the log without asking for anything else.

    Args:
        entries: What to publish.
        source: Who says so.
    """
    records: list[OutRecord] = []
    for entry in entries:
        entry_id = str(entry.id)
        envelope = Envelope(
            id=entry_id,
            source=source,
            occurred_at=entry.occurred_at,
            recorded_at=entry.recorded_at,
            participant_id="exchange",
            correlation_id=entry.order_id or entry_id,
            causation_id=entry.cause,
            traceparent="",
            data=_TYPE_ONLY,
        )
        key = entry_id.encode()
        records.append(OutRecord("journal-entries", key, entry.opening, headers_of(envelope)))
    return records


def erased_records(erased: Iterable[Erased], source: str) -> list[OutRecord]:
    """Return the records that stand in the place of erased entries, under their keys.

    The topic is compacted: of a key the broker keeps the latest record alone, so that what an
    entry said is gone from it too, and what the log holds of it stays.

    Args:
        erased: What was erased.
        source: Who says so.
    """
    records: list[OutRecord] = []
    for item in erased:
        data = JournalEntryErased(
            commitment=item.commitment.hex(),
            entry_id=str(item.id),
            erased_at=item.erased_at,
            erasure_id=item.erasure_id,
            leaf_index=item.idx,
            occurred_at=item.occurred_at,
        )
        envelope = Envelope(
            id=derive_id("erased", data.entry_id),
            source=source,
            occurred_at=item.occurred_at,
            recorded_at=item.recorded_at or item.erased_at,
            participant_id="exchange",
            correlation_id=item.erasure_id,
            causation_id="",
            traceparent="",
            data=data,
        )
        key, value, headers = encode(envelope)
        records.append(OutRecord("journal-entries", key, value, headers))
    return records
