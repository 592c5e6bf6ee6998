"""Vocabulary and units shared by the wire contract and the core.

Standard library only, so that the functional core can import it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

PERIOD_SECONDS = 3600
"""Length of a period, the step of the delivery calendar, in seconds."""

HORIZON_PERIODS_MAX = 168
"""Most periods that a market's book may span (one week of hours)."""

MICRO_YUAN_PER_YUAN = 1_000_000

MESSAGE_BYTES_MAX = 64 * 1024
"""Largest event value accepted on a topic; one byte more goes to the dead letters."""

MicroYuan = NewType("MicroYuan", int)
"""An amount of money in millionths of a yuan."""

PriceMicroYuan = NewType("PriceMicroYuan", int)
"""A price in micro-yuan per chip-hour."""

Period = NewType("Period", int)
"""A period's absolute number: whole hours since 1970-01-01T00:00:00Z."""

PoolKey = NewType("PoolKey", str)
"""Zone and chip class as ``zone/chip``; capacity and price live at pool x period."""


class Role(StrEnum):
    """Who a participant is on the exchange."""

    PROVIDER = "provider"
    ENTERPRISE = "enterprise"
    REGULATOR = "regulator"
    OPERATOR = "operator"


class Side(StrEnum):
    """Which side of the book an order stands on."""

    OFFER = "offer"
    DEMAND = "demand"


class Shape(StrEnum):
    """How a demand spreads over periods."""

    BLOCK = "block"
    FLOW = "flow"
    WORK = "work"


class Priority(StrEnum):
    """How a demand ranks and whether it can be recalled."""

    URGENT = "urgent"
    STANDARD = "standard"
    INTERRUPTIBLE = "interruptible"


class OrderState(StrEnum):
    """State of an order; every order is in exactly one."""

    ACCEPTED = "accepted"
    OPEN = "open"
    PART_FILLED = "part-filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


TERMINAL_STATES = frozenset(
    {OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED}
)
"""States that an order never leaves."""


def pool_key(zone: str, chip: str) -> PoolKey:
    """Return the key of the pool of one chip class in one zone."""
    return PoolKey(f"{zone}/{chip}")


def period_of(instant: datetime) -> Period:
    """Return the period that an aware instant falls in.

    Raises:
        ValueError: if the instant has no time zone.
    """
    if instant.tzinfo is None:
        msg = f"instant must have a time zone, was {instant.isoformat()}"
        raise ValueError(msg)
    return Period(int(instant.timestamp()) // PERIOD_SECONDS)


def period_start(period: int) -> datetime:
    """Return the UTC instant at which a period begins."""
    return datetime.fromtimestamp(period * PERIOD_SECONDS, tz=UTC)


def period_text(period: int) -> str:
    """Return the UTC instant at which a period begins, as people are told it (RFC 3339)."""
    return period_start(period).isoformat().replace("+00:00", "Z")
