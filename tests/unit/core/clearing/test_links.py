"""Links between zones, worked by hand: routes, crossings, rents and why a demand stayed out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.types import Shape
from services.core.book import Book, BookDemand, BookLink, LinkOutcome, Moves, Rules
from services.core.clearing.clear import clear
from services.core.clearing.reasons import sentence
from services.core.routes import Routes, crossing, use_of_links
from tests.unit.core.clearing.builders import FIRST, book, cells, codes, demand, offer, pool, run

RULES = Rules(tick=1, ascent_steps=40)


def link(source: str, destination: str, tariff: int, *capacity: int) -> BookLink:
    return BookLink(f"{source}>{destination}", source, destination, tariff, capacity)


def sending(row: BookDemand, **moves: int | str) -> BookDemand:
    return replace(row, moves=Moves(**moves))  # type: ignore[arg-type]


def two_zones(demands: list[BookDemand], *links: BookLink) -> Book:
    """Return a book whose chips are all in hb; bj is where data and callers are."""
    supply = [offer("hb", (9, 9, 9, 9), 100, zone="hb")]
    return replace(book(supply, demands, zones=("bj", "hb")), links=links)


def outcome(row: BookLink, result: tuple[LinkOutcome, ...]) -> LinkOutcome:
    return next(one for one in result if one.key == row.key)


def test_route_has_least_tariffs_then_fewest_links_then_least_keys() -> None:
    routes = Routes([
        link("a", "d", 9), link("a", "b", 3), link("b", "d", 3), link("a", "c", 3),
        link("c", "d", 3), link("d", "e", 0), link("b", "e", 3),
    ])  # fmt: skip
    assert routes.between("a", "d") == ("a>b", "b>d")
    assert routes.between("a", "e") == ("a>b", "b>e")
    assert routes.between("a", "a") == ()
    assert routes.between("e", "a") is None


def test_data_crosses_evenly_in_the_four_periods_before_a_start_or_in_what_there_is() -> None:
    assert crossing(10, 7, 0) == [(3, 3), (4, 3), (5, 2), (6, 2)]
    assert crossing(10, 2, 0) == [(0, 5), (1, 5)]
    assert crossing(1, 3, 0) == [(0, 1)]
    assert crossing(10, 0, 0) == []


def test_use_of_links_is_data_once_and_traffic_with_every_chip() -> None:
    train = sending(
        demand("t", run(2, 2, 999, zones=("hb",))),
        data_zone="bj", data_gb=5, user_zone="bj", traffic_gb=3,
    )  # fmt: skip
    market = two_zones([train], link("bj", "hb", 1, 9, 9, 9, 9), link("hb", "bj", 1, 9, 9, 9, 9))
    used = use_of_links(market, Routes(market.links), train, "hb", {FIRST + 2: 2, FIRST + 3: 2})
    assert used == [
        ("bj>hb", FIRST, 3), ("bj>hb", FIRST + 1, 2),
        ("hb>bj", FIRST + 2, 6), ("hb>bj", FIRST + 3, 6),
    ]  # fmt: skip


def test_congested_link_has_a_rent_and_the_lower_limit_stays_out_with_its_reason() -> None:
    away = link("hb", "bj", 10, 6, 6, 6, 6)
    rich = sending(
        demand("rich", cells(3, 300, window=(0, 1), zones=("hb",)), shape=Shape.FLOW),
        user_zone="bj", traffic_gb=2,
    )  # fmt: skip
    poor = sending(
        demand("poor", cells(3, 200, window=(0, 1), zones=("hb",)), shape=Shape.FLOW),
        user_zone="bj", traffic_gb=2,
    )  # fmt: skip
    result = clear(two_zones([rich, poor], away), RULES)
    took = outcome(away, result.links)
    # 3 chips take all 6 GB of the hour: welfare is 3 x (300 - 100) less 6 x 10.
    assert result.welfare == 3 * 200 - 60
    assert took.used == (6, 0, 0, 0)
    # A chip of the poor one pays 100 and 2 GB; at 50 a GB it is just out, at 100 the rich one is.
    assert 50 <= took.prices[0] <= 100
    assert took.prices[1:] == (10, 10, 10)
    assert codes(result)["poor"] == "link_full"
    told = sentence(next(row for row in result.demands if row.id == "dem_poor").reason)
    assert "hb>bj is full" in told.en
    paid = next(row for row in result.demands if row.id == "dem_rich").payment
    revenue = sum(row.revenue for row in result.offers)
    assert paid == revenue + 6 * took.prices[0]


@pytest.mark.parametrize(
    ("capacity", "start", "code"),
    [(9, 1, "filled"), (4, 2, "filled"), (2, 3, "filled"), (1, None, "link_no_room")],
)
def test_narrow_link_delays_a_start_until_the_data_is_there(
    capacity: int, start: int | None, code: str
) -> None:
    train = sending(
        demand("t", run(2, 1, 400, zones=("hb",))), data_zone="bj", data_gb=6
    )  # fmt: skip
    # An offer that gets dearer by the hour makes the first start that can be the best.
    supply = [offer(f"h{t}", (9,), 100 + t, start=t, zone="hb") for t in range(4)]
    there = link("bj", "hb", 5, *(capacity,) * 4)
    market = replace(book(supply, [train], zones=("bj", "hb")), links=(there,))
    result = clear(market, RULES)
    assert codes(result)["t"] == code
    if start is not None:
        assert [row.start for row in result.allocations] == [FIRST + start]
        assert result.welfare == 2 * (400 - 100 - start) - 6 * 5


def test_demand_without_a_way_is_told_so_and_one_in_the_same_zone_needs_none() -> None:
    far = sending(demand("far", run(1, 1, 400, zones=("hb",))), data_zone="tj", data_gb=1)
    here = sending(demand("here", run(1, 1, 400, zones=("hb",))), data_zone="hb", data_gb=1)
    market = two_zones([far, here], link("bj", "hb", 1, 9, 9, 9, 9))
    market = replace(market, pools=(*market.pools, pool("tj")))
    assert codes(clear(market, RULES)) == {"far": "no_route", "here": "filled", "hb": "part_filled"}
