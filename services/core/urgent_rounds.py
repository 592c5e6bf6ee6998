"""The book of an urgent round, and what it gave."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas.mobilisation import MobilisationDeclared, MobilisationEnded, MobilisationServed
from schemas.types import period_of
from services.core.book import Book, BookMobilisation, KeptOut
from services.core.mobilisation import (
    in_force,
    is_urgent,
    no_longer_urgent,
    scope_of,
    stages_after,
)
from services.core.orders import OfferOrder, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from schemas.events import Event
    from schemas.market import Market
    from services.core.book import Alternative, BookDemand
    from services.core.round_events import RoundFacts

    Build = Callable[[Sequence[Order]], Book]


class Stages:
    """The mobilisations of a market, and the stage of its cycle: urgent rounds, then the ordinary.

    Attributes:
        known: All that were declared and not withdrawn, by id.
        served: The one that the last round served, empty if it was an ordinary round.
    """

    def __init__(self) -> None:
        self.known: dict[str, MobilisationDeclared] = {}
        self._withdrawn: set[str] = set()
        self.served = ""

    def fork(self) -> Stages:
        """Return a copy that goes on by itself."""
        child = Stages()
        child.known, child.served = dict(self.known), self.served
        child._withdrawn = set(self._withdrawn)
        return child

    def take(self, told: Event) -> bool:
        """Take what was declared or withdrawn; False if the event is about something else.

        Of two declarations of one id, the first counts; one that was withdrawn stays so, though
        its declaration may come after.
        """
        if isinstance(told, MobilisationDeclared) and told.mobilisation_id not in self._withdrawn:
            self.known.setdefault(told.mobilisation_id, told)
        elif isinstance(told, MobilisationEnded):
            self._withdrawn.add(told.mobilisation_id)
            self.known.pop(told.mobilisation_id, None)
        return isinstance(told, MobilisationDeclared | MobilisationEnded)

    def leaving(self, orders: Sequence[Order], market: Market, first_period: int) -> list[Order]:
        """Return the urgent demand that leaves before a round, as nothing in force covers it."""
        return no_longer_urgent(orders, market, in_force(self.known.values(), first_period))

    def book(
        self, build: Build, orders: Sequence[Order], market: Market, first_period: int
    ) -> Book:
        """Return the book of the next round: of the next mobilisation with demand, or the ordinary.

        Args:
            build: Makes the book of a round from orders.
            orders: Live orders.
            market: The market.
            first_period: First period that the round can give.
        """
        active = in_force(self.known.values(), first_period)
        for one in stages_after(active, self.known, self.served):
            book = _urgent_book(build, orders, market, one)
            if book is not None:
                self.served = one.mobilisation_id
                return book
        self.served = ""
        return build([order for order in orders if not is_urgent(order)])


def _urgent_book(
    build: Build, orders: Sequence[Order], market: Market, one: MobilisationDeclared
) -> Book | None:
    scope = scope_of(one, market)
    wanted = [
        order for order in orders if is_urgent(order)
        and order.participant_id in one.terms.participants
    ]  # fmt: skip
    if not wanted:
        return None
    supply = [
        _called(order) for order in orders
        if isinstance(order, OfferOrder) and order.pool in scope
    ]  # fmt: skip
    book = build([*supply, *wanted])
    demands = [_in_scope(item, scope, one) for item in book.demands]
    kept = {item.id: item for item in demands if item is not None}
    while lost := [key for key, item in kept.items() if item.linked_to not in {None, *kept}]:
        for key in lost:
            del kept[key]
    if not kept:
        return None
    return replace(
        book,
        pools=tuple(pool for pool in book.pools if pool.key in scope),
        demands=tuple(kept.values()),
        links=book.links if any(item.moves is not None for item in kept.values()) else (),
        mobilisation=BookMobilisation(one.mobilisation_id, one.terms.price_cap),
        # Of what limits keep out, only a part may be within the mobilisation's scope.
        kept_out=KeptOut(),
        held=(),
        allowances=(),
    )


def _called(order: OfferOrder) -> OfferOrder:
    """Return an offer as it stands in an urgent round: the reserve at its agreed price."""
    price = order.terms.mobilisation_price
    if not order.terms.mobilisable or price is None:
        return order
    return replace(order, terms=order.terms.model_copy(update={"ask": price}))


def _in_scope(
    demand: BookDemand, scope: frozenset[str], one: MobilisationDeclared
) -> BookDemand | None:
    found = [_part(item, scope, one) for item in demand.alternatives]
    alternatives = tuple(item for item in found if item is not None)
    return replace(demand, alternatives=alternatives) if alternatives else None


def _part(
    item: Alternative, scope: frozenset[str], one: MobilisationDeclared
) -> Alternative | None:
    """Return what of an alternative a mobilisation covers."""
    pools = tuple(key for key in item.pools if key in scope)
    earliest = max(item.earliest, period_of(one.terms.start))
    deadline = min(item.deadline, period_of(one.terms.end))
    if not pools or deadline - earliest < max(1, item.duration):
        return None
    by_period = item.chips_by_period[earliest - item.earliest : deadline - item.earliest]
    hours = min(item.chip_hours, sum(by_period))
    if not item.duration and not hours:
        return None
    return replace(
        item,
        pools=pools,
        limit=min(item.limit, one.terms.price_cap),
        earliest=earliest,
        deadline=deadline,
        chips_by_period=by_period,
        chip_hours=hours,
    )


def served_event(facts: RoundFacts, orders: Mapping[str, Order]) -> MobilisationServed | None:
    """Return what an urgent round gave, ``None`` if the round was an ordinary one.

    Args:
        facts: The round.
        orders: The book's orders, by id.
    """
    book, result = facts.book, facts.result
    if book.mobilisation is None:
        return None
    reserve = {
        row.id
        for row in book.offers
        if isinstance(order := orders[row.id], OfferOrder) and order.terms.mobilisable
    }
    curves = dict(result.prices)
    bought = [
        (row.offer, chips, curves[row.pool][period - book.first_period])
        for row in result.allocations
        for period, chips in enumerate(row.chips, row.start)
        if chips
    ]
    return MobilisationServed(
        mobilisation_id=book.mobilisation.id,
        market_id=facts.market.id,
        round_id=facts.round_id,
        market_time=facts.market_time,
        price_cap=book.mobilisation.price_cap,
        demands=len(book.demands),
        demands_served=sum(row.chip_hours > 0 for row in result.demands),
        chip_hours=sum(chips for _, chips, _ in bought),
        reserve_chip_hours=sum(chips for offer, chips, _ in bought if offer in reserve),
        payment=sum(row.payment for row in result.demands),
        price_max=max((price for _, _, price in bought), default=0),
    )
