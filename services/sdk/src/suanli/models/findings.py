"""Models of findings; generated from the contract by `make gen`."""

from typing import NotRequired, TypedDict

from suanli.models.offers import Reason


class FindingView(TypedDict):
    """A verdict of the auditor."""

    finding_id: str

    market_id: str
    """Lower-case letters, digits and hyphens, at most 64."""
    round_id: NotRequired[str | None]
    kind: str
    ok: bool
    summary: Reason
    problems: NotRequired[list[str]]

    raised_at: str
    """UTC instant, ISO 8601."""
