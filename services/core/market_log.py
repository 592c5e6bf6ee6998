"""What the log has of one market, as those take it who rebuild its books."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from schemas import events
    from schemas.types import OrderState
    from services.core.book import Result

INPUTS = ("policies", "offers", "demand", "holds")
"""Topics of the records that matching judges."""


@dataclass(frozen=True, slots=True)
class Read:
    """A record of one of `INPUTS` that is an event of the market.

    Attributes:
        topic: Its topic.
        offset: Its offset.
        event_id: Id of the event.
        cause: Id of the event that caused it.
        correlation_id: The story that it belongs to.
        occurred_at: When it happened, on the market's clock.
        event: The body.
    """

    topic: str
    offset: int
    event_id: str
    cause: str
    correlation_id: str
    occurred_at: datetime
    event: events.Event


@dataclass(frozen=True, slots=True)
class Status:
    """A status as it was told.

    Attributes:
        cause: Id of the event that caused it, ``""`` if a round did.
        at: When, on the market's clock.
        state: State that it tells.
        version: Version that it tells.
        reason: Code of its reason.
    """

    cause: str
    at: datetime
    state: OrderState
    version: int
    reason: str


@dataclass(frozen=True, slots=True)
class Round:
    """A round as the log tells it.

    Attributes:
        sealed: Its seal.
        result: The result of its file, ``None`` if it is not cleared.
        closed_id: Id of the event that closed it.
    """

    sealed: events.RoundSealed
    result: Result | None
    closed_id: str


@dataclass(frozen=True, slots=True)
class MarketLog:
    """All that the log has of one market.

    Attributes:
        market_id: The market.
        inputs: Topic -> its records of the market, by offset.
        statuses: Statuses in the order of the log.
        rounds: Rounds in their order.
        partitions: Topic -> the partition that the market's key leads to.
    """

    market_id: str
    inputs: Mapping[str, Sequence[Read]]
    statuses: Sequence[Status]
    rounds: Sequence[Round]
    partitions: Mapping[str, int]
