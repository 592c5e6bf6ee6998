"""What accounts hold after rounds, and what a book tells of it."""

from __future__ import annotations

from dataclasses import replace

from schemas.types import period_of
from services.core.book import Allocation, Book, BookMobilisation, BookPolicy, Rules
from services.core.book_builder import Horizon, build_book
from services.core.clearing.clear import clear
from services.core.holding_rows import BookHolding
from services.core.holdings import Held, held_after
from services.core.orders import OfferOrder, Order
from services.core.round_outcome import apply_result
from tests.unit.core.orders_world import (
    DEMAND_ID,
    MARKET,
    NOW,
    OFFER_ID,
    Records,
    demand,
    offer,
    placed,
)

FIRST = period_of(NOW) + 1
POOL = "bj-1/t4"
HALF = BookPolicy(
    "half", 1, "largest_share",
    (("chip", ""), ("chips_free", 0), ("region", ""), ("share_bp", 5_000)),
)  # fmt: skip
SOURCE = "al_" + "a" * 26


def orders(*more: OfferOrder) -> dict[str, Order]:
    """Return an offer of 8 chips and a flow of 4, open, with others."""
    found = dict(Records(offer(), demand(), placed()).orders)
    return found | {order.id: order for order in more}


def resale(chips: int = 3) -> OfferOrder:
    """Return an offer of the enterprise that sells on chips for its first two hours."""
    terms = {"chips": chips, "end": NOW.replace(hour=11, minute=0), "resale_of": SOURCE}
    order = Records(offer("off_" + "c" * 26, "e-1")).orders["off_" + "c" * 26]
    assert isinstance(order, OfferOrder)
    return replace(order, terms=order.terms.model_copy(update=terms), is_held=True)


def book_of(known: dict[str, Order], held: Held, at: int = 0) -> Book:
    """Return the book of a round some hours later, under a share of half."""
    horizon = Horizon(9, FIRST + at, 24)
    return build_book(MARKET, list(known.values()), {}, horizon, policies=(HALF,), held=held)


def gave(book: Book, known: dict[str, Order], held: Held, *rows: Allocation) -> Held:
    """Return what accounts hold after a round that made these allocations."""
    return held_after(held, book, replace(clear(book, Rules()), allocations=rows), known)


def test_what_rounds_give_is_held_until_its_hour_is_over_or_it_is_sold_on() -> None:
    known = orders(resale())
    book = book_of(known, {})
    bought = Allocation(DEMAND_ID, OFFER_ID, POOL, FIRST, (4, 4, 0, 2))
    held = gave(book, known, {}, bought)
    assert held == {("e-1", POOL): (FIRST, (4, 4, 0, 2))}
    # Sold on: three in the hour after the next. The hour that has begun is over.
    on = Allocation("dem_" + "z" * 26, resale().id, POOL, FIRST + 1, (3,))
    later = gave(book_of(known, held, 1), known, held, on)
    assert later == {("e-1", POOL): (FIRST + 1, (1, 0, 2))}
    assert gave(book_of(known, later, 2), known, later) == later
    assert gave(book_of(known, later, 4), known, later) == {}


def test_what_is_urgent_or_of_an_order_that_nobody_knows_is_not_held() -> None:
    known = orders()
    book = book_of(known, {})
    bought = Allocation(DEMAND_ID, OFFER_ID, POOL, FIRST, (4,))
    urgent = replace(book, mobilisation=BookMobilisation("need", 10**9))
    assert held_after({}, urgent, replace(clear(book, Rules()), allocations=(bought,)), known) == {}
    assert gave(book, {}, {}, bought) == {}
    # Chips of another market's allocation were never held here.
    on = Allocation(DEMAND_ID, resale().id, POOL, FIRST, (3,))
    assert gave(book, {resale().id: resale()}, {}, on) == {}


def test_a_book_tells_what_its_buyers_hold_and_counts_what_is_for_sale_again_once() -> None:
    known = orders(resale())
    held = {
        ("e-1", POOL): (FIRST - 1, (3, 3, 3, 3)),
        ("e-away", POOL): (FIRST + 1, (2,)),
        ("e-1", "he-9/t4"): (FIRST, (1,)),
    }
    book = book_of(known, held)
    buyer = next(row.participant for row in book.demands)
    assert book.held == (
        # The three of the first two hours stand in the book as an offer.
        BookHolding("", POOL, FIRST + 1, (2, 3)),
        BookHolding(buyer, POOL, FIRST, (3, 3, 3)),
    )
    # 8 chips and those on sale again are offered: half of 11, of 13, of 11, less what it has.
    (allowance,) = book.allowances
    assert allowance.capacity[:4] == (6 - 3, 7 - 3, 6 - 3, 4)
    assert not build_book(MARKET, list(known.values()), {}, Horizon(9, FIRST, 24), held=held).held


def test_who_holds_its_share_already_gets_nothing_and_is_told_so() -> None:
    known = orders()
    held = {("e-1", POOL): (FIRST, (9, 9, 9, 9))}
    result = clear(book_of(known, held), Rules())
    # Of 17 chips nine are its share: it has them.
    assert not result.allocations
    (told,) = result.demands
    assert told.reason.code == "largest_share"
    assert dict(told.reason.params).items() >= {"largest": 0, "held": 9, "chip": "t4"}.items()


def test_who_is_kept_out_again_is_told_the_numbers_of_now_and_nothing_that_it_was_told() -> None:
    known = orders()

    def news(chips: int) -> list[Order]:
        book = book_of(known, {("e-1", POOL): (FIRST, (chips,) * 4)})
        return apply_result(book, clear(book, Rules()), known, MARKET, 9)

    for chips in (9, 11):
        (told,) = [order for order in news(chips) if order.id == DEMAND_ID]
        assert told.why.code == "largest_share"
        assert dict(told.why.params)["held"] == chips
        known |= {order.id: order for order in news(chips)}
        assert news(chips) == []
