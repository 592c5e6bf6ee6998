"""Surveillance: false alarms on honest days, and how long all rules take over a day.

Each seed is an honest day; what the rules raise on it, records of self-matches apart, is false.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from services.core.surveillance.cases import CaseKind
from services.core.surveillance.evaluate import evaluate
from tests.unit.core.surveillance.day import Day

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST_SEED = 1_000


def main(seeds: str = "3", orders: str = "10000") -> Iterator[str]:
    """Yield a line per day and one for all.

    Args:
        seeds: How many days.
        orders: How many orders each.
    """
    total = alarms = records = 0
    for seed in range(_FIRST_SEED, _FIRST_SEED + int(seeds)):
        day = Day(seed, int(orders))
        tape = day.tape()
        started_s = time.perf_counter()
        cases = evaluate(tape)
        took_s = time.perf_counter() - started_s
        false = [one for one in cases if one.kind is not CaseKind.SELF_MATCH]
        total += day.count
        alarms += len(false)
        records += len(cases) - len(false)
        yield (
            f"seed {seed}: {day.count} orders, {len(tape.acts)} messages, "
            f"{len(tape.allocations)} allocations, {took_s:.2f} s, false alarms "
            f"{[one.kind.value for one in false]}"
        )
    yield f"{total} orders, {alarms} false alarms, {records} records of self-matches"
