"""What a market takes, what a demand may cost, which pools can serve it."""

from __future__ import annotations

import re

import pytest

from schemas.market import Market
from schemas.orders import DemandTerms, OfferTerms
from schemas.types import Period
from services.core.eligibility import (
    max_spend,
    pools_of,
    resolve_alternatives,
    validate_demand,
    validate_offer,
)
from services.core.errors import ValidationError

NOW = Period(498_000)  # 2026-10-24T00:00Z
MARKET = Market.model_validate(
    {
        "id": "jjj",
        "name_en": "Beijing-Tianjin-Hebei",
        "name_zh": "京津冀",
        "zones": [
            {"id": "bj-1", "region": "beijing", "name_en": "B", "name_zh": "京", "cloud": "a"},
            {"id": "tj-1", "region": "tianjin", "name_en": "T", "name_zh": "津", "cloud": "b"},
            {"id": "he-1", "region": "hebei", "name_en": "H", "name_zh": "冀", "cloud": "b"},
        ],
        "latencies": [{"a": "bj-1", "b": "tj-1", "ms": 4}, {"a": "he-1", "b": "bj-1", "ms": 7}],
        "chips": [
            {"id": "a910b", "name": "Ascend 910B", "vendor": "Huawei", "domestic": True}
            | {"memory_gb": 64, "tflops": 320, "lot": 8},
            {"id": "t4", "name": "T4", "vendor": "NVIDIA", "domestic": False}
            | {"memory_gb": 16, "tflops": 65, "lot": 4},
        ],
    }
)
OFFER = {
    "zone": "bj-1",
    "chip": "t4",
    "chips": 8,
    "start": "2026-10-24T01:00:00Z",
    "end": "2026-10-24T09:00:00Z",
    "ask": 1_000_000,
    "resource_code": "CN.11.0108.BJ01-T4",
}
DEMAND = {
    "shape": {"type": "block", "chips": 8, "duration": 4},
    "alternatives": [{"chips_any_of": ["t4"], "limit": 2_000_000}],
    "earliest": "2026-10-24T01:00:00Z",
    "deadline": "2026-10-24T09:00:00Z",
}


def demand(**changes: object) -> DemandTerms:
    """Return the plain demand with some fields replaced."""
    return DemandTerms.model_validate(DEMAND | changes)


def offer(**changes: object) -> OfferTerms:
    """Return the plain offer with some fields replaced."""
    return OfferTerms.model_validate(OFFER | changes)


def alternative(**changes: object) -> dict[str, object]:
    """Return the plain alternative with some fields replaced."""
    return {"chips_any_of": ["t4"], "limit": 2_000_000} | changes


# What stays as it is in Chinese: names of fields, ids and units.
ENGLISH = re.compile(r"\b(must|at most|at least|one of|by zone|such as|multiple|above|before)\b")


def assert_told_in_both_languages(error: ValidationError) -> None:
    assert error.allowed
    assert error.value in error.message.en
    assert error.value in error.message.zh
    assert not ENGLISH.search(error.message.zh), error.message.zh


def test_a_market_has_a_pool_for_every_zone_and_chip_in_key_order() -> None:
    keys = [pool.key for pool in pools_of(MARKET)]
    assert keys == sorted(keys)
    assert len(keys) == len(MARKET.zones) * len(MARKET.chips)


