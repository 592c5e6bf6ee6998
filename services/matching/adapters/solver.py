"""Solving in a child process under a deadline, with a fallback that needs no solver.

The order of things is fixed: solver, then the published fallback rule, then nothing, whose regrets
the checker works out. Each result must pass the independent checker before it is used; only if not
even that one does is nothing allocated without it. Whatever a solver does (hang, crash, lie), a
round ends within the sum of the deadlines.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from services.core.codec import (
    book_from_dict,
    canonical_json,
    result_from_dict,
    result_to_dict,
    rules_from_dict,
)
from services.kit.logging import get_logger
from services.kit.workers import Worker, WorkerError
from services.matching.adapters.stand_in import nothing_cleared
from services.matching.crash import crash_point
from services.matching.ports import ClearedRound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.core.book import Result
    from services.matching.ports import SealedRound

_WORKER = "services.matching.adapters.worker"
_SOLVE_S_MIN = 20.0
# A deterministic unit takes about a second on a free core. The deadline is for a solver that hangs,
# not for one that shares its core with a dozen others.
_SOLVE_S_PER_EFFORT = 10.0
_GREEDY_S_MAX = 60.0
# The first book that is too large for a solver waits for the compiler: 50 s of a free core, once
# for each installation. Books of fewer bytes never need it.
# A domestic share takes up to about twice the effort (decision 0042).
_SHARE = b'"kind":"domestic_share"'
_SHARE_CLEARINGS = 3
_COMPILE_S_MAX = 180.0
_COMPILED_FROM_BYTES = 100_000


class ChildSolver:
    """Clears sealed rounds in a child process.

    Args:
        solve_s: Real seconds that a solve may take, 0 = from the effort of the round.
        check_s: Real seconds that a check may take.
        memory_mib: Address space of the child.
        command: Program and arguments of the child, the worker of this package by default.
    """

    def __init__(
        self,
        *,
        solve_s: float,
        check_s: float,
        memory_mib: int,
        command: Sequence[str] | None = None,
    ) -> None:
        self._solve_s = solve_s
        self._check_s = check_s
        words = command or (sys.executable, "-m", _WORKER, str(memory_mib))
        self._worker = Worker(words, asked=partial(crash_point, "during_solve"))
        self._log = get_logger("matching.solver")

    async def clear(self, sealed: SealedRound) -> ClearedRound:
        """Return a result that passed the checker, one that allocates nothing if no other did."""
        started = time.monotonic()
        causes: list[str] = []
        for operation, deadline_s in (
            (b"clear", self._deadline_s(sealed)),
            (b"greedy", _GREEDY_S_MAX + _compiling_s(sealed)),
            (b"nothing", _GREEDY_S_MAX),
        ):
            result = await self._attempt(operation, sealed, deadline_s, causes)
            if result is not None:
                status = "fallback" if causes else result.status
                is_cleared = operation != b"nothing"
                return _cleared(result, status, causes, started, is_cleared=is_cleared)
        book = book_from_dict(json.loads(sealed.book))
        nothing = nothing_cleared(book, sealed.book_digest, sealed.rules_digest)
        return _cleared(nothing, "fallback", causes, started, is_cleared=False)

    async def close(self) -> None:
        """End the child process."""
        await self._worker.kill()

    async def _attempt(
        self, operation: bytes, sealed: SealedRound, deadline_s: float, causes: list[str]
    ) -> Result | None:
        name = operation.decode()
        try:
            answer = await self._worker.ask([operation, sealed.book, sealed.rules], deadline_s)
            verdict = json.loads(
                await self._worker.ask(
                    [b"verify", sealed.book, sealed.rules, answer], self._check_s
                )
            )
        except WorkerError as error:
            causes.append(f"{name}: {error}")
            self._log.warning("solver failed", round_id=sealed.round_id, cause=causes[-1])
            return None
        if not verdict["ok"]:
            causes.append(f"{name}: {'; '.join(verdict['problems'][:3])}")
            self._log.error("result refused by the checker", cause=causes[-1], **verdict)
            return None
        return result_from_dict(json.loads(answer))

    def _deadline_s(self, sealed: SealedRound) -> float:
        if self._solve_s:
            return self._solve_s
        effort = rules_from_dict(json.loads(sealed.rules)).effort
        times = _SHARE_CLEARINGS if _SHARE in sealed.book else 1
        least = max(_SOLVE_S_MIN, _SOLVE_S_PER_EFFORT * effort)
        return times * least + _compiling_s(sealed)


def _compiling_s(sealed: SealedRound) -> float:
    return _COMPILE_S_MAX if len(sealed.book) >= _COMPILED_FROM_BYTES else 0.0


def _cleared(
    result: Result, status: str, causes: Sequence[str], started: float, *, is_cleared: bool
) -> ClearedRound:
    content = canonical_json(result_to_dict(result))
    return ClearedRound(
        result=result,
        result_bytes=content,
        result_digest=hashlib.sha256(content).hexdigest(),
        status=status,
        cause=" | ".join(causes),
        is_cleared=is_cleared,
        solve_ms=round((time.monotonic() - started) * 1000),
    )
