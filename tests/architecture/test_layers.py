"""The one-way rule holds, and the contracts that hold it catch seeded faults."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.architecture.tree import CLIENT_SOURCE, ROOT, python, read

if TYPE_CHECKING:
    from pathlib import Path

_RUN = "from importlinter.cli import lint_imports_command as run; run()"
_SKELETON = (
    "infra",
    "schemas",
    "services",
    "services/core",
    "services/kit",
    "services/gateway",
    "services/matching",
    "services/ledger",
    "services/auditor",
)
_CHECKER = "suanli.checker"


def _lint(folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run import-linter as `make lint` does."""
    return subprocess.run(
        [sys.executable, "-c", _RUN, "--no-logo", "--no-cache"],
        cwd=folder or ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=25,
    )


def _skeleton(folder: Path) -> None:
    for package in _SKELETON:
        (folder / package).mkdir(parents=True, exist_ok=True)
        (folder / package / "__init__.py").touch()
    for name in ("main", "settings", "app", "ports", "adapters"):
        (folder / "services" / "ledger" / f"{name}.py").touch()
    (folder / "pyproject.toml").write_text(read("pyproject.toml"), encoding="utf-8")


def test_every_import_follows_the_one_way_rule() -> None:
    done = _lint()
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_clean_skeleton_keeps_every_contract(tmp_path: Path) -> None:
    _skeleton(tmp_path)
    done = _lint(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "statement", "contract"),
    [
        ("services/ledger/app.py", "import services.matching", "never import each other"),
        ("services/core/book.py", "import services.kit", "never import each other"),
        ("services/kit/kafka.py", "import services.ledger", "never import each other"),
        ("schemas/types.py", "import services.core", "imports no service"),
        ("services/core/book.py", "import asyncpg", "core does no input or output"),
        ("services/ledger/ports.py", "import services.ledger.app", "inside a service"),
        ("services/ledger/app.py", "import services.ledger.adapters", "inside a service"),
        ("services/ledger/adapters.py", "import services.ledger.settings", "inside a service"),
    ],
)
def test_the_contracts_catch_a_seeded_fault(
    tmp_path: Path, path: str, statement: str, contract: str
) -> None:
    _skeleton(tmp_path)
    (tmp_path / path).write_text(f"{statement}\n", encoding="utf-8")
    done = _lint(tmp_path)
    broken = [line for line in done.stdout.splitlines() if line.endswith("BROKEN")]
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(contract in line for line in broken), done.stdout


def _imports(text: str, *, at_top_only: bool = False) -> set[str]:
    tree = ast.parse(text)
    found: set[str] = set()
    for node in tree.body if at_top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_the_client_imports_nothing_of_the_exchange() -> None:
    modules = python(CLIENT_SOURCE)
    assert modules, "the client has at least its package"
    breaches = {
        source.path: sorted(found)
        for source in modules
        if (found := _imports(source.text) & {"services", "schemas", "infra"})
    }
    assert not breaches


def test_the_checker_imports_the_standard_library_alone() -> None:
    text = read(f"{CLIENT_SOURCE}{_CHECKER.replace('.', '/')}.py")
    foreign = _imports(text) - sys.stdlib_module_names - {"suanli"}
    assert not foreign, f"checker must need no package, was {sorted(foreign)}"


def test_the_checker_loads_where_no_package_is_installed() -> None:
    # -S leaves site-packages out and -I ignores the environment: a bare Python, as on a
    # regulator's machine.
    code = f"import sys; sys.path.insert(0, sys.argv[1]); import {_CHECKER}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT / CLIENT_SOURCE)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
