"""The scenarios of `tests/scenarios`: each says in sentences what must be seen, and it is seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from services.cli import app

FOLDER = Path(__file__).parents[1] / "scenarios"
SCENARIOS = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "market.yaml")


def replayed(path: Path, code: int) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["replay", str(path), "-o", "json"])
    assert done.exit_code == code, (done.output, done.exception)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_what_a_scenario_says_is_seen(path: Path) -> None:
    rows = replayed(path, 0)
    assert [row["say"] for row in rows if not row["holds"]] == []
    said = sum(len(one.get("see", ())) for one in yaml.safe_load(path.read_text("utf-8"))["rounds"])
    # Every sentence, and for every round what the checker says.
    assert len(rows) == said + len({row["round_id"] for row in rows})


def test_the_scenarios_of_the_issue_are_there() -> None:
    assert [path.stem for path in SCENARIOS] == [
        "domestic-supply-short",
        "emergency-in-beijing",
        "emergency-pauses",
        "link-cut",
        "one-provider-pivotal",
        "ordinary-day",
    ]


@pytest.mark.parametrize(
    "wish",
    [
        {"check": "orders", "names": ["serving"], "state": "open"},
        {"check": "orders", "names": ["nobody"], "state": "filled"},
        {"check": "served_in", "name": "serving", "regions": ["hebei"]},
        {"check": "chip_hours", "of": "serving", "at_least": 1_000},
        {
            "check": "price",
            "pool": "he-1/a910b",
            "period": "2026-11-24T09:00:00Z",
            "at_least": 6_000_001,
        },
        {"check": "price", "pool": "nowhere", "period": "2026-11-24T09:00:00Z"},
        {"check": "urgent", "mobilisation": "flood"},
        {"check": "link", "link": "he-1>bj-1", "gb_at_least": 1},
        {"check": "policy_cost", "policy": "caps", "at_least": 0, "at_most": 0},
        {"check": "share", "policy": "home", "kept": True},
        {"check": "pivotal", "participant": "app-lab"},
    ],
    ids=lambda wish: str(wish["check"]),
)
def test_what_is_not_so_is_told_with_what_is(wish: dict[str, Any], tmp_path: Path) -> None:
    scenario = yaml.safe_load((FOLDER / "ordinary-day.yaml").read_text("utf-8"))
    scenario["market"] = yaml.safe_load((FOLDER / "market.yaml").read_text("utf-8"))
    scenario["rounds"] = scenario["rounds"][:1]
    scenario["rounds"][0]["see"] = [{"say": "It is so.", **wish}]
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(scenario), encoding="utf-8")
    checker, sentence = replayed(path, 1)
    assert checker["holds"]
    assert (sentence["say"], sentence["holds"]) == ("It is so.", False)
    assert sentence["found"]


def test_a_scenario_that_cannot_be_read_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    for text, told in (
        ("a: [", "is not YAML"),
        ("format: suanli.scenario.v1", "rounds: must fit"),
        ("format: suanli.scenario.v1\nmarket: none.yaml", "cannot be read"),
    ):
        path.write_text(text, encoding="utf-8")
        done = CliRunner().invoke(app, ["replay", str(path)])
        assert done.exit_code == 2
        assert told in " ".join(done.stderr.replace("│", " ").split())
    done = CliRunner().invoke(app, ["replay", str(FOLDER), __file__])
    assert done.exit_code == 2