def test_plain_orders_are_taken() -> None:
    validate_offer(offer(), MARKET, NOW)
    validate_demand(demand(), MARKET, NOW)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"zone": "sh-1"}, "validation.unknown", "zone"),
        ({"chip": "h100"}, "validation.unknown", "chip"),
        ({"ask": 1_000_001}, "validation.off_tick", "ask"),
        ({"ask": 2_000_000_000}, "validation.price_out_of_range", "ask"),
        (
            {"start": "2026-10-23T01:00:00Z", "end": "2026-10-24T00:00:00Z"},
            "validation.window_past",
            "end",
        ),
        (
            {"start": "2026-11-24T01:00:00Z", "end": "2026-11-24T09:00:00Z"},
            "validation.window_beyond_horizon",
            "end",
        ),
    ],
)
def test_an_offer_that_breaks_a_rule_is_refused_by_name(
    changes: dict[str, object], code: str, field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        validate_offer(offer(**changes), MARKET, NOW)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert_told_in_both_languages(caught.value)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"data_zone": "nowhere", "data_gb": 5}, "validation.unknown", "data_zone"),
        (
            {"data_zone": "bj-1", "data_gb": 5}
            | {"shape": {"type": "block", "chips": 8, "chips_min": 4, "duration": 4}},
            "validation.data_of_blocks",
            "data_gb",
        ),
        ({"traffic_gb_per_chip_hour": 1}, "validation.zone_missing", "user_zone"),
        (
            {
                "alternatives": [alternative(regions=["hebei"])],
                "user_zone": "bj-1",
                "traffic_gb_per_chip_hour": 1,
            },
            "validation.no_route",
            "alternatives.0.zones",
        ),
        ({"user_zone": "nowhere", "latency_ms_max": 3}, "validation.unknown", "user_zone"),
        ({"budget": 1000}, "validation.budget_too_small", "budget"),
        (
            {"alternatives": [alternative(limit=0)]},
            "validation.no_money",
            "alternatives.0.limit",
        ),
        (
            {"alternatives": [alternative(chips_any_of=["b200"])]},
            "validation.unknown",
            "alternatives.0.chips_any_of",
        ),
        (
            {"alternatives": [{"requirement": {"memory_gb_min": 141}, "limit": 100}]},
            "validation.no_chip_fits",
            "alternatives.0.requirement",
        ),
        (
            {
                "alternatives": [alternative(regions=["hebei"])],
                "user_zone": "tj-1",
                "latency_ms_max": 9,
            },
            "validation.no_zone_fits",
            "latency_ms_max",
        ),
        (
            {"earliest": "2026-10-23T20:00:00Z", "deadline": "2026-10-24T04:00:00Z"},
            "validation.window_past",
            "deadline",
        ),
    ],
)
def test_a_demand_that_breaks_a_rule_is_refused_by_name(
    changes: dict[str, object], code: str, field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        validate_demand(demand(**changes), MARKET, NOW)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert_told_in_both_languages(caught.value)


def test_the_hold_is_the_dearest_alternative_at_its_limit() -> None:
    terms = demand(alternatives=[alternative(), alternative(limit=3_000_000)])
    assert max_spend(terms) == 8 * 4 * 3_000_000


def test_a_budget_caps_the_quantity_and_so_the_hold() -> None:
    shape = {"type": "block", "chips": 8, "chips_min": 2, "duration": 4}
    terms = demand(shape=shape, budget=5 * 4 * 2_000_000 + 1)
    (resolved,) = resolve_alternatives(terms, MARKET)
    assert (resolved.chips, resolved.chips_min) == (5, 2)
    assert max_spend(terms) == 5 * 4 * 2_000_000
    flow = demand(shape={"type": "flow", "chips": 8}, budget=7_000_000)
    assert [item.chip_hours for item in resolve_alternatives(flow, MARKET)] == [3]


def test_an_equivalence_rounds_the_chips_up() -> None:
    terms = demand(alternatives=[alternative(equivalence_milli=1600)])
    (resolved,) = resolve_alternatives(terms, MARKET)
    assert resolved.chips == 13  # 8 x 1.6 = 12.8


def test_zones_and_regions_are_united_and_latency_narrows_them() -> None:
    terms = demand(
        alternatives=[alternative(zones=["bj-1"], regions=["hebei"])],
        user_zone="bj-1",
        latency_ms_max=7,
    )
    (resolved,) = resolve_alternatives(terms, MARKET)
    assert resolved.pools == ("bj-1/t4", "he-1/t4")
    near = demand(alternatives=[alternative()], user_zone="bj-1", latency_ms_max=4)
    assert resolve_alternatives(near, MARKET)[0].pools == ("bj-1/t4", "tj-1/t4")


def test_a_requirement_finds_the_chips_that_meet_it() -> None:
    domestic = {"requirement": {"domestic": True, "memory_gb_min": 32}, "limit": 100}
    (resolved,) = resolve_alternatives(demand(alternatives=[domestic]), MARKET)
    assert {key.split("/")[1] for key in resolved.pools} == {"a910b"}
