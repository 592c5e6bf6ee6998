from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.clearing_books import seeded_book
from services.core.book import Book, Result, Rules
from services.core.clearing import search
from services.core.clearing.clear import clear, clear_greedy
from services.core.codec import canonical_json, result_to_dict, round_to_dict
from suanli.checker import verify
from tests.property.clearing.books import oracle_welfare, shuffled, small_book
from tests.property.examples import examples

RULES = Rules(effort=1, ascent_steps=40)
SEEDS = st.integers(0, 2**40)
SOME = examples(30)


def assert_verified(book: Book, result: Result) -> None:
    parts = json.loads(canonical_json(round_to_dict(book, RULES, result)))
    report = verify(parts["book"], parts["rules"], parts["result"])
    assert report.ok, [str(problem) for problem in report.problems[:5]]


@pytest.mark.timeout(240)
@SOME
@given(seed=SEEDS)
def test_search_by_neighbourhoods_keeps_every_rule_on_small_books(seed: int) -> None:
    book = small_book(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_WHOLE_COLUMNS_MAX", -1)
        result = clear(book, RULES)
    assert_verified(book, result)
    assert clear_greedy(book, RULES).welfare <= result.welfare <= oracle_welfare(book)


@pytest.mark.timeout(120)
def test_search_improves_on_the_greedy_and_repeats_itself_on_a_larger_book() -> None:
    book = seeded_book(150, seed=3)
    result = clear(book, RULES)
    assert_verified(book, result)
    assert result.welfare > clear_greedy(book, RULES).welfare
    again = clear(shuffled(book, 1), RULES)
    assert canonical_json(result_to_dict(again)) == canonical_json(result_to_dict(result))
