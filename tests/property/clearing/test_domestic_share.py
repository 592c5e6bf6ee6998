"""A domestic share is kept, or its premium is at the cap; checkers and oracle agree with it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.clearing_books import seeded_book
from loadtests.clearing_large_books import large_book
from services.core.book import Book, BookMobilisation, BookPolicy, Result, Rules
from services.core.clearing import clear as clearing
from services.core.clearing.clear import clear, clear_greedy
from services.core.clearing.oracle import TooLargeError, best_welfare
from services.core.clearing.scale.engine import clear_large
from services.core.clearing.scale.stepwise import LargeEngine
from services.core.clearing.share_aim import Try, is_covered, judged
from services.core.clearing.shares import clear_with_shares
from services.core.clearing.small import SmallEngine
from services.core.codec import book_digest, canonical_json, round_to_dict
from services.core.policy_rows import share_rules
from services.core.premiums import Premium, missed_worth, moved_asks, premium_amounts
from suanli.checker import verify
from tests.property.clearing.books import check_files, linked_book, shuffled, small_book
from tests.property.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RULES = Rules(tick=1, ascent_steps=20)
SEEDS = st.integers(0, 2**40)
Cell = tuple[str, int]


def shared(book: Book, seed: int, *, overlapping: bool = False) -> Book:
    """Return a book under one domestic share or two, its premiums in the range of its asks."""
    chance = random.Random(seed)

    def row(name: str, region: str) -> BookPolicy:
        params: dict[str, int | str] = {
            "carried": chance.choice([0, 5_000]),
            "premium_max": chance.choice([0, 1, 3, 7, 20]),
            "region": region,
            "share_bp": chance.choice([0, 2_500, 5_000, 7_000, 10_000]),
        }
        return BookPolicy(name, 1, "domestic_share", tuple(sorted(params.items())))

    pools = tuple(
        replace(pool, region=chance.choice(["beijing", "hebei"]), tflops=chance.choice([70, 100]))
        for pool in book.pools
    )
    rows = [row("one", chance.choice(["", "beijing"]))]
    if overlapping:
        rows.append(row("two", chance.choice(["beijing", "hebei"])))
    # In every second book a part is sold on, which no share counts and no premium moves.
    part = chance.choice([0, 0, 0.3, 0.6])
    offers = tuple(replace(offer, resale=chance.random() < part) for offer in book.offers)
    return replace(book, pools=pools, offers=offers, policies=tuple(rows))


def under_share(book: Book, share_bp: int, premium_max: int = 100_000) -> Book:
    """Return a book under one domestic share of everything."""
    params = (("carried", 0), ("premium_max", premium_max), ("region", ""), ("share_bp", share_bp))
    return replace(book, policies=(BookPolicy("s", 1, "domestic_share", params),))


def keeps_shares(book: Book) -> Callable[[dict[Cell, int]], bool]:
    """Return what tells of chips first sold by pool and period whether they keep the shares."""
    pools = {pool.key: pool for pool in book.pools}

    def keeps(use: dict[Cell, int]) -> bool:
        for rule in share_rules(book.policies):
            hours = [
                (pools[key].domestic, chips * pools[key].tflops)
                for (key, _), chips in use.items()
                if rule.region in {"", pools[key].region}
            ]
            domestic = sum(n for is_domestic, n in hours if is_domestic)
            if domestic * 10_000 < rule.share_bp * sum(n for _, n in hours):
                return False
        return True

    return keeps


def check(book: Book, result: Result, rules: Rules = RULES) -> None:
    """Check a result by both checkers, and what it says of shares by the book's own numbers."""
    check_files(book, result, rules)
    for rule, row in zip(share_rules(book.policies), result.shares, strict=True):
        assert not row.shortfall or row.premium == rule.premium_max
        parts_paid = sum(len(item.chips) for item in result.allocations)
        assert 0 <= row.charges - row.credits < max(1, parts_paid)
    amounts = sum(sum(row) for row in premium_amounts(book, result))
    assert amounts == sum(row.credits - row.charges for row in result.shares)


def best_that_keeps(book: Book, *, supported: bool = False) -> int | None:
    """Return the most welfare of any clearing that keeps the shares; of rare books, nothing."""
    try:
        return best_welfare(book, supported=supported, keeps=keeps_shares(book))
    except TooLargeError:
        return None


