from __future__ import annotations

import pytest

from infra.demo.figures import (
    Lot,
    Spread,
    by_chip,
    by_region,
    chip_hours_wanted,
    figures_of,
    price_averages,
    share_ppm,
    spread,
)
from tests.unit.demo.days import YUAN, hour, make_facts


def test_the_day_adds_up_over_its_rounds() -> None:
    figures = figures_of(make_facts())
    assert (figures.chip_hours, figures.chip_hours_domestic) == (16, 12)
    assert (figures.tflops_hours, figures.tflops_hours_domestic) == (160, 120)
    assert (figures.welfare, figures.bound, figures.payment) == (52 * YUAN, 67 * YUAN, 56 * YUAN)


def test_the_gap_of_the_day_weighs_rounds_by_what_was_at_stake() -> None:
    figures = figures_of(make_facts())
    assert figures.gap_ppm == 15 * 1_000_000 // 67
    # Round 2 had nothing to gain, so it is in no mean.
    assert figures.gap_mean_ppm == (200_000 + 1_000_000) // 2
    assert (figures.gap_worst_ppm, figures.gap_worst_round) == (1_000_000, "m:3")
    assert figures.gap_worst == 2 * YUAN


def test_prices_are_weighted_by_chips_over_every_delivery_hour() -> None:
    figures = figures_of(make_facts())
    assert figures.pools["beijing", "home"] == Lot(offered=40, sold=12, payment=36 * YUAN)
    assert figures.pools["hebei", "away"].price == 5 * YUAN
    assert by_chip(figures.pools)["home"].price == 3 * YUAN


def test_fill_counts_only_the_hours_of_the_day() -> None:
    # The day ends with hour 3: of the hours 1 to 4 on offer in Beijing, 1 and 2 count.
    figures = figures_of(make_facts())
    assert by_region(figures.day_pools)["beijing"] == Lot(20, 12, 36 * YUAN)
    assert by_region(figures.day_pools)["beijing"].fill == pytest.approx(0.6)


def test_every_delivery_hour_shows_supply_demand_and_sales() -> None:
    hours = figures_of(make_facts()).hours
    assert [item.offered for item in hours] == [0, 14, 14, 10, 10]
    assert [(item.sold_domestic, item.sold_foreign) for item in hours[:3]] == [
        (0, 0),
        (6, 4),
        (6, 0),
    ]
    # What was refused asks for nothing: 6 chips of the block and 4 of the flow are left.
    assert [item.wanted for item in hours[:3]] == [0, 10, 6]
    assert hours[1].lots["away"] == Lot(sold=4, payment=20 * YUAN)


def test_rejected_offers_are_not_supply() -> None:
    facts = make_facts()
    rejected = tuple(item | {"state": "rejected"} for item in facts.offers)
    figures = figures_of(make_facts(offers=rejected))
    assert figures.pools["beijing", "home"].offered == 0
    assert figures.pools["beijing", "home"].fill == 0


def test_waiting_runs_from_sending_to_the_publication_of_the_first_round_that_allocates() -> None:
    later = {**make_facts().allocations[0], "round_id": "m:2", "allocation_id": "al_3"}
    figures = figures_of(make_facts(allocations=(later, *make_facts().allocations)))
    assert figures.wait_s == Spread(count=2, p50=2.0, p99=5.0, most=5.0)
    assert figures.wait_market_min.most == 0.0


def test_orders_are_counted_by_state_and_by_reason() -> None:
    figures = figures_of(make_facts())
    assert figures.states == {"offer": {"open": 2}, "demand": {"filled": 2, "rejected": 1}}
    causes = {(item.side, item.state): item.orders for item in figures.reasons}
    assert causes == {("offer", "open"): 2, ("demand", "filled"): 2, ("demand", "rejected"): 1}


def test_a_day_without_rounds_has_figures_of_zero() -> None:
    figures = figures_of(make_facts(rounds=(), allocations=(), offers=(), demands=(), attempts=()))
    assert figures.gap_worst_round is None
    assert (figures.gap_ppm, figures.wait_s, len(figures.hours)) == (0, Spread(), 1)


def test_percentiles_are_values_that_occurred() -> None:
    assert spread([]) == Spread()
    assert spread([7.0]) == Spread(1, 7.0, 7.0, 7.0)
    values = [float(value) for value in range(1, 201)]
    assert spread(reversed(values)) == Spread(200, 100.0, 198.0, 200.0)


def test_a_share_of_nothing_is_nothing() -> None:
    assert share_ppm(1, 0) == 0
    assert share_ppm(1, 3) == 333_333


def test_round_prices_are_averaged_over_pools_of_a_chip_and_skip_the_certificate() -> None:
    curve = {
        "kind": "clearing",
        "pool": "bj/home",
        "prices": [1, 3],
        "chips": [2, 2],
        "offered": [5, 5],
    }
    other = {**curve, "pool": "he/home", "prices": [7, 9], "chips": [0, 1]}
    proof = {**curve, "kind": "certificate", "prices": [99, 99]}
    found = price_averages([curve, other, proof], {"bj/home": "home", "he/home": "home"})
    assert found == {"home": Lot(offered=20, sold=5, payment=17)}
    assert found["home"].price == 3


@pytest.mark.parametrize(
    ("shape", "chip_hours"),
    [
        ({"type": "block", "chips": 8, "duration": 3}, 24),
        ({"type": "flow", "chips": 8}, 40),
        ({"type": "work", "chip_hours": 30, "chips_max": 8}, 30),
    ],
)
def test_chip_hours_wanted_follow_the_shape(shape: dict[str, object], chip_hours: int) -> None:
    terms = {"shape": shape, "earliest": hour(1), "deadline": hour(6), "alternatives": [{}]}
    assert chip_hours_wanted(terms) == chip_hours
    half = terms | {"alternatives": [{"equivalence_milli": 500}]}
    assert chip_hours_wanted(half) == chip_hours / 2
