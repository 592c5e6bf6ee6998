"""What a selection is judged by where premiums have moved asks: own asks, and shares kept."""

from __future__ import annotations

from dataclasses import dataclass
from operator import mul

from services.core.clearing.selection import Selection, Worth, use_of, worth_of
from services.core.clearing.presolve import Problem


@dataclass(frozen=True, slots=True)
class Aim:
    """Welfare at the offers' own asks, among selections that keep every share.

    Attributes:
        back: What the asks of each pool were moved by, micro-yuan per chip-hour.
        rows: Weights of a chip-hour of each pool; the weighted chip-hours of none may be below 0.
    """

    back: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]


def judged(problem: Problem, selection: Selection, aim: Aim | None) -> Worth | None:
    """Return the worth of a selection, or ``None`` if it breaks a rule or misses a share.

    Args:
        problem: The book as it is cleared, with asks moved.
        selection: Of its choices.
        aim: ``None`` if it is judged by the asks it is cleared at. An ask that would be moved
            below 0 and stays at 0 is counted as if it had been.
    """
    worth = worth_of(problem, selection)
    if worth is None or aim is None:
        return worth
    hours = use_of(problem, selection).sum(axis=1).tolist()[: problem.pools]
    if any(sum(map(mul, row, hours)) < 0 for row in aim.rows):
        return None
    return worth._replace(welfare=worth.welfare + sum(map(mul, aim.back, hours)))
