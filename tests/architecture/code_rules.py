"""Rules about Python code that ruff and mypy do not know."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.architecture.tree import Finding, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FUNCTION_LINES_MAX = 70

_IMPURE_MODULES = frozenset(
    {
        "asyncio",
        "http",
        "logging",
        "multiprocessing",
        "os",
        "random",
        "secrets",
        "select",
        "signal",
        "socket",
        "structlog",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "urllib",
    }
)
_IMPURE_BUILTINS = frozenset({"breakpoint", "eval", "exec", "input", "open", "print"})
_CLOCK_CALLS = frozenset({"now", "today", "utcnow"})
# The generator alone, which draws nothing that its seed does not fix.
_SEEDED = "random.Random"
_CHANCE_CALLS = frozenset({"uuid1", "uuid4"})

_EXACT_NAME = re.compile(r"(?:^|_)(?:micro_yuan|chips|chip_hours)(?:_|$)")
_FLOAT = re.compile(r"\b(?:float|float64|float32)\b")
_SQL = re.compile(
    r"\s*(?:SELECT\s|WITH\s|(?i:"
    r"insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|select\s[^.]+\sfrom\s"
    r"|(?:create|alter|drop)\s+(?:table|schema|index|function)\s))"
)


def function_limits(source: Source) -> Iterator[Finding]:
    """Yield functions that are longer than the limit, from `def` to their last line."""
    for node in ast.walk(source.syntax()):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                text = f"{node.name} must be <= {FUNCTION_LINES_MAX} lines, was {length}"
                yield Finding(source.path, node.lineno, text)


def impurity(source: Source) -> Iterator[Finding]:
    """Yield what a pure function may not use: clocks, chance, logs, files, threads."""
    for node in ast.walk(source.syntax()):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in _imported(node):
                if name == _SEEDED:
                    continue
                if name.split(".")[0] in _IMPURE_MODULES or name.startswith("numpy.random"):
                    yield Finding(source.path, node.lineno, f"core is pure, was import of {name}")
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            last = called.rpartition(".")[2]
            if called in _IMPURE_BUILTINS:
                yield Finding(source.path, node.lineno, f"core is pure, was {called}()")
            if last in _CLOCK_CALLS and last != called:
                yield Finding(source.path, node.lineno, f"time is an input, was {called}()")
            if called == "Random" and not node.args:
                yield Finding(source.path, node.lineno, "chance is an input, was Random()")
            if last in _CHANCE_CALLS or called.startswith(("np.random.", "numpy.random.")):
                yield Finding(source.path, node.lineno, f"chance is an input, was {called}()")


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def inexact_amounts(source: Source) -> Iterator[Finding]:
    """Yield money and quantities declared as float, divided into one, or met by a fraction."""
    for node in ast.walk(source.syntax()):
        if isinstance(node, (ast.AnnAssign, ast.arg)):
            name = node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
            declared = ast.unparse(node.annotation) if node.annotation else ""
            if _EXACT_NAME.search(name) and _FLOAT.search(declared):
                yield Finding(source.path, node.lineno, f"{name} must be an integer, was float")
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            declared = ast.unparse(node.returns) if node.returns else ""
            if _EXACT_NAME.search(node.name) and _FLOAT.search(declared):
                yield Finding(source.path, node.lineno, f"{node.name} must return an integer")
        if isinstance(node, ast.BinOp):
            exact = _is_amount(node.left) or _is_amount(node.right)
            if exact and isinstance(node.op, ast.Div):
                yield Finding(source.path, node.lineno, "divide amounts with // or divmod, was /")
            if exact and (_is_fraction(node.left) or _is_fraction(node.right)):
                yield Finding(source.path, node.lineno, "amounts meet integers only, was a float")


def _is_amount(node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return bool(_EXACT_NAME.search(node.id))
    return isinstance(node, ast.Attribute) and bool(_EXACT_NAME.search(node.attr))


def _is_fraction(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def broad_excepts(source: Source) -> Iterator[Finding]:
    """Yield handlers that would swallow a programmer's error.

    A handler that cleans up and ends with a bare ``raise`` swallows nothing.
    """
    for node in ast.walk(source.syntax()):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = "everything" if node.type is None else ast.unparse(node.type)
        last = node.body[-1]
        passed_on = isinstance(last, ast.Raise) and last.exc is None
        if re.search(r"\b(?:everything|Exception|BaseException)\b", caught) and not passed_on:
            yield Finding(source.path, node.lineno, f"name the exceptions, was {caught}")


def inline_sql(source: Source) -> Iterator[Finding]:
    """Yield statements that belong in a .sql file."""
    tree = source.syntax()
    # A docstring may begin with "Select the ..."; it is an expression and nothing runs it.
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in prose:
            continue
        if isinstance(node.value, str) and _SQL.match(node.value):
            text = f"SQL belongs in a .sql file: {node.value.strip()[:40]!r}"
            yield Finding(source.path, node.lineno, text)


def imports_of(source: Source, known: Iterable[str]) -> set[str]:
    """Return the known modules that a file imports or names as a text.

    A text such as ``"services.gateway.main:app"`` counts, since processes are started by name.
    """
    modules = set(known)
    found: set[str] = set()
    for node in ast.walk(source.syntax()):
        names = _imported(node)
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.append(node.value.partition(":")[0])
        found.update(name for name in names if name in modules)
    return found


def is_program(source: Source) -> bool:
    """Return whether a file is run by name: ``__main__`` or with its guard."""
    if source.path.endswith("/__main__.py"):
        return True
    return any(
        isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
        for node in source.syntax().body
    )


def unreachable(product: Iterable[Source], roots: Iterable[str]) -> Iterator[Finding]:
    """Yield modules that no program and no root imports, however indirectly."""
    by_name = {source.module: source for source in product}
    reached: set[str] = set()
    waiting = [name for name in roots if name in by_name]
    waiting += [name for name, source in by_name.items() if is_program(source)]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        waiting.extend(imports_of(by_name[name], by_name))
        # Importing a.b.c runs a and a.b as well.
        waiting.extend(parent for parent in _parents(name) if parent in by_name)
    for name in sorted(set(by_name) - reached):
        if not by_name[name].path.endswith("/__init__.py"):
            yield Finding(by_name[name].path, 1, "no program reaches this module")


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]