@examples(120)
@given(seed=SEEDS)
def test_a_share_is_kept_or_its_premium_is_at_the_cap_and_the_bound_holds(seed: int) -> None:
    book = shared(linked_book(seed) if seed % 3 == 0 else small_book(seed), seed)
    result = clear(book, RULES)
    check(book, result)
    best = best_that_keeps(book)
    if best is not None:
        assert result.certificate.bound >= best
        if result.status == "optimal" and not any(row.shortfall for row in result.shares):
            assert result.welfare in {best, best_that_keeps(book, supported=True)}


@examples(60)
@given(seed=SEEDS)
def test_a_share_missed_at_the_cap_is_missed_by_the_best_clearing_at_the_cap(seed: int) -> None:
    book = shared(small_book(seed), seed)
    result = clear(book, RULES)
    (rule,), (row,) = share_rules(book.policies), result.shares
    if not row.shortfall:
        return
    premium = Premium(rule, row.premium, row.split_bp)
    asks = dict(
        zip([o.id for o in book.offers], moved_asks(book, [premium], RULES.tick), strict=True)
    )
    moved = replace(book, offers=tuple(replace(offer, ask=asks[offer.id]) for offer in book.offers))
    try:
        best = best_welfare(moved)
    except TooLargeError:
        return
    hours = {outcome.id: outcome.chip_hours for outcome in result.offers}
    value = sum(outcome.value for outcome in result.demands)
    assert value - sum(asks[name] * count for name, count in hours.items()) == best


@examples(60)
@given(seed=SEEDS)
def test_shares_that_overlap_are_each_settled_for_themselves(seed: int) -> None:
    book = shared(small_book(seed), seed, overlapping=True)
    result = clear_greedy(book, RULES)
    check(book, result)
    best = best_that_keeps(book)
    assert best is None or result.certificate.bound >= best
    worth = result.welfare - missed_worth(book, result.shares)
    assert result.certificate.bound >= worth


