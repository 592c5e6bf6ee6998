"""Models of surveillance; generated from the contract by `make gen`."""

from typing import Any, Literal, NotRequired, TypedDict

from suanli.models.offers import Reason


class CaseChangeView(TypedDict):
    """A change of a case's state, and who made it."""

    version: int
    state: Literal["open", "under-review", "closed"]
    reason: str
    changed_by: str

    changed_at: str
    """UTC instant, ISO 8601."""


class CaseView(TypedDict):
    """A case of surveillance; only regulators see it."""

    case_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""

    day: str
    """A day of the market, UTC, such as 2026-11-24."""
    kind: Literal[
        "self_match",
        "wash",
        "layering",
        "stuffing",
        "marking",
        "withholding",
        "concentration",
        "pivotal",
        "outlier",
        "favouritism",
    ]
    severity: Literal["low", "medium", "high"]
    state: Literal["open", "under-review", "closed"]

    version: int
    """Of the state."""
    revision: int
    is_final: bool
    participants: list[str]
    participants_total: int
    evidence: list[str]
    evidence_total: int
    figures: dict[str, Any]
    summary: Reason

    raised_at: str
    """UTC instant, ISO 8601."""

    changes: NotRequired[list[CaseChangeView]]
    """Oldest first."""


class CaseStateNew(TypedDict):
    """A change of a case's state."""

    state: Literal["open", "under-review", "closed"]
    reason: str

    expected_version: int
    """Version of the state that was seen, 0 at first."""
