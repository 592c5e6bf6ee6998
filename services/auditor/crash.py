"""Points at which a test can kill the auditor, in the order in which it may pass them."""

from __future__ import annotations

from services.kit.crash import CrashPoints

POINTS = (
    "journal_read",
    "journal_decided",
    "journal_before_commit",
    "journal_after_commit",
    "books_before_commit",
    "books_after_commit",
    "relay_before_ack",
    "relay_after_ack",
)
crash_point = CrashPoints(POINTS)
