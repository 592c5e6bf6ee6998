from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suanli.checker import verify
from tests.unit.sdk import rounds
from tests.unit.sdk.rounds import Json


def bound_of(book: Json, prices: dict[str, list[int]]) -> int | None:
    result = rounds.empty_result(book, prices, {"prices": prices, "bound": 0})
    return verify(book, rounds.rules(), result).bound


def one_demand(alternative: Json, shape: str, offers: list[Json] | None = None) -> Json:
    zones = [rounds.pool("z1"), rounds.pool("z2")]
    # 4, 6 and 2 chips in z1/a, 1 in each period in z2/a; the asks are too high to gain.
    standing = [
        rounds.offer("off_a", "z1/a", 9000, 1000, [4, 6, 2]),
        rounds.offer("off_b", "z2/a", 9000, 1000, [1, 1, 1]),
    ]
    return rounds.book(
        zones, standing if offers is None else offers, [rounds.demand("dem_a", shape, alternative)]
    )


PRICES = {"z1/a": [100, 300, 200], "z2/a": [50, 50, 600]}


@pytest.mark.parametrize(
    ("chips", "chips_min", "duration", "bound"),
    [
        # Start 1000: 4 chips x (2 x 500 - 400); start 1001: at most 2 chips; z2/a: 1 chip.
        (4, 4, 2, 2400),
        # 5 chips never have room for 2 periods, so the demand drops out of the bound...
        (5, 5, 2, 0),
        # ...but curtailed to 4 they do, and the bound uses the largest quantity that fits.
        (5, 3, 2, 2400),
        # All three periods: 2 x (1500 - 600) in z1/a; 1 x (1500 - 700) in z2/a.
        (3, 1, 3, 1800),
        # One period: 6 x (500 - 300) = 1200, 4 x (500 - 100) = 1600.
        (6, 1, 1, 1600),
        (6, 6, 1, 1200),
        (1, 1, 4, 0),
    ],
)
def test_bound_drops_runs_that_never_fit(
    chips: int, chips_min: int, duration: int, bound: int
) -> None:
    alternative = rounds.block(["z1/a", "z2/a"], 500, chips, duration, chips_min=chips_min)
    assert bound_of(one_demand(alternative, "block"), PRICES) == bound


@pytest.mark.parametrize(
    ("by_period", "chip_hours", "bound"),
    [
        # By price: 50 (1 in 1000), 50 (1 in 1001), 100 (4 in 1000), 200 (2 in 1002), 300 (6).
        ([3, 3, 3], 9, 450 + 450 + 2 * 400 + 2 * 300 + 2 * 200),
        ([3, 3, 3], 3, 450 + 450 + 400),
        ([9, 9, 9], 99, 450 + 450 + 4 * 400 + 2 * 300 + 6 * 200),
        ([0, 1, 0], 5, 450),
    ],
)
@pytest.mark.parametrize("shape", ["flow", "work"])
def test_bound_fills_the_cheapest_chips_first(
    shape: str, by_period: list[int], chip_hours: int, bound: int
) -> None:
    alternative = rounds.parts(["z1/a", "z2/a"], 500, 1000, by_period, chip_hours=chip_hours)
    assert bound_of(one_demand(alternative, shape), PRICES) == bound


def test_bound_ignores_what_lies_beyond_the_horizon() -> None:
    # 1 chip in 1000 (z1/a at 100, room 4) counts; 998, 999 and 1003 have no price.
    alternative = rounds.parts(["z1/a"], 500, 998, [7, 7, 1, 0, 0, 7])
    assert bound_of(one_demand(alternative, "flow"), PRICES) == 400
    # The run 1001-1002 is the only one of 2 periods in [1001, 1009): 2 x (1000 - 500).
    run = rounds.block(["z1/a"], 500, 2, 2, earliest=1001, deadline=1009)
    assert bound_of(one_demand(run, "block"), PRICES) == 1000


