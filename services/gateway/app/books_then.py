"""The book of a moment that is past, for those who check the market."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from schemas.life import BookOrderView, BookThenView
from schemas.types import Role, Side, period_of
from services.core.errors import Message, ValidationError
from services.core.order_left import chip_hours_left
from services.core.orders import DemandOrder
from services.core.past_books import book_at, book_of_round
from services.gateway.app.rights import require_role
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from datetime import datetime

    from services.core.orders import Order
    from services.core.replay import BookThen
    from services.gateway.life_ports import MarketLogs
    from services.gateway.ports import Principal


class BooksThen:
    """Rebuilds books from the log.

    Args:
        logs: Where the log is.
    """

    def __init__(self, logs: MarketLogs) -> None:
        self._logs = logs
        # One at a time: the log of a long day takes a gigabyte while it is replayed.
        self._replaying = asyncio.Lock()

    async def book(
        self, principal: Principal, market_id: str, *, at: datetime | None, seq: int | None
    ) -> BookThenView:
        """Return the book at an instant of the market's clock, or as a round sealed it.

        Raises:
            ForbiddenError: if the caller is neither the operator nor the regulator.
            ValidationError: if not exactly one of the two is given.
            NotFoundError: if there was no such market or round then.
        """
        require_role(principal, Role.OPERATOR, Role.REGULATOR)
        if (at is None) == (seq is None):
            raise _not_one(at, seq)
        async with self._replaying:
            log = await self._logs.read(market_id)
            # Seconds of pure work: not on the loop that all callers share.
            if seq is not None:
                then = await asyncio.to_thread(book_of_round, log, seq)
            else:
                assert at is not None
                then = await asyncio.to_thread(book_at, log, at)
            if then is None:
                wanted = f"{market_id}:{seq}" if at is None else f"{market_id} at {at}"
                raise not_found("market_id" if at else "round", wanted)
            return await asyncio.to_thread(_view, market_id, then)


def _not_one(at: datetime | None, seq: int | None) -> ValidationError:
    found = "neither" if at is None and seq is None else "both"
    found_zh = "均未给出" if found == "neither" else "二者皆有"
    return ValidationError(
        "validation.time_or_round",
        Message(
            f"time, round: must be exactly one of the two, was {found}",
            f"time、round：须且只须给出其一，实为{found_zh}",
        ),
        field="time",
        value=found,
        allowed="either time or round",
    )


def _view(market_id: str, then: BookThen) -> BookThenView:
    inside = {row.id: row.rounds_waited for row in then.book.offers}
    inside |= {row.id: row.rounds_waited for row in then.book.demands}
    first = period_of(then.at) + 1
    return BookThenView(
        market_id=market_id,
        at=then.at,
        round_id=then.book.round_id,
        book_digest=then.digest,
        sealed_digest=then.sealed_digest,
        differing=then.differing,
        offers=len(then.book.offers),
        demands=len(then.book.demands),
        orders=tuple(_order(order, inside, then, first) for order in then.orders),
    )


def _order(order: Order, inside: dict[str, int], then: BookThen, first: int) -> BookOrderView:
    demand = order if isinstance(order, DemandOrder) else None
    limits = [] if demand is None else [item.limit for item in demand.terms.alternatives]
    return BookOrderView(
        order_id=order.id,
        participant_id=order.participant_id,
        side=Side.OFFER if demand is None else Side.DEMAND,
        state=order.state,
        version=order.version,
        in_book=order.id in inside,
        rounds_waited=inside.get(order.id, 0),
        price=max(limits) if demand else order.terms.ask,  # type: ignore[union-attr]
        chip_hours_allocated=order.chip_hours,
        chip_hours_left=chip_hours_left(order, then.market, first),
        held=0 if demand is None else demand.hold,
        terms=order.terms,
    )
