"""The checker in a process of its own: a round file on standard input, the verdict as JSON.

It starts in a tenth of a second, because the checker needs the standard library alone, and
whatever a file does to it ends with it.
"""

from __future__ import annotations

import hashlib
import json
import sys

from suanli.check_booking import allocations_of, payments_of
from suanli.checker import verify_round_file

_PROBLEMS_MAX = 20


def main() -> None:
    """Verify one file."""
    file = sys.stdin.buffer.read()
    report = verify_round_file(file)
    verdict = {
        "ok": report.ok,
        "problems": [problem.detail_en for problem in report.problems[:_PROBLEMS_MAX]],
        "welfare": report.welfare,
        "bound": report.bound,
    }
    told = _told(file) if report.ok else {}
    sys.stdout.write(json.dumps(verdict | _digests(file) | told))


def _told(file: bytes) -> dict[str, object]:
    """Return what a file that is right says of money, for the journal to be compared with."""
    value = json.loads(file)
    made = [(*place, facts.payment, facts.digest) for place, facts in allocations_of(value).items()]
    return {"payments": payments_of(value), "allocations": made}


def _digests(file: bytes) -> dict[str, str]:
    try:
        value = json.loads(file)
        parts = {name: value[name] for name in ("book", "rules", "result")}
        round_id = str(parts["book"]["round_id"])
        digests = {f"{name}_digest": _sha256(part) for name, part in parts.items()}
    except (ValueError, KeyError, TypeError, RecursionError):
        # What is wrong with the file (half a surrogate pair too) stands in the report already.
        return {}
    return digests | {"round_id": round_id}


def _sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main()
