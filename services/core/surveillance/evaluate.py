"""All rules over one tape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.core.surveillance import (
    concentration,
    favouritism,
    messages,
    prices,
    wash,
    withholding,
)
from services.core.surveillance.thresholds import DEFAULTS
from services.core.surveillance.view import view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.core.surveillance.cases import Case
    from services.core.surveillance.tape import Tape
    from services.core.surveillance.thresholds import Thresholds
    from services.core.surveillance.view import View

    Rule = Callable[[View, Thresholds], Iterator[Case]]

RULES: tuple[Rule, ...] = (
    wash.self_matches,
    wash.wash_trades,
    messages.layering,
    messages.stuffing,
    prices.marking,
    prices.outliers,
    withholding.withholding,
    concentration.concentrated,
    concentration.pivotal,
    favouritism.favouritism,
)


def evaluate(tape: Tape, thresholds: Thresholds = DEFAULTS) -> list[Case]:
    """Return every case of a market day, sorted by kind and subject.

    Args:
        tape: The day, or what there is of it so far.
        thresholds: When a rule speaks.
    """
    view = view_of(tape)
    cases = [case for rule in RULES for case in rule(view, thresholds)]
    cases.sort(key=lambda case: (case.kind.value, case.subject))
    assert len({case.case_id for case in cases}) == len(cases), "a case is told once"
    return cases
