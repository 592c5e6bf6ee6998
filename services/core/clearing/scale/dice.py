"""Pseudo-random numbers of the search, the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from services.core.clearing.scale.compiled import compiled

AnyArray = npt.NDArray[Any]


@compiled
def draw(seed: AnyArray, below: int) -> int:
    """Return a pseudo-random number from 0 to below a number (xorshift64*, Vigna 2016)."""
    x = seed[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    seed[0] = x
    high = np.int64((x * np.uint64(2685821657736338717)) >> np.uint64(33))
    return (high * below) >> 31  # type: ignore[return-value]
