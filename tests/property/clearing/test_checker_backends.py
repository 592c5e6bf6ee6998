"""The checker finds the same with NumPy and with Python alone, right or wrong."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.clearing_books import seeded_book
from services.core.book import Book, Rules
from services.core.clearing.clear import clear_greedy
from services.core.codec import canonical_json, round_to_dict
from suanli import check_arrays
from suanli.check_bound import BestResponses, Supply
from suanli.check_formats import read_book
from suanli.check_report import Log
from suanli.checker import verify
from tests.property.clearing.books import linked_book, small_book
from tests.property.examples import examples

RULES = Rules(tick=1, ascent_steps=20)
SEEDS = st.integers(0, 2**40)
MOST = 2**63 - 1


def parts_of(book: Book) -> dict[str, Any]:
    """Return a valid round of a book as its file has it."""
    file = canonical_json(round_to_dict(book, RULES, clear_greedy(book, RULES)))
    parts: dict[str, Any] = json.loads(file)
    return parts


def assert_same(parts: dict[str, Any]) -> bool:
    """Verify with both backends, compare all that they say, and return the verdict."""
    given_parts = (parts["book"], parts["rules"], parts["result"])
    plain = verify(*given_parts, backend="plain")
    assert verify(*given_parts, backend="numpy") == plain
    return plain.ok


@examples(100)
@given(seed=SEEDS)
def test_both_backends_find_the_same_in_right_and_wrong_rounds(seed: int) -> None:
    parts = parts_of(small_book(seed))
    assert assert_same(parts)
    chance = random.Random(seed)
    result = parts["result"]
    for curves in (result["prices"], result["certificate"]["prices"]):
        curve = curves[chance.choice(sorted(curves))]
        at = chance.randrange(len(curve))
        before = curve[at]
        # The largest number that a file may hold leaves 64 bits; then Python has to count.
        for value in (before + 1, max(0, before - 1), before * 2 + 100, MOST):
            curve[at] = value
            assert_same(parts)
        curve[at] = before


# It is cleared as a large book, and the first of these waits for the compiler.
@pytest.mark.timeout(600)
def test_both_backends_find_the_same_in_a_round_of_a_thousand_demands() -> None:
    assert assert_same(parts_of(seeded_book(1_000, seed=5)))


@pytest.mark.parametrize("demands", [1, 40, 300])
def test_every_best_response_is_the_same_at_random_prices(demands: int) -> None:
    parts = parts_of(seeded_book(demands, seed=demands))
    book = read_book(parts["book"], Log())
    assert book is not None
    supply = Supply(book)
    layout = check_arrays.Layout(book, supply)
    chance = random.Random(demands)
    for _ in range(5):
        prices = {
            pool: [chance.randrange(6_000_000) for _ in range(book.periods)] for pool in book.pools
        }
        plain = BestResponses(supply, prices)
        assert layout.demands(prices) == plain.demands(book)
        assert layout.offers(prices) == plain.offers(book)


@examples(15)
@given(seed=SEEDS)
def test_no_wrong_number_about_links_passes_or_stops_the_checker(seed: int) -> None:
    parts = parts_of(linked_book(seed))
    assert assert_same(parts)
    links = parts["result"].get("links", [])
    used = [row for row in links if any(row["used"])]
    for row in used[:2]:
        for name in ("used", "prices"):
            at = next(t for t, gb in enumerate(row["used"]) if gb)
            before = row[name][at]
            for value in (before + 1, 0, MOST):
                row[name][at] = value
                assert assert_same(parts) == (value == before)
            row[name][at] = before
            del row[name][at]
            assert not assert_same(parts)
            row[name].insert(at, before)
    for row in parts["book"].get("links", []):
        before, row["capacity"] = row["capacity"], [0] * len(row["capacity"])
        assert_same(parts)
        row["capacity"] = before
