"""Child processes of a service."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


async def end_child(process: asyncio.subprocess.Process) -> int:
    """End a child at once, unless it has ended by itself; return its exit code.

    The code is negative for a signal, as in `subprocess`.
    """
    if process.returncode is None:
        # Not process.kill(): that looks first whether the child has ended, and so takes the exit
        # code away from the thread that waits for it on asyncio's behalf, which then reports 255.
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return await process.wait()
