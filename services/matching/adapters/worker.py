"""The child process that solves and checks: ``python -m services.matching.adapters.worker``.

It reads one request after another from its standard input and dies with its parent. A failure
of the solver kills it, which the parent notices; nothing is caught here.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from services.core.clearing.clear import clear, clear_greedy
from services.core.codec import (
    book_from_dict,
    canonical_json,
    result_to_dict,
    rules_from_dict,
)
from services.matching.adapters import frames
from suanli.checker import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

_PARENT_POLL_S = 1.0
_PROBLEMS_MAX = 20


def main() -> None:
    """Serve requests until the parent closes the pipe."""
    # Whatever a native library prints must not fall between the frames.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _limit_memory(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
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


def answer(request: Sequence[bytes]) -> bytes:
    """Return the answer to a request, as JSON.

    Args:
        request: The operation, then what it needs: ``clear`` and ``greedy`` take book and
            rules and give a result; ``verify`` takes book, rules and result and gives
            ``{"ok", "problems"}``.
    """
    operation, *parts = request
    values = [json.loads(part) for part in parts]
    if operation == b"verify":
        report = verify(*values)
        problems = [problem.detail_en for problem in report.problems[:_PROBLEMS_MAX]]
        return canonical_json({"ok": report.ok, "problems": problems})
    book, rules = book_from_dict(values[0]), rules_from_dict(values[1])
    solve = {b"clear": clear, b"greedy": clear_greedy}[operation]
    # A sealed book is canonical JSON, so the digest of its bytes is the book's.
    digest = hashlib.sha256(parts[0]).hexdigest()
    return canonical_json(result_to_dict(solve(book, rules, digest=digest)))


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


if __name__ == "__main__":
    main()
