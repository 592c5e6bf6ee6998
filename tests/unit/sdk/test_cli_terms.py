from __future__ import annotations

import json
from pathlib import Path

import pytest

from suanli.cli import terms
from suanli.cli.errors import UsageProblem

OFFER = """
zone: bj-haidian
chip: ascend-910b
chips: 8
ask_yuan: 9.50
start: 2026-11-25T10:00:00Z
end: 2026-11-25T12:00:00Z
"""


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_terms_keep_instants_as_text_and_make_yuan_exact(tmp_path: Path) -> None:
    assert terms.load(_file(tmp_path, "offer.yaml", OFFER)) == {
        "zone": "bj-haidian",
        "chip": "ascend-910b",
        "chips": 8,
        "ask": 9_500_000,
        "start": "2026-11-25T10:00:00Z",
        "end": "2026-11-25T12:00:00Z",
    }


def test_json_terms_take_yuan_inside_alternatives_as_number_or_text(tmp_path: Path) -> None:
    demand = {
        "alternatives": [{"limit_yuan": 12.0001}, {"limit_yuan": "7"}, {"limit": 5}],
        "budget_yuan": 300,
    }
    loaded = terms.load(_file(tmp_path, "demand.json", json.dumps(demand)))
    assert loaded == {
        "alternatives": [{"limit": 12_000_100}, {"limit": 7_000_000}, {"limit": 5}],
        "budget": 300_000_000,
    }


def test_a_list_of_orders_names_the_row_of_a_wrong_amount(tmp_path: Path) -> None:
    path = _file(tmp_path, "offers.yaml", "- {ask_yuan: 1}\n- {ask_yuan: 0.0000001}\n")
    with pytest.raises(UsageProblem) as caught:
        terms.load(path)
    assert (caught.value.field, caught.value.value) == ("items.1.ask_yuan", "0.0000001")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{"),
        ("a.yaml", "a: ["),
        ("a.json", "[]"),
        ("a.json", "3"),
        ("a.json", '[{"ask": 1}, 2]'),
        ("a.yaml", "just words"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(UsageProblem, match=r"^--file: must be "):
        terms.load(_file(tmp_path, name, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="readable file"):
        terms.load(tmp_path / "none.yaml")


def test_an_amount_in_yuan_and_in_micro_yuan_at_once_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, "a.json", '{"ask": 9500000, "ask_yuan": 9.5}')
    with pytest.raises(UsageProblem, match="left out, since ask is given"):
        terms.load(path)


def test_a_change_of_an_alternative_needs_a_demand_with_one() -> None:
    old = {"shape": {"type": "flow", "chips": 4}, "alternatives": [{"limit": 5}, {"limit": 6}]}
    with pytest.raises(UsageProblem, match="2 alternatives"):
        terms.amended_demand(old, {}, {}, {"limit": 7})
    one = {**old, "alternatives": [{"limit": 5, "chips_any_of": ["t4"]}]}
    changed = terms.amended_demand(one, {"budget": 9}, {"chips": 8}, {"limit": 7})
    assert changed["shape"] == {"type": "flow", "chips": 8}
    assert changed["alternatives"] == [{"limit": 7, "chips_any_of": ["t4"]}]
    assert changed["budget"] == 9
    assert one["alternatives"] == [{"limit": 5, "chips_any_of": ["t4"]}]


def test_a_pool_is_split_at_its_slash() -> None:
    assert terms.split_pool("bj/t4", None, None) == ("bj", "t4")
    assert terms.split_pool(None, "bj", "t4") == ("bj", "t4")
    for pool, zone, chip in (("bj", None, None), ("/t4", None, None), (None, "bj", None)):
        with pytest.raises(UsageProblem, match=r"^--pool"):
            terms.split_pool(pool, zone, chip)
