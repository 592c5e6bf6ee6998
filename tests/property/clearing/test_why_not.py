"""What would have let an order trade, against a search of every start one by one."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.book import Alternative, Book, BookDemand, Result, Rules
from services.core.clearing.clear import clear_greedy
from services.core.clearing.presolve import canonical_book
from services.core.clearing.why_not import NEAR_PERIODS
from tests.property.clearing.books import small_book
from tests.property.examples import examples

RULES = Rules(tick=1, ascent_steps=20)
HINTS = ("limit_needed", "chips_would", "moved_start", "moved_pool", "other_start", "other_pool")


class Chance(NamedTuple):
    """A run that could be had: best first."""

    is_estimate: bool
    score: int
    start: int
    pool: str
    cost: int
    room: int


class Market:
    """What a result leaves, chip by chip."""

    def __init__(self, book: Book, result: Result) -> None:
        self.book = book
        prices = dict(result.prices)
        given: dict[tuple[str, int], int] = {}
        for row in result.allocations:
            for t, chips in enumerate(row.chips, start=row.start):
                given[row.offer, t] = given.get((row.offer, t), 0) + chips
        self.cells: dict[tuple[str, int], tuple[int, int, bool]] = {}
        for pool in book.pools:
            for t in range(book.first_period, book.first_period + book.periods):
                price = prices[pool.key][t - book.first_period]
                asks = [
                    offer.ask
                    for offer in book.offers
                    if offer.pool == pool.key
                    and not offer.block
                    and 0 <= t - offer.start < len(offer.chips)
                    for _ in range(offer.chips[t - offer.start] - given.get((offer.id, t), 0))
                ]
                if any(ask <= price for ask in asks):
                    found = (price, sum(ask <= price for ask in asks), False)
                elif asks:
                    found = (min(asks), asks.count(min(asks)), True)
                else:
                    found = (10**15, 0, True)
                self.cells[pool.key, t] = found

    def runs(self, pool: str, item: Alternative, starts: range) -> list[Chance]:
        """Return every run of an alternative's length in a pool."""
        duration = item.duration or 1
        end = self.book.first_period + self.book.periods
        chances = []
        for start in starts:
            if start < self.book.first_period or start + duration > end:
                continue
            cells = [self.cells[pool, t] for t in range(start, start + duration)]
            cost, room = sum(cell[0] for cell in cells), min(cell[1] for cell in cells)
            estimate = any(cell[2] for cell in cells)
            chances.append(Chance(estimate, cost // duration, start, pool, cost, room))
        return chances


def best_of(market: Market, demand: BookDemand) -> dict[str, int | str]:
    """Return the parameters that the demand's reason should have."""
    own, near, other, fewer = [], [], [], 0
    chips = {pool.key: pool.chip for pool in market.book.pools}
    first, end = market.book.first_period, market.book.first_period + market.book.periods
    accepted: dict[int, set[str]] = {}
    for item in demand.alternatives:
        accepted.setdefault(item.duration or 1, set()).update(item.pools)
    for item in demand.alternatives:
        duration, least = item.duration or 1, item.chips_min or 1
        low, high = max(first, item.earliest), min(end, item.deadline) - duration + 1
        most = item.limit * duration
        wanted = {chips[key] for key in item.pools}
        for pool, chip in chips.items():
            if pool in item.pools:
                inside = market.runs(pool, item, range(low, high))
                own += [row for row in inside if row.room >= least and row.cost > most]
                fewer = max([fewer, *(row.room for row in inside if row.cost <= most)])
                for row in market.runs(pool, item, range(low - NEAR_PERIODS, high + NEAR_PERIODS)):
                    away = low - row.start if row.start < low else row.start - high + 1
                    fits = row.room >= least and row.cost <= most
                    if fits and not low <= row.start < high and away <= NEAR_PERIODS:
                        near.append(row._replace(score=away))
            elif chip in wanted and pool not in accepted[duration]:
                other += [
                    row
                    for row in market.runs(pool, item, range(low, high))
                    if row.room >= least and row.cost <= most
                ]
    found: dict[str, int | str] = {}
    if own:
        row = min(own)
        durations = [item.duration or 1 for item in demand.alternatives]
        # Alternatives of one demand may differ in length; the least average is what is told.
        assert any(-(-row.cost // duration) >= row.score for duration in durations)
        found["limit_needed"] = row.score
    if fewer:
        found["chips_would"] = fewer
    for name, rows in (("moved", near), ("other", other)):
        if rows:
            row = min(rows)
            found |= {f"{name}_start": row.start, f"{name}_pool": row.pool}
    return found


@pytest.mark.timeout(240)
@examples(200)
@given(seed=st.integers(0, 2**40))
def test_a_reason_names_the_changes_that_a_search_of_every_start_finds(seed: int) -> None:
    book = canonical_book(small_book(seed))
    result = clear_greedy(book, RULES)
    market = Market(book, result)
    for demand, outcome in zip(book.demands, result.demands, strict=True):
        told = dict(outcome.reason.params)
        hinted = {name: told[name] for name in HINTS if name in told}
        if outcome.state != "open" or outcome.reason.code in {
            "exclusive_group",
            "linked_order_out",
            "outside_horizon",
        }:
            assert not hinted
            continue
        wanted = best_of(market, demand)
        # The limit is told rounded up to the next price; the search keeps it rounded down.
        if "limit_needed" in hinted:
            assert int(hinted["limit_needed"]) - int(wanted["limit_needed"]) in {0, 1}
            hinted["limit_needed"] = wanted["limit_needed"]
        assert hinted == wanted
