"""Which policies are in force, and what keeps a new version out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from schemas.policies import MarketPolicySet
from services.core.errors import ValidationError
from services.core.policies import check_policy, halt_of, in_force, rows_of
from services.core.policy_rows import PriceRanges
from tests.unit.core.orders_world import MARKET

HALT = {"kind": "trading_halt"}


def limits(cap: int = 2_000_000, **changes: object) -> dict[str, object]:
    return {"kind": "price_limits", "cap": cap} | changes


def largest(**changes: object) -> dict[str, object]:
    return {"kind": "largest_share", "share_bp": 2_000} | changes


def policy(
    rule: Mapping[str, object] | None, name: str = "p", version: int = 1, first: int = 1
) -> MarketPolicySet:
    value: dict[str, Any] = {
        "market_id": MARKET.id,
        "policy_id": name,
        "version": version,
        "in_force_from_round": first,
        "rule": rule,
        "reason": "Why not",
        "set_by": "regulator",
    }
    return MarketPolicySet.model_validate(value)


def test_the_latest_version_whose_round_has_come_is_in_force() -> None:
    known = [
        policy(limits(100), "a", 1, first=2),
        policy(limits(200), "a", 2, first=4),
        policy(None, "a", 3, first=6),
        policy(HALT, "b", 1, first=5),
        policy(None, "b", 2, first=5),
    ]
    found = [[(item.policy_id, item.version) for item in in_force(known, seq)] for seq in range(7)]
    assert found == [[], [], [("a", 1)], [("a", 1)], [("a", 2)], [("a", 2)], []]
    assert [dict(row.params)["cap"] for row in rows_of(known, 4)] == [200]
    # Withdrawn in the round in which it was to begin, a halt never is.
    assert halt_of(known, 5) is None
    assert halt_of(known[:4], 5) == known[3]
    assert halt_of(known[:4], 4) is None
    assert rows_of([policy(HALT)], 1) == ()


def test_limits_of_a_class_by_name_replace_those_of_every_class() -> None:
    known = [policy(limits(300, floor=100), "all"), policy(limits(900, chip="t4"), "t4")]
    ranges = PriceRanges(rows_of(known, 1))
    assert [(one.floor, one.cap) for one in map(ranges.of, ("t4", "h800"))] == [
        (0, 900),
        (100, 300),
    ]
    assert not PriceRanges(())


@pytest.mark.parametrize(
    ("tried", "field", "allowed"),
    [
        (policy(limits(2_000_050), version=3, first=9), "rule.cap", "2000000 or 2000100"),
        (policy(limits(1_000, floor=2_000), version=3, first=9), "rule.floor", "the cap 1000"),
        (policy(limits(chip="tpu"), version=3, first=9), "rule.chip", "one of t4"),
        (policy(largest(chip="tpu"), version=3, first=9), "rule.chip", "one of t4"),
        (policy(largest(region="mars"), version=3, first=9), "rule.region", "or left out"),
        (policy(limits(), version=3, first=7), "in_force_from_round", "at least 8"),
        (policy(limits(), "p", version=3, first=8), "in_force_from_round", "at least 9"),
        (policy(limits(), "other", first=9), "policy_id", "p, which rules the same"),
        (policy(None, "other", first=9), "rule", "none to withdraw"),
    ],
)
def test_a_version_that_a_market_cannot_honour_is_refused_with_what_would_do(
    tried: MarketPolicySet, field: str, allowed: str
) -> None:
    known = [policy(limits(), version=1, first=1)]
    if tried.in_force_from_round != 7:
        known.append(policy(limits(), version=2, first=9))
    with pytest.raises(ValidationError) as caught:
        check_policy(tried, MARKET, known, last_round=7)
    assert caught.value.field == field
    assert allowed in caught.value.allowed
    assert caught.value.value in caught.value.message.zh


def test_a_version_that_fits_is_taken_and_so_is_its_withdrawal() -> None:
    known = [policy(limits(), version=1, first=1)]
    check_policy(policy(limits(900), version=2, first=8), MARKET, known, last_round=7)
    check_policy(policy(None, version=2, first=8), MARKET, known, last_round=7)
    check_policy(policy(limits(chip="t4"), "t4", first=8), MARKET, known, last_round=7)
    check_policy(policy(HALT, "halt", first=8), MARKET, known, last_round=7)
