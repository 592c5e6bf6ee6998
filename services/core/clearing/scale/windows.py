"""The least of a row of capacities over any window, in compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.clearing.scale.compiled import compiled

AnyArray = npt.NDArray[Any]


def smallest_windows(capacity: AnyArray) -> AnyArray:
    """Return L x P x T: the least capacity of the 2**l periods from each period on.

    Two of them, overlapping, cover any window (a sparse table).
    """
    periods = capacity.shape[1]
    levels = [capacity.astype(np.int32)]
    width = 1
    while 2 * width <= periods:
        last = levels[-1]
        wider = last.copy()
        wider[:, : periods - width] = np.minimum(last[:, : periods - width], last[:, width:])
        levels.append(wider)
        width *= 2
    return np.stack(levels) if len(capacity) else np.zeros((1, 0, periods), dtype=np.int32)


@compiled
def smallest_in(smallest: AnyArray, pool: int, start: int, duration: int) -> int:
    """Return the least capacity of a pool over a window."""
    level = 0
    while (2 << level) <= duration:
        level += 1
    a = smallest[level, pool, start]
    b = smallest[level, pool, start + duration - (1 << level)]
    return min(a, b)  # type: ignore[no-any-return]
