"""Points at which a test can kill the gateway while it takes in signed records."""

from __future__ import annotations

from services.kit.crash import CrashPoints

POINTS = ("direct_verified", "direct_sent", "direct_before_commit", "direct_after_commit")
crash_point = CrashPoints(POINTS)
