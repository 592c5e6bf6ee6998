"""What the client reads of premiums and links in a round's file is what matching tells of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.core.book import Book, Result, Rules
from services.core.clearing.clear import clear_greedy
from services.core.codec import canonical_json, round_to_dict
from services.core.link_charges import link_charges
from services.core.premiums import premium_amounts
from services.core.round_events import RoundFacts, allocation_id_of
from services.core.share_events import shares_event
from suanli import check_charges
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
    assert says.assessed == sum(row.charges for row in result.shares)
    for place in says.allocations:
        known = allocation_id_of(book.round_id, *place)
        assert check_charges.allocation_id_of(book.round_id, place) == known

    told = shares_event(facts(book, result))
    assert told is not None
    rows = told.model_dump(mode="json")["shares"]
    shares = check_charges.shares_of(file)
    assert check_charges.compare_shares(shares, rows) == []
    for name in rows[0].keys() - {"policy_id"}:
        spoilt = [{**rows[0], name: "x"}, *rows[1:]]
        (problem,) = check_charges.compare_shares(shares, spoilt)
        assert problem.where.endswith(f".{name}")
        assert problem.found == "x"
    assert len(check_charges.compare_shares(shares, None)) == len(rows)
    assert len(check_charges.compare_shares([], rows)) == len(rows)
