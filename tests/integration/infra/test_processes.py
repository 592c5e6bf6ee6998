"""The supervisor, with small programs in the place of servers."""

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

from infra.local.errors import ProcessFailedError, StackBusyError
from infra.local.identity import start_mark
from infra.local.locks import exclusive
from infra.local.processes import ProcessSpec, Supervisor

pytestmark = pytest.mark.integration

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
CHILD = "import time; time.sleep(60)"
WITH_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {CHILD!r}]); {SLEEP}"


def _spec(folder: Path, program: str, stop_wait_s: float = 5.0) -> ProcessSpec:
    return ProcessSpec(
        name="toy",
        argv=(sys.executable, "-c", program),
        env=dict(os.environ),
        cwd=folder,
        stop_steps=((signal.SIGTERM, stop_wait_s),),
        ready_s_max=10.0,
    )


def _is_up(supervisor: Supervisor) -> bool:
    return supervisor.tail("toy", 1) == "up"


def test_a_started_process_is_found_again_and_stopped_by_another_supervisor(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    spec = _spec(tmp_path, SLEEP)
    assert supervisor.start(spec, lambda: _is_up(supervisor))
    assert not supervisor.start(spec, lambda: True)
    other = Supervisor(tmp_path)
    assert other.status("toy").pid == supervisor.status("toy").pid
    assert other.stop("toy")
    assert not supervisor.status("toy").running


def test_a_process_that_ends_early_shows_its_code_and_the_end_of_its_log(tmp_path: Path) -> None:
    spec = _spec(tmp_path, "import sys; print('no disk left'); sys.exit(7)")
    with pytest.raises(ProcessFailedError, match=r"(?s)exit code 7.*no disk left"):
        Supervisor(tmp_path).start(spec, lambda: False)


def test_a_process_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    supervisor.start(_spec(tmp_path, STUBBORN, 0.2), lambda: _is_up(supervisor))
    began_s = time.monotonic()
    assert supervisor.stop("toy")
    assert 0.2 <= time.monotonic() - began_s < 5


def test_children_of_a_killed_process_end_before_it_is_started_again(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    spec = _spec(tmp_path, WITH_CHILD)
    supervisor.start(spec, lambda: _is_up(supervisor))
    leader = psutil.Process(supervisor.status("toy").pid)
    (child,) = leader.children()
    leader.kill()
    supervisor.log_path("toy").unlink()
    assert supervisor.start(spec, lambda: _is_up(supervisor))
    assert start_mark(child.pid) is None
    supervisor.stop("toy")


def test_a_process_is_found_though_its_starter_died_before_noting_it(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    spec = _spec(tmp_path, SLEEP)
    supervisor.start(spec, lambda: _is_up(supervisor))
    record = tmp_path / "run" / "toy.json"
    noted = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps({**noted, "pid": None, "start_mark": None}), encoding="utf-8")
    assert not supervisor.start(spec, lambda: True)
    assert supervisor.status("toy").pid == noted["pid"]
    supervisor.stop("toy")


def test_a_later_process_with_the_same_number_is_never_touched(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path)
    supervisor.start(_spec(tmp_path, SLEEP), lambda: _is_up(supervisor))
    supervisor.stop("toy")
    with subprocess.Popen([sys.executable, "-c", SLEEP], stdout=subprocess.PIPE) as innocent:
        record = {"name": "toy", "pid": innocent.pid, "start_mark": "an-earlier-boot:1", "argv": []}
        text = json.dumps({**record, "started_at_s": 0.0, "stop_steps": [[15, 1.0]]})
        (tmp_path / "run" / "toy.json").write_text(text, encoding="utf-8")
        assert not supervisor.status("toy").running
        assert not supervisor.stop("toy")
        assert start_mark(innocent.pid) is not None
        innocent.kill()


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with (
        exclusive(path, wait_s=1),
        pytest.raises(StackBusyError, match=f"Process {os.getpid()} holds"),
        exclusive(path, wait_s=0.1),
    ):
        pass
    with exclusive(path, wait_s=0):
        assert path.read_text(encoding="ascii") == str(os.getpid())
