"""Points at which a test can kill the ledger, in the order in which a batch passes them."""

from __future__ import annotations

from services.kit.crash import CrashPoints

POINTS = (
    "recovering",
    "after_read",
    "after_decide",
    "after_positions",
    "after_accounts",
    "after_journal",
    "before_commit",
    "after_commit",
    "relay_before_ack",
    "relay_after_ack",
)
crash_point = CrashPoints(POINTS)
