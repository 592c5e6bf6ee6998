"""A quote is one that the left-over chips can serve, and no other would be better."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from schemas.types import Shape
from services.core.allowances import WantedTogether
from services.core.book import Book, BookDemand, BookPolicy, Result, Rules
from services.core.clearing.allowance_quote import Own
from services.core.clearing.clear import clear_greedy
from services.core.clearing.presolve import canonical_book
from services.core.clearing.quote import Quote, Standing
from services.core.holding_rows import BookHolding
from services.core.routes import Routes, use_of_links
from tests.property.clearing.books import linked_book, small_book
from tests.property.examples import examples

RULES = Rules(tick=1, ascent_steps=20)


class Chips:
    """The price of every single chip that is left, cheapest first, by pool and period."""

    def __init__(self, book: Book, result: Result) -> None:
        curves = dict(result.prices)
        given_: dict[tuple[str, int], int] = {}
        for row in result.allocations:
            for t, chips in enumerate(row.chips, start=row.start):
                given_[row.offer, t] = given_.get((row.offer, t), 0) + chips
        self.floor = {
            (pool.key, book.first_period + t): curves[pool.key][t]
            for pool in book.pools
            for t in range(book.periods)
        }
        self.left: dict[tuple[str, int], list[int]] = {cell: [] for cell in self.floor}
        for offer in book.offers:
            for t, chips in enumerate(offer.chips, start=offer.start):
                cell = (offer.pool, t)
                if not offer.block and cell in self.left:
                    price = max(offer.ask, self.floor[cell])
                    self.left[cell] += [price] * (chips - given_.get((offer.id, t), 0))
        for prices in self.left.values():
            prices.sort()


def best_block(market: Chips, book: Book, demand: BookDemand) -> int:
    """Return the best surplus over every pool, start and quantity, -1 if none pays."""
    best = -1
    for item in demand.alternatives:
        low = max(book.first_period, item.earliest)
        high = min(book.first_period + book.periods, item.deadline)
        for pool in item.pools:
            for start in range(low, high - item.duration + 1):
                cells = [(pool, t) for t in range(start, start + item.duration)]
                for chips in range(item.chips_min, item.chips + 1):
                    if all(len(market.left[cell]) >= chips for cell in cells):
                        cost = sum(market.left[cell][chips - 1] for cell in cells)
                        best = max(best, chips * (item.limit * item.duration - cost))
    return best


def check(market: Chips, demand: BookDemand, quote: Quote) -> None:
    """Assert that what is quoted keeps every rule of its shape and is there to be had."""
    item = next(row for row in demand.alternatives if row.index == quote.alternative)
    hours = cost = 0
    is_firm = True
    by_period: dict[int, int] = {}
    for taken in quote.taken:
        assert taken.pool in item.pools
        cells = enumerate(zip(taken.chips, taken.prices, strict=True), start=taken.start)
        for t, (chips, price) in cells:
            if not chips:
                continue
            assert item.earliest <= t < item.deadline
            assert market.left[taken.pool, t][:chips][-1] == price
            assert demand.shape is Shape.BLOCK or price <= item.limit
            is_firm &= price == market.floor[taken.pool, t]
            by_period[t] = by_period.get(t, 0) + chips
            hours += chips
            cost += chips * price
    assert (quote.chip_hours, quote.cost, quote.value) == (hours, cost, hours * item.limit)
    assert quote.cost <= quote.value
    assert quote.firm == is_firm
    if demand.shape is Shape.BLOCK:
        assert len(quote.taken) == 1
        assert len(set(by_period.values())) == 1
        assert len(by_period) == item.duration
        assert item.chips_min <= next(iter(by_period.values())) <= item.chips
    else:
        assert hours <= item.chip_hours
        for t, chips in by_period.items():
            assert chips <= item.chips_by_period[t - item.earliest]
        assert quote.state == ("filled" if hours == item.chip_hours else "part-filled")


@pytest.mark.timeout(240)
@examples(250)
@given(seed=st.integers(0, 2**40))
def test_a_quote_is_there_to_be_had_and_the_best_of_its_kind(seed: int) -> None:
    whole = canonical_book(small_book(seed))
    asked = random.Random(seed).choice(whole.demands)
    asked = replace(asked, linked_to=None, exclusive_group=None)
    others = tuple(
        demand for demand in whole.demands if asked.id not in {demand.id, demand.linked_to}
    )
    assume(all(d.linked_to in {None, *(o.id for o in others)} for d in others))
    book = replace(whole, demands=others)
    result = clear_greedy(book, RULES)
    market = Chips(book, result)
    quote = Standing(book, result).quote(asked)
    if quote.state != "open":
        check(market, asked, quote)
    if asked.shape is Shape.BLOCK:
        found = -1 if quote.state == "open" else quote.value - quote.cost
        assert found == best_block(market, book, asked)
    elif quote.state == "open":
        cells = [
            (pool, t)
            for item in asked.alternatives
            for pool in item.pools
            for t in range(item.earliest, item.deadline)
            if min(market.left.get((pool, t), []), default=10**15) <= item.limit
            and min(item.chip_hours, item.chips_by_period[t - item.earliest])
        ]
        assert not cells


@examples(150)
@given(seed=st.integers(0, 2**40))
def test_a_quote_takes_no_more_of_links_than_is_left_and_pays_for_all_of_it(seed: int) -> None:
    whole = canonical_book(linked_book(seed))
    asked = random.Random(seed).choice(whole.demands)
    asked = replace(asked, linked_to=None, exclusive_group=None)
    others = tuple(
        demand
        for demand in whole.demands
        if asked.id != demand.id and demand.linked_to is None
    )  # fmt: skip
    book = replace(whole, demands=others)
    result = clear_greedy(book, RULES)
    quote = Standing(book, result).quote(asked)
    routes, zones = Routes(book.links), {pool.key: pool.zone for pool in book.pools}
    prices = {row.key: row.prices for row in result.links}
    left = {
        (link.key, book.first_period + t): most - row.used[t]
        for link, row in zip(book.links, result.links, strict=True)
        for t, most in enumerate(link.capacity)
    }
    used: dict[tuple[str, int], int] = {}
    for taken in quote.taken:
        chips = {t: n for t, n in enumerate(taken.chips, start=taken.start) if n}
        for key, t, gb in use_of_links(book, routes, asked, zones[taken.pool], chips):
            used[key, t] = used.get((key, t), 0) + gb
    told: dict[tuple[str, int], int] = {}
    for one in quote.sent:
        assert one.price == prices[one.link][one.period - book.first_period]
        told[one.link, one.period] = told.get((one.link, one.period), 0) + one.gb
    assert told == {at: gb for at, gb in used.items() if gb}
    assert all(gb <= left[at] for at, gb in told.items())
    links = sum(one.gb * one.price for one in quote.sent)
    assert quote.cost <= quote.value
    assert quote.cost == links + sum(
        n * price
        for taken in quote.taken
        for n, price in zip(taken.chips, taken.prices, strict=True)
    )


@examples(200)
# Two pools of one class, each with no more than the rule leaves of both together.
@example(seed=675271)
# A rule that leaves the better of two alternatives too little, and the longer one enough.
@example(seed=369)
@given(seed=st.integers(0, 2**40))
def test_a_quote_stays_within_what_largest_shares_leave_its_owner_and_says_so(seed: int) -> None:
    book = canonical_book(small_book(seed))
    chance = random.Random(seed)
    asked = replace(chance.choice(book.demands), linked_to=None, exclusive_group=None)
    free_chips, share_bp = chance.choice([0, 1]), chance.choice([0, 3_000, 6_000, 10_000])
    params = (("chip", ""), ("chips_free", free_chips), ("region", ""), ("share_bp", share_bp))
    rule = BookPolicy("most", 1, "largest_share", params)
    rest = replace(book, demands=())
    result = clear_greedy(rest, RULES)
    free = Standing(rest, result).quote(asked)
    # As if it had bought all this in rounds before, of chips that are gone from the offers.
    held = {pool.key: (book.first_period, (1,) * book.periods) for pool in book.pools[:1]}
    given = tuple(BookHolding("", pool, *run) for pool, run in held.items())
    ruled = replace(rest, policies=(rule,), held=given)
    others = [row for row in book.demands if row.participant == asked.participant]
    quote = Standing(ruled, result).quote(asked, own=Own(held, WantedTogether(ruled, others)))
    assert quote.limited is None or quote.beside is not None
    if quote.beside is not None:
        place = quote.beside
        assert place.left <= place.share - place.held - place.asked
        if quote.limited is not None:
            # Where a rule limits, what is asked for is more than it leaves.
            assert place.share - place.held < place.asked + place.wanted
    # A rule may lead to another alternative with more hours, or keep out hours so dear that all
    # gain less of them; it never gives both.
    gains = quote.value - quote.cost, free.value - free.cost
    assert quote.chip_hours <= free.chip_hours or gains[0] <= gains[1]
    assert (quote.limited is not None) == (quote.chip_hours < free.chip_hours)
    if quote.state != "open":
        check(Chips(rest, result), asked, quote)
    offered = {
        (offer.pool, t): 0 for offer in book.offers for t, _ in enumerate(offer.chips, offer.start)
    }
    for offer in book.offers:
        for t, chips in enumerate(offer.chips, offer.start):
            offered[offer.pool, t] += chips
    for t in range(book.first_period, book.first_period + book.periods):
        for chip in {pool.chip for pool in book.pools}:
            pools = {pool.key for pool in book.pools if pool.chip == chip}
            has = sum(key in pools for key in held)
            there = has + sum(offered.get((pool, t), 0) for pool in pools)
            share = max(free_chips, -(-share_bp * there // 10_000))
            got = sum(
                row.chips[t - row.start]
                for row in quote.taken
                if row.pool in pools and row.start <= t < row.start + len(row.chips)
            )
            assert got <= max(0, share - has)
            if quote.limited is not None and (quote.limited.start, quote.limited.chip) == (t, chip):
                assert (quote.limited.largest, quote.limited.held) == (max(0, share - has), has)
