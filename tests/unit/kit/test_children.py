from __future__ import annotations

import asyncio
import sys

from services.kit.children import end_child


async def _child(code: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )


async def test_a_child_that_ended_by_itself_keeps_its_exit_code() -> None:
    child = await _child("import os; os._exit(9)")
    assert child.stdout is not None
    # The end of its output is seen before its exit code is.
    assert await child.stdout.read() == b""
    assert await end_child(child) == 9
    assert await end_child(child) == 9


async def test_a_child_that_goes_on_is_killed() -> None:
    child = await _child("import time; print('up', flush=True); time.sleep(600)")
    assert child.stdout is not None
    assert await child.stdout.readline() == b"up\n"
    assert await end_child(child) == -9
