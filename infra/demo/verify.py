"""Verifies a round file in a process of its own, so that the demo's clock does not wait for it."""

from __future__ import annotations

import os
import signal
import time

from infra.demo.facts import Verdict
from suanli.checker import verify_round_file

_NICE = 10
"""The services come first: a check is in time if it ends before the demo does."""


def be_nice() -> None:
    """Let every other process go first, and leave Ctrl-C to the program that started this one."""
    os.nice(_NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def verify_bytes(round_id: str, content: bytes) -> Verdict:
    """Return the independent checker's verdict on a round file."""
    began_s = time.perf_counter()
    report = verify_round_file(content)
    named = [problem.detail_en for problem in report.problems[:1]]
    return Verdict(
        round_id=round_id,
        ok=report.ok,
        problems=report.counts.get("problems", 0),
        detail=named[0] if named else "",
        gap_ppm=report.gap_ppm,
        check_ms=round((time.perf_counter() - began_s) * 1000),
        file_bytes=len(content),
    )
