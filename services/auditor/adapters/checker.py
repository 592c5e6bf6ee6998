"""Asking the independent checker, in a child process under a deadline."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from services.auditor.ports import Checked, Money, Told
from services.kit.children import end_child

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHILD = "services.auditor.adapters.verify"
_ROWS = ("payments", "allocations", "charges")


class ChildChecker:
    """`services.auditor.ports.Checker` in a child process per file.

    Args:
        check_s: Real seconds that a check may take.
        command: Program and arguments, the child of this package by default.
    """

    def __init__(self, check_s: float, command: Sequence[str] | None = None) -> None:
        self._check_s = check_s
        self._command = tuple(command or (sys.executable, "-m", _CHILD))

    async def check(self, file: bytes) -> Checked:
        """Return what is wrong with a file; a checker that fails counts as a problem."""
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(self._check_s):
                answer, _ = await process.communicate(file)
        except TimeoutError:
            return _failed(f"the check must end within {self._check_s:g} s, did not")
        finally:
            await end_child(process)
        if process.returncode != 0:
            return _failed(f"the checker must exit with 0, was {process.returncode}")
        value: dict[str, Any] = json.loads(answer)
        rows = {name: tuple(map(tuple, value.pop(name, ()))) for name in _ROWS}
        value["problems"] = tuple(value["problems"])
        money = Money(**rows, assessed=value.pop("assessed", 0))
        return Checked(**value | {"told": Told(**value.get("told", {}))}, money=money)


def _failed(problem: str) -> Checked:
    return Checked(ok=False, problems=(problem,))
