"""``suanli-exchange replay``, ``policy cost`` and ``policy simulate`` on recorded rounds."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.core.book import BookPolicy, Rules
from services.core.book_policies import under
from services.core.clearing.clear import clear
from services.core.codec import round_to_dict
from services.core.errors import DomainError
from services.core.policy_study.compared import difference
from tests.property.clearing.books import small_book

if TYPE_CHECKING:
    from pathlib import Path

RULES = Rules(tick=1, ascent_steps=20)
CAPS = BookPolicy("caps", 1, "price_limits", (("cap", 400), ("chip", ""), ("floor", 0)))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with two rounds under limits that keep orders out."""
    for seq, seed in ((9, 10), (10, 18)):
        book = under(replace(small_book(seed), round_id=f"m:{seq}"), [CAPS])
        value = round_to_dict(book, RULES, clear(book, RULES))
        (tmp_path / f"{seq}.json").write_text(json.dumps(value), encoding="utf-8")
    return tmp_path


def run(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


def test_recorded_rounds_are_replayed_to_the_same_results(files: Path) -> None:
    found = json.loads(run("replay", files, "-o", "json"))
    assert [(row["round_id"], row["verdict"]) for row in found] == [
        ("m:10", "same"),
        ("m:9", "same"),
    ]
    assert "m:9" in run("replay", files / "9.json")


def test_replay_fails_on_a_result_that_breaks_a_rule(files: Path) -> None:
    path = files / "10.json"
    value = json.loads(path.read_text(encoding="utf-8"))
    value["result"]["total_regret"] += 1
    path.write_text(json.dumps(value), encoding="utf-8")
    (row,) = json.loads(run("replay", path, "-o", "json", code=1))
    assert row["verdict"] == "refuted"
    assert row["problem"].startswith("published: ")


def test_results_differ_beyond_the_gap_where_one_found_what_the_other_ruled_out() -> None:
    book = small_book(18)
    best = clear(book, RULES)
    assert best.status == "optimal"
    less = replace(best, welfare=best.welfare - 1)
    open_one = replace(less, status="feasible")
    assert difference(book, best, best) == "same"
    assert difference(book, best, open_one) == difference(book, open_one, best) == "within the gap"
    assert difference(book, best, less) == difference(book, less, best) == "beyond the gap"


def test_policy_cost_tells_what_each_policy_cost_and_who_bore_it(files: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("policy", "cost", files, "-o", "csv"))))
    assert {row["round_id"] for row in rows} == {"m:9", "m:10"}
    for row in rows:
        assert int(row["cost"]) == int(row["welfare_without"]) - int(row["welfare_with"])
        assert int(row["cost_least"]) <= int(row["cost"]) <= int(row["cost_most"])
        assert int(row["demands_kept_out"]) > 0
    regions = json.loads(run("policy", "cost", files, "--regions", "-o", "json"))
    whole = sum(int(row["cost"]) for row in rows)
    assert whole == -sum(row["buyers_change"] + row["sellers_change"] for row in regions)
    assert "caps" in run("policy", "cost", files)


def test_policy_simulate_tells_what_rounds_would_have_been(files: Path) -> None:
    lifted = json.loads(run("policy", "simulate", files, "--replaces", "caps", "-o", "json"))
    # In the order of the rounds, whatever the files are called.
    assert [row["round_id"] for row in lifted] == ["m:9", "m:10"]
    assert all(row["cost"] <= 0 and row["demands_kept_out"] < 0 for row in lifted)
    same = '{"kind": "price_limits", "cap": 400}'
    assert [row["cost"] for row in json.loads(
        run("policy", "simulate", files, "--rule", same, "-o", "json")
    )] == [0, 0]  # fmt: skip
    rule = files.parent / "halt.rule"
    rule.write_text('{"kind": "trading_halt"}', encoding="utf-8")
    assert "not_run" in run("policy", "simulate", files, "--rule", f"@{rule}")


def test_simulate_says_what_is_wrong_with_its_words(files: Path) -> None:
    run("policy", "simulate", files, code=2)
    run("policy", "simulate", files, "--rule", '{"kind": "wishes"}', code=2)
    breaker = '{"kind": "circuit_breaker", "move_bp": 1, "pause_s": 60}'
    run("policy", "simulate", files, "--rule", breaker, code=2)
    run("policy", "simulate", files, "--rule", breaker, "--every", 60)
    (files / "bad.json").write_text("{}", encoding="utf-8")
    done = CliRunner().invoke(app, ["replay", str(files / "bad.json")])
    assert isinstance(done.exception, DomainError)
    assert done.exception.field.startswith(str(files / "bad.json"))
    empty = files / "empty"
    empty.mkdir()
    run("replay", empty, code=2)
