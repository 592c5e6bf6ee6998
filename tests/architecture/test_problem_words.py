"""Every problem that a check can tell has its Chinese: the sources against `check_chinese`."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from suanli.check_chinese import PROBLEMS, VALUES, in_chinese

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[2]
_SDK = _ROOT / "services/sdk/src/suanli"
_AUDITOR = _ROOT / "services/auditor"
_AUDITS = (
    *("app", "books", "capacity_checks", "direct", "erasure_checks", "journal", "journal_heads"),
    *("journal_rounds", "settlement_checks", "told"),
)
_TOLD = (
    *(_SDK / f"check_{name}.py" for name in ("booking", "capacity", "chains", "journal", "log")),
    _SDK / "check_settlement.py",
    *(_AUDITOR / f"{name}.py" for name in _AUDITS),
    _AUDITOR / "adapters/checker.py",
    _AUDITOR / "adapters/ledger_leaves.py",
    *(_ROOT / f"services/core/{name}.py" for name in ("book_audit", "direct_audit", "round_file")),
    _ROOT / "services/ledger/audit_log.py",
)
_FILE_RULES = tuple(sorted(_SDK.glob("check_*.py")))
_CHINESE = re.compile(r"[一-鿿]")
# What logs and metrics say is for operators, in English.
_LOGGED = frozenset({"info", "warning", "error", "exception", "counter", "gauge", "level"})
# Parts of sentences; the wholes that they make follow.
_PARTS = frozenset(
    {
        "7 for 7 in 7 from period 7: 7",
        "7: the round's file says 7 of 7, the journal paid 7",
        "7 resells 7",
        "nobody reported it in time",
        "that was reported",
        "7 delivered must be 7, 7; was 7",
        "entry 7: 7",
        "entry 7: ",
        "head of size 7",
        "head of size 7: 7",
        "round file: 7",
        "7premiums of what was missed must be 7, were 7",
        "entry 7: was erased 7; an order for leaf 7 must be on the log before",
        "by 7",
        "by hand",
        "orders that policies keep out",
        "7: stands open on the log at the cut, is not in the 7",
        "7: is in the 7, does not stand open on the log at the cut",
        "must count before the order, was told of 7 s later",
        "must count still, was revoked 7 s before",
        "must have participant, market and terms of its record, had others",
    }
)
_WHOLES = (
    "o7 for d7 in bj/a from period 7: only in the round's file",
    "d7: the round's file says 7 of tariffs, the journal paid 8",
    "d7: the round's file says 7 of rents, the journal paid 8",
    "al7 resells al8: there is no such allocation",
    "2026-01-05T09:00:00Z delivered must be 7, nobody reported it in time; was 8",
    "2026-01-05T09:00:00Z delivered must be 7, that was reported; was 8",
    "entry 7: premiums of what was missed must be 7, were 8",
    "entry 7: was erased by er7; an order for leaf ab must be on the log before",
    "entry 7: was erased by hand; an order for leaf ab must be on the log before",
    "d7: stands open on the log at the cut, is not in the book",
    "d7: stands open on the log at the cut, is not in the orders that policies keep out",
    "d7: is in the book, does not stand open on the log at the cut",
    "d7: is in the orders that policies keep out, does not stand open on the log at the cut",
    "d7: key7 must count before the order, was told of 8 s later",
    "d7: key7 must be of pt7, was told of by no event",
    "d7: 7 must be signed by key7, was not",
    "d7: key7 must count still, was revoked 8 s before",
    "d7: must have participant, market and terms of its record, had others (direct/0/7)",
    "round-links.links[bj>7] must be there as in the round file, was None",
    "round-links.links[bj>7] must be None as in the round file, was there",
    "m:7 d7: taken from cny:a, the enterprise is cny:b",
    "al7 st7: entry 7: fee must go from escrow:m to fees:m",
    "suanli.rounds/0/7: ce_type: must be a registered type, was 'x y'",
)
# Of keys and proofs: the commands that read them refuse them, no check tells them.
_REFUSED = re.compile(
    r"a proof must .*|entry 7 must be under .*|the entry must say .*|the extra data must .*"
    r"|a key must be .*|the id of key .*|cosignature/v1\n.*\n.*|one node per set bit of the size"
    r'|SET LOCAL ROLE "7"'
)


def test_every_sentence_that_a_check_can_tell_has_its_chinese() -> None:
    lacking = [
        f"{path.relative_to(_ROOT)}: {text}"
        for path in _TOLD
        for text in _sentences(path)
        if text not in _PARTS and not _REFUSED.fullmatch(text) and not _is_worded(text)
    ]
    assert lacking == []
    assert [text for text in _WHOLES if not _is_worded(text)] == []


def test_no_chinese_is_kept_for_a_sentence_that_nothing_tells() -> None:
    told = {text for path in _TOLD for text in _sentences(path)} - _PARTS
    lines = "\n".join((*told, *_WHOLES))
    dead = [kind for kind in PROBLEMS if not _pattern(kind).search(lines)]
    assert dead == []


def test_what_rules_of_a_file_want_reads_the_same_as_the_checker_says_it() -> None:
    pairs = dict(pair for path in _FILE_RULES for pair in _pairs(path))
    differing = {
        en: (zh, worded)
        for en, zh in pairs.items()
        if (worded := VALUES.get(en)) is not None and _even(worded) != _even(zh)
    }
    assert differing == {}
    dead = [en for en in VALUES if re.sub(r"\{\w+\}", "7", en) not in pairs.keys() | {"there"}]
    assert dead == []


def _is_worded(text: str) -> bool:
    """Return whether a sentence reads Chinese, and still has all its values."""
    worded = in_chinese(text)
    values = re.findall(r"\w*[78]\w*", text)
    return bool(_CHINESE.search(worded)) and all(value in worded for value in values)


def _sentences(path: Path) -> Iterator[str]:
    """Yield the English sentences of a module, 7 for each of their values."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passed = {id(part) for node in ast.walk(tree) for part in _no_sentences(node)}
    for node in ast.walk(tree):
        if id(node) in passed:
            continue
        for text in _texts(node):
            words = re.sub("7", "", text)
            if " " in text.strip() and re.search("[a-z]{2}", words) and not _CHINESE.search(text):
                yield text


def _no_sentences(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is no sentence of its own: docstrings, logs, parts, what has its Chinese."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield from (part for part in ast.walk(node) if part is not node)
    elif isinstance(node, ast.Tuple):
        texts = (text for item in node.elts for text in _texts(item))
        yield from node.elts if any(map(_CHINESE.search, texts)) else ()
    elif isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name in _LOGGED:
            yield from node.args


def _texts(node: ast.AST) -> list[str]:
    """Return what a text may be, with each branch of an ``if`` in it."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        return ["".join(parts) for parts in itertools.product(*map(_texts, node.values))]
    if isinstance(node, ast.FormattedValue):
        chosen = node.value
        if isinstance(chosen, ast.IfExp):
            return _texts(chosen.body) + _texts(chosen.orelse)
        return ["7"]
    return []


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the phrases of a module that are there in both languages."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            english, chinese = (_texts(item) for item in node.elts)
            if english and chinese and _CHINESE.search(chinese[0]):
                yield english[0], chinese[0]


def _pattern(kind: str) -> re.Pattern[str]:
    parts = re.split(r"\{\*?\w+\}", kind)
    return re.compile("(^|: )" + ".+".join(map(re.escape, parts)) + "$", re.MULTILINE)


def _even(text: str) -> str:
    return text.replace("，", ",")
