"""Measures false alarms and speed: ``python -m tests.unit.core.surveillance.measure SEEDS ORDERS``.

Each seed is an honest day; what the rules raise on it, records of self-matches apart, is false.
"""

from __future__ import annotations

import sys
import time

from services.core.surveillance.cases import CaseKind
from services.core.surveillance.evaluate import evaluate
from tests.unit.core.surveillance.day import Day


def main() -> None:
    """Print a line per seed and one for all."""
    seeds, orders = (int(text) for text in sys.argv[1:3])
    total = alarms = records = 0
    for seed in range(1_000, 1_000 + seeds):
        day = Day(seed, orders)
        tape = day.tape()
        started_s = time.perf_counter()
        cases = evaluate(tape)
        took_s = time.perf_counter() - started_s
        false = [one for one in cases if one.kind is not CaseKind.SELF_MATCH]
        total += day.count
        alarms += len(false)
        records += len(cases) - len(false)
        sys.stdout.write(
            f"seed {seed}: {day.count} orders, {len(tape.acts)} messages, "
            f"{len(tape.allocations)} allocations, {took_s:.2f} s, false alarms "
            f"{[one.kind.value for one in false]}\n"
        )
    sys.stdout.write(f"{total} orders, {alarms} false alarms, {records} records of self-matches\n")


if __name__ == "__main__":
    main()
