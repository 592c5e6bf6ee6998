"""Tell a process from a later one that got the same number."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

MARK_VARIABLE = "SUANLI_PROCESS"
"""Set in the environment of every process that we start, and so in that of its children."""


def start_mark(pid: int) -> str | None:
    """Return what identifies a running process beside its number, or None if it is not running.

    On Linux the start in clock ticks since boot and the boot's id: unlike a wall-clock time neither
    moves when the clock is set. Elsewhere the start time in seconds. A zombie counts as ended.

    Args:
        pid: Process number.
    """
    if sys.platform != "linux":
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return f"{process.create_time():.0f}"
        except psutil.Error:
            return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
    # The second field is the program's name in brackets, which may hold blanks and brackets.
    fields = stat.rpartition(")")[2].split()
    state, start_ticks = fields[0], fields[19]
    return None if state in {"Z", "X"} else f"{boot}:{start_ticks}"


def marked(mark: str) -> list[tuple[int, str]]:
    """Return number and start mark of the running processes that carry a mark, lowest first.

    A process whose environment may not be read, as another user's, is not found.

    Args:
        mark: Value of ``SUANLI_PROCESS``.
    """
    found = []
    # Not psutil.process_iter: it shares its objects among threads, and two stacks may look at once.
    for pid in psutil.pids():
        start = start_mark(pid)
        if start is not None and pid != os.getpid() and _mark_of(pid) == mark:
            found.append((pid, start))
    return sorted(found)


def command_line(pid: int) -> tuple[str, ...]:
    """Return a process's arguments, empty if they cannot be read."""
    try:
        return tuple(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ()


def memory_bytes(pid: int) -> int:
    """Return the memory of a process and its children, shared pages counted once where known."""
    try:
        leader = psutil.Process(pid)
        family = [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_memory_of(process) for process in family)


def _memory_of(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        # PSS divides a shared page among its sharers; without it a page counts for each of them.
        return int(getattr(full, "pss", full.rss))
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _mark_of(pid: int) -> str | None:
    try:
        return psutil.Process(pid).environ().get(MARK_VARIABLE)
    except (psutil.Error, OSError):
        return None
