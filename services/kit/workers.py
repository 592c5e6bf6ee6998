"""A child process that answers one request after another, under a deadline.

What must not hold up an event loop, needs much memory, or may hang or die, is done there.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from services.kit import frames
from services.kit.children import end_child

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Starting Python and large libraries on a busy machine.
_START_S_MAX = 30.0
_PARENT_POLL_S = 1.0


class WorkerError(Exception):
    """The child process did not answer: it ran over its time or died."""


class Worker:
    """A child process that answers requests one at a time.

    Args:
        command: Program and arguments.
        asked: Called once the child has a request, before it has answered.
    """

    def __init__(
        self, command: Sequence[str], *, asked: Callable[[], object] = lambda: None
    ) -> None:
        self._command = tuple(command)
        self._asked = asked
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, request: Sequence[bytes], deadline_s: float) -> bytes:
        """Return the answer to a request; a child that fails is killed.

        Raises:
            WorkerError: if no answer came within ``deadline_s`` seconds of the child's start.
        """
        try:
            async with asyncio.timeout(_START_S_MAX):
                process = await self._started()
            async with asyncio.timeout(deadline_s):
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(frames.pack(request))
                await process.stdin.drain()
                self._asked()
                parts = await frames.read(process.stdout)
        except TimeoutError:
            await self.kill()
            raise WorkerError(f"no answer within {deadline_s:g} s") from None
        except (OSError, asyncio.IncompleteReadError):
            code = await self.kill()
            raise WorkerError(f"died with exit code {code}") from None
        return parts[0]

    async def kill(self) -> int | None:
        """End the child at once; return its exit code."""
        process, self._process = self._process, None
        return None if process is None else await end_child(process)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self._process


def serve(answer: Callable[[Sequence[bytes]], bytes], *, memory_mib: int = 0) -> None:
    """Answer requests, as the child, until the parent closes the pipe; die if the parent does.

    A failure ends the child, which the parent notices; nothing is caught here.

    Args:
        answer: Returns the answer to the parts of a request.
        memory_mib: Address space, 0 for no limit.
    """
    # Whatever a native library prints must not fall between the frames.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _limit_memory(memory_mib)
    # A clearing makes millions of values and no cycles; looking for cycles over and over took a
    # third of its time at 100,000 orders. One look after each answer finds what there is.
    gc.disable()
    threading.Thread(target=_die_with_parent, args=(os.getppid(),), daemon=True).start()
    while True:
        request = frames.read_blocking(sys.stdin.buffer)
        if request is None:
            return
        replies.write(frames.pack([answer(request)]))
        replies.flush()
        gc.collect()


def _die_with_parent(parent: int) -> None:
    # A solve does not look at the pipe; without its parent it would run on for nobody.
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_S)
    os._exit(1)


def _limit_memory(memory_mib: int) -> None:
    if not memory_mib or not sys.platform.startswith("linux"):
        return
    import resource  # noqa: PLC0415 - Unix only

    limit = memory_mib * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
