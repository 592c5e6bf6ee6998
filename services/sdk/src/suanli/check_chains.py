"""Hours that were sold on: each sale is settled with the first report, the last buyer first.

Standard library alone. A chain is settled down from what the first provider delivered. Of chips
that came, whoever bought them last is served first; of several buyers of one allocation those
come first whose allocations do by id, and those whose round was booked later come after them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Json = dict[str, Any]


def resale_settlement_id(source_id: str, allocation_id: str) -> str:
    """Return the id of the settlement of a resale that is settled with what it resells."""
    name = f"resale:{source_id}:{allocation_id}"
    return f"resale:{hashlib.sha256(name.encode()).hexdigest()[:40]}"


def hour_of(row: Json) -> str:
    """Return the hour of a period."""
    return str(row["start"]).replace("+00:00", "Z")


class _Hour(NamedTuple):
    settlement: str
    chips: int
    delivered: int


class Chains:
    """Settled hours, as they come.

    Args:
        allocations: By id, as ``/v1/allocations`` lists them.
    """

    def __init__(self, allocations: Mapping[str, Json]) -> None:
        self._allocations = allocations
        self._settled: dict[tuple[str, str], _Hour] = {}
        self._resales: dict[str, list[str]] = {}
        for name, item in allocations.items():
            if item.get("resale_of") is not None:
                self._resales.setdefault(str(item["resale_of"]), []).append(name)

    def add(self, told: Json) -> list[str]:
        """Take in a settlement; return where it settles an hour again, or not what was reported."""
        name = str(told["allocation_id"])
        allocation = self._allocations[name]
        reported = {hour_of(row): int(row["chips"]) for row in allocation.get("delivered", ())}
        is_own, problems = allocation.get("resale_of") is None, []
        for row in told["periods"]:
            hour, delivered = hour_of(row), int(row["delivered"])
            if (name, hour) in self._settled:
                problems.append(f"{hour} is settled twice")
            self._settled[name, hour] = _Hour(
                str(told["settlement_id"]), int(row["chips"]), delivered
            )
            if told["lapsed"]:
                came = 0
            elif is_own:
                came = min(reported.get(hour, 0), int(row["chips"]))
            else:
                continue
            if delivered != came:
                what = "nobody reported it in time" if told["lapsed"] else "that was reported"
                problems.append(f"{hour} delivered must be {came}, {what}; was {delivered}")
        return problems

    def problems(self) -> Iterator[str]:
        """Yield where chains were settled otherwise than what came of the first provider."""
        for source, resales in sorted(self._resales.items()):
            for hour in sorted({hour for one in resales for hour in self._hours(one)}):
                yield from self._of(source, hour, sorted(resales))

    def _hours(self, name: str) -> list[str]:
        return [hour_of(row) for row in self._allocations[name]["periods"]]

    def _of(self, source: str, hour: str, resales: list[str]) -> Iterator[str]:
        """Check an hour of an allocation that was sold on."""
        came = self._settled.get((source, hour))
        settled = [(one, found) for one in resales if (found := self._settled.get((one, hour)))]
        if came is None:
            for one, _ in settled:
                yield f"{one} {hour}: settled, and {source}, which it resells, is not"
            return
        with_it = [
            pair for pair in settled
            if pair[1].settlement == resale_settlement_id(came.settlement, pair[0])
        ]  # fmt: skip
        late = [pair for pair in settled if pair not in with_it]
        left = came.delivered
        for one, found in with_it:
            if found.delivered != min(left, found.chips):
                yield (
                    f"{one} {hour}: delivered must be {min(left, found.chips)} of what came of "
                    f"{source}, was {found.delivered}"
                )
            left -= found.delivered
        # Of those that were booked later the order is the ledger's.
        passed = sum(found.delivered for _, found in late)
        wanted = min(max(0, left), sum(found.chips for _, found in late))
        if passed != wanted:
            names = ", ".join(one for one, _ in late)
            yield f"{names} {hour}: delivered must be {wanted} in all of {source}, was {passed}"
