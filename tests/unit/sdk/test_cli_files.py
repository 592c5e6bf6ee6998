from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from suanli.cli import build_app, terms
from suanli.cli.complaint import Complaint
from suanli.cli.errors import UsageProblem
from suanli.models import DemandTerms, OfferTerms

OFFERS = """zone,chip,chips,start,end,ask_yuan,block,resource_code
bj-1,t4,8,2026-11-25T10:00:00Z,2026-11-25T20:00:00Z,9.50,true,CN.11.0108.A
bj-2,a10,16,2026-11-25T10:00:00Z,2026-11-25T20:00:00Z,3.05,,CN.11.0108.B
"""
DEMAND = """shape.type,shape.chips,shape.duration,alternatives.0.chips_any_of,\
alternatives.0.limit,earliest,deadline
block,8,3,t4 a10,9000000,2026-11-25T10:00:00Z,2026-11-25T20:00:00Z
"""


def written(folder: Path, text: str, name: str = "orders.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def loaded(file: Path, model: type) -> list[dict[str, Any]]:
    found = terms.load(file, model)
    assert isinstance(found, list)
    return found


def test_a_table_of_offers_is_the_terms_of_the_api(tmp_path: Path) -> None:
    first, second = loaded(written(tmp_path, OFFERS), OfferTerms)
    assert (first["chips"], first["ask"], first["block"]) == (8, 9_500_000, True)
    assert (second["ask"], "block" in second) == (3_050_000, False)


def test_a_table_of_demand_has_fields_inside_others(tmp_path: Path) -> None:
    (order,) = loaded(written(tmp_path, DEMAND), DemandTerms)
    assert order["shape"] == {"type": "block", "chips": 8, "duration": 3}
    assert order["alternatives"] == [{"chips_any_of": ["t4", "a10"], "limit": 9_000_000}]


def test_hours_from_now_in_a_file_are_instants_when_they_are_sent(tmp_path: Path) -> None:
    rows = DEMAND.replace("2026-11-25T10:00:00Z", "+2h")
    asked: list[tuple[str, str]] = []

    def instant(field: str, text: str) -> str:
        asked.append((field, text))
        return "2026-11-25T12:00:00Z"

    (order,) = terms.timed(loaded(written(tmp_path, rows), DemandTerms), instant)
    assert (order["earliest"], order["deadline"]) == (
        "2026-11-25T12:00:00Z",
        "2026-11-25T20:00:00Z",
    )
    assert asked == [("items.0.earliest", "+2h")]


def test_every_fault_of_every_row_is_told_and_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["suanli"])
    monkeypatch.setenv("SUANLI_CONFIG", str(tmp_path / "none.json"))
    monkeypatch.setenv("LANG", "C.UTF-8")
    text = OFFERS.replace(",8,", ",eight,").replace("bj-2,a10", ",a10").replace("block", "blocky")
    file = written(tmp_path, text)
    # Nobody listens there: that would be another exit code.
    words = ["offers", "create", "--file", str(file), "--api-url", "http://127.0.0.1:1"]
    done = CliRunner().invoke(build_app(("offers",)), words)
    assert done.exit_code == 2
    for told in ("items.0.chips", "eight", "a whole number", "items.0.blocky", "items.1.zone"):
        assert told in done.output


def test_wrong_amounts_hide_no_other_fault_of_any_row(tmp_path: Path) -> None:
    rows = """- {zone: bj-1, chip: t4, chips: many, ask_yuan: 1, start: a, end: b, resource_code: c}
- {zone: bj-1, chip: t4, chips: 8, ask_yuan: abc, start: a, end: b, resource_code: c}
- {zone: bj-1, chip: t4, chips: 8, ask_yuan: 0.0000001, start: a, end: b, colour: red}
"""
    with pytest.raises(UsageProblem) as told:
        terms.load(written(tmp_path, rows, "orders.yaml"), OfferTerms)
    assert [problem.field for problem in (told.value, *told.value.more)] == [
        "items.0.chips",
        "items.1.ask_yuan",
        "items.2.ask_yuan",
        "items.2.colour",
        "items.2.resource_code",
    ]


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        (("block,8", "blocky,8"), "items.0.shape.type", "blocky"),
        (("9000000", "nine"), "items.0.alternatives.0.limit", "nine"),
        (("block,8,3", "block,8,"), "items.0.shape.duration", "absent"),
    ],
)
def test_a_fault_inside_another_field_is_named_by_its_place(
    tmp_path: Path, change: tuple[str, str], field: str, value: str
) -> None:
    with pytest.raises(UsageProblem) as told:
        terms.load(written(tmp_path, DEMAND.replace(*change)), DemandTerms)
    assert (told.value.field, told.value.value) == (field, value)


def test_a_row_that_is_longer_than_the_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match=r"items\.0"):
        terms.load(written(tmp_path, "zone,chip\nbj-1,t4,8\n"), OfferTerms)


@pytest.mark.parametrize(
    ("name", "text", "value", "allowed"),
    [
        ("orders.csv", "zone,chip\nbj-1,t4,8\n", "列数更多", "与表头相同的列数"),
        ("orders.csv", "zone,\nbj-1,t4\n", "有未命名的列", "每列均有列名"),
        ("orders.ndjson", '{"zone": }\n', '{"zone": }', "一个 JSON 对象(JSON 第 1 行第 10 列有误)"),
        ("orders.json", "[1", "orders.json", "可读取的文件(JSON 第 1 行第 3 列有误)"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_chinese(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    value: str,
    allowed: str,
) -> None:
    with pytest.raises(UsageProblem) as caught:
        terms.load(written(tmp_path, text, name), OfferTerms)
    Complaint("zh", as_json=False).usage(caught.value)
    lines = capsys.readouterr().err.splitlines()
    assert lines[2].endswith(value)
    assert lines[3] == f"  须为  {allowed}"


def test_a_file_that_is_not_there_is_told_in_chinese(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem) as caught:
        terms.load(tmp_path / "none.yaml", OfferTerms)
    assert caught.value.allowed == ("a readable file (there is none)", "可读取的文件(不存在)")
