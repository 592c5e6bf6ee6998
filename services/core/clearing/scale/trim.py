"""Drop the starts of runs that can never fit, in compiled code.

A gang larger than the chips offered in some period of its run is dropped before anything is
bounded; the bound over such runs would be useless (`market.md` 4).
"""

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


@compiled
def trim(
    smallest: AnyArray,
    pool: AnyArray,
    duration: AnyArray,
    chips: AnyArray,
    least: AnyArray,
    first: AnyArray,
    count: AnyArray,
    whole: AnyArray,
) -> None:
    """Narrow ``first`` and ``count`` to the starts that fit; say whether all hold all chips."""
    for r in range(len(pool)):
        low, high = first[r], first[r] + count[r]
        while low < high and smallest_in(smallest, pool[r], low, duration[r]) < least[r]:
            low += 1
        while high > low and smallest_in(smallest, pool[r], high - 1, duration[r]) < least[r]:
            high -= 1
        first[r] = low
        count[r] = high - low
        whole[r] = 1
        for start in range(low, high):
            if smallest_in(smallest, pool[r], start, duration[r]) < chips[r]:
                whole[r] = 0
                break
