from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import Any

import pytest

from suanli.checker import verify
from suanli.cli import surveillance, words
from suanli.cli.audit import judge
from suanli.cli.audit_status import rows_of
from suanli.cli.complaint import Complaint
from suanli.cli.errors import UsageProblem
from suanli.cli.render import Column, fit, print_details, print_list, ranked
from suanli.cli.session import Output, Session
from suanli.errors import ApiError
from tests.unit.sdk import rounds

Json = dict[str, Any]

ORDERS: list[Json] = [
    {"id": "off_a", "name": "=1+1", "ask": 9_500_000, "chips": 1200, "note": None},
    {"id": "off_b", "name": "海淀", "ask": 100, "chips": 8, "note": None},
]
COLUMNS = (
    words.text_column("id", ("offer", "供给报价"), "id"),
    ranked(2, words.text_column("name", ("name", "名称"), "name")),
    words.money_column("ask", ("ask", "报价"), "ask"),
    ranked(1, words.count_column("chips", ("chips", "芯片"), "chips")),
    words.text_column("note", ("note", "备注"), "note"),
)


def _session(output: Output, lang: str = "en") -> Session:
    return Session(None, None, lang, output)


def _printed(capsys: pytest.CaptureFixture[str], output: Output, lang: str = "en") -> str:
    print_list(_session(output, lang), ORDERS, COLUMNS, empty=("none", "无"))
    return capsys.readouterr().out


