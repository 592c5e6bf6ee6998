"""Prints what the checker found, for `python -m suanli.checker` and for `suanli verify`.

Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from suanli.check_messages import CHECK_TITLES
from suanli.check_report import Report
from suanli.checker import verify_round_file

PROBLEMS_SHOWN = 20
"""Problems printed per file; more than a screen helps nobody, ``-o json`` has up to 200."""

EXIT_OK, EXIT_PROBLEM, EXIT_USAGE = 0, 1, 2

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "verified": ("VERIFIED", "核验通过"),
    "refused": ("NOT VERIFIED", "核验未通过"),
    "ok": ("ok", "通过"),
    "wrong": ("WRONG", "有误"),
    "welfare": ("welfare (yuan)", "福利(元)"),
    "bound": ("bound (yuan)", "上界(元)"),
    "gap": ("gap (at most)", "差距(不超过)"),
    "problems": ("problems", "问题"),
    "more": ("more", "其余未列"),
    "unchecked": ("not checked", "未检查"),
    "help": (
        "Verify that round files obey every rule of the exchange, with exact integers.",
        "用精确整数核验轮次文件是否遵守交易所的全部规则。",
    ),
    "file": ("round file (suanli.round.v1)", "轮次文件(suanli.round.v1)"),
}


def language(chosen: str | None = None) -> str:
    """Return ``zh`` or ``en``: the chosen one, else that of the environment's locale."""
    if chosen in {"en", "zh"}:
        return chosen
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((name for name in names if name), "")
    return "zh" if locale.lower().startswith("zh") else "en"


def verify_files(
    files: Sequence[str | Path], *, lang: str, output: str = "table", to: TextIO | None = None
) -> int:
    """Verify round files and print a table for each, or one JSON list.

    Args:
        files: Paths.
        lang: ``en`` or ``zh``.
        output: ``table`` or ``json``.
        to: Where to print; standard output by default.

    Returns:
        0 if all are right, 1 if one has a problem, 2 if one cannot be read.
    """
    stream = sys.stdout if to is None else to
    code = EXIT_OK
    listed = []
    for file in files:
        report = verify_round_file(Path(file))
        if any(problem.code == "format.unreadable" for problem in report.problems):
            code = EXIT_USAGE
        elif not report.ok:
            code = max(code, EXIT_PROBLEM)
        if output == "json":
            listed.append({"file": str(file), **report.to_json()})
        else:
            _write(stream, table(str(file), report, lang) + "\n")
    if output == "json":
        _write(stream, json.dumps(listed, ensure_ascii=False, indent=2) + "\n")
    return code


def table(name: str, report: Report, lang: str) -> str:
    """Return a report as lines of text."""
    pick = 1 if lang == "zh" else 0

    def word(key: str) -> str:
        return _WORDS[key][pick]

    lines = [f"{name}: {word('verified' if report.ok else 'refused')}"]
    rows = []
    for check in report.checks:
        made = check.ok or check.detail != "-"
        mark = word("ok" if check.ok else "wrong") if made else word("unchecked")
        rows.append((mark, CHECK_TITLES[check.name][pick], check.detail))
    if report.welfare is not None:
        rows.append(("", word("welfare"), _yuan(report.welfare)))
    if report.bound is not None:
        rows.append(("", word("bound"), _yuan(report.bound)))
    if report.gap_ppm is not None:
        # Rounded up, so that the text never promises more than the certificate proves.
        ppm = report.gap_ppm + 1 if report.welfare != report.bound else 0
        rows.append(("", word("gap"), f"{ppm // 10_000}.{ppm % 10_000:04d} %"))
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines += [
        f"  {_pad(mark, widths[0])}  {_pad(title, widths[1])}  {detail}"
        for mark, title, detail in rows
    ]
    if report.problems:
        count = report.counts.get("problems", len(report.problems))
        lines.append(f"  {word('problems')}: {count}")
        for problem in report.problems[:PROBLEMS_SHOWN]:
            detail = problem.detail_zh if pick else problem.detail_en
            lines.append(f"    {detail} [{problem.code}]")
        if count > PROBLEMS_SHOWN:
            lines.append(f"    ... {count - PROBLEMS_SHOWN} {word('more')}")
    return "\n".join(lines)


def print_reports(arguments: Sequence[str]) -> int:
    """Run the command line of ``python -m suanli.checker``; return its exit code."""
    pick = 1 if language() == "zh" else 0
    parser = argparse.ArgumentParser(prog="suanli.checker", description=_WORDS["help"][pick])
    parser.add_argument("files", nargs="+", metavar="FILE", help=_WORDS["file"][pick])
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--lang", choices=("en", "zh"))
    chosen = parser.parse_args(arguments)
    return verify_files(chosen.files, lang=language(chosen.lang), output=chosen.output)


def _write(stream: TextIO, text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    # A terminal that cannot show a character must not stop the verification.
    stream.write(text.encode(encoding, "replace").decode(encoding))


def _yuan(micro_yuan: int) -> str:
    sign = "-" if micro_yuan < 0 else ""
    whole, part = divmod(abs(micro_yuan), 1_000_000)
    return f"{sign}{whole:,}.{part:06d}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
