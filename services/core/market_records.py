"""What records of the log say of a market, for those who rebuild its books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import events
from schemas.codec import DecodeError, decode
from schemas.registry import BY_MODEL
from services.core.market_log import INPUTS, Read, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.codec import Envelope

TOPICS = (*INPUTS, "order-status", "rounds", "allocations")
"""Topics that tell all there is to know of a market's books."""


def market_event(
    topic: str, value: bytes | None, headers: Sequence[tuple[str, bytes]]
) -> tuple[str, Envelope] | None:
    """Return the market that a record is about, ``""`` for none, and its event.

    ``None`` for what is no event of its topic: its consumer buries it in the dead letters and
    says so.
    """
    try:
        envelope = decode(value, headers)
    except DecodeError:
        return None
    data = envelope.data
    if BY_MODEL[type(data)].topic != topic:
        return None
    if isinstance(data, events.MarketDefined):
        return data.market.id, envelope
    return str(getattr(data, "market_id", "")), envelope


def read_of(topic: str, offset: int, envelope: Envelope) -> Read:
    """Return a record of one of `services.core.market_log.INPUTS` as a replay takes it."""
    return Read(
        topic=topic,
        offset=offset,
        event_id=envelope.id,
        cause=envelope.causation_id,
        correlation_id=envelope.correlation_id,
        occurred_at=envelope.occurred_at,
        event=envelope.data,
    )


def status_of(envelope: Envelope, data: events.OrderStatusChanged) -> Status:
    """Return a status as a replay compares it."""
    return Status(
        envelope.causation_id, envelope.occurred_at, data.state, data.version, data.reason.code
    )
