"""Which orders are in a round's book, with what quantities, and which leave before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.types import OrderState, period_of
from services.core.book import BookPolicy
from services.core.book_builder import (
    Horizon,
    build_book,
    leaving,
    no_longer_taken,
    rules_of,
)
from services.core.book_policies import under, with_all_orders, without
from services.core.codec import book_from_dict, book_to_dict, canonical_json
from services.core.orders import DemandOrder, OfferOrder, Order
from services.core.round_pace import Pace
from tests.unit.core.orders_world import (
    DEMAND_ID,
    MARKET,
    NOW,
    OFFER_ID,
    OTHER_ID,
    Records,
    demand,
    offer,
    placed,
)

FIRST = period_of(NOW) + 1
HORIZON = Horizon(seq=5, first=FIRST, periods=24)
LATER = Horizon(seq=9, first=FIRST + 2, periods=24)


def opened(**terms: object) -> DemandOrder:
    """Return a demand in the book that holds 1 yuan more than it can need."""
    submitted = demand(DEMAND_ID, "e-1", **terms)
    order = Records(submitted, placed(amount=10**12)).orders[submitted.order_id]
    assert isinstance(order, DemandOrder)
    return order


def offered(**terms: object) -> OfferOrder:
    """Return an offer in the book."""
    order = Records(offer(OFFER_ID, "p-1", **terms)).orders[OFFER_ID]
    assert isinstance(order, OfferOrder)
    return order


def named(order: DemandOrder, order_id: str, **changes: object) -> DemandOrder:
    """Return the order under another id."""
    return replace(order, id=order_id, **changes)  # type: ignore[arg-type]


def test_a_public_book_tells_which_orders_are_of_one_hand_but_not_whose() -> None:
    own = [named(opened(exclusive_group="llm"), f"dem_{letter * 26}") for letter in "ab"]
    other = named(opened(), f"dem_{'c' * 26}", participant_id="e-2")
    book = build_book(MARKET, [*own, other, offered()], {}, HORIZON)
    assert [row.participant for row in book.demands] == ["p2", "p2", "p3"]
    assert [row.exclusive_group for row in book.demands] == ["g1", "g1", None]
    assert [row.participant for row in book.offers] == ["p1"]


def test_a_book_names_what_its_limits_keep_out_under_names_of_its_own() -> None:
    caps = BookPolicy(
        "caps", 1, "price_limits", (("cap", 2_000_000), ("chip", ""), ("floor", 1_000_000))
    )
    dear = [{"chips_any_of": ["t4"], "limit": 2_000_100}]
    kept = named(opened(), f"dem_{'c' * 26}")
    eager = named(opened(alternatives=dear), f"dem_{'d' * 26}", participant_id="e-2")
    child = named(opened(linked_to=eager.id), f"dem_{'e' * 26}", participant_id="e-2")
    orders: list[Order] = [kept, eager, child, offered(ask=900_000)]
    book = build_book(MARKET, orders, {eager.id: eager}, HORIZON, policies=(caps,))
    assert [(row.id, row.participant) for row in book.demands] == [(kept.id, "p1")]
    assert not book.offers
    assert [row.ask for row in book.kept_out.offers] == [900_000]
    # What is linked to what is kept out is kept out with it.
    assert [row.id for row in book.kept_out.demands] == [eager.id, child.id]
    assert {row.participant for row in book.kept_out.demands} == {"p3"}
    assert without(book, "caps") == with_all_orders(replace(book, policies=()))
    assert under(book, (caps,)) == book


def test_an_offer_shows_what_earlier_rounds_left_of_it() -> None:
    order = replace(offered(), allocated=((FIRST, 3), (FIRST + 1, 8)), chip_hours=11)
    (row,) = build_book(MARKET, [order], {}, HORIZON).offers
    assert (row.start, row.chips) == (FIRST, (5, 0, 8, 8, 8, 8, 8, 8))


def test_an_offer_that_sells_on_is_marked_in_the_book_and_in_its_file_and_no_other_is() -> None:
    order, marked = offered(), {"resale_of": "al_" + "a" * 26}
    resale = replace(order, terms=order.terms.model_copy(update=marked))
    for one, expected in ((order, False), (resale, True)):
        book = build_book(MARKET, [one], {}, HORIZON)
        assert [row.resale for row in book.offers] == [expected]
        text = canonical_json(book_to_dict(book)).decode()
        assert ('"resale":true' in text, '"resale"' in text) == (expected, expected)
        assert book_from_dict(book_to_dict(book)) == book


def test_an_offer_is_cut_to_the_horizon() -> None:
    (row,) = build_book(MARKET, [offered()], {}, LATER).offers
    assert (row.start, len(row.chips)) == (FIRST + 2, 6)


def test_a_block_offer_enters_only_whole() -> None:
    order = offered(block=True)
    assert build_book(MARKET, [order], {}, HORIZON).offers[0].block
    assert not build_book(MARKET, [order], {}, replace(HORIZON, periods=4)).offers
    (left,) = leaving([order], {}, {}, NOW, FIRST + 1)
    assert (left.state, left.why.code) == (OrderState.EXPIRED, "block_window_started")


def test_a_demand_without_its_hold_is_not_in_the_book() -> None:
    order = Records(demand()).orders[DEMAND_ID]
    assert not build_book(MARKET, [order], {}, HORIZON).demands


@pytest.mark.parametrize(
    ("shape", "changes", "hours"),
    [
        ({"type": "flow", "chips": 4}, {}, 16),
        ({"type": "flow", "chips": 4}, {"hold": 10_000_000}, 5),
        ({"type": "work", "chip_hours": 7, "chips_max": 3}, {}, 7),
        ({"type": "work", "chip_hours": 7, "chips_max": 3}, {"hold": 3_999_999}, 1),
    ],
)
def test_a_quantity_is_what_the_held_money_pays_at_the_limit(
    shape: dict[str, object], changes: dict[str, int], hours: int
) -> None:
    order = replace(opened(shape=shape), **changes)  # type: ignore[arg-type]
    (row,) = build_book(MARKET, [order], {}, HORIZON).demands
    assert row.alternatives[0].chip_hours == hours


def test_a_part_filled_flow_asks_for_the_rest_in_the_pools_it_was_given() -> None:
    order = replace(
        opened(budget=20_000_000),
        state=OrderState.PART_FILLED,
        allocated=((FIRST, 4), (FIRST + 1, 1)),
        chip_hours=5,
        spent=5_000_000,
        alternative=0,
        pinned_pools=("he-1/t4",),
    )
    (row,) = build_book(MARKET, [order], {}, HORIZON).demands
    (left,) = row.alternatives
    assert (left.pools, left.chips_by_period) == (("he-1/t4",), (0, 3, 4, 4))
    assert left.chip_hours == 7, "15 yuan are left of the budget, at 2 yuan an hour"


def test_a_block_that_its_money_cannot_pay_in_full_is_curtailed_or_left_out() -> None:
    shape = {"type": "block", "chips": 4, "chips_min": 2, "duration": 2}
    order = replace(opened(shape=shape), hold=12_000_000)
    (row,) = build_book(MARKET, [order], {}, HORIZON).demands
    assert row.alternatives[0].chips == 3
    assert not build_book(MARKET, [replace(order, hold=7_000_000)], {}, HORIZON).demands


def test_a_child_is_in_the_book_only_with_its_parent() -> None:
    child, parent = opened(linked_to=OTHER_ID), named(opened(), OTHER_ID)
    both = build_book(MARKET, [child, parent], {OTHER_ID: parent}, HORIZON)
    assert [row.linked_to for row in both.demands] == [OTHER_ID, None]
    assert not build_book(MARKET, [child], {}, HORIZON).demands


def test_a_child_of_a_parent_that_traded_before_is_free() -> None:
    parent = named(opened(), OTHER_ID, state=OrderState.FILLED, chip_hours=3)
    (row,) = build_book(MARKET, [opened(linked_to=OTHER_ID)], {OTHER_ID: parent}, HORIZON).demands
    assert row.linked_to is None


def test_links_in_a_circle_keep_all_of_them_out() -> None:
    one, other = opened(linked_to=OTHER_ID), named(opened(linked_to=DEMAND_ID), OTHER_ID)
    parents = {DEMAND_ID: one, OTHER_ID: other}
    assert not build_book(MARKET, [one, other], parents, HORIZON).demands


def test_the_book_does_not_depend_on_the_order_of_the_rows() -> None:
    orders: list[Order] = [opened(), named(opened(), OTHER_ID), offered()]
    assert build_book(MARKET, orders, {}, HORIZON) == build_book(MARKET, orders[::-1], {}, HORIZON)


def test_rounds_waited_counts_from_the_first_round_in() -> None:
    order = replace(opened(), waiting_since=3)
    (row,) = build_book(MARKET, [order], {}, HORIZON).demands
    assert row.rounds_waited == 2


@pytest.mark.parametrize(
    ("order", "groups", "state", "code"),
    [
        (opened(expires_at="2026-11-24T08:10:00Z"), {}, OrderState.EXPIRED, "expired"),
        (opened(deadline="2026-11-24T10:00:00Z"), {}, OrderState.EXPIRED, "window_passed"),
        (
            opened(exclusive_group="g"),
            {"e-1/g": OTHER_ID},
            OrderState.CANCELLED,
            "exclusive_group",
        ),
    ],
    ids=["expired", "window", "group"],
)
def test_an_order_leaves_before_the_round_with_its_reason(
    order: DemandOrder, groups: dict[str, str], state: OrderState, code: str
) -> None:
    (left,) = leaving([order], {}, groups, NOW, FIRST + 1)
    assert (left.state, left.why.code) == (state, code)
    assert isinstance(left, DemandOrder)
    assert left.has_hold_news, "its hold must be released"


def test_orders_of_who_is_suspended_leave_with_the_reason() -> None:
    left = leaving([opened(), offered()], {}, {}, NOW, FIRST + 1, {opened().participant_id: "why"})
    assert [(one.id, one.state, one.why.params) for one in left] == [
        (DEMAND_ID, OrderState.CANCELLED, (("reason", "why"),))
    ]


def test_a_block_leaves_once_its_run_no_longer_fits() -> None:
    order = opened(shape={"type": "block", "chips": 1, "duration": 3})
    assert not leaving([order], {}, {}, NOW, FIRST + 1)
    assert leaving([order], {}, {}, NOW, FIRST + 2)


def test_a_child_leaves_when_its_parent_is_out() -> None:
    parent = named(opened(), OTHER_ID, state=OrderState.CANCELLED)
    (left,) = leaving([opened(linked_to=OTHER_ID)], {OTHER_ID: parent}, {}, NOW, FIRST)
    assert (left.state, left.why.code) == (OrderState.CANCELLED, "linked_order_out")


def test_a_new_definition_of_the_market_lets_go_of_what_it_no_longer_takes() -> None:
    dearer = MARKET.model_copy(
        update={"rules": MARKET.rules.model_copy(update={"price_max": 1_500_000})}
    )
    (left,) = no_longer_taken([opened(), offered()], dearer, period_of(NOW))
    assert (left.id, left.state) == (DEMAND_ID, OrderState.CANCELLED)
    assert left.why.code == "market_changed"
    started = period_of(NOW + timedelta(hours=3))
    assert not no_longer_taken([opened(), offered()], MARKET, started)


def test_effort_grows_with_the_book_up_to_what_there_is_time_for() -> None:
    book = build_book(MARKET, [opened(), offered()], {}, HORIZON)
    small = rules_of(MARKET, book, Pace())
    rows = tuple(replace(book.demands[0], id=f"dem_{n:026}") for n in range(3_000))
    large = rules_of(MARKET, replace(book, demands=rows), Pace())
    assert small.effort == MARKET.rules.effort
    assert large.effort == 2 * MARKET.rules.effort
    hurried = rules_of(MARKET, replace(book, demands=rows), Pace(share_ppm=500_000))
    assert hurried.effort == MARKET.rules.effort
    assert small.tick == large.tick == MARKET.rules.tick


def test_interruptible_demand_is_given_the_coming_hour_and_those_of_its_notice() -> None:
    flow = opened(priority="interruptible")
    (row,) = build_book(MARKET, [flow], {}, HORIZON).demands
    assert [(item.earliest, item.deadline, item.chip_hours) for item in row.alternatives] == [
        (FIRST, FIRST + 1, 4)
    ]
    (row,) = build_book(MARKET, [flow], {}, LATER).demands
    assert row.alternatives[0].earliest == LATER.first
    noticed = opened(priority="interruptible", notice_periods=2)
    assert build_book(MARKET, [noticed], {}, HORIZON).demands[0].alternatives[0].chip_hours == 12
    work = {"type": "work", "chip_hours": 6, "chips_max": 4}
    paused = opened(priority="interruptible", shape=work)
    assert build_book(MARKET, [paused], {}, HORIZON).demands[0].alternatives[0].chip_hours == 4
    # Its hour is still to come, so it waits; a block cannot be paused and stays whole.
    waiting = opened(priority="interruptible", earliest="2026-11-24T11:00:00Z")
    assert not build_book(MARKET, [waiting], {}, HORIZON).demands
    block = opened(priority="interruptible", shape={"type": "block", "chips": 2, "duration": 3})
    assert build_book(MARKET, [block], {}, HORIZON).demands[0].alternatives[0].duration == 3