def test_a_table_shows_yuan_with_the_unit_in_the_header(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [line.split() for line in _printed(capsys, Output.TABLE).splitlines()]
    assert lines == [
        ["offer", "name", "ask", "(yuan)", "chips"],
        ["off_a", "=1+1", "9.50", "1,200"],
        ["off_b", "海淀", "0.0001", "8"],
    ]


def test_a_table_speaks_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    head = _printed(capsys, Output.TABLE, "zh").splitlines()[0]
    assert head.split() == ["供给报价", "名称", "报价(元)", "芯片"]


def test_csv_has_stable_names_plain_numbers_and_no_formula(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = list(csv.reader(io.StringIO(_printed(capsys, Output.CSV, "zh"))))
    assert rows == [
        ["id", "name", "ask_yuan", "chips", "note"],
        ["off_a", "'=1+1", "9.50", "1200", ""],
        ["off_b", "海淀", "0.0001", "8", ""],
    ]


def test_csv_says_true_and_false_as_json_does(capsys: pytest.CaptureFixture[str]) -> None:
    column = Column("sure", ("sure?", "确定"), words.yes, lambda item: item.get("sure"))
    items = [{"sure": True}, {"sure": False}, {}]
    print_list(_session(Output.CSV), items, [column], empty=("none", "无"))
    assert capsys.readouterr().out == 'sure\ntrue\nfalse\n""\n'


def test_json_is_what_the_exchange_gave(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(_printed(capsys, Output.JSON)) == ORDERS


def test_an_empty_list_is_told_in_a_table_and_is_empty_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for output, text in ((Output.TABLE, "none\n"), (Output.JSON, "[]\n")):
        print_list(_session(output), [], COLUMNS, empty=("none", "无"))
        assert capsys.readouterr().out == text


def test_a_narrow_terminal_loses_whole_columns_and_never_a_part_of_one() -> None:
    wide = fit(COLUMNS[:4], ORDERS, 0, 80)
    assert [head for _, head in wide.columns] == ["offer", "name", "ask (yuan)", "chips"]
    # 5 + 2 + 4 + 2 + 6 + 2 + 5 cells with the unit below the word.
    folded = fit(COLUMNS[:4], ORDERS, 0, 26)
    assert [head for _, head in folded.columns] == ["offer", "name", "ask\n(yuan)", "chips"]
    narrow = fit(COLUMNS[:4], ORDERS, 0, 25)
    assert [column.name for column, _ in narrow.columns] == ["id", "ask_yuan", "chips"]
    assert [column.name for column in narrow.hidden] == ["name"]
    assert [column.name for column, _ in fit(COLUMNS[:4], ORDERS, 0, 3).columns] == ["id"]


def test_chinese_counts_two_cells_a_character() -> None:
    column = Column("name", ("n", "名"), lambda item: str(item["name"]))
    items = [{"name": "京津冀"}]
    assert fit([COLUMNS[0], column], [{**ORDERS[0], **items[0]}], 0, 13).hidden == ()
    assert fit([COLUMNS[0], column], [{**ORDERS[0], **items[0]}], 0, 12).hidden == (column,)


def test_a_reason_states_its_amounts_in_yuan() -> None:
    reason = {
        "en": "Money could not be reserved: 13680000 micro-yuan needed, 500000 free.",
        "zh": "资金冻结失败:需要 13680000 微元,可用 500000 微元。",
        "params": {"needed": 13_680_000, "free": 500_000},
    }
    en, zh = words.reason({"reason": reason})
    assert en == "Money could not be reserved: 13.68 yuan needed, 0.50 free."
    assert zh == "资金冻结失败:需要 13.68 元,可用 0.50 元。"
    assert words.reason({"reason": None}) == ("", "")
    short = {
        "en": "cny:lab must have 5000000 micro-yuan free, was 20 micro-yuan",
        "zh": "cny:lab 需有可用余额 5000000 微元，实际为 20 微元",
    }
    assert words.reason({"reason": short}) == (
        "cny:lab must have 5.00 yuan free, was 0.00002 yuan",
        "cny:lab 需有可用余额 5.00 元，实际为 0.00002 元",
    )


OFF_TICK = ApiError(
    422,
    "validation.off_tick",
    "ask must be a multiple of the tick 100, was 9500050",
    [
        {
            "field": "terms.ask",
            "value": "9500050",
            "allowed": "a multiple of the tick 100, such as 9500000",
            "zh": "ask 应为 100 的倍数,实际为 9500050",
        }
    ],
)


def test_a_refusal_is_field_value_and_allowed_in_yuan(capsys: pytest.CaptureFixture[str]) -> None:
    Complaint("en", as_json=False).refusal(OFF_TICK)
    assert capsys.readouterr().err.splitlines() == [
        "refused [validation.off_tick]",
        "  field    terms.ask",
        "  value    9.50005 yuan",
        "  allowed  a multiple of the tick 0.0001 yuan, such as 9.50 yuan",
    ]


def test_a_refusal_in_chinese_takes_what_is_allowed_from_the_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Complaint("zh", as_json=False).refusal(OFF_TICK)
    assert capsys.readouterr().err.splitlines() == [
        "被拒绝 [validation.off_tick]",
        "  字段  terms.ask",
        "  实为  9.50005元",
        "  须为  0.0001元 的倍数",
    ]


def test_a_case_is_told_with_its_prices_in_yuan() -> None:
    case = {
        "figures": {"pool": "bj-1/a10", "prices": 2, "median": 7_174_500, "price": 101_382_700},
        "summary": {
            "en": "2 prices of bj-1/a10 were far off its median of 7174500; one was 101382700.",
            "zh": "bj-1/a10 有 2 个价格远离中位数 7174500，最远为 101382700。",
        },
    }
    assert surveillance.summary(case) == (
        "2 prices of bj-1/a10 were far off its median of 7.1745 yuan; one was 101.3827 yuan.",
        "bj-1/a10 有 2 个价格远离中位数 7.1745 元，最远为 101.3827 元。",
    )


UNKNOWN_KEY = ApiError(
    401,
    "auth.unknown_key",
    "Authorization：须为“Bearer sk_...”形式的有效密钥，实为不存在、已吊销或已过期",
    [
        {
            "field": "Authorization",
            "value": "unknown, revoked or expired",
            "allowed": "Bearer sk_... with a valid key",
            "zh": "Authorization：须为“Bearer sk_...”形式的有效密钥，实为不存在、已吊销或已过期",
        }
    ],
)


def test_a_value_that_the_exchange_tells_in_words_is_chinese_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Complaint("zh", as_json=False).refusal(UNKNOWN_KEY)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "  字段  Authorization",
        "  实为  不存在、已吊销或已过期",
        "  须为  “Bearer sk_...”形式的有效密钥",
    ]


def test_a_program_gets_the_sentence_of_a_refusal_even_if_one_field_says_it_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Complaint("zh", as_json=True).refusal(UNKNOWN_KEY)
    assert json.loads(capsys.readouterr().err)["problem"]["detail"] == UNKNOWN_KEY.detail


def test_a_refusal_without_fields_is_its_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    Complaint("en", as_json=False).refusal(ApiError(500, "internal", "incident inc_1"))
    assert capsys.readouterr().err == "refused [internal]: incident inc_1\n"


def test_a_program_reads_what_went_wrong_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    problem = UsageProblem("--ask", "x", ("yuan", "元"))
    Complaint("en", as_json=True).usage(problem)
    told = json.loads(capsys.readouterr().err)["problem"]
    assert told["code"] == "usage"
    assert told["errors"] == [{"field": "--ask", "value": "x", "allowed": "yuan"}]


def _published() -> tuple[Json, bytes]:
    """Return a round as the exchange lists it, and its file."""
    book, rules, result = rounds.hand_made()
    content = json.dumps(
        {"format": "suanli.round.v1", "book": book, "rules": rules, "result": result}
    ).encode()
    counts = verify(book, rules, result).counts
    listed = {
        "round_id": result["round_id"],
        "file": {"sha256": hashlib.sha256(content).hexdigest()},
        "welfare": result["welfare"],
        "bound": rounds.BOUND,
        "total_regret": result["total_regret"],
        "book_digest": result["book_digest"],
        "rules_digest": result["rules_digest"],
        "payment": sum(demand["payment"] for demand in result["demands"]),
        "chip_hours": counts["chip_hours"],
        "allocations": counts["allocations"],
        "offers": counts["offers"],
        "demands": counts["demands"],
    }
    return listed, content


def test_audit_passes_a_round_whose_list_and_file_agree() -> None:
    listed, content = _published()
    verdict = judge(listed, content)
    assert verdict.ok, verdict.problems
    assert (verdict.welfare, verdict.bound) == (rounds.WELFARE, rounds.BOUND)


@pytest.mark.parametrize(
    "name", ["welfare", "bound", "payment", "chip_hours", "offers", "book_digest", "round_id"]
)
def test_audit_finds_a_listed_number_that_the_file_does_not_have(name: str) -> None:
    listed, content = _published()
    verdict = judge({**listed, name: f"{listed[name]}9"}, content)
    assert [problem[0].partition(":")[0] for problem in verdict.problems] == [name]


def test_audit_finds_a_file_that_is_not_the_one_on_the_log() -> None:
    listed, content = _published()
    verdict = judge({**listed, "file": {"sha256": "0" * 64}}, content)
    assert [problem[0].partition(":")[0] for problem in verdict.problems] == ["file.sha256"]


def test_audit_finds_a_file_that_breaks_a_rule() -> None:
    listed, content = _published()
    changed = content.replace(b'"welfare": ', b'"welfare": 1')
    assert changed != content
    assert not judge(listed, changed).ok


@pytest.mark.parametrize(("lang", "words"), [("en", "20 of 22"), ("zh", "20 / 22")])
def test_the_status_of_the_audit_names_what_was_checked_of_what_there_is(
    capsys: pytest.CaptureFixture[str], lang: str, words: str
) -> None:
    item = {
        "told_at": "2026-11-24T08:15:00Z",
        "rounds_verified": 7,
        "rounds_refuted": 0,
        "rounds_booked": 6,
        "entries_checked": 20,
        "entries_published": 22,
        "head_size": 0,
        "head_root": None,
        "head_told_at": None,
        "cosignatures": 0,
        "findings": 0,
    }
    print_details(_session(Output.TABLE, lang), item, rows_of(item))
    shown = capsys.readouterr().out
    assert words in shown
    assert "11-24 08:15:00" in shown
