"""What a round's result does to the orders that were in its book."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.types import OrderState
from services.core.book_builder import out_by_others
from services.core.clearing.reasons import SENTENCES, sentence
from services.core.link_charges import link_charges
from services.core.order_fills import Fill, filled_demand, filled_offer
from services.core.orders import DemandOrder, OfferOrder, Order, moved, noted
from services.core.policy_rows import LARGEST
from services.core.reasons import Why, why, why_of_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.market import Market
    from services.core.book import Allocation, Book, Reason, Result


@dataclass(frozen=True, slots=True)
class Side:
    """What one order got in a round.

    Attributes:
        fills: (period, chips) pairs; a period comes once per pairing.
        money: What they cost at the clearing prices; to a demand, links included.
    """

    fills: tuple[tuple[int, int], ...]
    money: int


@dataclass(frozen=True, slots=True)
class Traded:
    """What all orders got in a round.

    Attributes:
        by_demand: Demand id -> what it got.
        by_offer: Offer id -> what was taken of it.
    """

    by_demand: Mapping[str, Side]
    by_offer: Mapping[str, Side]


def prices_by_pool(result: Result) -> dict[str, tuple[int, ...]]:
    """Return each pool's clearing prices, by period from the book's first."""
    return dict(result.prices)


def periods_of(
    allocation: Allocation, prices: Mapping[str, tuple[int, ...]], first_period: int
) -> list[tuple[int, int, int]]:
    """Return (period, chips, price) of an allocation's periods that have chips."""
    curve = prices[allocation.pool]
    return [
        (period, chips, curve[period - first_period])
        for period, chips in enumerate(allocation.chips, allocation.start)
        if chips
    ]


def traded_of(book: Book, result: Result) -> Traded:
    """Return what each order got, at the clearing prices, in exact integers."""
    prices = prices_by_pool(result)
    fills: dict[str, list[tuple[int, int]]] = defaultdict(list)
    money: dict[str, int] = defaultdict(int)
    for allocation in result.allocations:
        periods = periods_of(allocation, prices, book.first_period)
        cost = sum(chips * price for _, chips, price in periods)
        for order_id in (allocation.demand, allocation.offer):
            fills[order_id] += [(period, chips) for period, chips, _ in periods]
            money[order_id] += cost
    for charge in link_charges(book, result):
        money[charge.demand] += charge.payment
    demands = {demand.id for demand in book.demands}
    sides = {order_id: Side(tuple(got), money[order_id]) for order_id, got in fills.items()}
    return Traded(
        by_demand={key: side for key, side in sides.items() if key in demands},
        by_offer={key: side for key, side in sides.items() if key not in demands},
    )


def apply_result(
    book: Book, result: Result, orders: Mapping[str, Order], market: Market, round_seq: int
) -> list[Order]:
    """Return the orders that a round changed, each in its one new state.

    An order that got nothing keeps its state; it changes only if the reason is another than
    the round before. Pure: the same arguments give the same orders.

    Args:
        book: The round's book.
        result: A result for it that has passed the checker.
        orders: The book's orders as they were when it was sealed, by id.
        market: The market.
        round_seq: Number of the round.
    """
    traded = traded_of(book, result)
    changed: list[Order] = []
    demands = {demand.id: demand for demand in book.demands}
    for outcome in result.demands:
        order = orders[outcome.id]
        assert isinstance(order, DemandOrder), f"{order.id}: not a demand"
        side = traded.by_demand.get(outcome.id)
        if side is None:
            changed += _untouched(order, outcome.reason)
            continue
        alternative = next(
            item for item in demands[order.id].alternatives if item.index == outcome.alternative
        )
        fill = Fill(round_seq, alternative, side.fills, side.money, book.first_period)
        changed.append(filled_demand(order, fill, market))
    for offer in result.offers:
        order = orders[offer.id]
        assert isinstance(order, OfferOrder), f"{order.id}: not an offer"
        side = traded.by_offer.get(offer.id)
        if side is None:
            changed += _untouched(order, offer.reason)
        else:
            changed.append(filled_offer(order, side.fills, side.money))
    return changed


def group_losers(changed: Iterable[Order], live: Iterable[Order]) -> list[Order]:
    """Return the demand that leaves because another of its exclusive group was accepted.

    Args:
        changed: What `apply_result` returned.
        live: All live orders, with the changed ones as they were before or after.
    """
    groups = winners(changed)
    if not groups:
        return []
    losers: list[Order] = []
    for order in live:
        out = out_by_others(order, {}, groups)
        if out is not None:
            losers.append(moved(order, OrderState.CANCELLED, out))
    return losers


def winners(orders: Iterable[Order]) -> dict[str, str]:
    """Return exclusive group -> demand, for the demand that has traded."""
    return {
        order.group: order.id
        for order in orders
        if isinstance(order, DemandOrder) and order.has_traded and order.group is not None
    }


def holds_to_adjust(orders: Iterable[Order], filled: Iterable[str]) -> list[DemandOrder]:
    """Return the demand whose hold a round must tell the ledger of, sorted by id.

    That is all demand that the round allocated to, and all other of which the ledger holds
    more or less than is due, unless an open amendment may still need what is held.

    Args:
        orders: Orders after the round.
        filled: Ids of the demand that it allocated to.
    """
    ids = set(filled)
    found = [
        order
        for order in orders
        if isinstance(order, DemandOrder) and (order.id in ids or order.has_hold_news)
    ]
    return sorted(found, key=lambda order: order.id)


def _untouched(order: Order, reason: Reason) -> list[Order]:
    """Return an order whose reason is of another kind, or has other numbers of the order's own.

    Prices move in every round and stand elsewhere. What is left of an allowance does not.
    """
    if reason.code == order.why.code != LARGEST:
        return []
    why_now = _why(reason)
    return [] if why_now == order.why else [noted(order, why_now)]


def _why(reason: Reason) -> Why:
    if reason.code in SENTENCES:
        return why_of_message(reason.code, sentence(reason), dict(reason.params))
    return why(reason.code, **dict(reason.params))