def test_bound_counts_a_block_offer_whole_or_not() -> None:
    # 2 x (100 - 200) + 2 x (300 - 200) + 1 x 0 = 0 as a block, 200 if divisible.
    nothing = rounds.parts(["z2/a"], 0, 1000, [1])
    for is_block, bound in ((True, 0), (False, 200)):
        stands = [rounds.offer("off_a", "z1/a", 200, 1000, [2, 2, 1], block=is_block)]
        assert bound_of(one_demand(nothing, "flow", stands), PRICES) == bound
    # 3 x 0 + 2 x 200 = 400 from 999 on is no gain: 999 is past, so the block cannot be whole.
    stands = [rounds.offer("off_a", "z1/a", 100, 999, [1, 3, 2], block=True)]
    assert bound_of(one_demand(nothing, "flow", stands), PRICES) == 0


def test_bound_takes_a_group_to_be_its_participants_own() -> None:
    # Two participants chose the same name for a group: each may have a member accepted, and the
    # bound counts both. 2 demands x 1 chip x (500 - 300) at the certificate prices, no offer gain.
    alternative = rounds.parts(["z1/a"], 500, 1000, [1])
    book = rounds.book(
        [rounds.pool("z1")],
        [rounds.offer("off_a", "z1/a", 300, 1000, [2])],
        [
            rounds.demand("dem_a", "flow", alternative, exclusive_group="g"),
            rounds.demand("dem_b", "flow", alternative, exclusive_group="g"),
        ],
    )
    assert bound_of(book, {"z1/a": [300, 0, 0]}) == 400
    same = {**book, "demands": [{**item, "participant": "e"} for item in book["demands"]]}
    assert bound_of(same, {"z1/a": [300, 0, 0]}) == 200


# --- against brute force ------------------------------------------------------------------------

SMALL = st.integers(0, 2)
PRICE = st.integers(0, 5)


@given(
    room=st.lists(SMALL, min_size=4, max_size=4),
    prices=st.lists(PRICE, min_size=4, max_size=4),
    caps=st.tuples(SMALL, SMALL, st.integers(0, 5)),
    limit=PRICE,
)
@settings(max_examples=100, deadline=None)
def test_bound_of_a_divisible_demand_is_the_best_of_all_choices(
    room: list[int], prices: list[int], caps: tuple[int, int, int], limit: int
) -> None:
    # Pools z1 and z2, periods 1000 and 1001: the cells z1/1000, z1/1001, z2/1000, z2/1001.
    best = max(
        sum(q * (limit - p) for q, p in zip(chips, prices, strict=True))
        for chips in itertools.product(*(range(most + 1) for most in room))
        if chips[0] + chips[2] <= caps[0]
        and chips[1] + chips[3] <= caps[1]
        and sum(chips) <= caps[2]
    )
    both = ["z1/a", "z2/a"]
    book = rounds.book(
        [rounds.pool("z1"), rounds.pool("z2")],
        [
            rounds.offer("off_a", "z1/a", 900, 1000, room[:2]),
            rounds.offer("off_b", "z2/a", 900, 1000, room[2:]),
        ],
        [
            rounds.demand(
                "dem_a", "work", rounds.parts(both, limit, 1000, list(caps[:2]), chip_hours=caps[2])
            )
        ],
        periods=2,
    )
    assert bound_of(book, {"z1/a": prices[:2], "z2/a": prices[2:]}) == best


@given(
    room=st.lists(st.integers(0, 3), min_size=3, max_size=3),
    prices=st.lists(PRICE, min_size=3, max_size=3),
    chips=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    duration=st.integers(1, 3),
    limit=PRICE,
)
@settings(max_examples=100, deadline=None)
def test_bound_of_a_block_is_the_best_of_all_runs_that_have_room(
    room: list[int], prices: list[int], chips: tuple[int, int], duration: int, limit: int
) -> None:
    gains = [
        q * sum(limit - price for price in prices[t : t + duration])
        for t in range(3 - duration + 1)
        for q in range(min(chips), max(chips) + 1)
        if all(q <= have for have in room[t : t + duration])
    ]
    run = rounds.block(["z1/a"], limit, max(chips), duration, chips_min=min(chips))
    book = rounds.book(
        [rounds.pool("z1")],
        [rounds.offer("off_a", "z1/a", 900, 1000, room)],
        [rounds.demand("dem_a", "block", run)],
    )
    assert bound_of(book, {"z1/a": prices}) == max(0, *gains, 0)
