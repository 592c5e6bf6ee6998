"""The checker's process answers for any file: the auditor needs a verdict, not its death."""

from __future__ import annotations

import asyncio

import pytest

from services.auditor.adapters.checker import ChildChecker


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"book": {"round_id": "\\ud800"}, "rules": {}, "result": {}}',
    ],
    ids=["empty", "no text", "deep", "half a surrogate pair"],
)
def test_a_file_of_any_kind_is_refused_with_a_reason(file: bytes) -> None:
    checked = asyncio.run(ChildChecker(30.0).check(file))
    assert not checked.ok
    assert checked.problems
    assert "exit with 0" not in " ".join(checked.problems)
