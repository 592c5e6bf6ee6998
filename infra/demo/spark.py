"""Small pictures of numbers in one line of text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def sparkline(values: Sequence[float | None], width: int) -> str:
    """Return the last ``width`` values as bars between their least and their greatest.

    Args:
        values: Oldest first; ``None`` is a gap.
        width: Most characters of the result; shorter input gives a shorter line.
    """
    shown = list(values)[-width:] if width > 0 else []
    known = [value for value in shown if value is not None]
    if not known:
        return " " * len(shown)
    low, high = min(known), max(known)
    if high == low:
        # A flat line in the middle: neither cheap nor dear.
        return "".join(" " if value is None else _BARS[3] for value in shown)
    top = len(_BARS) - 1
    return "".join(
        " " if value is None else _BARS[round((value - low) / (high - low) * top)]
        for value in shown
    )


def meter(part: float, width: int) -> str:
    """Return a bar that is filled to ``part`` (0 to 1, cut there), in eighths of a character."""
    share = 0.0 if math.isnan(part) else min(1.0, max(0.0, part))
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    bar = _EIGHTHS[8] * full + (_EIGHTHS[rest] if rest else "")
    return bar.ljust(width)
