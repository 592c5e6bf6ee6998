"""The files and modules of this tree, as the tidy tests see them."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIENT_SOURCE = "services/sdk/src/"
PRODUCT_FOLDERS = ("schemas/", "services/", "infra/")


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of a rule, shown as ``path:line: text``."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        """Return the form that editors jump to."""
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Source:
    """A text file: path relative to the root, with forward slashes, and content."""

    path: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Return the lines without their ends."""
        return self.text.splitlines()

    @property
    def suffix(self) -> str:
        """Return the file's suffix, dot included."""
        return Path(self.path).suffix

    @property
    def module(self) -> str:
        """Return the dotted name by which Python imports this file."""
        name = self.path.removeprefix(CLIENT_SOURCE).removesuffix(".py")
        return name.removesuffix("/__init__").replace("/", ".")

    def syntax(self) -> ast.Module:
        """Return the syntax tree, parsed once per content."""
        return _parsed(self.text)


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def files() -> tuple[str, ...]:
    """Return the path of every file that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=20,
    ).stdout.decode()
    # A file deleted but not yet committed is still listed.
    return tuple(
        path for path in sorted(set(filter(None, listed.split("\0")))) if (ROOT / path).is_file()
    )


@cache
def sources() -> tuple[Source, ...]:
    """Return every text file that git tracks or would track."""
    contents = ((path, (ROOT / path).read_bytes()) for path in files())
    # A binary file holds a null byte.
    return tuple(Source(path, text.decode()) for path, text in contents if b"\0" not in text)


def python(*folders: str) -> list[Source]:
    """Return the Python files below the folders, of the whole tree if none is given."""
    return [
        source
        for source in sources()
        if source.suffix == ".py" and (not folders or source.path.startswith(folders))
    ]


def product() -> list[Source]:
    """Return the Python files of the two distributions."""
    return python(*PRODUCT_FOLDERS)


def read(path: str) -> str:
    """Return the content of one file of the tree."""
    return (ROOT / path).read_text(encoding="utf-8")


def report(findings: list[Finding]) -> str:
    """Return findings as text, one a line; empty if there are none."""
    return "\n".join(map(str, findings))
