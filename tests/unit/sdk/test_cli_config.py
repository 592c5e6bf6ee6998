from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from suanli.cli import build_app
from suanli.cli.address import Address, address_of

HERE = "http://127.0.0.1:8000"
THERE = "http://127.0.0.1:9000"
NOTHING = dict.fromkeys(("api_url", "api_key", "client", "profile", "lang"))


@pytest.fixture(autouse=True)
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("SUANLI_API_URL", "SUANLI_API_KEY", "SUANLI_PROFILE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setattr(sys, "argv", ["suanli"])
    file = tmp_path / "folder" / "config.json"
    monkeypatch.setenv("SUANLI_CONFIG", str(file))
    return file


def run(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(build_app(("config",)), ["config", *words], input=typed)


def test_a_profile_is_made_used_and_read_by_nobody_else(config: Path) -> None:
    assert run("set", "api_url", HERE).exit_code == 0
    assert run("set", "api_url", THERE, "--in", "sandbox").exit_code == 0
    # A key on the command line would stay in the shell's history.
    assert run("set", "api_key", "--in", "sandbox", typed="sk_secret-of-mine\n").exit_code == 0
    assert run("use", "sandbox").exit_code == 0
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert run("get", "api_key").stdout == "sk_secret-of-mine\n"
    listed = run("list", "-o", "json")
    assert "secret-of-mine" not in listed.stdout
    rows = {row["profile"]: row for row in json.loads(listed.stdout)}
    assert (rows["sandbox"]["in_use"], rows["default"]["in_use"]) == ("*", "")
    assert run("unset", "api_key").exit_code == 0
    assert run("get", "api_key").exit_code == 2


def test_options_go_before_the_profile_and_its_key_is_for_its_exchange_alone() -> None:
    run("set", "api_url", HERE)
    run("set", "api_key", "sk_profile")
    run("set", "market", "jjj-spot")
    run("set", "lang", "zh")
    assert address_of(NOTHING) == Address(HERE, "sk_profile", "jjj-spot", "zh")
    assert address_of(NOTHING | {"api_key": "sk_mine", "lang": "en"}) == Address(
        HERE, "sk_mine", "jjj-spot", "en"
    )
    assert address_of(NOTHING | {"api_url": THERE}) == Address(THERE, None, None, "zh")
    assert address_of(NOTHING | {"api_url": HERE}).api_key == "sk_profile"


@pytest.mark.parametrize(
    ("words", "wrong", "named"),
    [
        (["set", "colour", "red"], "colour", "api_url, api_key, market, lang"),
        (["set", "api_url", "ftp://x"], "ftp://x", "http://127.0.0.1:8000"),
        (["set", "lang", "fr"], "fr", "en or zh"),
        (["use", "elsewhere"], "elsewhere", "one of default"),
        (["list", "--profile", "elsewhere"], "elsewhere", "one of default"),
    ],
)
def test_wrong_usage_names_the_value_and_what_would_do(
    words: list[str], wrong: str, named: str
) -> None:
    run("set", "api_url", HERE)
    done = run(*words)
    assert done.exit_code == 2
    assert named in done.output
    assert wrong in done.output


def test_a_file_that_is_not_one_of_profiles_is_told_without_a_traceback(config: Path) -> None:
    config.parent.mkdir()
    config.write_text('{"profiles": []}', encoding="utf-8")
    done = run("list")
    assert done.exit_code == 2
    assert str(config) in done.output.replace("\n", "")
