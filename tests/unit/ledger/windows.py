"""Demands whose window is elsewhere than at the world's first hour."""

from __future__ import annotations

from typing import TypeVar

from schemas import events
from tests.unit.ledger import world as w

DemandT = TypeVar("DemandT", events.DemandSubmitted, events.DemandAmended)


def within(body: DemandT, start: int, end: int, expires: int | None = None) -> DemandT:
    """Return the demand with a window of hours, and perhaps an hour at which it expires."""
    window = {"earliest": w.hour(start), "deadline": w.hour(end)}
    terms = body.terms.model_copy(
        update=window | {"expires_at": None if expires is None else w.hour(expires)}
    )
    return body.model_copy(update={"terms": terms})
