"""Which pools fit a demand, and a reason for every zone and chip class that does not."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.market import Market
from schemas.orders import DemandTerms
from schemas.types import pool_key
from services.core.eligibility import resolve_alternatives
from services.core.fitting import fits_of
from services.gateway.adapters.http import examples

MARKET = Market.model_validate(examples.MARKET)
ZONES = [zone.id for zone in MARKET.zones]
CHIPS = [chip.id for chip in MARKET.chips]


def demand(alternative: dict[str, Any], **changes: Any) -> DemandTerms:  # noqa: ANN401 - JSON
    terms = copy.deepcopy(examples.DEMAND_TERMS) | changes
    terms["alternatives"] = [{"chips_any_of": CHIPS, "limit": 12_000_000} | alternative]
    return DemandTerms.model_validate(terms)


def told(terms: DemandTerms) -> dict[str, str]:
    (fit,) = fits_of(terms, MARKET)
    return {item.name: item.message.en for item in fit.unfit}


def test_each_thing_that_does_not_fit_says_what_it_is_and_what_was_wanted() -> None:
    near = demand({}, user_zone="bj-1", latency_ms_max=5)
    assert told(near) == {"zjk-1": "zjk-1 is 6 ms from bj-1, limit 5 ms"}
    assert told(demand({"regions": ["hebei"]})) == {"bj-1": "bj-1 is in beijing, wanted are hebei"}
    big = demand({"requirement": {"memory_gb_min": 80}})
    assert told(big) == {"ascend-910b": "ascend-910b has 64 GB, at least 80 GB needed"}
    fast = demand({"requirement": {"tflops_min": 500}})
    assert told(fast) == {"ascend-910b": "ascend-910b has 320 TFLOPS, at least 500 TFLOPS needed"}
    own = demand({"requirement": {"domestic": True}})
    assert told(own) == {"h800": "h800 is foreign, the other origin is wanted"}
    assert told(demand({"chips_any_of": ["h800"]})) == {
        "ascend-910b": "ascend-910b is not among the chips wanted: h800"
    }
    (poor,) = fits_of(demand({}, budget=1_000), MARKET)
    assert (poor.pools, [item.code for item in poor.unfit]) == ((), ["budget_too_small"])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "zones": st.lists(st.sampled_from(ZONES), max_size=2),
            "regions": st.lists(st.sampled_from(["beijing", "hebei"]), max_size=2),
            "chips_any_of": st.lists(st.sampled_from(CHIPS), min_size=1, max_size=2),
            "requirement": st.fixed_dictionaries(
                {},
                optional={
                    "memory_gb_min": st.sampled_from([0, 64, 65, 81]),
                    "tflops_min": st.sampled_from([0, 321, 990]),
                    "domestic": st.booleans(),
                },
            ),
        },
    ),
    st.sampled_from([None, 0, 5, 6]),
)
def test_a_pool_fits_exactly_if_nothing_is_said_against_its_zone_and_chip(
    alternative: dict[str, Any], latency_ms_max: int | None
) -> None:
    changes = {} if latency_ms_max is None else {"latency_ms_max": latency_ms_max}
    terms = demand(alternative, user_zone="bj-1", **changes)
    (fit,) = fits_of(terms, MARKET)
    against = {item.name for item in fit.unfit}
    free = {pool_key(zone, chip) for zone in ZONES for chip in CHIPS if not {zone, chip} & against}
    resolved = resolve_alternatives(terms, MARKET)
    assert set(fit.pools) == free == {pool for item in resolved for pool in item.pools}
