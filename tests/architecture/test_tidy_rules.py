"""Each tidy rule finds a seeded fault, and lets the sound form pass."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

import pytest

from tests.architecture import code_rules, text_rules
from tests.architecture.tree import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.architecture.tree import Finding


def _lines(rule: Callable[[Source], Iterator[Finding]], text: str, path: str = "a.py") -> list[int]:
    return [finding.line for finding in rule(Source(path, text))]


def _function(lines: int) -> str:
    return "def f() -> None:\n" + "    pass\n" * (lines - 1)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.py", "x" * 100 + "\n", []),
        ("a.py", "\n" + "x" * 101, [2]),
        ("a.sql", "x" * 101, [1]),
        ("a.py", "x" * 95 + "  # noqa: X1 - reason", []),
        ("a.md", "x" * 101, []),
        ("a.py", "x\n" * 500, []),
        ("a.py", "x\n" * 501, [500]),
    ],
)
def test_size_limits_find_one_too_many(path: str, text: str, expected: list[int]) -> None:
    assert _lines(text_rules.size_limits, text, path) == expected


def test_function_limits_find_line_71() -> None:
    assert _lines(code_rules.function_limits, _function(70)) == []
    assert _lines(code_rules.function_limits, "\n" + _function(71)) == [2]
    method = indent("async " + _function(71), "    ")
    assert _lines(code_rules.function_limits, f"class A:\n{method}") == [2]


@pytest.mark.parametrize(
    "text",
    [
        "see https://" + "pypi" + ".org/simple",
        "index = " + "registry" + ".npmjs.org",
        "open('/" + "work/main/x')",
        "path: /" + "home/someone/x",
        "# TO" + "DO later",
        "mock" + ".patch('services.kit')",
    ],
)
def test_banned_words_find_each_kind(text: str) -> None:
    assert _lines(text_rules.banned_words, f"fine\n{text}\n") == [2]


@pytest.mark.parametrize(
    "text", ["see https://kafka.apache.org", "lib/work/x", "services/root/x", "METHODOLOGY"]
)
def test_banned_words_let_ordinary_text_pass(text: str) -> None:
    assert _lines(text_rules.banned_words, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# One\n\n## Two\n", []),
        ("text alone\n", [1]),
        ("# One\n\n# Two\n", [3]),
        ("# One\n\n```\n# a comment\n```\n", []),
    ],
)
def test_one_title_finds_none_and_two(text: str, expected: list[int]) -> None:
    assert _lines(text_rules.one_title, text, "a.md") == expected


@pytest.mark.parametrize(
    ("link", "dead"),
    [
        ("b.md", False),
        ("../README.md", False),
        ("b.md#two-words", False),
        ("#own-heading", False),
        ("https://kafka.apache.org/x", False),
        ("c.md", True),
        ("../b.md", True),
        ("b.md#three", True),
        ("#nowhere", True),
    ],
)
def test_dead_links_find_missing_files_and_headings(link: str, *, dead: bool) -> None:
    page = Source("docs/a.md", f"# Own heading\n\nSee [it]({link}).\n")
    other = Source("docs/b.md", "# B\n\n## Two words\n")
    pages = {page.path: page, other.path: other}
    paths = {*pages, "README.md", "docs"}
    assert bool(list(text_rules.dead_links(page, paths, pages))) is dead


@pytest.mark.parametrize(
    "text",
    [
        "import random",
        "from random import random",
        "from random import Random\nchance = Random()",
        "import time",
        "from logging import getLogger",
        "from numpy import random",
        "import numpy as np\nx = np.random.default_rng(1)",
        "at = datetime.now(UTC)",
        "day = date.today()",
        "print('x')",
        "open('x')",
        "key = uuid.uuid4()",
    ],
)
def test_impurity_finds_clock_chance_logs_and_files(text: str) -> None:
    assert _lines(code_rules.impurity, text)


def test_impurity_lets_pure_code_pass() -> None:
    text = "from datetime import UTC, datetime\nimport numpy as np\nx = np.sort(a)\nimport uuid\n"
    text += "from random import Random\nchance = Random(seed)\n"
    assert _lines(code_rules.impurity, text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price_micro_yuan: float = 1", [1]),
        ("def f(chips: float) -> None: ...", [1]),
        ("def total_micro_yuan() -> float: ...", [1]),
        ("x = order.price_micro_yuan / 2", [1]),
        ("x = chips * 0.5", [1]),
        ("price_micro_yuan: int = 1", []),
        ("x = order.price_micro_yuan // 2", []),
        ("x = root / 'microchips'", []),
        ("timeout_s: float = 0.5", []),
    ],
)
def test_inexact_amounts_find_floats_of_money_and_chips(text: str, expected: list[int]) -> None:
    assert _lines(code_rules.inexact_amounts, text) == expected


@pytest.mark.parametrize(
    ("handler", "found"),
    [
        ("except:", True),
        ("except Exception:", True),
        ("except (OSError, BaseException):", True),
        ("except OSError:", False),
        ("except ValidationException:", False),
    ],
)
def test_broad_excepts_find_what_catches_everything(handler: str, *, found: bool) -> None:
    text = f"try:\n    pass\n{handler}\n    pass\n"
    assert bool(_lines(code_rules.broad_excepts, text)) is found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("SELECT 1", True),
        ("\\n  insert into journal values (1)", True),
        ("UPDATE holds SET state = 1", True),
        ("select a from b", True),
        ("SELECT 1 FROM x WHERE y = %s", True),
        ("Select a market", False),
        ("updates the book", False),
        ("with care", False),
    ],
)
def test_inline_sql_finds_statements_in_texts(value: str, *, found: bool) -> None:
    assert bool(_lines(code_rules.inline_sql, f'x = "{value}"')) is found


def test_inline_sql_lets_a_docstring_pass() -> None:
    assert _lines(code_rules.inline_sql, 'def f():\n    """Select one from many."""\n') == []


def test_broad_excepts_let_a_handler_that_passes_the_error_on_stand() -> None:
    text = "try:\n    pass\nexcept BaseException:\n    clean_up()\n    raise\n"
    assert _lines(code_rules.broad_excepts, text) == []


def test_unreachable_finds_a_module_that_only_dead_code_imports() -> None:
    tree = [
        Source("services/__init__.py", ""),
        Source(
            "services/main.py", "from services import used\nif __name__ == '__main__':\n    x\n"
        ),
        Source("services/used.py", "import services.deep\nrun('services.named:app')\n"),
        Source("services/deep.py", ""),
        Source("services/named.py", ""),
        Source("services/dead.py", "import services.dead_too\n"),
        Source("services/dead_too.py", ""),
        Source("services/kept.py", ""),
    ]
    found = [finding.path for finding in code_rules.unreachable(tree, ["services.kept"])]
    assert found == ["services/dead.py", "services/dead_too.py"]