@examples(30)
@given(seed=SEEDS)
def test_the_search_of_large_books_keeps_a_share_by_the_same_rules(seed: int) -> None:
    book = shared(small_book(seed), seed)

    def engine_of(book: Book) -> LargeEngine:
        return LargeEngine(book, RULES, book_digest(book), search=seed % 2 == 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.core.clearing.scale.engine.MOVES_PER_EFFORT", 1200)
        result = clear_with_shares(book, RULES, engine_of)
    check(book, result)
    best = best_that_keeps(book)
    assert best is None or result.certificate.bound >= best


@examples(20)
@given(seed=SEEDS)
def test_the_order_of_rows_changes_nothing_under_a_share(seed: int) -> None:
    book = shared(linked_book(seed), seed)
    assert clear_greedy(shuffled(book, seed), RULES) == clear_greedy(book, RULES)


def test_premiums_come_on_the_tick_and_below_caps_of_prices() -> None:
    for seed in range(20):
        book = shared(small_book(seed), seed)
        prices = [offer.ask for offer in book.offers]
        prices += [row.limit for demand in book.demands for row in demand.alternatives]
        params = (("cap", max(prices)), ("chip", ""), ("floor", 0))
        caps = BookPolicy("caps", 1, "price_limits", params)
        book = replace(book, policies=(caps, *book.policies))
        rules = replace(RULES, tick=100)
        result = clear(book, rules)
        check(book, result, rules)
        assert max(max(row) for _, row in result.prices) <= max(prices)


@pytest.mark.timeout(600)
def test_a_share_of_three_hundred_demands_is_kept_at_a_small_gap() -> None:
    plain = seeded_book(300, seed=3)
    pools = tuple(
        replace(pool, domestic=n % 3 == 0, tflops=400 if n % 3 == 0 else 900)
        for n, pool in enumerate(plain.pools)
    )
    book = replace(plain, pools=pools)
    before = clear_greedy(book, RULES)
    share = clearing_share(book, before)
    book = under_share(book, share + 1_000, premium_max=50_000)
    result = clear_greedy(book, RULES)
    check(book, result)
    (row,) = result.shares
    assert row.premium > 0
    assert row.shortfall == 0
    assert row.tflops_hours_domestic * 10_000 >= (share + 1_000) * row.tflops_hours
    gap = clearing.gap_ppm(book, result) - clearing.gap_ppm(book, before)
    assert gap < 50_000


class Trimmed(SmallEngine):
    """Notes what selections are worth before and after they are looked for by what is aimed at."""

    worths: tuple[int, int] | None = None

    def trim(self, tries: Sequence[Try]) -> int:
        before = self._worth(tries[0])
        held = super().trim(tries)
        self.worths = before, self._worth(tries[held])
        return held

    def _worth(self, one: Try) -> int:
        problem, selection = self._choices.problem, self._held().selection
        assert judged(problem, selection, one.aim) is not None
        assert is_covered(problem, selection, one.aim)
        return self.told().welfare + sum(
            (moved.ask - offer.ask) * outcome.chip_hours
            for moved, offer, outcome in zip(
                problem.plain.offers, self._own.problem.plain.offers, self.told().offers,
                strict=True,
            )
        )  # fmt: skip


@pytest.mark.timeout(600)
def test_a_coarse_book_is_cleared_for_the_most_welfare_at_own_asks_that_keeps_its_share() -> None:
    plain = seeded_book(60, seed=3)
    pools = tuple(replace(pool, domestic=n % 3 == 0) for n, pool in enumerate(plain.pools))
    book, rules = replace(plain, pools=pools), Rules(effort=1)
    asked = clearing_share(book, clear_greedy(book, RULES)) + 2_000
    book = under_share(book, asked)
    engines: list[Trimmed] = []

    def engine_of(book: Book) -> Trimmed:
        engines.append(Trimmed(book, rules, book_digest(book), search=True))
        return engines[-1]

    result = clear_with_shares(book, rules, engine_of)
    check(book, result, rules)
    assert engines[0].worths is not None
    before, after = engines[0].worths
    assert before < after == result.welfare


class Counting(LargeEngine):
    """Counts the parts of the effort that are spent."""

    spent = 0

    def improve(self, part: int) -> None:
        self.spent += 1
        super().improve(part)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("raised", [100, 2_000])
def test_a_share_that_binds_takes_about_one_search_and_comes_near_to_what_is_asked(
    raised: int,
) -> None:
    plain = large_book(1_500, seed=5)
    pools = tuple(replace(pool, domestic=n % 8 < 3) for n, pool in enumerate(plain.pools))
    book, rules = replace(plain, pools=pools), Rules(effort=1)
    before = clear_large(book, rules)
    asked = clearing_share(book, before) + raised
    book = under_share(book, asked)
    engines: list[Counting] = []

    def engine_of(book: Book) -> Counting:
        engines.append(Counting(book, rules, book_digest(book), search=True))
        return engines[-1]

    result = clear_with_shares(book, rules, engine_of)
    check(book, result, rules)
    (row,) = result.shares
    assert (row.shortfall, row.premium > 0) == (0, True)
    assert row.tflops_hours_domestic * 10_000 <= (asked + 200) * row.tflops_hours
    assert clearing.gap_ppm(book, result) - clearing.gap_ppm(book, before) < 15_000
    assert engines[0].spent <= engines[0].parts + 5


def clearing_share(book: Book, result: Result) -> int:
    """Return the share of domestic TFLOPS-hours in a result, basis points."""
    tflops = {pool.key: (pool.domestic, pool.tflops) for pool in book.pools}
    hours = [
        (tflops[row.pool][0], tflops[row.pool][1] * sum(row.chips)) for row in result.allocations
    ]
    return sum(n for domestic, n in hours if domestic) * 10_000 // sum(n for _, n in hours)


def test_no_share_binds_an_urgent_round() -> None:
    book = shared(small_book(4), 4)
    cap = max(row.limit for demand in book.demands for row in demand.alternatives)
    urgent = replace(book, mobilisation=BookMobilisation("m1", cap))
    result = clear(urgent, RULES)
    assert result.shares == ()
    check(replace(urgent, policies=()), clear(replace(urgent, policies=()), RULES))
    parts = json.loads(canonical_json(round_to_dict(urgent, RULES, result)))
    assert verify(parts["book"], parts["rules"], parts["result"]).ok
