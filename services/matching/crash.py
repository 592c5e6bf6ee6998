"""Named points at which a test can kill the process, as `kill -9` would.

``SUANLI_CRASH_AT=after_t1`` kills at the first pass of that point, ``after_t1:3`` at the third.
Unset, as always outside tests, a point costs one comparison.
"""

from __future__ import annotations

import os

POINTS = (
    "before_t1",
    "after_t1",
    "during_solve",
    "after_solve",
    "before_t2",
    "after_t2",
    "relay_before_ack",
    "relay_after_ack",
)
_EXIT_CODE = 137

_point, _, _count = os.environ.get("SUANLI_CRASH_AT", "").partition(":")
_passes_left = {_point: int(_count or "1")} if _point else {}


def crash_point(name: str) -> None:
    """End the process here and now if the environment says so; nothing is flushed or closed."""
    assert name in POINTS, f"unknown crash point {name}"
    if name not in _passes_left:
        return
    _passes_left[name] -= 1
    if _passes_left[name] == 0:
        os._exit(_EXIT_CODE)
