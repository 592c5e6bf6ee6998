"""No participant gets more than its largest share; engines, oracle and checkers agree on it."""

from __future__ import annotations

import random
from dataclasses import replace
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.allowances import allowances_of
from services.core.book import Book, BookMobilisation, BookPolicy, Rules
from services.core.clearing import clear as clearing
from services.core.clearing.clear import clear, clear_greedy
from services.core.clearing.scale.engine import clear_large
from services.core.codec import canonical_json, result_to_dict
from services.core.holding_rows import BookHolding
from services.core.policy_rows import covered
from tests.property.clearing.books import (
    check_files,
    linked_book,
    oracle_welfare,
    shuffled,
    small_book,
)
from tests.property.clearing.test_domestic_share import shared
from tests.property.examples import examples

RULES = Rules(tick=1, ascent_steps=20)
SEEDS = st.integers(0, 2**40)
pytestmark = pytest.mark.timeout(600)


def capped(book: Book, seed: int) -> Book:
    """Return a book with two chip classes and regions, under one largest share or two."""
    chance = random.Random(seed)
    pools = tuple(
        replace(
            pool,
            key=f"{pool.zone}/{chip}",
            chip=chip,
            region=chance.choice(["beijing", "hebei"]),
        )
        for pool in book.pools
        for chip in [chance.choice("cd")]
    )
    keys = {old.key: new.key for old, new in zip(book.pools, pools, strict=True)}

    def row(name: str) -> BookPolicy:
        params: dict[str, int | str] = {
            "chip": chance.choice(["", "", "c", "d"]),
            "chips_free": chance.choice([0, 0, 1, 2]),
            "region": chance.choice(["", "beijing"]),
            "share_bp": chance.choice([0, 1_500, 3_000, 5_000, 8_000]),
        }
        return BookPolicy(name, 1, "largest_share", tuple(sorted(params.items())))

    offers = tuple(replace(offer, pool=keys[offer.pool]) for offer in book.offers)
    demands = tuple(
        replace(
            demand,
            alternatives=tuple(
                replace(item, pools=tuple(sorted(keys[key] for key in item.pools)))
                for item in demand.alternatives
            ),
        )
        for demand in book.demands
    )
    policies = tuple(row(name) for name in ["one", "two"][: chance.choice([1, 1, 2])])
    book = replace(book, pools=pools, offers=offers, demands=demands, policies=policies)
    if seed % 2:
        book = replace(book, held=_held(book, chance))
    return replace(book, allowances=allowances_of(book))


def under_both(plain: Book, seed: int) -> Book:
    """Return a book under domestic shares and largest shares."""
    book = capped(plain, seed)
    with_share = shared(book, seed)
    # The domestic share draws regions anew.
    rows = (*with_share.policies, *book.policies)
    both = replace(with_share, policies=tuple(sorted(rows, key=lambda row: row.id)))
    if len({row.id for row in rows}) < len(rows):
        named = tuple(replace(row, id=f"max-{row.id}") for row in book.policies)
        both = replace(with_share, policies=(*named, *with_share.policies))
    both = replace(both, held=_held(both, random.Random(seed)) if seed % 2 else ())
    return replace(both, allowances=allowances_of(both))


def _held(book: Book, chance: random.Random) -> tuple[BookHolding, ...]:
    """Return what some of a book's participants, and all together, have of rounds before."""
    found = []
    for pool in sorted(covered(book.pools, book.policies)):
        total = [0] * book.periods
        for name in sorted({row.participant for row in book.demands}):
            start = chance.randrange(book.periods)
            count = chance.randint(0, book.periods - start)
            if count and chance.random() < 0.6:
                chips = [chance.randint(1, 3) for _ in range(count)]
                total[start : start + count] = map(add, total[start : start + count], chips)
                found.append(BookHolding(name, pool, book.first_period + start, tuple(chips)))
        # What accounts have that want nothing now.
        chips = [n + chance.randint(1, 2) for n in total]
        found.append(BookHolding("", pool, book.first_period, tuple(chips)))
    return tuple(sorted(found, key=lambda row: row.key))


@examples(100)
@given(seed=SEEDS, order=SEEDS)
def test_the_best_clearing_within_largest_shares_is_found_and_verified(
    seed: int, order: int
) -> None:
    book = capped(linked_book(seed) if seed % 3 == 0 else small_book(seed), seed)
    result = clear(book, RULES)
    check_files(book, result, RULES)
    assert result.status == "optimal"
    assert result.welfare == oracle_welfare(book)
    assert clear(shuffled(book, order), RULES) == result
    rules = Rules(tick=50, effort=0, ascent_steps=0)
    for fallback in (clear, clear_greedy):
        check_files(book, fallback(book, rules), rules)


@examples(100)
@given(seed=SEEDS, order=SEEDS, tick=st.sampled_from([1, 50]))
def test_large_books_keep_largest_shares_and_no_bound_is_too_low(
    seed: int, order: int, tick: int
) -> None:
    book = capped(linked_book(seed) if seed % 3 == 0 else small_book(seed), seed)
    rules = Rules(tick=tick, effort=1, ascent_steps=40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.core.clearing.scale.engine.MOVES_PER_EFFORT", 1200)
        result = clear_large(book, rules)
        again = clear_large(shuffled(book, order), rules)
    check_files(book, result, rules)
    assert result.welfare <= oracle_welfare(book) <= result.certificate.bound
    assert canonical_json(result_to_dict(again)) == canonical_json(result_to_dict(result))


@examples(60)
@given(seed=SEEDS)
def test_a_domestic_share_and_a_largest_share_hold_together(seed: int) -> None:
    both = under_both(small_book(seed), seed)
    check_files(both, clear(both, RULES), RULES)


@examples(30)
@given(seed=SEEDS)
def test_a_largest_share_that_binds_nobody_changes_nothing(seed: int) -> None:
    book = small_book(seed)
    params = (("chip", ""), ("chips_free", 0), ("region", ""), ("share_bp", 10_000))
    wide = replace(book, policies=(BookPolicy("wide", 1, "largest_share", params),))
    assert allowances_of(wide) == ()
    digest = clear(wide, RULES).book_digest
    assert clear(wide, RULES) == replace(clear(book, RULES), book_digest=digest)


@examples(30)
@given(seed=SEEDS)
def test_no_largest_share_binds_what_is_urgent(seed: int) -> None:
    book = capped(small_book(seed), seed)
    urgent = replace(book, mobilisation=BookMobilisation("need", 10**9), held=(), allowances=())
    assert allowances_of(urgent) == ()
    check_files(urgent, clear(urgent, RULES), RULES)
    assert clearing.clear(urgent, RULES).welfare == oracle_welfare(urgent)
