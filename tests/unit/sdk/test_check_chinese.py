from __future__ import annotations

import copy

import pytest

from suanli.check_chinese import finding_in_chinese, in_chinese
from suanli.check_journal import Outcome
from suanli.checker import verify
from suanli.cli import ledger_audit
from tests.unit.sdk import rounds


@pytest.mark.parametrize(
    ("told", "chinese"),
    [
        (
            "entry 4: cny:acme-ai posted is -7 by its postings, said -9",
            "第 4 条：cny:acme-ai 的 posted 层按分录为 -7，所述为 -9",
        ),
        (
            "al_1 st_2: entry 9: fee must be 70, was 71",
            "al_1 st_2：第 9 条：fee 须为 70，实为 71",
        ),
        (
            "al_3 resells al_1: sold through 9 sales, at most 8 may be",
            "al_3 转售 al_1：经 9 次买卖售出，至多可 8 次",
        ),
        (
            "suanli.rounds/0/7: ce_type: must be a registered type, was 'x'",
            "suanli.rounds/0/7：ce_type：须为 a registered type，实为 'x'",
        ),
        (
            "round-links.links[bj>tj] must be there as in the round file, was None",
            "round-links.links[bj>tj] 在轮次文件中有，公布中缺失",
        ),
    ],
)
def test_a_problem_reads_chinese_with_the_values_that_it_was_told_with(
    told: str, chinese: str
) -> None:
    assert in_chinese(told) == chinese


@pytest.mark.parametrize("told", ["", "a sentence of another release", "x: y: z", "d" * 5000])
def test_a_problem_of_an_unknown_kind_stays_as_it_was_told(told: str) -> None:
    assert in_chinese(told) == told


def test_a_broken_rule_of_a_file_reads_as_the_checker_itself_says_it() -> None:
    book, rules, right = rounds.hand_made()
    result = copy.deepcopy(right)
    result["welfare"] += 1
    result["demands"][0]["payment"] += 1
    del result["offers"][0]["cost"]
    found = list(verify(book, rules, result).problems)
    result = copy.deepcopy(right)
    result["welfare"] += 1
    result["demands"][0]["payment"] += 1
    found += verify(book, rules, result).problems
    assert len({problem.code for problem in found}) >= 3
    for problem in found:
        worded = in_chinese(problem.detail_en)
        even = worded.replace("，", ",").replace("：", ":")
        assert even == problem.detail_zh.replace("，", ",").replace("：", ":")


def test_a_finding_whose_problem_is_its_summary_shows_that_in_chinese() -> None:
    assert finding_in_chinese("acme must pay 7", "acme must pay 7", "acme 应付 7") == "acme 应付 7"
    booked = "the stored log must be what was booked and signed"
    changed = f"{booked}, was changed: leaf 7: no transfer has it"
    assert finding_in_chinese(changed, changed, "…").endswith("已被更改：第 7 叶：没有对应的转账")


def test_the_audit_of_the_ledger_lists_its_problems_in_the_chosen_language() -> None:
    outcome = Outcome("settlements", 9)
    for hour in range(5):
        outcome.add(f"al_1 st_{hour}: terms of version 3 are not in force")
    (row,) = ledger_audit.items([outcome])
    english, chinese = ledger_audit._problems(row)
    assert english.endswith("al_1 st_2: terms of version 3 are not in force; +2")
    assert chinese.endswith("al_1 st_2：第 3 版结算条款未生效；+2")
