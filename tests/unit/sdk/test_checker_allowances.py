from __future__ import annotations

from typing import Any

import pytest

from services.core.allowances import allowances_of
from services.core.book import Rules
from services.core.clearing.clear import clear
from services.core.clearing.reasons import sentence
from services.core.codec import book_from_dict, result_to_dict
from suanli.checker import verify
from tests.unit.sdk import rounds
from tests.unit.sdk.allowances import WELFARE, hand_made, largest_policy
from tests.unit.sdk.rounds import Json
from tests.unit.sdk.test_checker_tamper import nodes, perturbed

BOOK, RULES, RESULT = hand_made()
ALLOWANCE = BOOK["allowances"][0]
OUTCOME = RESULT["allowances"][0]


def codes(book: Json, result: Json) -> set[str]:
    result = {**result, "book_digest": rounds.digest(book)}
    found = [verify(book, RULES, result, backend=name) for name in ("plain", "numpy")]
    assert found[0] == found[1]
    return {problem.code for problem in found[0].problems}


def test_verify_accepts_the_largest_share_worked_out_by_hand() -> None:
    report = verify(BOOK, RULES, RESULT)
    assert report.problems == ()
    assert (report.welfare, report.bound, report.gap_ppm) == (WELFARE, WELFARE, 0)


def test_the_clearing_finds_the_largest_share_worked_out_by_hand() -> None:
    book = book_from_dict(BOOK)
    assert allowances_of(book) == book.allowances
    cleared = clear(book, Rules())
    assert verify(BOOK, RULES, result_to_dict(cleared)).ok
    assert (cleared.welfare, cleared.total_regret) == (WELFARE, 0)
    assert [row.payment for row in cleared.demands] == [1_800, 600, 600, 0]
    told = cleared.demands[3].reason
    assert told.code == "largest_share"
    assert (
        "of the 4 chips that it may still get in zhangjiakou/910b at 1970-01-05T04:00Z it gets 4"
        in sentence(told).en
    )
    assert "最大份额" in sentence(told).zh


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(*leaf, id=".".join(map(str, leaf[0])))
        for leaf in rounds.paths(RESULT)
        if "params" not in leaf[0]
    ],
)
def test_verify_catches_a_change_of_any_leaf_of_a_result_with_an_allowance(
    path: tuple[Any, ...], value: object
) -> None:
    for other in perturbed(path, value):
        assert not verify(BOOK, RULES, rounds.changed(RESULT, path, other)).ok, f"{other!r}"


@pytest.mark.parametrize("path", [path for path in nodes(RESULT) if "allowances" in path])
def test_verify_catches_anything_of_an_allowance_left_out(path: tuple[Any, ...]) -> None:
    result = rounds.changed(RESULT, path, 0)
    holder: Any = result
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    assert not verify(BOOK, RULES, result).ok


def test_each_rule_of_a_largest_share_has_a_code_of_its_own() -> None:
    def policy(**params: int | str) -> Json:
        return {**BOOK, "policies": [largest_policy(**params)]}

    def allowance(**changes: object) -> Json:
        return {**BOOK, "allowances": [{**ALLOWANCE, **changes}]}

    def outcome(**changes: object) -> Json:
        return {**RESULT, "allowances": [{**OUTCOME, **changes}]}

    assert codes(BOOK, RESULT) == set()
    new = {**BOOK, "held": [], "policies": [largest_policy(chip="h800")]}
    assert codes({**new, "policies": []}, RESULT) == {"allowance.key"}
    assert codes(new, RESULT) == {"allowance.key"}
    assert codes({**new, "policies": [largest_policy(region="hubei")]}, RESULT) == {"allowance.key"}
    assert codes({**new, "policies": [largest_policy(share_bp=6_001)]}, RESULT) == set()
    assert codes(policy(share_bp=6_666), RESULT) == {"allowance.capacity"}
    assert codes(policy(share_bp=6_667), RESULT) == set()
    assert codes(policy(share_bp=0, chips_free=5), RESULT) == set()
    assert codes(policy(region="beijing"), RESULT) == {"holding.key"}
    assert codes(allowance(participant="p2"), RESULT) == {"allowance.key", "allowance.capacity"}
    assert codes(allowance(capacity=[5]), RESULT) == {"allowance.capacity"}
    assert "allowance.outcomes" in codes(BOOK, {**RESULT, "allowances": []})
    assert "allowance.used" in codes(BOOK, outcome(used=[3]))
    assert "regret.order" in codes(BOOK, outcome(prices=[100]))


def test_who_gets_more_than_a_largest_share_is_found_though_the_book_names_no_allowance() -> None:
    policies = [largest_policy(share_bp=2_000)]
    bare = {name: value for name, value in BOOK.items() if name not in {"allowances", "held"}}
    certificate = {**RESULT["certificate"]}
    del certificate["allowance_prices"]
    result = {**RESULT, "certificate": certificate}
    del result["allowances"]
    assert "policy.largest" in codes({**bare, "policies": policies}, result)
    assert "policy.largest" not in codes(bare, result)


def test_what_rounds_before_gave_counts_in_the_share_and_is_off_the_allowance() -> None:
    def holding(**changes: object) -> Json:
        row = {"participant": "p1", "pool": "zhangjiakou/910b", "start": 100, "chips": [4]}
        return row | changes

    def held(*rows: Json, **params: int | str) -> Json:
        return {**BOOK, "held": list(rows), "policies": [largest_policy(**params)]}

    total = holding(participant="", chips=[5])
    # Of ten chips that are there in all, four fifths are eight, of which it has four.
    assert codes(held(total, holding()), RESULT) == set()
    assert codes(held(total, holding(), share_bp=7_000), RESULT) == {"allowance.capacity"}
    assert codes(held(total), RESULT) == {"allowance.capacity"}
    assert codes(held(holding(), total), RESULT) == {"book.sorted"}
    assert codes(held(total, holding(participant="p9")), RESULT) == {"holding.key"}
    assert codes(held(total, holding(), chip="h800"), RESULT) == {"holding.key"}
    assert codes(held(total, holding(start=101)), RESULT) == {"holding.chips"}
    assert codes(held(total, holding(chips=[0])), RESULT) == {"holding.chips"}
    bare = {name: value for name, value in held(total, holding()).items() if name != "allowances"}
    result = {name: value for name, value in RESULT.items() if name != "allowances"}
    tight = {**bare, "policies": [largest_policy(share_bp=7_000)]}
    assert "policy.largest" not in codes(bare, result)
    assert "policy.largest" in codes(tight, result)
    urgent = {**bare, "mobilisation": {"id": "need", "price_cap": 1_000}}
    assert codes(urgent, result) == {"holding.key"}


def test_an_urgent_round_has_no_allowances() -> None:
    urgent = {**BOOK, "held": [], "mobilisation": {"id": "need", "price_cap": 1_000}}
    assert codes(urgent, RESULT) == {"allowance.key"}
