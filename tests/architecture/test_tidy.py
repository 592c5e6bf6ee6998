"""The tree keeps the rules of CONTRIBUTING; the rules themselves are tested next door."""

from __future__ import annotations

import importlib
import importlib.util
import re
import tomllib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from pydantic_settings import BaseSettings

from schemas.registry import REGISTRY, TOPICS
from tests.architecture import code_rules, text_rules
from tests.architecture.tree import ROOT, Source, files, product, python, read, report, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.architecture.tree import Finding

# Texts of others, and files that programs write.
_NOT_OURS = ("LICENSE", "requirements/runtime.txt", "requirements/dev.txt")
# Real input and recorded messages: their words are not ours, but addresses and paths are checked.
_DATA_SUFFIXES = frozenset({".csv", ".json", ".jsonl"})
# Modules that are for tests or for users, with the reason why no program imports them.
_LIBRARIES = {
    "services.core.clearing.oracle": "the exhaustive solver that property tests compare with",
    "schemas.examples": "the example of every event, for vectors and tests",
}
# Where amounts must stay exact; the solver's linear programs scale them on purpose.
_EXACT = ("schemas/", "services/core/", "services/ledger/", "services/matching/")
_SOLVER = "services/core/clearing/"


def _check(rule: Callable[[Source], Iterator[Finding]], over: Iterable[Source]) -> None:
    findings = [finding for source in over for finding in rule(source)]
    assert not findings, f"{len(findings)} found\n{report(findings)}"


def _pages() -> dict[str, Source]:
    return {source.path: source for source in sources() if source.suffix == ".md"}


def test_files_and_lines_stay_within_their_limits() -> None:
    _check(text_rules.size_limits, sources())


def test_functions_stay_within_their_limit() -> None:
    _check(code_rules.function_limits, python())


def test_no_file_names_a_registry_or_a_machine_or_leaves_a_note_to_self() -> None:
    _check(text_rules.banned_words, (s for s in sources() if s.path not in _NOT_OURS))


def test_chinese_text_says_one_word_for_one_thing() -> None:
    _check(text_rules.synonyms, (s for s in sources() if s.suffix not in _DATA_SUFFIXES))


def test_every_page_has_exactly_one_title() -> None:
    _check(text_rules.one_title, _pages().values())


