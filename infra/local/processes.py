"""A small supervisor: named, detached processes that outlive the command that started them.

There is no daemon. Each process has a record file with its number and start mark, and carries a
mark in its environment, so a command that was killed half-way loses nothing: the next one finds
the process by its record or, if that was never written, by its mark.
"""

from __future__ import annotations

import atexit
import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from infra.local import identity
from infra.local.errors import ProcessFailedError
from infra.local.locks import exclusive
from services.core.errors import Message

LOG_BYTES_MAX = 20_000_000
"""A log above this is moved aside when its process is next started; one older copy is kept."""

_POLL_S = 0.05
_KILL_WAIT_S = 5.0
_LEFTOVER_WAIT_S = 3.0
_TAIL_LINES = 25
_LOCK_WAIT_S = 60.0

StopSteps = tuple[tuple[signal.Signals, float], ...]
"""Signals to send in order, each with the seconds to wait; after the last comes SIGKILL."""

STOP_BY_TERM: StopSteps = ((signal.SIGTERM, 15.0),)

_children: dict[int, subprocess.Popen[bytes]] = {}
# Kept so that an ended child is reaped, and so that its handle is not collected while it runs.


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to start.

    Attributes:
        name: Unique within the supervisor; names the record and the log.
        argv: Program and arguments.
        env: Whole environment of the process; the mark is added.
        cwd: Working folder.
        stop_steps: How to stop it.
        ready_s_max: Seconds it may take to get ready.
        as_user: User and group number to run as, None for one's own.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    stop_steps: StopSteps = STOP_BY_TERM
    ready_s_max: float = 60.0
    as_user: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What a record file holds; enough to stop the process without its specification.

    Attributes:
        name: Name of the process.
        pid: Its number; None while it is being started.
        start_mark: Tells it from a later process with the same number.
        argv: Program and arguments.
        started_at_s: Wall-clock time of the start, seconds since the Unix epoch.
        stop_steps: How to stop it.
    """

    name: str
    pid: int | None
    start_mark: str | None
    argv: tuple[str, ...]
    started_at_s: float
    stop_steps: StopSteps


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """The state of one process.

    Attributes:
        name: As in its specification.
        running: Whether it runs now.
        pid: Its number, None when it does not run.
        up_s: Seconds since it was started.
        memory_bytes: Memory of it and its children.
        log: Its log file.
    """

    name: str
    running: bool
    pid: int | None
    up_s: float
    memory_bytes: int
    log: Path


class Supervisor:
    """Starts, finds and stops named processes that belong to one state folder.

    Args:
        state_dir: Folder that the records (``run/``) and logs (``logs/``) are kept in.
    """

    def __init__(self, state_dir: Path) -> None:
        self._run_dir = state_dir / "run"
        self._log_dir = state_dir / "logs"

    def log_path(self, name: str) -> Path:
        """Return the log file of a process."""
        return self._log_dir / f"{name}.log"

    def names(self) -> list[str]:
        """Return the names of all processes that have a record."""
        return sorted(path.stem for path in self._run_dir.glob("*.json"))

    def start(self, spec: ProcessSpec, ready: Callable[[], bool]) -> bool:
        """Start a process unless it runs already, and wait until it is ready.

        Args:
            spec: What to start.
            ready: Tells whether it can be used; called often, must return soon.

        Returns:
            Whether a process was started; False if one was running.

        Raises:
            ProcessFailedError: It ended, or did not get ready in time. A process started here is
                then stopped again; one that was running before is left alone.
        """
        started, failure = self._start(spec, ready)
        if failure is not None and not started and not self.is_running(spec.name):
            # It was running when we looked but on its way out, as just after a kill -9.
            started, failure = self._start(spec, ready)
        if failure is None:
            return started
        tail = self.tail(spec.name, _TAIL_LINES)
        if started:
            self.stop(spec.name)
        log = self.log_path(spec.name)
        raise ProcessFailedError(
            "local.process_failed",
            Message(
                f"{spec.name} {failure.en}. Its log is {log}; the end of it:\n{tail}",
                f"{spec.name} {failure.zh}。日志文件 {log}，末尾如下：\n{tail}",
            ),
            field=spec.name,
        )

    def _start(self, spec: ProcessSpec, ready: Callable[[], bool]) -> tuple[bool, Message | None]:
        with self._lock(spec.name):
            record = self._running(spec.name)
            started = record is None
            if record is None:
                self._stop(spec.name)
                record = self._launch(spec)
        return started, self._await_ready(record, spec.ready_s_max, ready)

    def stop(self, name: str) -> bool:
        """Stop a process and whatever children it left behind.

        Args:
            name: As in its specification.

        Returns:
            Whether anything was running.
        """
        with self._lock(name):
            return self._stop(name)

    def _stop(self, name: str) -> bool:
        record = self._running(name)
        if record is not None:
            stop_process(*_identity_of(record), record.stop_steps)
        leftovers = identity.marked(self._mark(name))
        for pid, _mark in leftovers:
            _signal(pid, signal.SIGTERM)
        for pid, mark in leftovers:
            stop_process(pid, mark, ((signal.SIGTERM, _LEFTOVER_WAIT_S),))
        self._record_path(name).unlink(missing_ok=True)
        return record is not None or bool(leftovers)

    def is_running(self, name: str) -> bool:
        """Return whether a process runs now."""
        return self._running(name) is not None

    def status(self, name: str) -> ProcessStatus:
        """Return the state of a process, whether or not it was ever started."""
        record = self._running(name)
        log = self.log_path(name)
        if record is None:
            return ProcessStatus(name, running=False, pid=None, up_s=0.0, memory_bytes=0, log=log)
        return ProcessStatus(
            name,
            running=True,
            pid=record.pid,
            up_s=max(0.0, time.time() - record.started_at_s),
            memory_bytes=identity.memory_bytes(_identity_of(record)[0]),
            log=log,
        )

    def tail(self, name: str, lines: int) -> str:
        """Return the last lines of a process's log, empty if there is none."""
        try:
            with self.log_path(name).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                # 400 bytes a line is more than our logs use; a longer line is cut, never the wait.
                file.seek(max(0, size - lines * 400))
                text = file.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def adopt(self, name: str, pid: int, stop_steps: StopSteps) -> None:
        """Write the record of a running process that was found by other means.

        Args:
            name: Its name.
            pid: Its number; the caller vouches that it is ours.
            stop_steps: How to stop it.
        """
        mark = identity.start_mark(pid)
        if mark is not None:
            self._write(ProcessRecord(name, pid, mark, (), time.time(), stop_steps))

    def _lock(self, name: str) -> AbstractContextManager[None]:
        # Held to launch or stop, not while a process gets ready, so that it can still be stopped.
        return exclusive(self._run_dir / f"{name}.lock", wait_s=_LOCK_WAIT_S)

    def _mark(self, name: str) -> str:
        return f"{self._run_dir.resolve()}/{name}"

    def _record_path(self, name: str) -> Path:
        return self._run_dir / f"{name}.json"

    def _write(self, record: ProcessRecord) -> None:
        self._run_dir.mkdir(parents=True, exist_ok=True)
        path = self._record_path(record.name)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(dataclasses.asdict(record)), encoding="utf-8")
        partial.replace(path)

    def _running(self, name: str) -> ProcessRecord | None:
        try:
            raw = json.loads(self._record_path(name).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        steps = [(signal.Signals(number), float(wait_s)) for number, wait_s in raw["stop_steps"]]
        record = ProcessRecord(**{**raw, "argv": tuple(raw["argv"]), "stop_steps": tuple(steps)})
        if record.pid is None:
            return self._find_started(record)
        _reap(record.pid)
        return record if identity.start_mark(record.pid) == record.start_mark else None

    def _find_started(self, record: ProcessRecord) -> ProcessRecord | None:
        """Find the process of a command that was killed before it could write the number."""
        for pid, mark in identity.marked(self._mark(record.name)):
            arguments = identity.command_line(pid)
            # A wrapper such as setpriv is gone once it has become the program: compare the end.
            if arguments and record.argv[-len(arguments) :] == arguments:
                found = dataclasses.replace(record, pid=pid, start_mark=mark)
                self._write(found)
                return found
        return None

    def _launch(self, spec: ProcessSpec) -> ProcessRecord:
        log = self.log_path(spec.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.1"))
        uid, gid = spec.as_user or (None, None)
        record = ProcessRecord(spec.name, None, None, spec.argv, time.time(), spec.stop_steps)
        self._write(record)
        with log.open("ab") as output:
            child = subprocess.Popen(
                spec.argv,
                cwd=spec.cwd,
                env={**spec.env, identity.MARK_VARIABLE: self._mark(spec.name)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Its own session, so that Ctrl-C and a closed terminal reach only the command.
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=None if uid is None else [],
            )
        _children[child.pid] = child
        mark = identity.start_mark(child.pid) or "ended"
        record = dataclasses.replace(record, pid=child.pid, start_mark=mark)
        self._write(record)
        return record

    def _await_ready(
        self, record: ProcessRecord, ready_s_max: float, ready: Callable[[], bool]
    ) -> Message | None:
        pid, mark = _identity_of(record)
        deadline_s = time.monotonic() + ready_s_max
        while time.monotonic() < deadline_s:
            child = _children.get(pid)
            _reap(pid)
            if identity.start_mark(pid) != mark:
                code = "unknown" if child is None else str(child.returncode)
                return Message(
                    f"ended before it was ready (exit code {code})",
                    f"在就绪之前退出（退出码 {code}）",
                )
            if ready():
                return None
            time.sleep(_POLL_S)
        return Message(f"was not ready after {ready_s_max:g} s", f"{ready_s_max:g} 秒后仍未就绪")


@atexit.register
def _let_go() -> None:
    """Note that what still runs is meant to outlive this command; Python would warn of it."""
    for child in _children.values():
        if child.poll() is None:
            child.returncode = 0


def stop_process(pid: int, start_mark: str, steps: StopSteps) -> None:
    """Stop one process by its steps, and by SIGKILL when they did not help.

    Args:
        pid: Process number.
        start_mark: Its start mark; a process with another mark is never signalled.
        steps: Signals with the seconds to wait after each.
    """
    for number, wait_s in (*steps, (signal.SIGKILL, _KILL_WAIT_S)):
        if identity.start_mark(pid) != start_mark:
            break
        _signal(pid, number)
        deadline_s = time.monotonic() + wait_s
        while identity.start_mark(pid) == start_mark and time.monotonic() < deadline_s:
            time.sleep(_POLL_S)
            _reap(pid)
    _reap(pid)


def _identity_of(record: ProcessRecord) -> tuple[int, str]:
    assert record.pid is not None, f"{record.name} was never started"
    assert record.start_mark is not None, f"{record.name} has a number but no start mark"
    return record.pid, record.start_mark


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        # It ended between the look and the signal, which is what the signal was for.
        return


def _reap(pid: int) -> None:
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
