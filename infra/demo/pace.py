"""Sees how much of the machine is left, so that a busy one gets a slower day."""

from __future__ import annotations

import time

_SPIN_S = 0.3
_FREE = 0.8
"""Above this share of a processor the machine counts as free; timers and caches take the rest."""
_SLOWER_MAX = 3.0


def processor_share() -> float:
    """Return the share of one processor that this program gets now, 0 to 1."""
    began_s, used_s = time.perf_counter(), time.process_time()
    while time.perf_counter() - began_s < _SPIN_S:
        pass
    return (time.process_time() - used_s) / (time.perf_counter() - began_s)


def slower_by(share: float) -> float:
    """Return the factor by which the day should take longer, 1 on a free machine.

    Args:
        share: What `processor_share` returned.
    """
    if share >= _FREE:
        return 1.0
    return min(_SLOWER_MAX, _FREE / max(share, 0.01))
