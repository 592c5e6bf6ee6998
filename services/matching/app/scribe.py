"""Turns events into records for the outbox, with ids derived from what they tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.codec import Envelope, derive_id, encode
from schemas.registry import BY_MODEL
from services.core.round_events import status_event
from services.kit.records import OutRecord

if TYPE_CHECKING:
    from schemas.events import Event
    from schemas.market import Market
    from services.core.orders import Order

SOURCE = "/suanli/matching"
EXCHANGE = "exchange"


def record_of(
    event: Event,
    identity: tuple[str, ...],
    occurred_at: datetime,
    *,
    participant_id: str = EXCHANGE,
    correlation_id: str = "",
    causation_id: str = "",
) -> OutRecord:
    """Return the record of an event.

    Args:
        event: The body.
        identity: What makes it this event and no other; a repeat gives the same id.
        occurred_at: Instant on the market's clock.
        participant_id: Whose act or order it is.
        correlation_id: The story that it belongs to, its own id if not given.
        causation_id: Id of the event that caused it.
    """
    row = BY_MODEL[type(event)]
    event_id = derive_id(row.type, *identity)
    key, value, headers = encode(
        Envelope(
            id=event_id,
            source=SOURCE,
            occurred_at=occurred_at,
            recorded_at=datetime.now(UTC),
            participant_id=participant_id,
            correlation_id=correlation_id or event_id,
            causation_id=causation_id,
            traceparent="",
            data=event,
        )
    )
    return OutRecord(topic=row.topic, key=key, value=value, headers=headers)


def status_record(
    order: Order,
    market: Market,
    occurred_at: datetime,
    first_period: int,
    *,
    round_id: str | None = None,
    causation_id: str = "",
) -> OutRecord:
    """Return the record of an order's status.

    Args:
        order: The order as it is now.
        market: Its market.
        occurred_at: Instant on the market's clock.
        first_period: First period that the order can still trade in.
        round_id: Round that changed it, ``None`` at intake.
        causation_id: Id of the event that changed it.
    """
    return record_of(
        status_event(order, market, first_period, round_id),
        (order.id, str(order.sequence)),
        occurred_at,
        participant_id=order.participant_id,
        correlation_id=order.correlation_id,
        causation_id=causation_id,
    )
