"""The records of the journal's topic, of entries that were decided and not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.ledger.books import SOURCE
from services.ledger.journal import Published, journal_records

if TYPE_CHECKING:
    from services.kit.kafka import OutRecord
    from services.ledger.state import Batch


def published(batch: Batch) -> list[OutRecord]:
    """Return the records by which the entries of a batch are published."""
    assert batch.recorded_at is not None
    told = [
        Published(
            entry.transfer.id,
            leaf.opening,
            entry.occurred_at,
            batch.recorded_at,
            entry.order_id,
            entry.cause,
        )
        for entry, leaf in zip(batch.entries, batch.leaves, strict=True)
    ]
    return journal_records(told, SOURCE)
