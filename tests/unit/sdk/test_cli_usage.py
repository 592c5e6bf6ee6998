"""A command line that does not parse is told in the caller's language, as every other fault."""

from __future__ import annotations

import json
import shlex
import sys

import pytest

from suanli.cli import main

LISTED = "accepted, open, part-filled, filled, cancelled, expired, rejected"


def told(monkeypatch: pytest.MonkeyPatch, words: str) -> int:
    """Run the command line; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["suanli", *shlex.split(words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("words", "field", "value", "allowed"),
    [
        ("offers list --state foo", "--state", "foo", f"以下之一:{LISTED}"),
        ("offers list --limit x", "--limit", "x", "整数"),
        ("demand show", "DEMAND", "缺失", "给出"),
        ("participants add lab --name Lab", "--role", "缺失", "给出"),
        ("markets a b", "ARGUMENT", "b", "去掉"),
        ("verify /nowhere", "FILE...", "/nowhere", "存在的路径"),
    ],
)
def test_a_line_that_does_not_parse_names_field_value_and_allowed_in_chinese(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    field: str,
    value: str,
    allowed: str,
) -> None:
    assert told(monkeypatch, f"{words} --lang zh") == 2
    assert capsys.readouterr().err.splitlines() == [
        "用法有误 [usage]",
        f"  字段  {field}",
        f"  实为  {value}",
        f"  须为  {allowed}",
    ]


@pytest.mark.parametrize(
    ("words", "field", "among"),
    [
        ("nonsense", "COMMAND", "markets, prices, book"),
        ("offers nonsense", "COMMAND", "list, show, create"),
        ("markets --colour red", "--colour", "--filter, --history, --limit"),
    ],
)
def test_what_there_is_instead_of_an_unknown_word_is_listed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    field: str,
    among: str,
) -> None:
    assert told(monkeypatch, f"{words} --lang en") == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["wrong usage [usage]", f"  field    {field}"]
    assert lines[-1].startswith(f"  allowed  one of: {among}")


def test_a_program_gets_a_line_that_does_not_parse_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(monkeypatch, "offers list --limit --output json") == 2
    problem = json.loads(capsys.readouterr().err)["problem"]
    assert problem["code"] == "usage"
    assert problem["errors"][0]["field"] == "--limit"


def test_a_word_alone_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(monkeypatch, "offers") == 2
    shown = capsys.readouterr()
    assert "resell" in shown.out + shown.err


def test_what_parses_and_works_ends_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(monkeypatch, "commands -o csv") == 0
    assert "suanli offers create" in capsys.readouterr().out
