"""What people type and read, and the exact integers and instants of the API."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from suanli.cli.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable

MICRO: Final = 1_000_000
"""Micro-yuan in a yuan."""

HOUR: Final = timedelta(hours=1)
_INSTANT_WANTED: Final = (
    (
        "an instant with a time zone, such as 2026-11-25T08:00:00Z or "
        "2026-11-25T16:00+08:00, or +3h, +1d from the current full hour"
    ),
    ("带时区的时刻,如 2026-11-25T08:00:00Z 或 2026-11-25T16:00+08:00;或自当前整点起的 +3h、+1d"),
)
_RELATIVE = re.compile(r"^\+(\d{1,4})(h|d)$")
_YUAN = re.compile(r"^[0-9]{1,14}(\.[0-9]{1,20})?$")


def micro_of_yuan(field: str, text: str) -> int:
    """Return yuan, as decimal text, in micro-yuan, exactly.

    Args:
        field: What to call it in the error.
        text: Such as ``9.5``.

    Raises:
        UsageProblem: if it is no decimal of at most six places.
    """
    found = text.strip()
    try:
        scaled = Decimal(found) * MICRO if _YUAN.match(found) else None
    except InvalidOperation:
        scaled = None
    if scaled is None or scaled != scaled.to_integral_value():
        raise UsageProblem(
            field,
            text,
            ("yuan with at most six decimal places, such as 9.50", "至多六位小数的元,例如 9.50"),
        )
    return int(scaled)


def yuan(micro: int, *, places_min: int = 2, grouped: bool = True) -> str:
    """Return micro-yuan as yuan, exactly: never rounded, without needless zeros.

    Args:
        micro: Micro-yuan.
        places_min: Decimal places to show at least.
        grouped: Whether thousands are set apart.
    """
    whole, part = divmod(abs(micro), MICRO)
    fraction = f"{part:06d}".rstrip("0").ljust(places_min, "0")
    text = f"{whole:,}" if grouped else str(whole)
    sign = "-" if micro < 0 else ""
    return f"{sign}{text}.{fraction}" if fraction else f"{sign}{text}"


def bp_of_percent(field: str, text: str) -> int:
    """Return percent, as decimal text, in hundredths of a percent, exactly.

    Raises:
        UsageProblem: if it is no decimal of at most two places.
    """
    found = text.strip().removesuffix("%").strip()
    scaled = Decimal(found) * 100 if _YUAN.match(found) else None
    if scaled is None or scaled != scaled.to_integral_value():
        raise UsageProblem(
            field,
            text,
            ("percent with at most two decimals, such as 12.5", "至多两位小数的百分比,如 12.5"),
        )
    return int(scaled)


def percent_of_ppm(ppm: int) -> str:
    """Return millionths as percent, such as ``0.3248``."""
    return f"{ppm // 10_000}.{ppm % 10_000:04d}"


def instant(field: str, text: str, now: Callable[[], datetime]) -> str:
    """Return an instant as the API takes it.

    Args:
        field: What to call it in the error.
        text: ISO 8601 with a time zone, or ``+3h``, ``+1d``: that long after the current full
            hour, which is when a period begins.
        now: Tells the present; asked only if the text counts from it.

    Raises:
        UsageProblem: if it is neither.
    """
    found = text.strip()
    if relative := _RELATIVE.match(found):
        start = now().replace(minute=0, second=0, microsecond=0)
        count = int(relative[1])
        return iso(start + (timedelta(days=count) if relative[2] == "d" else count * HOUR))
    try:
        parsed = datetime.fromisoformat(found)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise UsageProblem(
            field,
            text,
            _INSTANT_WANTED,
        )
    return iso(parsed)


def iso(value: datetime) -> str:
    """Return an aware instant as UTC text of the API."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """Return an instant that the API gave."""
    return datetime.fromisoformat(text)


def short_time(text: str | None, *, seconds: bool = False) -> str:
    """Return an instant of the API as short UTC text."""
    if text is None:
        return ""
    return parse(text).astimezone(UTC).strftime("%m-%d %H:%M:%S" if seconds else "%m-%d %H:%M")


def window(start: str, end: str) -> str:
    """Return a half-open window as ``11-25 08:00 - 14:00 (6 h)``, in UTC."""
    first, last = parse(start).astimezone(UTC), parse(end).astimezone(UTC)
    hours = int((last - first) / HOUR)
    same_day = first.date() == last.date()
    return f"{first:%m-%d %H:%M} - {last:{'%H:%M' if same_day else '%m-%d %H:%M'}} ({hours} h)"
