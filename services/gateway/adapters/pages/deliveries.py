"""What a provider still has to report: hours that have ended, in full or with what there was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.api import DeliveryNew
from schemas.events import DeliveredPeriod
from schemas.types import period_of
from services.core.errors import Message
from services.gateway.adapters.pages.fields import Reader
from services.gateway.adapters.pages.rendering import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.api import AllocationView
    from services.gateway.adapters.pages.fields import Fields

Due = dict[str, tuple[DeliveredPeriod, ...]]
"""Id of an allocation -> its hours that have ended and were not reported, as if in full."""

HOURS_SHOWN = 168
"""Hours that the form lists one by one; those after them come up once these are reported."""


def due_of(allocations: Iterable[AllocationView], now_period: int) -> Due:
    """Return what is to be reported of some allocations."""
    found = {}
    for item in allocations:
        told = {one.start for one in item.delivered}
        hours = tuple(
            DeliveredPeriod(start=one.start, chips=one.chips)
            for one in item.periods
            if period_of(one.start) < now_period and one.start not in told
        )
        if hours:
            found[item.allocation_id] = hours
    return found


def listed(due: Due) -> list[tuple[str, DeliveredPeriod]]:
    """Return (name of its field, hour) of the hours that the form lists, oldest first."""
    hours = [
        (f"{allocation_id}.{period_of(hour.start)}", hour)
        for allocation_id, found in due.items()
        for hour in found
    ]
    return sorted(hours, key=lambda item: (item[1].start, item[0]))[:HOURS_SHOWN]


def read(due: Due, fields: Fields) -> tuple[list[DeliveryNew], dict[str, Message]]:
    """Return the reports that a form stands for, or what is wrong with it by field.

    A form that names no hour reports all in full; an hour that is left empty is not reported yet.
    """
    hours = dict(listed(due))
    named = {name: fields[name] for name in hours if name in fields}
    if not named:
        return [_report(allocation_id, found) for allocation_id, found in due.items()], {}
    reader = Reader(named, lambda name: _label(hours[name]))
    told: dict[str, list[DeliveredPeriod]] = {}
    for name in named:
        chips = reader.whole(name)
        most = hours[name].chips
        if chips is None:
            continue
        if chips > most:
            label = _label(hours[name])
            message = Message(
                f"{label.en}: must be at most {most}, was {chips}",
                f"{label.zh}：不得超过 {most}，实为 {chips}",
            )
            reader.fault(name, message)
            continue
        hour = DeliveredPeriod(start=hours[name].start, chips=chips)
        told.setdefault(name.partition(".")[0], []).append(hour)
    reports = [_report(allocation_id, tuple(found)) for allocation_id, found in told.items()]
    return reports, reader.faults


def _report(allocation_id: str, hours: tuple[DeliveredPeriod, ...]) -> DeliveryNew:
    return DeliveryNew(allocation_id=allocation_id, periods=hours)


def key_of(report: DeliveryNew) -> str:
    """Return its idempotency key: the same hours are the same report, whoever presses twice."""
    hours = report.periods
    ends = f"{period_of(hours[0].start)}-{period_of(hours[-1].start)}"
    return f"page-{report.allocation_id}-{ends}-{len(hours)}"


def kept(due: Due, fields: Mapping[str, str]) -> dict[str, str]:
    """Return what the form shows in each field: what was filled in, else all chips."""
    return {name: fields.get(name, str(hour.chips)) for name, hour in listed(due)}


def _label(hour: DeliveredPeriod) -> Message:
    at = clock(hour.start, "%m-%d %H:%M")
    return Message(f"Chips at {at}", f"{at} 芯片")
