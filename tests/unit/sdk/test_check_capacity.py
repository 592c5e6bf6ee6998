from __future__ import annotations

from typing import Any

import pytest

from suanli.check_capacity import SALES_MAX, check_capacity

Json = dict[str, Any]


def hour(at: int) -> str:
    return f"2026-11-24T{at:02}:00:00Z"


def terms(chips: int = 8, end: int = 10, **more: object) -> Json:
    window = {"start": hour(8), "end": hour(end)}
    return {"zone": "z", "chip": "c", "chips": chips, "resource_code": "node", **window, **more}


def given(offer: str, chips: int = 4, pool: str = "z/c", **more: object) -> Json:
    periods = [{"start": f"2026-11-24T{at:02}:00:00+00:00", "chips": chips} for at in (8, 9)]
    about = {"allocation_id": f"al_{offer}", "provider_id": "p", "enterprise_id": f"e-{offer}"}
    return {**about, "offer_id": offer, "pool": pool, "periods": periods, **more}


def problems(items: list[Json], offers: dict[str, list[Json]]) -> dict[str, list[str]]:
    outcomes = check_capacity(items, [({"order_id": name}, them) for name, them in offers.items()])
    assert [one.code for one in outcomes] == ["capacity", "shared", "resales"]
    return {one.code: one.problems for one in outcomes if one.problems}


def test_an_hour_given_out_beyond_every_version_of_its_offer_is_found() -> None:
    wide, narrow = terms(8, 10), terms(4, 9)
    assert problems([given("a"), given("a")], {"a": [narrow, wide]}) == {}
    over = problems([given("a", 4), given("a", 5)], {"a": [wide]})
    assert len(over["capacity"]) == 2
    outside = problems([given("a")], {"a": [narrow]})
    assert outside == {"capacity": [f"a {hour(9)}: 4 chips given, offered 0"]}
    assert problems([given("a", 1, "z/other")], {"a": [wide]}).keys() == {"capacity"}
    assert problems([given("a")], {}).keys() == {"capacity"}


def test_offers_that_share_a_resource_sell_it_once_over_all_markets() -> None:
    shared = {"a": [terms(capacity_chips=10)], "b": [terms(capacity_chips=10)]}
    assert problems([given("a", 4), given("b", 6)], shared) == {}
    found = problems([given("a", 4), given("b", 7)], shared)
    text = f"p/node/z/c {hour(8)}: 11 chips sold over all markets, there are 10"
    assert found["shared"][0] == text
    assert len(found["shared"]) == 2
    # Another provider, another resource, and offers that state nothing, share nothing.
    assert problems([given("a", 4), given("b", 7, provider_id="q")], shared) == {}
    other = shared | {"b": [terms(capacity_chips=10, resource_code="other")]}
    assert problems([given("a", 4), given("b", 7)], other) == {}
    assert problems([given("a", 4), given("b", 7)], shared | {"b": [terms()]}) == {}
    # Once there are more chips, more are sold; what an offer states that sold none is no matter.
    more = shared | {"b": [terms(capacity_chips=11)]}
    assert problems([given("a", 4), given("b", 7)], more) == {}
    idle = shared | {"c": [terms(capacity_chips=99)]}
    assert problems([given("a", 4), given("b", 7)], idle).keys() == {"shared"}


def resold(chain: int) -> tuple[list[Json], dict[str, list[Json]]]:
    """Return sales of the same chips, and their offers; the last is listed first."""
    offers = {"0": [terms()]}
    items = [given("0")]
    for n in range(1, chain):
        offers[str(n)] = [terms(resale_of=f"al_{n - 1}")]
        items.append(given(str(n), provider_id=f"e-{n - 1}"))
    return items[::-1], offers


def test_hours_are_sold_on_by_who_bought_them_and_through_eight_sales_at_most() -> None:
    assert problems(*resold(SALES_MAX)) == {}
    found = problems(*resold(SALES_MAX + 1))
    assert found == {"resales": ["al_8 resells al_7: sold through 9 sales, at most 8 may be"]}
    items, offers = resold(2)
    twice = [given("x", 1, provider_id="e-0"), *items]
    assert problems(twice, offers | {"x": [terms(resale_of="al_0")]})["shared"] == [
        f"al_0 {hour(at)}: 5 chips sold over all markets, there are 4" for at in (8, 9)
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"provider_id": "p"}, "al_1 resells al_0: sold by p, bought by e-0"),
        ({"pool": "z/d"}, "al_1 resells al_0: sold in z/d, bought in z/c"),
    ],
)
def test_a_resale_by_another_or_elsewhere_is_found(change: Json, problem: str) -> None:
    (sale, source), offers = resold(2)
    assert problem in problems([sale | change, source], offers)["resales"]


def test_a_resale_of_nothing_and_one_that_ends_in_itself_are_found() -> None:
    (sale, _), offers = resold(2)
    assert problems([sale], offers) == {
        "resales": ["al_1 resells al_0: there is no such allocation"]
    }
    # A ring: each sells on what the other bought.
    rings = {"0": [terms(resale_of="al_1")], "1": [terms(resale_of="al_0")]}
    ring = [given("0", provider_id="e-1"), given("1", provider_id="e-0")]
    assert len(problems(ring, rings)["resales"]) == 2
