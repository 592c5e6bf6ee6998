"""The commands and programs that the pages show, run as they stand.

A block under ``<!-- not run: REASON -->`` is shown only, one under ``<!-- file: NAME -->`` is the
file that later commands read, and one under ``<!-- as: ROLE -->`` is run with that role's key. Ids
and days in a page stand for those that the caller names; an address and a key for those of the
exchange at hand.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"(?:<!-- (?P<note>not run|file|as): (?P<noted>[^>]*?) -->\n)?"
    r"```(?P<kind>[a-z]*)\n(?P<text>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
_NOTES = ("not run", "file", "as")
_SHELLS = frozenset({"sh", "console"})
_TOOLS = {
    "suanli": "-m suanli",
    "suanli-exchange": "-m services.cli",
    "python": "",
}
_PAGE_S_MAX = 250
_ENDED = "@@@ all was run"
# What a page shows below a command that the exchange refuses.
_REFUSED = "refused ["


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code of a page."""

    page: str
    kind: str
    text: str
    reason: str | None = None
    file: str | None = None
    role: str | None = None

    def commands(self) -> list[tuple[str, bool]]:
        """Return the shell's commands, each with whether it is shown to be refused."""
        shown: list[list[str]] = []
        goes_on = False
        for line in self.text.splitlines():
            if self.kind == "sh" and line.startswith("#"):
                continue
            if self.kind == "sh" and line and not goes_on:
                shown.append([line])
                goes_on = line.endswith("\\")
                continue
            goes_on = self.kind == "sh" and line.endswith("\\")
            if line.startswith("$ "):
                shown.append([line.removeprefix("$ ")])
            elif shown:
                shown[-1].append(line)
        found = []
        for lines in shown:
            length = next((n for n, line in enumerate(lines) if not line.endswith("\\")), 0)
            command, output = lines[: length + 1], lines[length + 1 :]
            found.append(("\n".join(command), any(_REFUSED in line for line in output)))
        return found


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(
            page,
            found["kind"],
            found["text"],
            *(found["noted"] if found["note"] == note else None for note in _NOTES),
        )
        for found in _BLOCK.finditer(text)
    ]


def run_shell(found: list[Block], home: Path, stands_for: dict[str, str]) -> list[str]:
    """Run the shell's blocks of a page in one shell; return what did not end as shown."""
    script = ['fail() { echo "@@ $1"; }']
    for block in found:
        if block.file is not None:
            (home / block.file).write_text(meant(block.text, stands_for), encoding="utf-8")
        if block.reason is not None or block.kind not in _SHELLS:
            continue
        if block.role is not None:
            script.append(f". var/local/clients/{block.role}.env")
        for written, is_refused in block.commands():
            command = meant(written, stands_for)
            name = command.splitlines()[0].replace("'", "")
            # In this very shell, so that what it exports stays.
            ends = "&&" if is_refused else "||"
            script.append(f"{{\n{command}\n}} {ends} fail '{block.page}: {name}'")
    script.append(f"echo {_ENDED}")
    tools = home / "bin"
    tools.mkdir(exist_ok=True)
    for name, words in _TOOLS.items():
        tool = tools / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', encoding="utf-8")
        tool.chmod(0o755)
    done = subprocess.run(
        ["/bin/bash", "-c", "\n".join(script)],
        cwd=home,
        env={
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT / 'services/sdk/src'}:{ROOT}",
            "SUANLI_CONFIG": str(home / "config.json"),
            "LANG": "C.UTF-8",
        },
        # For what is asked for unseen: any text will do.
        input="sk_typed-unseen\n",
        capture_output=True,
        text=True,
        timeout=_PAGE_S_MAX,
        check=False,
    )
    wrong = [line for line in done.stdout.splitlines() if line.startswith("@@ ")]
    if not done.stdout.endswith(f"{_ENDED}\n"):
        wrong.append(f"@@ {found[0].page}: the shell ended before its last command")
    return [*wrong, done.stderr[-2000:]] if wrong else []


def meant(text: str, stands_for: dict[str, str]) -> str:
    """Return a text with what each pattern stands for."""
    for pattern, value in stands_for.items():
        text = re.sub(pattern, value, text)
    return text


def run_python(block: Block, api_url: str, api_key: str, names: dict[str, Any]) -> None:
    """Run a program of a page against an exchange."""
    text = block.text.replace("http://127.0.0.1:8000", api_url).replace("sk_...", api_key)
    exec(compile(text, block.page, "exec"), dict(names))  # noqa: S102 - our own page
