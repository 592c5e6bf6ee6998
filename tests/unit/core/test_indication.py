"""Indications: what the book of now would do, and how sure that is, the same each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schemas.types import Shape
from services.core.book import Alternative, Book, BookDemand, BookOffer, Pool
from services.core.clearing.clear import clear_greedy
from services.core.indication import (
    Indication,
    Plan,
    indicate,
    indication_from_dict,
    indication_to_dict,
    plan_of,
    projected_book,
)
from tests.unit.core.orders_world import DEMAND_ID, MARKET, OFFER_ID, Records, demand, offer, placed

FIRST = 495_000
POOL = Pool("bj-1/t4", "bj-1", "beijing", "t4", domestic=False, tflops=65)


def wanting(name: str, limit: int, linked_to: str | None = None) -> BookDemand:
    row = Alternative(0, (POOL.key,), limit, FIRST, FIRST + 2, chips_by_period=(4, 4), chip_hours=8)
    return BookDemand(f"dem_{name}", "e", 1, Shape.FLOW, (row,), linked_to=linked_to)


def book(*demands: BookDemand) -> Book:
    supply = BookOffer("off_a", "p", 1, POOL.key, 100, FIRST, (8, 8))
    return Book("jjj", "jjj:7", FIRST, 2, (POOL,), (supply,), demands)


def told(found: Indication, name: str) -> float:
    (row,) = [row for row in found.likelihoods if row.order_id == name]
    return row.filled_ppm / 1_000_000


# Eight chips for three who want four each; the offer is a quarter of all draws away.
CROWDED = book(wanting("rich", 900), wanting("edge", 500), wanting("poor", 400))


def test_who_pays_more_is_likelier_filled_and_nobody_is_told_to_be_sure() -> None:
    found = indicate(CROWDED, 100, Plan(16, 250_000), clear_greedy)
    assert 0 < told(found, "dem_poor") < told(found, "dem_edge") < 1
    assert 1 > told(found, "dem_rich") > 0.5 > told(found, "dem_poor")


def test_the_same_book_is_told_the_same_and_another_round_draws_anew() -> None:
    plan = Plan(16, 250_000)
    once, again = (indicate(CROWDED, 100, plan, clear_greedy) for _ in range(2))
    assert once == again == indication_from_dict(indication_to_dict(once))
    later = Book(**{name: getattr(CROWDED, name) for name in CROWDED.__dataclass_fields__}
                 | {"round_id": "jjj:8"})  # fmt: skip
    assert indicate(later, 100, plan, clear_greedy).likelihoods != once.likelihoods


def test_prices_are_told_where_something_is_offered_with_the_range_of_the_draws() -> None:
    found = indicate(CROWDED, 100, Plan(16, 250_000), clear_greedy)
    assert [(row.pool, row.period) for row in found.prices] == [
        (POOL.key, FIRST), (POOL.key, FIRST + 1),
    ]  # fmt: skip
    for row in found.prices:
        assert row.low <= row.price <= row.high
        assert 400 <= row.price <= 500


def test_what_is_linked_to_an_order_that_a_draw_leaves_out_is_left_out_too() -> None:
    linked = book(wanting("parent", 900), wanting("child", 900, linked_to="dem_parent"))
    found = indicate(linked, 100, Plan(16, 500_000), clear_greedy)
    parent, child = (
        next(row for row in found.likelihoods if row.order_id == name)
        for name in ("dem_parent", "dem_child")
    )
    assert child.books < parent.books < 17


def test_the_projected_book_is_that_of_the_next_cut_without_what_leaves_by_then() -> None:
    now = datetime(2026, 11, 24, 8, 50, tzinfo=UTC)
    records = Records(
        offer(), demand(), placed(), offer("off_" + "c" * 26, expires_at="2026-11-24T08:55:00Z"),
        now=now,
    )  # fmt: skip
    orders = list(records.orders.values())
    found = projected_book(MARKET, orders, (), 3, now, {})
    assert found.round_id == "jjj:3"
    # The cut is at 09:00, so ten o'clock is the first hour that it can give.
    assert found.first_period * 3600 == datetime(2026, 11, 24, 10, tzinfo=UTC).timestamp()
    assert [row.id for row in found.offers] == [OFFER_ID]
    assert [row.id for row in found.demands] == [DEMAND_ID]
    away = projected_book(MARKET, orders, (), 3, now, {"p-1": "x"})
    assert not away.offers


def test_draws_leave_out_less_as_the_cut_comes_nearer() -> None:
    start = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    plans = [plan_of(CROWDED, MARKET, start + timedelta(seconds=s)) for s in (0, 300, 600, 899)]
    parts = [plan.left_out_ppm for plan in plans]
    assert parts == sorted(parts, reverse=True)
    assert (parts[0], parts[-1]) == (250_000, 31_250)
    assert {plan.draws for plan in plans} == {8}
