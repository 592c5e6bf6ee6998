"""Points at which a test can kill matching."""

from __future__ import annotations

from services.kit.crash import CrashPoints

POINTS = (
    "before_t1",
    "after_t1",
    "during_solve",
    "while_clearing",
    "after_solve",
    "before_t2",
    "after_t2",
    "relay_before_ack",
    "relay_after_ack",
)
crash_point = CrashPoints(POINTS)
