"""What policies cost, on drawn books, and against the oracle's welfare with and without them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.policies import CircuitBreaker, LargestShare, PriceLimits, TradingHalt
from services.core.book import Book, BookPolicy, KeptOut, Rules
from services.core.book_policies import under, with_all_orders, without
from services.core.clearing.clear import clear
from services.core.codec import book_from_dict, book_to_dict, result_to_dict, rules_to_dict
from services.core.policy_study.cost import policy_costs
from services.core.policy_study.gains import gains_of
from services.core.policy_study.simulation import Simulation
from suanli.checker import verify
from tests.property.clearing.books import linked_book, oracle_welfare, small_book
from tests.property.clearing.test_domestic_share import shared

RULES = Rules(tick=1, ascent_steps=20)
AT = datetime(2026, 11, 24, 8, tzinfo=UTC)


def cap(book: Book, percent: int, name: str = "caps") -> BookPolicy:
    """Return limits that keep out what is dearer than so many hundredths of the dearest."""
    prices = [row.limit for demand in book.demands for row in demand.alternatives]
    most = max(prices) * percent // 100
    return BookPolicy(name, 1, "price_limits", (("cap", most), ("chip", ""), ("floor", 0)))


@given(st.integers(0, 10**6), st.integers(1, 100), st.booleans())
@settings(deadline=None, max_examples=25)
def test_a_policy_costs_the_welfare_that_the_oracle_finds_without_it(
    seed: int, percent: int, links: bool
) -> None:
    whole = linked_book(seed) if links else small_book(seed)
    book = under(whole, [cap(whole, percent)])
    assert with_all_orders(book) == replace(whole, policies=book.policies)
    assert without(book, "caps") == whole
    result = clear(book, RULES)
    value = book_to_dict(book)
    assert book_to_dict(book_from_dict(value)) == value
    report = verify(value, rules_to_dict(RULES), result_to_dict(result))
    assert report.ok, report.problems[:3]
    (found,) = policy_costs(book, RULES, result)
    best = oracle_welfare(whole) - oracle_welfare(book)
    assert found.cost == best
    assert found.cost_least <= best <= found.cost_most
    kept = (found.offers_kept_out, found.demands_kept_out)
    assert kept == (len(book.kept_out.offers), len(book.kept_out.demands))
    for gains in (found.with_it, found.without_it):
        assert gains.welfare == gains.buyers + gains.sellers + gains.links
        assert gains.buyers == sum(row.buyers for row in gains.regions)
        assert gains.sellers == sum(row.sellers for row in gains.regions)
        assert gains.chip_hours == sum(row.chip_hours for row in gains.regions)
        assert gains.fund == 0
        assert min(gains.buyers, gains.sellers, gains.links) >= 0


@given(st.integers(0, 10**6), st.integers(1, 100))
@settings(deadline=None, max_examples=15)
def test_a_rule_simulated_on_a_round_gives_what_the_round_under_it_gives(
    seed: int, percent: int
) -> None:
    whole = small_book(seed)
    whole = replace(whole, round_id="small:7")
    row = cap(whole, percent)
    most = int(dict(row.params)["cap"])
    rule = PriceLimits(kind="price_limits", cap=most)
    seen = Simulation("small", rule).take(whole, RULES, clear(whole, RULES), AT)
    under_it = under(whole, [replace(row, id="simulated")])
    assert seen.cost.with_it == gains_of(under_it, clear(under_it, RULES))
    assert seen.cost.without_it == gains_of(whole, clear(whole, RULES))
    assert seen.cost.cost == oracle_welfare(whole) - oracle_welfare(under_it)
    # On the round that was run under the rule, to withdraw it gives the round without it back.
    back = Simulation("small", None, "simulated").take(under_it, RULES, clear(under_it, RULES), AT)
    assert back.cost.with_it == seen.cost.without_it
    assert back.cost.cost == -seen.cost.cost
    assert back.cost.offers_kept_out == -len(under_it.kept_out.offers)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@settings(deadline=None, max_examples=15)
def test_what_a_domestic_share_costs_is_spread_over_all_who_bear_it(seed: int, chance: int) -> None:
    book = shared(small_book(seed), chance)
    result = clear(book, RULES)
    (found,) = policy_costs(book, RULES, result)
    whole = replace(book, policies=())
    assert found.without_it == gains_of(whole, clear(whole, RULES))
    assert found.with_it.fund == sum(row.charges - row.credits for row in result.shares) >= 0
    for gains in (found.with_it, found.without_it):
        assert gains.welfare == gains.buyers + gains.sellers + gains.links + gains.fund
        assert min(gains.buyers, gains.sellers) >= 0
    assert found.cost_least <= found.cost <= found.cost_most
    # All that a share keeps out, a book without it may take.
    assert found.cost_most >= 0


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=25)
def test_a_largest_share_costs_the_welfare_that_the_oracle_finds_without_it(seed: int) -> None:
    whole = replace(small_book(seed), round_id="small:7")
    rule = LargestShare(kind="largest_share", share_bp=2_500)
    params = (("chip", ""), ("chips_free", 0), ("region", ""), ("share_bp", 2_500))
    book = under(whole, [BookPolicy("fair", 1, "largest_share", params)])
    assert without(book, "fair") == whole
    (found,) = policy_costs(book, RULES, clear(book, RULES))
    assert found.cost == oracle_welfare(whole) - oracle_welfare(book) >= 0
    assert found.with_it.welfare == found.with_it.buyers + found.with_it.sellers
    seen = Simulation("small", rule).take(whole, RULES, clear(whole, RULES), AT)
    assert (seen.cost.cost, seen.cost.with_it) == (found.cost, found.with_it)


def test_limits_of_the_same_chips_are_replaced_and_others_stay() -> None:
    whole = replace(small_book(18), round_id="small:7")
    book = under(whole, [cap(whole, 1), replace(cap(whole, 100, "more"), params=(
        ("cap", 10**9), ("chip", "other"), ("floor", 0)))])  # fmt: skip
    assert book.kept_out != KeptOut()
    rule = PriceLimits(kind="price_limits", cap=10**9)
    seen = Simulation("small", rule).take(book, RULES, clear(book, RULES), AT)
    assert seen.cost.with_it == gains_of(whole, clear(whole, RULES))


def test_a_halt_lets_no_round_run_and_a_breaker_those_of_its_pause() -> None:
    book = replace(small_book(18), round_id="small:7")
    result = clear(book, RULES)
    assert result.welfare > 0
    halted = Simulation("small", TradingHalt(kind="trading_halt")).take(book, RULES, result, AT)
    assert (halted.state, halted.cost.cost) == ("not_run", result.welfare)
    assert halted.cost.demands_kept_out == len(book.demands)
    assert {row.with_it for row in halted.prices} == {None}

    # The same round twice is no move; at prices twice as high it is.
    dear = replace(
        book,
        offers=tuple(replace(row, ask=2 * row.ask) for row in book.offers),
        demands=tuple(
            replace(
                row,
                alternatives=tuple(
                    replace(item, limit=2 * item.limit) for item in row.alternatives
                ),
            )
            for row in book.demands
        ),
    )
    rule = CircuitBreaker(kind="circuit_breaker", move_bp=5_000, pause_s=900)
    watch, states = Simulation("small", rule), []
    for minute, one in ((0, book), (5, book), (10, dear), (15, book), (26, book)):
        named = replace(one, round_id=f"small:{7 + minute}")
        at = AT + timedelta(minutes=minute)
        states.append(watch.take(named, RULES, clear(named, RULES), at).state)
    assert states == ["cleared", "cleared", "cleared", "not_run", "cleared"]
