"""Under a cap, prices stay below it, the checker agrees, and no welfare is lost."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.book import Book, BookPolicy, Rules
from services.core.clearing.clear import clear, clear_greedy
from services.core.clearing.scale.engine import clear_large
from services.core.codec import book_from_dict, book_to_dict, result_to_dict, rules_to_dict
from suanli.checker import verify
from tests.property.clearing.books import linked_book, oracle_welfare, small_book

RULES = Rules(tick=1, ascent_steps=20)


def capped(book: Book) -> Book:
    """Return a book under the lowest cap that still takes all its orders."""
    prices = [offer.ask for offer in book.offers]
    prices += [row.limit for demand in book.demands for row in demand.alternatives]
    params = (("cap", max(prices)), ("chip", ""), ("floor", min(o.ask for o in book.offers)))
    return replace(book, policies=(BookPolicy("caps", 1, "price_limits", params),))


def check(book: Book) -> None:
    cap = dict(book.policies[0].params)["cap"]
    best = oracle_welfare(book)
    value = book_to_dict(book)
    for solve in (clear, clear_greedy):
        result = solve(book, RULES)
        report = verify(value, rules_to_dict(RULES), result_to_dict(result))
        assert report.ok, report.problems[:3]
        assert max(max(row) for _, row in result.prices) <= int(cap)
        assert result.certificate.bound >= best
        if solve is clear:
            assert result.welfare == best
    assert book_from_dict(value).policies == book.policies


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=15)
def test_a_cap_that_takes_every_order_costs_no_welfare_and_holds_every_price(seed: int) -> None:
    book = capped(small_book(seed))
    check(book)


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=15)
def test_a_cap_holds_where_demand_pays_for_links_too(seed: int) -> None:
    check(capped(linked_book(seed)))


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=15)
def test_a_cap_holds_in_the_search_of_large_books(seed: int) -> None:
    book = capped(small_book(seed))
    result = clear_large(book, RULES, search=False)
    report = verify(book_to_dict(book), rules_to_dict(RULES), result_to_dict(result))
    assert report.ok, report.problems[:3]
    assert result.certificate.bound >= oracle_welfare(book)


def test_a_cap_binds_where_a_run_would_pay_more_in_one_hour_than_in_another() -> None:
    book = small_book(11)
    cap = int(dict(capped(book).policies[0].params)["cap"])
    assert max(max(row) for _, row in clear(book, RULES).prices) > cap
    check(capped(book))
