"""Turns events into records for the outbox, with ids derived from what they tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.capacity import CapacityFreedSince
from schemas.codec import Envelope, derive_id, encode
from schemas.registry import BY_MODEL
from schemas.types import period_start
from services.core.capacity import kept_of, wanted_of
from services.core.orders import OfferOrder
from services.core.round_events import status_event
from services.kit.records import OutRecord

if TYPE_CHECKING:
    from schemas.events import Event
    from schemas.market import Market
    from services.core.orders import Order
    from services.matching.app.desk import Desk

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


def tell_capacity(desk: Desk, occurred_at: datetime) -> None:
    """Queue what the ledger has to hear of offers that need less of their capacity, or more.

    Args:
        desk: State of the market; a round that is sealed and not published has nothing of them.
        occurred_at: Instant on the market's clock.
    """
    changes, after_seq = desk.changes, desk.next_round - 1
    for order_id in sorted(changes.freed):
        order = _offer(desk, order_id)
        chips, start, end = kept_of(order)
        event = CapacityFreedSince(
            order_id=order_id,
            market_id=order.market_id,
            participant_id=order.participant_id,
            chips=chips,
            start=period_start(start),
            end=period_start(end),
            after_seq=after_seq,
            asked=order.asked,
        )
        identity = (order_id, str(chips), str(start), str(end), str(order.asked))
        changes.outbox.append(_of_offer(event, identity, order, occurred_at))
    for order_id in sorted(changes.wanted):
        order = _offer(desk, order_id)
        # What it wanted may have been withdrawn, or lowered, in the same batch.
        if order.pending is not None:
            wanted = wanted_of(order, after_seq, occurred_at)
            asked, cause = (order_id, str(order.asked)), order.pending_cause
            changes.outbox.append(_of_offer(wanted, asked, order, occurred_at, cause))
    changes.freed.clear()
    changes.wanted.clear()


def _offer(desk: Desk, order_id: str) -> OfferOrder:
    order = desk.orders[order_id]
    assert isinstance(order, OfferOrder), f"{order_id}: not an offer"
    return order


def _of_offer(
    event: Event,
    identity: tuple[str, ...],
    order: OfferOrder,
    occurred_at: datetime,
    cause: str = "",
) -> OutRecord:
    return record_of(
        event,
        identity,
        occurred_at,
        participant_id=order.participant_id,
        correlation_id=order.correlation_id,
        causation_id=cause,
    )


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
