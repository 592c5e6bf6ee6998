"""What a round takes over from those before it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.core.book import Certificate, Result, Rules
from services.core.clearing.clear import clear_greedy
from services.core.round_pace import Pace
from tests.property.clearing.books import small_book

BOOK = small_book(1)
RESULT: Result = clear_greedy(BOOK, Rules(ascent_steps=5))


def test_rounds_that_take_too_long_get_less_effort_and_get_it_back() -> None:
    pace = Pace()
    for _ in range(3):
        pace = pace.after(BOOK, RESULT, solve_ms=40_000, budget_ms=10_000)
    assert pace.effort(80) == 10
    for _ in range(6):
        pace = pace.after(BOOK, RESULT, solve_ms=1_000, budget_ms=10_000)
    assert pace.effort(80) == 80


@given(
    rounds=st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), max_size=30),
    wanted=st.integers(0, 1_000),
)
def test_effort_stays_between_one_and_what_the_size_calls_for(
    rounds: list[tuple[int, int]], wanted: int
) -> None:
    pace = Pace()
    for solve_ms, budget_ms in rounds:
        pace = pace.after(BOOK, RESULT, solve_ms, budget_ms)
    assert min(wanted, 1) <= pace.effort(wanted) <= wanted


def test_prices_move_with_the_horizon_and_the_last_one_goes_on() -> None:
    key = BOOK.pools[0].key
    book = replace(BOOK, first_period=102, periods=4)
    gone = ("gone/pool", (1, 1, 1, 1))
    result = replace(RESULT, certificate=Certificate(((key, (1, 2, 3, 4)), gone), 0))
    pace = Pace().after(replace(book, first_period=100), result, 1, 1)
    assert pace.start_prices(book) == ((key, (3, 4, 4, 4)),)
    assert pace.start_prices(replace(book, first_period=200)) == ((key, (4, 4, 4, 4)),)
    assert not pace.start_prices(replace(book, first_period=99))
