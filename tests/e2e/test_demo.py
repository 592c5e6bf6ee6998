"""The demo on the real stack: a short day, whatever happens to the services."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from infra.local.identity import MARK_VARIABLE

pytestmark = pytest.mark.e2e

_ROOT = Path(__file__).resolve().parents[2]
# A short day and its start take half a minute on a free machine.
_DEMO_S_MAX = 240
_STARTING_S_MAX = 90
_STOPPING_S_MAX = 60


def _demo(folder: Path, *options: str) -> subprocess.Popen[str]:
    arguments = ("--hours", "3", "--orders", "150", "--state-dir", str(folder), "--lang", "en")
    return subprocess.Popen(
        [sys.executable, "-m", "infra.demo", *arguments, *options],
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": f"{_ROOT}{os.pathsep}{_ROOT / 'services/sdk/src'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


def _left_running(folder: Path) -> list[str]:
    """Return what still runs of an exchange, by the mark in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(MARK_VARIABLE, "")
        except psutil.Error:
            continue
        if mark.startswith(str(folder.resolve())):
            found.append(mark)
    return found


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a demo")


@pytest.mark.slow
@pytest.mark.timeout(_DEMO_S_MAX + 30)
def test_a_short_day_with_every_service_killed_keeps_every_guarantee(folder: Path) -> None:
    demo = _demo(folder, "--chaos", "--report", str(folder / "told.html"))
    output, _ = demo.communicate(timeout=_DEMO_S_MAX)
    assert demo.returncode == 0, output
    for name in ("matching", "gateway", "ledger", "auditor"):
        assert f" {name}\n" in output, f"{name} was not killed"
    assert "round   1" in output
    assert "guarantees held" in output
    assert "✗" not in output
    assert (folder / "told.html").read_text("utf-8").startswith("<!doctype html>")
    assert _left_running(folder) == []


@pytest.mark.slow
@pytest.mark.timeout(_STARTING_S_MAX + _STOPPING_S_MAX + 30)
def test_ctrl_c_stops_everything_and_leaves_nothing_behind(folder: Path) -> None:
    demo = _demo(folder)
    give_up_s = time.monotonic() + _STARTING_S_MAX
    while len(_left_running(folder)) < 4:
        assert demo.poll() is None, demo.communicate()[0]
        assert time.monotonic() < give_up_s, "nothing was started"
        time.sleep(0.2)
    demo.send_signal(signal.SIGINT)
    output, _ = demo.communicate(timeout=_STOPPING_S_MAX)
    assert demo.returncode == 130, output
    assert "Traceback" not in output
    assert _left_running(folder) == []
    assert json.loads((folder / "exchange.json").read_text("utf-8"))["clock_speed"] > 0
