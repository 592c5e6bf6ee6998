"""The checker in a process of its own: a round file on standard input, the verdict as JSON.

It starts in a tenth of a second, because the checker needs the standard library alone, and
whatever a file does to it ends with it.
"""

from __future__ import annotations

import hashlib
import json
import sys

from suanli.check_charges import allocation_id_of, says_of
from suanli.check_told import links_of, prices_of, shares_of
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
    """Return what a file that is right says, for what was told and booked beside it."""
    value = json.loads(file)
    says = says_of(value)
    premiums = {
        allocation_id_of(says.round_id, place): (facts.payment, facts.digest)
        for place, facts in says.premiums.items()
    }
    links = {
        f"{demand} {link}": (facts.payment, facts.digest)
        for (demand, link), facts in says.links.items()
    }
    return {
        "payments": [
            (demand, paid, says.tariffs.get(demand, 0), says.rents.get(demand, 0))
            for demand, paid in says.payments.items()
        ],
        "allocations": [
            (*place, facts.payment, facts.digest) for place, facts in says.allocations.items()
        ],
        "charges": [("premium", subject, *facts) for subject, facts in premiums.items()]
        + [("link", subject, *facts) for subject, facts in links.items()],
        "assessed": says.assessed,
        "told": {
            "first_period": int(value["book"]["first_period"]),
            "shares": shares_of(value),
            "prices": prices_of(value),
            "links": links_of(value),
        },
    }


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
