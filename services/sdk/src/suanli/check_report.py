"""What the checker says: problems, checks and the report, in English and Chinese.

Standard library only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from suanli.check_messages import CHECK_TITLES, SUBJECTS

Phrase = str | tuple[str, str]
"""A text that is the same in both languages, or (English, Chinese)."""

PROBLEMS_MAX = 200
"""Problems that are listed one by one; a file that is wrong everywhere must not fill the memory."""

MISSING: Phrase = ("missing", "缺失")
NOTHING: Phrase = ("nothing", "无")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in a round that is not as the rules say.

    Attributes:
        code: Stable code, grouped by check, for example ``rule_1.demand``.
        where: Path in the round file; orders and pools are named by their id.
        detail_en: A sentence in English, with the place.
        detail_zh: The same in Chinese.
        expected: What should stand there.
        found: What stands there.
    """

    code: str
    where: str
    detail_en: str
    detail_zh: str
    expected: str
    found: str


class Check(NamedTuple):
    """One group of rules, for display.

    Attributes:
        name: Key in `CHECK_TITLES`.
        ok: Whether no rule of the group is broken. False also if it could not be checked.
        detail: Numbers, the same in every language; ``-`` if it could not be checked.
    """

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on one round.

    Attributes:
        ok: True if the round obeys every rule and its certificate holds.
        problems: What is wrong, at most `PROBLEMS_MAX` one by one.
        welfare: Welfare recomputed from the allocations, micro-yuan; None if not computable.
        bound: Certificate bound recomputed from its prices, micro-yuan; None if not computable.
        gap_ppm: (bound - welfare) x 1,000,000 // bound; None if either is. What domestic shares
            missed counts against the welfare, at the caps of their premiums.
        counts: Sizes of the round by name, and ``problems``, which counts the unlisted too.
        checks: Every group of rules in the order in which they are checked.
    """

    ok: bool
    problems: tuple[Problem, ...]
    welfare: int | None
    bound: int | None
    gap_ppm: int | None
    counts: dict[str, int] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        value = asdict(self)
        value["problems"] = [asdict(problem) for problem in self.problems]
        value["checks"] = [check._asdict() for check in self.checks]
        return value


class Log:
    """Collects problems, and closes them into one check after another."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.checks: list[Check] = []
        self.count = 0
        self._count_before = 0

    def add(self, code: str, where: str, expected: Phrase, found: Phrase) -> None:
        """Record a problem; past `PROBLEMS_MAX` it is only counted."""
        self.count += 1
        if len(self.problems) >= PROBLEMS_MAX:
            return
        subject_en, subject_zh = SUBJECTS[code]
        expected_en, expected_zh = _both(expected)
        found_en, found_zh = _both(found)
        self.problems.append(
            Problem(
                code=code,
                where=where,
                detail_en=f"{where}: {subject_en} must be {expected_en}, was {found_en}",
                detail_zh=f"{where}:{subject_zh}应为 {expected_zh},实际为 {found_zh}",
                expected=expected_en,
                found=found_en,
            )
        )

    def differ(self, code: str, where: str, expected: object, found: object) -> None:
        """Record a problem if two values differ."""
        if expected != found:
            self.add(code, where, show(expected), show(found))

    def problems_since_close(self) -> int:
        """Return how many problems the check that is going on has found."""
        return self.count - self._count_before

    def close(self, name: str, detail: object) -> bool:
        """End a check; return whether it found nothing."""
        assert name in CHECK_TITLES
        ok = self.count == self._count_before
        self._count_before = self.count
        self.checks.append(Check(name, ok, show(detail)))
        return ok

    def report(
        self,
        welfare: int | None,
        bound: int | None,
        counts: dict[str, int] | None = None,
        missed: int = 0,
    ) -> Report:
        """Return the report; checks that were not reached are listed as not made.

        Args:
            welfare: As recomputed.
            bound: As recomputed.
            counts: Sizes of the round.
            missed: What missed shares are worth, micro-yuan.
        """
        done = {check.name: check for check in self.checks}
        checks = tuple(done.get(name, Check(name, ok=False, detail="-")) for name in CHECK_TITLES)
        gap_ppm = None
        if welfare is not None and bound is not None:
            gap_ppm = (bound - welfare + missed) * 1_000_000 // bound if bound else 0
        return Report(
            ok=self.count == 0,
            problems=tuple(self.problems),
            welfare=welfare,
            bound=bound,
            gap_ppm=gap_ppm,
            counts={**(counts or {}), "problems": self.count},
            checks=checks,
        )


def show(value: object) -> str:
    """Return a short text for any value, however large, deep or strange it is."""
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        # Python refuses to write integers of more than 4,300 digits.
        return str(value) if value.bit_length() <= 256 else f"int({value.bit_length()} bits)"
    if type(value) is str:
        text = "".join(char if char.isprintable() else "?" for char in value[:80])
        return text if len(value) <= 80 else text + "..."
    if type(value) is float:
        return repr(value)
    if type(value) is list:
        return f"[{len(value)}]"
    if type(value) is dict:
        return "{" + str(len(value)) + "}"
    return type(value).__name__


def _both(phrase: Phrase) -> tuple[str, str]:
    return phrase if isinstance(phrase, tuple) else (phrase, phrase)
