"""The engine for large books, forced on small ones, where everything can be tried out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.clearing_large_books import large_book
from schemas.types import Shape
from services.core.book import Alternative, Book, BookDemand, BookOffer, Pool, Result, Rules
from services.core.clearing.clear import clear
from services.core.clearing.presolve import IntArray, canonical_book
from services.core.clearing.price_search import PRICE_MAX
from services.core.clearing.scale import ascent, engine
from services.core.clearing.scale.engine import clear_large
from services.core.clearing.scale.layout import lay_out
from services.core.clearing.scale.losers import hints_of
from services.core.clearing.scale.respond import Responder
from services.core.clearing.size import choices_of
from services.core.clearing.why_not import hints, left_of, offer_row
from services.core.codec import canonical_json, result_digest, result_to_dict, round_to_dict
from suanli.checker import verify
from tests.property.clearing.books import linked_book, oracle_welfare, shuffled, small_book
from tests.property.examples import examples
from tests.unit.core.clearing.builders import cells, codes, demand, run
from tests.unit.core.clearing.test_links import link, sending, two_zones

RULES = Rules(effort=1, ascent_steps=40)
SEEDS = st.integers(0, 2**40)
SOME = examples(60)
_ROOT = Path(__file__).resolve().parents[3]
# The first test of a fresh tree waits for the compiler.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True, scope="module")
def _little_effort() -> Iterator[None]:
    # A book of a dozen orders has seen everything after a few hundred moves.
    patch = pytest.MonkeyPatch()
    patch.setattr(engine, "MOVES_PER_EFFORT", 1200)
    yield
    patch.undo()


def assert_verified(book: Book, result: Result, rules: Rules = RULES) -> None:
    parts = json.loads(canonical_json(round_to_dict(book, rules, result)))
    report = verify(parts["book"], parts["rules"], parts["result"])
    assert report.ok, [str(problem) for problem in report.problems[:5]]


def bytes_of(result: Result) -> bytes:
    return canonical_json(result_to_dict(result))


@SOME
@given(seed=SEEDS, search=st.booleans(), tick=st.sampled_from([1, 50, 100]))
def test_every_rule_holds_and_no_bound_is_too_low(seed: int, search: bool, tick: int) -> None:
    book = small_book(seed)
    rules = Rules(tick=tick, effort=1, ascent_steps=40)
    result = clear_large(book, rules, search=search)
    assert_verified(book, result, rules)
    assert result.welfare <= oracle_welfare(book) <= result.certificate.bound


@SOME
@given(seed=SEEDS, order=SEEDS, tick=st.sampled_from([1, 50]))
def test_links_are_never_overfull_and_no_bound_with_them_is_too_low(
    seed: int, order: int, tick: int
) -> None:
    book = linked_book(seed)
    rules = Rules(tick=tick, effort=1, ascent_steps=40)
    result = clear_large(book, rules)
    assert_verified(book, result, rules)
    for row, there in zip(result.links, sorted(book.links, key=lambda one: one.key), strict=True):
        assert all(used <= most for used, most in zip(row.used, there.capacity, strict=True))
    assert result.welfare <= oracle_welfare(book) <= result.certificate.bound
    assert bytes_of(clear_large(shuffled(book, order), rules)) == bytes_of(result)


@pytest.mark.parametrize("capacity", [9, 4, 2, 1])
def test_links_keep_out_whom_they_keep_out_of_small_books(capacity: int) -> None:
    rows = [
        sending(demand("train", run(2, 1, 400, zones=("hb",))), data_zone="bj", data_gb=6),
        sending(demand("lost", run(1, 1, 400, zones=("hb",))), data_zone="tj", data_gb=1),
        *(
            sending(
                demand(name, cells(3, limit, window=(0, 1), zones=("hb",)), shape=Shape.FLOW),
                user_zone="bj", traffic_gb=2,
            )
            for name, limit in (("rich", 300), ("poor", 200))
        ),
        sending(
            demand("wide", cells(3, 300, window=(0, 1), zones=("hb",)), shape=Shape.FLOW),
            user_zone="bj", traffic_gb=10,
        ),
    ]  # fmt: skip
    market = two_zones(rows, link("bj", "hb", 5, *(capacity,) * 4), link("hb", "bj", 9, 6, 6, 6, 6))
    found = codes(clear_large(market, RULES))
    assert found == codes(clear(market, RULES))
    assert found["lost"] == "no_route"
    assert found["wide"] == "link_no_room"
    assert found["poor"] == "link_full"
    assert (found["train"] == "link_no_room") == (capacity == 1)


@SOME
@given(seed=SEEDS, prices=st.lists(st.integers(0, PRICE_MAX), max_size=6))
def test_a_start_at_any_prices_changes_no_rule(seed: int, prices: list[int]) -> None:
    book = small_book(seed)
    curves = tuple((pool.key, tuple(prices)) for pool in book.pools[1:] if prices)
    rules = replace(RULES, start_prices=curves)
    result = clear_large(book, rules)
    assert_verified(book, result, rules)
    assert result.welfare <= oracle_welfare(book) <= result.certificate.bound


@pytest.mark.parametrize("seed", [1832, 2249, 3141, 3513, 3722, 3816])
def test_a_demand_never_takes_the_room_of_the_one_it_is_linked_to(seed: int) -> None:
    book = small_book(seed)
    assert any(demand.linked_to for demand in book.demands)
    assert_verified(book, clear_large(book, RULES))


def test_a_start_at_the_last_prices_bounds_better_in_as_many_steps() -> None:
    book, short = large_book(300, 3), Rules(effort=0, ascent_steps=12)
    before = clear_large(book, Rules(effort=0))
    changed = replace(book, demands=large_book(320, 3).demands[20:])
    warm = replace(short, start_prices=before.certificate.prices)
    bounds = [clear_large(changed, rules).certificate.bound for rules in (warm, short)]
    assert bounds[0] < bounds[1]


def test_the_mean_of_the_last_prices_bounds_better_than_any_of_them() -> None:
    layout = lay_out(large_book(1_000, 3), Rules())
    bounds = []
    for count in (1, ascent.LAST):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ascent, "LAST", count)
            found = ascent.ascend(layout, Responder(layout), 60, 60)
        answer = Responder(layout).answer(found.prices)
        assert found.bound == answer.total + ascent.Supply(layout.supplies).answer(found.prices)[0]
        bounds.append(found.bound)
    assert bounds[1] < bounds[0]


def test_most_of_the_best_welfare_is_found_on_small_books() -> None:
    books = [small_book(seed) for seed in range(100)]
    books += [linked_book(seed) for seed in range(30)]
    found = sum(clear_large(book, RULES).welfare for book in books)
    assert found >= 0.93 * sum(clear(book, Rules(effort=1)).welfare for book in books)


@SOME
@given(seed=SEEDS, order=SEEDS)
def test_result_does_not_depend_on_the_order_of_the_rows(seed: int, order: int) -> None:
    book = small_book(seed)
    result = bytes_of(clear_large(book, RULES))
    assert bytes_of(clear_large(shuffled(book, order), RULES)) == result


@SOME
@given(seed=SEEDS)
def test_hints_are_those_of_small_books(seed: int) -> None:
    book = canonical_book(small_book(seed))
    result = clear_large(book, RULES)
    given_chips = [offer_row(book, offer) * 0 for offer in book.offers]
    at = {offer.id: o for o, offer in enumerate(book.offers)}
    for row in result.allocations:
        first = row.start - book.first_period
        given_chips[at[row.offer]][first : first + len(row.chips)] += row.chips
    prices = _prices(result)
    left = left_of(book, prices, given_chips)
    assert hints_of(left, book.demands) == hints(left, book.demands)


def _prices(result: Result) -> IntArray:
    return np.array([row for _, row in result.prices], dtype=np.int64)


def test_a_book_of_many_orders_is_cleared_by_it_and_searching_pays() -> None:
    book = large_book(1500, seed=5, mixed=True, linked=True)
    result = clear(book, RULES)
    assert_verified(book, result)
    # Some links are full, and their rent keeps somebody out.
    assert "link_full" in {row.reason.code for row in result.demands}
    first = clear_large(book, RULES, search=False)
    assert_verified(book, first)
    assert result.welfare > first.welfare
    assert bytes_of(clear_large(book, RULES)) == bytes_of(result)


_ALONE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from loadtests.clearing_large_books import large_book
from services.core.book import Rules
from services.core.clearing.scale import engine
from services.core.codec import result_digest
engine.MOVES_PER_EFFORT = 1200
print(result_digest(engine.clear_large(large_book(300, seed=6, mixed=True), Rules(effort=1))))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs to choose its cores")
def test_another_process_on_one_core_gives_the_same_bytes() -> None:
    book = large_book(300, seed=6, mixed=True)
    environment = os.environ | {
        "PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'services/sdk/src'}",
        "PYTHONHASHSEED": "77",
    }
    other = subprocess.run(
        [sys.executable, "-c", _ALONE],
        cwd=_ROOT, env=environment, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert other.stdout.strip() == result_digest(clear_large(book, Rules(effort=1)))


@pytest.mark.parametrize("engine_of", [clear, clear_large])
def test_a_gang_that_waits_is_served_though_small_orders_of_the_same_price_keep_coming(
    engine_of: object,
) -> None:
    waited = 0
    for round_number in range(50):
        result = engine_of(_contested(round_number, waited), RULES)  # type: ignore[operator]
        outcome = next(row for row in result.demands if row.id == "gang")
        if outcome.state == "filled":
            break
        waited += 1
    assert waited <= 1


def _contested(round_number: int, waited: int) -> Book:
    """A gang that needs all of a pool for two hours, and small orders that would fill it."""
    pool = Pool("z/c", "z", "beijing", "c", domestic=True, tflops=300)
    offer = BookOffer("off", "p", 1, pool.key, 100_000, 0, (16, 16))
    gang = Alternative(0, (pool.key,), 500_000, 0, 2, chips=16, chips_min=16, duration=2)
    small = Alternative(0, (pool.key,), 500_000, 0, 2, chips=1, chips_min=1, duration=1)
    demands = [BookDemand("gang", "e", 1, Shape.BLOCK, (gang,), rounds_waited=waited)]
    demands += [
        BookDemand(f"s{round_number:02}-{n:02}", "f", 1, Shape.BLOCK, (small,)) for n in range(40)
    ]
    return Book("m", f"m:{round_number}", 0, 2, (pool,), (offer,), tuple(demands))


def test_choices_grow_with_starts_and_pools() -> None:
    book = large_book(50, seed=1)
    assert choices_of(book) == sum(
        len(row.pools) * (row.deadline - row.earliest - row.duration + 1)
        for demand in book.demands
        for row in demand.alternatives
    )
