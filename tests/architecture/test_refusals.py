"""Both languages of what the gateway does not find: an English aside has its Chinese."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_GATEWAY = Path(__file__).parents[2] / "services/gateway"


def _said(value: ast.expr) -> str:
    """Return the words of a text, without what is filled in."""
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.JoinedStr):
        return "".join(str(part.value) for part in value.values if isinstance(part, ast.Constant))
    return ""


def _one_language() -> Iterator[str]:
    for path in sorted(_GATEWAY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "not_found"
                and len(node.args) == 2
                and " " in _said(node.args[1]).strip()
            ):
                yield f"{path.name}:{node.lineno}: {_said(node.args[1])!r}"


def test_what_is_not_found_is_told_in_words_of_both_languages() -> None:
    assert list(_one_language()) == []


def _english_in_chinese() -> Iterator[str]:
    for path in sorted(_GATEWAY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "Message"
                and len(node.args) == 2
            ):
                continue
            for part in ast.walk(node.args[1]):
                if isinstance(part, ast.FormattedValue) and ast.unparse(part.value) == "allowed":
                    yield f"{path.name}:{part.lineno}"


def test_what_is_allowed_is_not_told_in_english_within_a_chinese_sentence() -> None:
    assert list(_english_in_chinese()) == []
