from __future__ import annotations

from typing import Any

import pytest

from services.core.book import Rules
from services.core.clearing.clear import clear
from services.core.codec import book_from_dict, result_to_dict
from services.core.premiums import premium_amounts
from suanli.check_charges import says_of
from suanli.checker import verify
from tests.unit.sdk import rounds, shares
from tests.unit.sdk.rounds import Json
from tests.unit.sdk.test_checker_tamper import nodes, perturbed

BOOK, RULES, RESULT = shares.hand_made()
OUTCOME = RESULT["shares"][0]


def codes(book: Json, result: Json) -> set[str]:
    result = {**result, "book_digest": rounds.digest(book)}
    return {problem.code for problem in verify(book, RULES, result).problems}


def outcome(**changes: int) -> Json:
    return {**RESULT, "shares": [{**OUTCOME, **changes}]}


def policy(**params: int | str) -> Json:
    return {**BOOK, "policies": [shares.share_policy(**params)]}


def as_file(book: Json, result: Json) -> Json:
    return {"format": "suanli.round.v1", "book": book, "rules": RULES, "result": result}


def test_verify_accepts_the_share_worked_out_by_hand() -> None:
    report = verify(BOOK, RULES, RESULT)
    assert report.problems == ()
    assert (report.welfare, report.bound, report.gap_ppm) == (shares.WELFARE, shares.WELFARE, 0)


def test_the_clearing_finds_the_share_worked_out_by_hand() -> None:
    cleared = clear(book_from_dict(BOOK), Rules())
    assert verify(BOOK, RULES, result_to_dict(cleared)).ok
    assert cleared.welfare == shares.WELFARE
    (row,) = cleared.shares
    assert (row.tflops_hours, row.tflops_hours_domestic) == (1_000, 600)
    assert (row.shortfall, row.account) == (0, 100)


@pytest.mark.parametrize(
    ("path", "value"),
    [pytest.param(*leaf, id=".".join(map(str, leaf[0]))) for leaf in rounds.paths(RESULT)],
)
def test_verify_catches_a_change_of_any_leaf_of_a_result_with_a_share(
    path: tuple[Any, ...], value: object
) -> None:
    for other in perturbed(path, value):
        assert not verify(BOOK, RULES, rounds.changed(RESULT, path, other)).ok, f"{other!r}"


@pytest.mark.parametrize("path", [path for path in nodes(RESULT) if "shares" in path])
def test_verify_catches_anything_of_a_share_left_out(path: tuple[Any, ...]) -> None:
    result = rounds.changed(RESULT, path, 0)
    holder: Any = result
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    assert not verify(BOOK, RULES, result).ok


def test_each_rule_of_a_share_has_a_code_of_its_own() -> None:
    assert codes(BOOK, RESULT) == set()
    assert "share.outcomes" in codes({**BOOK, "policies": []}, RESULT)
    assert "share.outcomes" in codes(BOOK, {**RESULT, "shares": []})
    assert "share.premium" in codes(policy(premium_max=24), RESULT)
    assert "share.premium" in codes(policy(share_bp=6_001), RESULT)
    assert codes(policy(carried=99), RESULT) == {"share.shortfall"}
    assert "share.split" in codes(BOOK, outcome(split_bp=5_999))
    assert "share.achieved" in codes(BOOK, outcome(tflops_hours_domestic=601))
    assert "share.money" in codes(BOOK, outcome(charges=6_001))
    # At the cap a share may be missed, and what is missed lowers what the bound has to cover.
    missed = policy(premium_max=25, share_bp=7_000)
    told = outcome(shortfall=100, account=200)
    assert "share.premium" not in codes(missed, told)
    # A premium that the round does not pay for leaves an offer below its ask.
    assert "rule_1.offer" in codes(BOOK, outcome(premium=24))
    assert "format.type" in codes(policy(share_bp=10_001), RESULT)
    assert "format.field" in codes(policy(chip="d"), RESULT)
    twice = {**BOOK, "policies": [shares.share_policy()] * 2}
    assert "book.sorted" in codes(twice, RESULT)


def test_a_share_rules_its_region_alone() -> None:
    beijing = clear(book_from_dict(policy(region="beijing")), Rules())
    # Imported chips are in Hebei: what is allocated in Beijing is all domestic.
    assert [row.premium for row in beijing.shares] == [0]
    tflops_hours = [row.tflops_hours for row in beijing.shares]
    assert tflops_hours == [row.tflops_hours_domestic for row in beijing.shares]


def test_what_is_sold_on_counts_on_neither_side_of_a_share_and_has_no_premium() -> None:
    book, rules, result = shares.resold()
    report = verify(book, rules, result)
    assert report.problems == ()
    assert result["shares"] == RESULT["shares"]
    cleared = clear(book_from_dict(book), Rules())
    assert verify(book, rules, result_to_dict(cleared)).ok
    assert cleared.welfare == report.welfare
    (row,) = cleared.shares
    assert (row.tflops_hours, row.tflops_hours_domestic) == (1_000, 600)
    received = premium_amounts(book_from_dict(book), cleared)
    resold = [item.offer == "off_r" for item in cleared.allocations]
    assert [any(amounts) for amounts in received] == [not again for again in resold]
    assert {place[1] for place in says_of(as_file(book, result)).premiums} == {"off_d", "off_i"}


def test_a_resale_that_is_not_marked_as_one_counts_and_verify_tells() -> None:
    book, rules, result = shares.resold()
    for offer in (book["offers"][-1] | {"resale": False}, {**book["offers"][-1]}):
        if offer["resale"]:
            del offer["resale"]
        plain = {**book, "offers": [*book["offers"][:-1], offer]}
        told = {**result, "book_digest": rounds.digest(plain)}
        found = {problem.code for problem in verify(plain, rules, told).problems}
        assert {"share.achieved", "share.money"} <= found
    wrong = {**book, "offers": [*book["offers"][:-1], book["offers"][-1] | {"resale": 1}]}
    assert "format.type" in codes(wrong, result)
