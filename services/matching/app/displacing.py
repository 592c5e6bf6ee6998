"""Telling, after a cycle with urgent rounds, what they cost other demand."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from services.core.codec import book_from_dict, book_to_dict, canonical_json, result_from_dict
from services.core.displacement import book_without, displaced_event
from services.matching.app.scribe import record_of

if TYPE_CHECKING:
    from services.kit.records import OutRecord
    from services.matching.ports import SealedRound, Solver, Store


async def displaced_record(store: Store, solver: Solver, sealed: SealedRound) -> OutRecord | None:
    """Return what the urgent rounds before an ordinary one cost, ``None`` if there were none.

    It is cleared by the same solver, under the same rules and within the same time. Told again
    after a crash, it is the same record.

    Args:
        store: Has the rounds of the cycle.
        solver: Clears.
        sealed: The ordinary round, published.
    """
    rounds = [
        (book_from_dict(json.loads(book)), result_from_dict(json.loads(result)))
        for book, result in await store.cycle(sealed.seq)
    ]
    *urgent, ordinary = rounds
    if not urgent:
        return None
    content = canonical_json(book_to_dict(book_without(ordinary[0], urgent)))
    digest = hashlib.sha256(content).hexdigest()
    cleared = await solver.clear(replace(sealed, book=content, book_digest=digest))
    without = (cleared.result, cleared.status, cleared.result_digest)
    event = displaced_event(ordinary, urgent, without, sealed.market_time)
    identity = (sealed.round_id, "displaced")
    return record_of(event, identity, sealed.market_time, correlation_id=sealed.round_id)
