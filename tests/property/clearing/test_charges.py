"""What the client reads of premiums and links in a round's file is what matching tells of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from schemas.types import period_start
from services.core.book import Book, Result, Rules
from services.core.clearing.clear import clear_greedy
from services.core.codec import canonical_json, round_to_dict
from services.core.link_charges import link_charges
from services.core.premiums import premium_amounts
from services.core.round_events import (
    RoundFacts,
    allocation_id_of,
    links_events,
    prices_events,
)
from services.core.share_events import shares_event
from suanli import check_charges, check_told
from suanli.check_booking import facts_of
from tests.integration.matching.desk import MARKET
from tests.property.clearing.books import linked_book
from tests.property.clearing.test_domestic_share import shared
from tests.property.examples import examples

RULES = Rules(tick=1, ascent_steps=20)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def facts(book: Book, result: Result) -> RoundFacts:
    return RoundFacts(MARKET, book.round_id, 7, NOON, book, result, result.status, "0" * 64, 1)


@examples(150)
@given(seed=st.integers(0, 2**40))
def test_the_client_finds_the_money_that_matching_tells_beside_prices(seed: int) -> None:
    book = shared(linked_book(seed), seed, overlapping=seed % 2 == 0)
    result = clear_greedy(book, RULES)
    file = json.loads(canonical_json(round_to_dict(book, RULES, result)))
    says = check_charges.says_of(file)

    charges = link_charges(book, result)
    assert says.links == {(one.demand, one.link.key): facts_of(one.periods) for one in charges}
    for demand in {one.demand for one in charges}:
        own = [one for one in charges if one.demand == demand]
        tariffs = sum(gb * one.link.tariff for one in own for _, gb, _ in one.periods)
        assert says.tariffs[demand] == tariffs
        assert says.rents[demand] == sum(one.payment for one in own) - tariffs

    amounts = premium_amounts(book, result)
    wanted = {}
    for item, row in zip(result.allocations, amounts, strict=True):
        moved = [(t, 1, amount) for t, amount in enumerate(row, item.start) if amount]
        if moved:
            wanted[item.demand, item.offer, item.pool, item.start] = facts_of(moved)
    assert says.premiums == wanted
    hours = {
        allocation_id_of(book.round_id, item.demand, item.offer, item.pool, item.start): {
            period_start(t).isoformat().replace("+00:00", "Z"): amount
            for t, amount in enumerate(row, item.start)
            if amount
        }
        for item, row in zip(result.allocations, amounts, strict=True)
        if any(row)
    }
    assert check_charges.premium_hours_of(file) == hours
    assert says.assessed == sum(row.charges for row in result.shares)
    for place in says.allocations:
        known = allocation_id_of(book.round_id, *place)
        assert check_charges.allocation_id_of(book.round_id, place) == known

    told = shares_event(facts(book, result))
    assert told is not None
    rows = told.model_dump(mode="json")["shares"]
    shares = check_told.shares_of(file)
    assert check_told.compare_shares(shares, rows) == []
    for name in rows[0].keys() - {"policy_id"}:
        spoilt = [{**rows[0], name: "x"}, *rows[1:]]
        (problem,) = check_told.compare_shares(shares, spoilt)
        assert problem.where.endswith(f".{name}")
        assert problem.found == "x"
    assert len(check_told.compare_shares(shares, None)) == len(rows)
    assert len(check_told.compare_shares([], rows)) == len(rows)


@examples(100)
@given(seed=st.integers(0, 2**40))
def test_the_client_finds_the_curves_that_matching_tells(seed: int) -> None:
    drawn = linked_book(seed)
    # In books that matching makes, no offer leaves the horizon.
    first = drawn.first_period
    offers = tuple(
        replace(
            one, start=start, chips=one.chips[start - one.start : first + drawn.periods - one.start]
        )
        for one in drawn.offers
        if (start := max(first, one.start)) < min(first + drawn.periods, one.start + len(one.chips))
    )
    book = replace(drawn, offers=offers)
    result = clear_greedy(book, RULES)
    file = json.loads(canonical_json(round_to_dict(book, RULES, result)))
    of = facts(book, result)
    pools = [row for one in prices_events(of) for row in one.model_dump(mode="json")["pools"]]
    links = [row for one in links_events(of) for row in one.model_dump(mode="json")["links"]]
    assert check_told.compare_prices(check_told.prices_of(file), pools, first) == []
    assert check_told.compare_links(check_told.links_of(file), links, first) == []
    # Events of the first kind told prices alone.
    old = [row | {"chips": [], "offered": []} for row in pools]
    assert check_told.compare_prices(check_told.prices_of(file), old, first) == []

    for compare, rows, wanted in (
        (check_told.compare_prices, pools, check_told.prices_of(file)),
        (check_told.compare_links, links, check_told.links_of(file)),
    ):
        for name, value in (rows[0] if rows else {}).items():
            if isinstance(value, list):
                spoilt = [{**rows[0], name: [*value[:-1], value[-1] + 1]}, *rows[1:]]
                (problem,) = compare(wanted, spoilt, first)
                assert f".{name}[{first + len(value) - 1}]" in problem.where
                assert (problem.wanted, problem.found) == (value[-1], value[-1] + 1)
        if rows:
            assert len(compare(wanted, rows[1:], first)) == 1
            assert len(compare(wanted, [*rows, rows[0]], first)) == 1
