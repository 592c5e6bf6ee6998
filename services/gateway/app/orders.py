"""Submitting, amending and cancelling offers and demand."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from schemas import events
from schemas.codec import derive_id
from schemas.orders import OfferTerms
from schemas.types import TERMINAL_STATES, Priority, Side, period_of, pool_key
from services.core.eligibility import validate_demand, validate_offer
from services.core.errors import Message, ValidationError
from services.core.mobilisation import check_urgent, in_force
from services.gateway.app.envelopes import derive_order_id, make_envelope
from services.gateway.app.once import intent_of, make_intent
from services.gateway.app.resale import check_bought, check_stated, require_offers
from services.gateway.app.rights import require_own, require_side
from services.gateway.errors import ConflictError, not_found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.api import DemandView, OfferView, Receipt
    from schemas.codec import Envelope
    from schemas.market import Market
    from schemas.orders import DemandTerms
    from services.gateway.app.once import Once, Outcome
    from services.gateway.ports import Intent, MarketClock, Markets, Orders, Principal, Reports

    Terms = OfferTerms | DemandTerms

# The models differ only in the type of their terms, which the caller has checked already.
_SUBMITTED: dict[Side, Any] = {
    Side.OFFER: events.OfferSubmitted,
    Side.DEMAND: events.DemandSubmitted,
}
_AMENDED: dict[Side, Any] = {Side.OFFER: events.OfferAmended, Side.DEMAND: events.DemandAmended}
_CANCELLED: dict[Side, Any] = {
    Side.OFFER: events.OfferCancelled,
    Side.DEMAND: events.DemandCancelled,
}

_HISTORY_MAX = 1_000


@dataclass(frozen=True)
class Submission:
    """A new order that a participant wants.

    Attributes:
        key: Idempotency key.
        market_id: The market that it is for.
        terms: Terms, valid by the contract.
        cause: The signed record that it was made of, if it was.
    """

    key: str
    market_id: str
    terms: Terms
    cause: str = ""

    @cached_property
    def terms_json(self) -> str:
        """Return the JSON of the terms, which claim, event and what is shown all need."""
        return self.terms.model_dump_json()


@dataclass(frozen=True, slots=True)
class Change:
    """A wish to change an order.

    Attributes:
        order_id: The order.
        key: Idempotency key.
        expected_version: Version that new terms replace; ``None`` for a cancellation.
        terms: New terms; ``None`` for a cancellation.
    """

    order_id: str
    key: str
    expected_version: int | None = None
    terms: Terms | None = None


class OrderCommands:
    """Writes intents about orders to the log.

    Args:
        once: Runs intents.
        orders: Orders as last seen.
        markets: Markets in force.
        clock: The market's clock.
        reports: Allocations as last seen.
    """

    def __init__(
        self, once: Once, orders: Orders, markets: Markets, clock: MarketClock, reports: Reports
    ) -> None:
        self._once = once
        self._orders = orders
        self._markets = markets
        self._clock = clock
        self._reports = reports

    async def submit(
        self,
        principal: Principal,
        side: Side,
        submissions: Sequence[Submission],
        traceparent: str,
    ) -> list[Outcome]:
        """Submit new orders and return a receipt or an error for each, in order.

        Raises:
            ForbiddenError: if the caller's role does not submit to this side.
        """
        require_side(principal, side)
        require_offers(principal, [item.terms for item in submissions])
        markets: dict[str, Market] = {}

        async def plan(index: int) -> Envelope:
            wanted = submissions[index]
            if wanted.market_id not in markets:
                markets[wanted.market_id] = await self._market(wanted.market_id)
            market = markets[wanted.market_id]
            return await self._submitted(principal, side, wanted, market, traceparent)

        intents = [_submitting(side, item) for item in submissions]
        return await self._once.run(principal.participant_id, intents, plan)

    async def submit_one(
        self, principal: Principal, side: Side, wanted: Submission, traceparent: str
    ) -> str:
        """Submit a new order and return its receipt as JSON.

        Raises:
            DomainError: what `submit` would raise or return.
        """
        require_side(principal, side)
        require_offers(principal, [wanted.terms])

        async def plan() -> Envelope:
            market = await self._market(wanted.market_id)
            return await self._submitted(principal, side, wanted, market, traceparent)

        return await self._once.reply(principal.participant_id, _submitting(side, wanted), plan)

    async def try_submit(
        self, principal: Principal, side: Side, wanted: Submission, markets: dict[str, Market]
    ) -> Market:
        """Check a new order as `submit` would, and do nothing; return its market.

        Args:
            principal: Who asks.
            side: The side.
            wanted: The order.
            markets: Markets that were looked up for orders before it; its own is added.

        Raises:
            DomainError: what `submit` would raise or return.
        """
        require_side(principal, side)
        require_offers(principal, [wanted.terms])
        if wanted.market_id not in markets:
            markets[wanted.market_id] = await self._market(wanted.market_id)
        market = markets[wanted.market_id]
        await self._submitted(principal, side, wanted, market, "")
        return market

    async def try_amend(
        self, principal: Principal, side: Side, change: Change
    ) -> tuple[Market, OfferView | DemandView]:
        """Check a change as `amend` would, and do nothing; return the market and the order.

        Raises:
            DomainError: what `amend` would raise.
        """
        require_side(principal, side)
        await self._plan(principal, side, change, "")
        view = await self._own(principal, side, change.order_id)
        return await self._market(view.market_id), view

    async def _submitted(
        self,
        principal: Principal,
        side: Side,
        wanted: Submission,
        market: Market,
        traceparent: str,
    ) -> Envelope:
        participant_id = principal.participant_id
        order_id = derive_order_id(side, participant_id, wanted.key)
        now = self._clock.now()
        try:
            check_terms(wanted.terms, market, period_of(now))
            await self._check_urgent(wanted.terms, participant_id, market)
            await self._check_resale(wanted.terms, principal)
            await self._check_stated(wanted.terms, market)
        except ValidationError:
            # What a gateway wrote that died before it kept the reply is told again as it was.
            if await self._orders.order(order_id) is None:
                raise
        data, body = submitted_event(side, order_id, participant_id, wanted)
        return make_envelope(
            data,
            event_id=derive_id("gateway", "submitted", order_id),
            participant_id=participant_id,
            correlation_id=order_id,
            occurred_at=now,
            traceparent=traceparent,
            causation_id=wanted.cause,
            body=body,
        )

    async def amend(
        self, principal: Principal, side: Side, change: Change, traceparent: str
    ) -> Receipt:
        """Ask for new terms; matching decides.

        Raises:
            NotFoundError: if the caller has no such order.
            ConflictError: if it is in a final state or the version is not the present one.
            ValidationError: if the terms do not fit the market.
        """
        assert change.terms is not None
        assert change.expected_version is not None
        return await self._change(
            principal,
            side,
            change,
            {
                "order_id": change.order_id,
                "expected_version": change.expected_version,
                "terms": change.terms.model_dump(mode="json"),
            },
            traceparent,
        )

    async def cancel(
        self, principal: Principal, side: Side, change: Change, traceparent: str
    ) -> Receipt:
        """Ask for an order's withdrawal; what is allocated stands.

        Raises:
            NotFoundError: if the caller has no such order.
            ConflictError: if it is in a final state.
        """
        return await self._change(
            principal, side, change, {"order_id": change.order_id}, traceparent
        )

    async def cancel_many(
        self, principal: Principal, side: Side, changes: Sequence[Change], traceparent: str
    ) -> list[Outcome]:
        """Ask for the withdrawal of orders; return a receipt or an error for each, in order.

        Raises:
            ForbiddenError: if the caller's role has no orders of this side.
        """
        require_side(principal, side)

        async def plan(index: int) -> Envelope:
            return await self._plan(principal, side, changes[index], traceparent)

        intents = [
            make_intent(item.key, f"{side.value}.cancelled", {"order_id": item.order_id})
            for item in changes
        ]
        return await self._once.run(principal.participant_id, intents, plan)

    async def _change(
        self,
        principal: Principal,
        side: Side,
        change: Change,
        arguments: dict[str, Any],
        traceparent: str,
    ) -> Receipt:
        require_side(principal, side)

        async def plan() -> Envelope:
            return await self._plan(principal, side, change, traceparent)

        intent = make_intent(change.key, f"{side.value}.{_verb(change)}", arguments)
        return await self._once.one(principal.participant_id, intent, plan)

    async def _plan(
        self, principal: Principal, side: Side, change: Change, traceparent: str
    ) -> Envelope:
        event_id = derive_id("gateway", _verb(change), change.order_id, change.key)
        view = await self._own(principal, side, change.order_id)
        try:
            await self._check_change(view, change)
        except (ConflictError, ValidationError):
            # As above: what it changed may be what it is refused for now.
            if not await self._is_sent(change.order_id, event_id):
                raise
        return make_envelope(
            _changed(view, change),
            event_id=event_id,
            participant_id=principal.participant_id,
            correlation_id=change.order_id,
            occurred_at=self._clock.now(),
            traceparent=traceparent,
        )

    async def _check_change(self, view: OfferView | DemandView, change: Change) -> None:
        if view.state in TERMINAL_STATES:
            raise _final(view)
        if change.terms is None:
            return
        if change.expected_version != view.version:
            raise _stale(view, change.expected_version)
        market = await self._market(view.market_id)
        check_terms(change.terms, market, period_of(self._clock.now()))
        await self._check_urgent(change.terms, view.participant_id, market)

    async def _check_urgent(self, terms: Terms, participant_id: str, market: Market) -> None:
        if isinstance(terms, OfferTerms) or terms.priority is not Priority.URGENT:
            return
        now = self._clock.now()
        declared = await self._markets.mobilised(market.id, now)
        with inside_terms():
            check_urgent(terms, participant_id, market, in_force(declared, period_of(now) + 1))

    async def _check_resale(self, terms: Terms, principal: Principal) -> None:
        if not isinstance(terms, OfferTerms):
            return
        source = terms.resale_of
        found = None if source is None else await self._reports.allocation(source)
        with inside_terms():
            check_bought(principal, terms, found, period_of(self._clock.now()))

    async def _check_stated(self, terms: Terms, market: Market) -> None:
        if not isinstance(terms, OfferTerms) or terms.capacity_chips is not None:
            return
        elsewhere = await self._markets.pools_elsewhere(market.id)
        with inside_terms():
            check_stated(terms, elsewhere.get(pool_key(terms.zone, terms.chip)))

    async def _is_sent(self, order_id: str, event_id: str) -> bool:
        found = await self._orders.history(order_id, after=None, limit=_HISTORY_MAX)
        return any(event.event_id == event_id for _, event in found)

    async def _own(self, principal: Principal, side: Side, order_id: str) -> OfferView | DemandView:
        view = await self._orders.order(order_id)
        if view is None or view.side is not side:
            raise not_found("order_id", order_id)
        require_own(principal, view.participant_id, "order_id", order_id)
        return view

    async def _market(self, market_id: str) -> Market:
        view = await self._markets.market(market_id)
        if view is not None:
            return view.market
        known = ", ".join(
            item.market.id for item in await self._markets.markets(limit=20, after=None)
        )
        raise ValidationError(
            "validation.unknown_market",
            Message(
                f"market_id: must be one of {known or 'none yet'}, was {market_id}",
                f"market_id：须为 {known or '（尚无市场）'} 之一，实为 {market_id}",
            ),
            field="market_id",
            value=market_id,
            allowed=f"one of {known or 'none yet'}",
        )


def check_terms(terms: Terms, market: Market, now_period: int) -> None:
    """Check terms, which came inside a body, against the market's rules.

    Raises:
        ValidationError: with the field, its value and what is allowed.
    """
    with inside_terms():
        if isinstance(terms, OfferTerms):
            validate_offer(terms, market, now_period)
        else:
            validate_demand(terms, market, now_period)


@contextmanager
def inside_terms() -> Iterator[None]:
    """Name the fields of a refusal as the caller sent them.

    Raises:
        ValidationError: of the same, inside ``terms``.
    """
    try:
        yield
    except ValidationError as error:
        # The core knows the terms; the caller sent them inside a body.
        raise ValidationError(
            error.code,
            error.message,
            field=f"terms.{error.field}" if error.field else "terms",
            value=error.value,
            allowed=error.allowed,
        ) from None


def submitted_event(
    side: Side, order_id: str, participant_id: str, wanted: Submission
) -> tuple[Any, str]:
    """Return the event of a new order whose parts were all checked, and its JSON.

    Both are made of their parts, since they are on the path of every order; none of the ids has a
    character that JSON would write in another way.
    """
    data = _SUBMITTED[side].model_construct(
        order_id=order_id,
        market_id=wanted.market_id,
        participant_id=participant_id,
        terms=wanted.terms,
    )
    ids = f'"order_id":"{order_id}","market_id":"{wanted.market_id}"'
    return data, f'{{{ids},"participant_id":"{participant_id}","terms":{wanted.terms_json}}}'


def _submitting(side: Side, wanted: Submission) -> Intent:
    # Made of its parts, since it is on the path of every order; neither text has quotes in it.
    operation = f'"market_id":"{wanted.market_id}","operation":"{side.value}.submit"'
    return intent_of(wanted.key, f'{{{operation},"terms":{wanted.terms_json}}}')


def _verb(change: Change) -> str:
    return "cancelled" if change.terms is None else "amended"


def _changed(view: OfferView | DemandView, change: Change) -> events.Event:
    common = {
        "order_id": view.order_id,
        "market_id": view.market_id,
        "participant_id": view.participant_id,
    }
    if change.terms is None:
        cancelled: events.Event = _CANCELLED[view.side](**common)
        return cancelled
    amended: events.Event = _AMENDED[view.side](
        **common, expected_version=change.expected_version, terms=change.terms
    )
    return amended


def _final(view: OfferView | DemandView) -> ConflictError:
    return ConflictError(
        "order_final",
        Message(
            f"state: must be accepted, open or part-filled to change an order, was {view.state}",
            f"状态：须为已受理、开放或部分成交才能更改，实为 {view.state}",
        ),
        field="state",
        value=view.state.value,
        allowed="accepted, open, part-filled",
    )


def _stale(view: OfferView | DemandView, expected: int | None) -> ConflictError:
    return ConflictError(
        "stale_version",
        Message(
            f"expected_version: must be {view.version}, was {expected}; read the order again",
            f"expected_version：须为 {view.version}，实为 {expected}；请重新读取订单",
        ),
        field="expected_version",
        value=str(expected),
        allowed=str(view.version),
    )
