"""The child process that solves and checks: ``python -m services.matching.adapters.worker``.

It reads one request after another from its standard input and dies with its parent. A failure
of the solver kills it, which the parent notices; nothing is caught here.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING

from services.core.clearing.clear import clear, clear_greedy
from services.core.codec import (
    book_from_dict,
    canonical_json,
    result_to_dict,
    rules_from_dict,
)
from services.kit.workers import serve
from services.matching.adapters.stand_in import nothing_cleared_and_bounded
from suanli.checker import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROBLEMS_MAX = 20


def main() -> None:
    """Serve requests until the parent closes the pipe."""
    serve(answer, memory_mib=int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def answer(request: Sequence[bytes]) -> bytes:
    """Return the answer to a request, as JSON.

    Args:
        request: The operation, then what it needs: ``clear``, ``greedy`` and ``nothing``
            take book and rules and give a result; ``verify`` takes book, rules and result and gives
            ``{"ok", "problems"}``.
    """
    operation, *parts = request
    values = [json.loads(part) for part in parts]
    if operation == b"verify":
        report = verify(*values)
        problems = [problem.detail_en for problem in report.problems[:_PROBLEMS_MAX]]
        return canonical_json({"ok": report.ok, "problems": problems})
    book, rules = book_from_dict(values[0]), rules_from_dict(values[1])
    # A sealed book is canonical JSON, so the digest of its bytes is the book's.
    digest, rules_digest = (hashlib.sha256(part).hexdigest() for part in parts[:2])
    if operation == b"nothing":
        return canonical_json(
            result_to_dict(nothing_cleared_and_bounded(book, digest, rules_digest))
        )
    solve = {b"clear": clear, b"greedy": clear_greedy}[operation]
    return canonical_json(result_to_dict(solve(book, rules, digest=digest)))


if __name__ == "__main__":
    main()
