"""`suanli-exchange` explains itself in English and Chinese."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
import typer

from services.cli import app, main
from suanli.cli.commands import tree

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_every_command_of_the_server_explains_itself_in_both_languages() -> None:
    found = list(tree(app))
    assert len(found) >= 20
    one_language = [
        item["command"]
        for item in found
        if not re.search(r"[a-z]{3} .*[\u4e00-\u9fff]", item["help"], re.DOTALL)
    ]
    assert one_language == []


def test_a_line_of_the_server_that_does_not_parse_is_told_in_chinese(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    monkeypatch.setattr(sys, "argv", ["suanli-exchange", "run", "nothing"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[1:3] == ["  字段  SERVICE", "  实为  nothing"]


def test_every_option_of_the_server_explains_itself_in_both_languages() -> None:
    def options(command: object, path: str) -> Iterator[tuple[str, str]]:
        for one in getattr(command, "params", ()):
            told = getattr(one, "help", None)
            if told and one.name != "help":
                yield f"{path} {one.name}", told
        for name, below in getattr(command, "commands", {}).items():
            yield from options(below, f"{path} {name}")

    found = dict(options(typer.main.get_command(app), "suanli-exchange"))
    assert len(found) >= 30
    assert [name for name, told in found.items() if not re.search(r"[\u4e00-\u9fff]", told)] == []
