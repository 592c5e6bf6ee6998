from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from suanli.cli import NOUNS, build_app
from tests.unit.sdk import rounds

runner = CliRunner()


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Paths of a round that is right and of the same round with another welfare."""
    book, rules, result = rounds.hand_made()
    paths = []
    for name, welfare in (("good", rounds.WELFARE), ("bad", rounds.WELFARE + 1)):
        document = {
            "format": "suanli.round.v1",
            "book": book,
            "rules": rules,
            "result": {**result, "welfare": welfare},
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        paths.append(str(path))
    return paths[0], paths[1]


def test_verify_prints_each_check_and_the_gap(files: tuple[str, str]) -> None:
    run = runner.invoke(build_app(["verify"]), ["verify", files[0], "--lang", "en"])
    assert run.exit_code == 0, run.output
    assert "good.json: VERIFIED" in run.output
    assert "nobody trades at a loss" in run.output
    # 2000 / 27000 is 7.40740... %, rounded up.
    assert "7.4075 %" in run.output


def test_verify_exits_with_1_and_says_what_is_wrong(files: tuple[str, str]) -> None:
    run = runner.invoke(build_app(["verify"]), ["verify", *files, "--lang", "zh"])
    assert run.exit_code == 1
    assert "good.json: 核验通过" in run.output
    assert "bad.json: 核验未通过" in run.output
    assert "result.welfare:福利应为 25000,实际为 25001 [welfare.value]" in run.output


def test_verify_follows_the_locale(files: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert "核验通过" in runner.invoke(build_app(["verify"]), ["verify", files[0]]).output
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert "VERIFIED" in runner.invoke(build_app(["verify"]), ["verify", files[0]]).output


def test_verify_prints_json(files: tuple[str, str]) -> None:
    run = runner.invoke(build_app(["verify"]), ["verify", *files, "-o", "json"])
    good, bad = json.loads(run.output)
    assert (good["ok"], good["bound"], good["problems"]) == (True, rounds.BOUND, [])
    assert [problem["code"] for problem in bad["problems"]] == ["welfare.value"]
    assert good["checks"][0] == {"name": "formats", "ok": True, "detail": "book, rules, result"}


@pytest.mark.parametrize(
    "arguments", [["verify"], ["verify", "no-such.json"], ["verify", "-o", "x"]]
)
def test_verify_exits_with_2_on_wrong_usage(arguments: list[str]) -> None:
    assert runner.invoke(build_app(["verify"]), arguments).exit_code == 2


def test_every_noun_registers_a_command_of_its_name() -> None:
    run = runner.invoke(build_app(), ["--help"])
    assert run.exit_code == 0
    for noun in NOUNS:
        assert noun in run.output


def test_verify_imports_neither_the_client_nor_other_nouns() -> None:
    code = (
        "import sys\n"
        "from suanli.cli import build_app\n"
        "build_app(['verify'])\n"
        "print([name for name in ('httpx', 'suanli.client') if name in sys.modules],\n"
        "      [name for name in sys.modules if name.startswith('suanli.cli.')])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] ['suanli.cli.verify']"
