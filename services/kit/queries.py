"""SQL lives in ``.sql`` files beside the adapter: ``-- name: x`` starts a statement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAME = re.compile(r"^--\s*name:\s*([a-z][a-z0-9_]*)\s*$", re.MULTILINE)


class Queries:
    """Statements by name: ``queries.find_order`` or ``queries["find_order"]``.

    Args:
        statements: Name to SQL text.
    """

    def __init__(self, statements: Mapping[str, str]) -> None:
        self._statements = dict(statements)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read all ``.sql`` files of a folder.

        Raises:
            AssertionError: if the folder has no statement, a name occurs twice or a
                statement is empty; the files are part of the program.
        """
        statements: dict[str, str] = {}
        for path in sorted(folder.glob("*.sql")):
            text = path.read_text(encoding="utf-8")
            names = list(_NAME.finditer(text))
            ends = [name.start() for name in names[1:]] + [len(text)]
            for name, end in zip(names, ends, strict=True):
                key, body = name.group(1), text[name.end() : end].strip()
                assert key not in statements, f"{path.name}: {key} must be one statement, was two"
                assert body, f"{path.name}: {key} must have a statement, was empty"
                statements[key] = body
        assert statements, f"{folder} must have '-- name:' blocks, was without"
        return cls(statements)

    def names(self) -> frozenset[str]:
        """Return all names."""
        return frozenset(self._statements)

    def __getitem__(self, name: str) -> str:
        return self._statements[name]

    def __getattr__(self, name: str) -> str:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"no statement named {name}") from None