def test_every_relative_link_of_a_page_leads_somewhere() -> None:
    paths = set(files())
    paths |= {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    pages = _pages()
    _check(lambda page: text_rules.dead_links(page, paths, pages), pages.values())


def test_core_reads_no_clock_and_draws_no_chance_and_logs_nothing() -> None:
    _check(code_rules.impurity, python("services/core/"))


def test_amounts_are_never_floats() -> None:
    exact = [source for source in python(*_EXACT) if not source.path.startswith(_SOLVER)]
    _check(code_rules.inexact_amounts, exact)


def test_only_the_shell_of_a_service_catches_any_exception() -> None:
    _check(
        code_rules.broad_excepts,
        (source for source in product() if source.path != "services/kit/run.py"),
    )


def test_statements_live_in_sql_files_beside_their_adapter() -> None:
    # The kit's few statements are steps of its algorithms (lease, outbox, offsets), read with them.
    outside_kit = (s for s in product() if not s.path.startswith("services/kit/"))
    _check(code_rules.inline_sql, outside_kit)


def test_every_module_is_reached_by_a_program() -> None:
    # What the client offers to its users is reached by them.
    public = [
        source.module
        for source in python("services/sdk/src/suanli/")
        if not source.module.rpartition(".")[2].startswith("_")
    ]
    scripts = tomllib.loads(read("pyproject.toml"))["project"]["scripts"].values()
    roots = [*public, *_LIBRARIES, *(script.partition(":")[0] for script in scripts)]
    findings = list(code_rules.unreachable(product(), roots))
    assert not findings, report(findings)


def test_every_library_exception_is_still_needed() -> None:
    known = {source.module for source in product()}
    assert set(_LIBRARIES) <= known, f"not there any more: {set(_LIBRARIES) - known}"


def _settings_fields() -> Iterator[tuple[str, str]]:
    """Yield the class and the environment variable of each setting of each program."""
    modules = [source.module for source in product() if source.path.endswith("/settings.py")]
    for name in modules:
        for value in vars(importlib.import_module(name)).values():
            if not isinstance(value, type) or not issubclass(value, BaseSettings):
                continue
            prefix = value.model_config.get("env_prefix", "")
            for field in value.model_fields:
                yield f"{name}.{value.__name__}", f"{prefix}{field}".upper()


def test_every_setting_is_documented() -> None:
    page = ROOT / "docs" / "reference" / "settings.md"
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", page.read_text("utf-8")))
    missing = sorted({name for _, name in _settings_fields()} - documented)
    assert not missing, f"not in docs/reference/settings.md: {missing}"


def test_every_topic_and_event_is_documented() -> None:
    page = read("docs/reference/events.md")
    names = [*TOPICS, *(row.type for row in REGISTRY)]
    missing = [name for name in names if not re.search(rf"(?<![\w.-]){re.escape(name)}\b", page)]
    assert not missing, f"not in docs/reference/events.md: {missing}"


def test_every_test_that_the_page_of_faults_names_exists() -> None:
    page = read("docs/reference/faults.md")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    rows = set(re.findall(r"^\| ([AF]\d+) \|", page, re.MULTILINE))
    assert rows == {"A5", "A6", "A7", "A10", "A12", "F1", "F3", "F4", "F5", "F7"}
    assert len(named) == len(re.findall(r"^\| [AF]\d", page, re.MULTILINE)), "a row names no test"
    tests = {source.path: source.text for source in python("tests/")}
    gone = [f"{p}::{n}" for p, n in named if f"def {n}(" not in tests.get(p, "")]
    assert not gone, f"docs/reference/faults.md names tests that are not there: {gone}"


def test_every_event_has_a_golden_vector() -> None:
    recorded = {path.name for path in (ROOT / "schemas" / "vectors").iterdir()}
    missing = [row.type for row in REGISTRY if f"{row.type}.json" not in recorded]
    assert not missing, f"no file in schemas/vectors for: {missing}"


def test_migrations_are_numbered_without_gaps_and_say_which_way_they_go() -> None:
    by_folder: dict[str, list[Source]] = {}
    for source in sources():
        if source.path.startswith("infra/postgres/migrations/") and source.suffix == ".sql":
            by_folder.setdefault(str(PurePosixPath(source.path).parent), []).append(source)
    assert by_folder, "no migration found below infra/postgres/migrations"
    for folder, steps in by_folder.items():
        numbers = [re.match(r"(\d{4})_[a-z0-9_]+\.sql$", PurePosixPath(f.path).name) for f in steps]
        assert all(numbers), f"name must be NNNN_name.sql in {folder}"
        assert [int(found[1]) for found in numbers if found] == list(range(1, len(steps) + 1))
        assert all("-- migrate:up" in step.text for step in steps), f"marker missing in {folder}"


@pytest.mark.parametrize(
    "module", sorted(set(re.findall(r"-m ((?:infra|schemas|loadtests)[\w.]*)", read("Makefile"))))
)
def test_every_module_that_make_runs_exists(module: str) -> None:
    found = importlib.util.find_spec(module)
    assert found is not None, f"make runs {module}, which is not there"
    if found.submodule_search_locations is not None:
        assert importlib.util.find_spec(f"{module}.__main__"), f"{module} has no __main__"


def test_words_of_data_files_are_not_judged_but_their_addresses_are() -> None:
    data = [source for source in sources() if source.suffix in _DATA_SUFFIXES]
    assert data, "the tree has recorded messages, so the listing must show them"
