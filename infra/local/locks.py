"""A lock between processes that vanishes with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.errors import StackBusyError
from services.core.errors import Message

_POLL_S = 0.1


@contextmanager
def exclusive(path: Path, *, wait_s: float) -> Iterator[None]:
    """Hold a lock file for the length of a block.

    The kernel drops the lock when its holder ends, however it ends, so it is never stale.

    Args:
        path: The lock file; its folder is created.
        wait_s: Seconds to wait for another holder.

    Raises:
        StackBusyError: Another process still held it after that.
    """
    deadline_s = time.monotonic() + wait_s
    descriptor = _open(path)
    while not _acquired(descriptor, path):
        if time.monotonic() >= deadline_s:
            raise _busy(descriptor, path)
        os.close(descriptor)
        time.sleep(_POLL_S)
        descriptor = _open(path)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _acquired(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A wipe may have removed the file that we opened: then the lock is on nothing.
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _busy(descriptor: int, path: Path) -> StackBusyError:
    holder = os.pread(descriptor, 20, 0).decode(errors="replace") or "?"
    os.close(descriptor)
    return StackBusyError(
        "local.busy",
        Message(
            f"Process {holder} holds {path}: another command works on the same stack. "
            "Wait for it, or end that process, and run the command again.",
            f"进程 {holder} 正持有 {path}：另一条命令正在操作同一环境。"
            "请等待其完成或结束该进程后重试。",
        ),
        field=str(path),
        value=holder,
    )
