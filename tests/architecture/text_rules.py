"""Rules about text: sizes, words that must not appear, Markdown pages and their links."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.architecture.tree import Finding, Source

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

COLUMNS_MAX = 100
FILE_LINES_MAX = 500
_SOURCE_SUFFIXES = frozenset({".py", ".sql", ".sh"})
# A remark for a tool may stand past the limit, as ruff allows too.
_PRAGMA = re.compile(r"\s+# (?:noqa|type: ignore).*$")

# Hosts are kept in two parts, so that this file does not break its own rule.
_REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("repo", "maven"),
        ("repo1", "maven"),
        ("central", "sonatype"),
        ("registry", "npmjs"),
        ("registry", "yarnpkg"),
        ("crates", "io"),
        ("proxy", "golang"),
        ("deb", "debian"),
        ("archive", "ubuntu"),
        ("conda", "anaconda"),
        ("mirrors", "aliyun"),
        ("mirrors", "tuna"),
        ("mirrors", "tencent"),
        ("repo", "huaweicloud"),
    )
)
_MACHINE_PATH = re.compile(r"(?<![\w.~}/-])/(?:work|root|home/\w+|Users/\w+)/")
_NOTE_TO_SELF = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
_PATCHING = "mock" + ".patch"

# Chinese words that the glossary has another one for; in two parts, as above.
_SYNONYMS = {
    "芯" + "时": "卡时 (chip-hour)",
    "园" + "区": "区域 (zone)",
    "账" + "簿": "日记账 (journal)",
    "征" + "用": "动员 (mobilisation)",
    "紧急" + "调度": "紧急动员 (mobilisation)",
}

_FENCE = re.compile(r"^\s*(```|~~~)")
_LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:")


def size_limits(source: Source) -> Iterator[Finding]:
    """Yield lines past the column limit, and a Python file past its line limit."""
    if source.suffix not in _SOURCE_SUFFIXES:
        return
    for number, line in enumerate(source.lines, 1):
        columns = len(_PRAGMA.sub("", line))
        if columns > COLUMNS_MAX:
            yield Finding(source.path, number, f"line must be <= {COLUMNS_MAX}, was {columns}")
    if source.suffix == ".py" and len(source.lines) > FILE_LINES_MAX:
        text = f"file must be <= {FILE_LINES_MAX} lines, was {len(source.lines)}"
        yield Finding(source.path, FILE_LINES_MAX, text)


def banned_words(source: Source) -> Iterator[Finding]:
    """Yield registry addresses, machine paths, notes to self and patching of our own code."""
    for number, line in enumerate(source.lines, 1):
        lower = line.lower()
        for host in _REGISTRY_HOSTS:
            if host in lower:
                yield Finding(source.path, number, f"names a registry's address: {host}")
        if found := _MACHINE_PATH.search(line):
            yield Finding(source.path, number, f"names a path of one machine: {found[0]}")
        if source.suffix in _SOURCE_SUFFIXES | {".md", ".toml", ".yaml", ".yml"}:
            if found := _NOTE_TO_SELF.search(line):
                yield Finding(source.path, number, f"open work belongs in an issue: {found[0]}")
            if _PATCHING in line:
                yield Finding(source.path, number, "use the real thing or a fake of a port")


def synonyms(source: Source) -> Iterator[Finding]:
    """Yield Chinese words that stand for what the glossary calls otherwise."""
    for number, line in enumerate(source.lines, 1):
        for word, ours in _SYNONYMS.items():
            if word in line:
                yield Finding(source.path, number, f"must be {ours}, was {word}")


def _prose(source: Source) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a page that are not inside a fenced block."""
    fenced = False
    for number, line in enumerate(source.lines, 1):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            yield number, line


def one_title(source: Source) -> Iterator[Finding]:
    """Yield a Markdown page that does not have exactly one first-level heading."""
    titles = [number for number, line in _prose(source) if line.startswith("# ")]
    if len(titles) != 1:
        line = titles[1] if titles else 1
        yield Finding(source.path, line, f"page must have one h1, was {len(titles)}")


def anchors(source: Source) -> set[str]:
    """Return the fragments that a page's headings answer to."""
    found: set[str] = set()
    seen: dict[str, int] = {}
    for _, line in _prose(source):
        if not (heading := re.match(r"#{1,6}\s+(.*)", line)):
            continue
        words = re.sub(r"[^\w\- ]", "", heading[1].strip().lower())
        slug = words.replace(" ", "-")
        repeats = seen.get(slug, 0)
        seen[slug] = repeats + 1
        found.add(f"{slug}-{repeats}" if repeats else slug)
    return found


def dead_links(
    source: Source, paths: Container[str], pages: Mapping[str, Source]
) -> Iterator[Finding]:
    """Yield relative links to a file, folder or heading that does not exist.

    Args:
        source: The page.
        paths: Every file and folder of the tree, relative to its root.
        pages: The Markdown pages by path, for the headings that links name.
    """
    for number, line in _prose(source):
        for target in _LINK.findall(line):
            if _ELSEWHERE.match(target):
                continue
            name, _, fragment = unquote(target).partition("#")
            path = _resolved(source.path, name) if name else source.path
            if path not in paths:
                yield Finding(source.path, number, f"link leads nowhere: {target}")
            elif fragment and path in pages and fragment not in anchors(pages[path]):
                yield Finding(source.path, number, f"no such heading: {target}")


def _resolved(page: str, link: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(page).parent / link).parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
