"""Market surveillance: who owns a participant, cases and what supervisors make of them."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StringConstraints

from schemas.base import (
    Count,
    Instant,
    Model,
    Name,
    ParameterName,
    ParameterValue,
    ParticipantId,
    Slug,
    Text,
)
from schemas.events import Event, ParticipantRegistered, Reason
from schemas.funds import Day

CASE_EVIDENCE_MAX = 500
CASE_PARTICIPANTS_MAX = 200

CaseId = Annotated[str, StringConstraints(pattern=r"^sc_[a-z2-7]{26}$")]
CaseKindName = Literal[
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
SeverityName = Literal["low", "medium", "high"]
CaseState = Literal["open", "under-review", "closed"]
BeneficialOwner = Annotated[
    Slug,
    Field(
        description=(
            "Who owns or controls the participant in the end; participants with the same one count "
            "as one in surveillance"
        )
    ),
]
Why = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]


class ParticipantOwned(ParticipantRegistered):
    """A participant was admitted, and told who owns it in the end."""

    beneficial_owner: BeneficialOwner


class SurveillanceCaseRaised(Event):
    """A rule of surveillance found something that a supervisor should look at.

    A later revision replaces an earlier one of the same case: the evidence grows over the day. The
    one that is told when the day is over is final.
    """

    case_id: CaseId
    market_id: Slug
    day: Day
    revision: Annotated[Count, Field(ge=1)]
    is_final: StrictBool = Field(description="Whether the day was over")
    kind: CaseKindName
    severity: SeverityName
    participants: Annotated[tuple[ParticipantId, ...], Field(max_length=CASE_PARTICIPANTS_MAX)]
    participants_total: Count = Field(description="More than are listed, if there are too many")
    evidence: Annotated[tuple[Name, ...], Field(max_length=CASE_EVIDENCE_MAX)] = Field(
        description="Ids of orders, allocations and rounds"
    )
    evidence_total: Count = Field(description="More than are listed, if there are too many")
    figures: Annotated[dict[ParameterName, ParameterValue], Field(max_length=16)]
    summary: Reason


class SurveillanceCaseStateChanged(Event):
    """A regulator took a case up, closed it or opened it again."""

    case_id: CaseId
    market_id: Slug
    version: Annotated[Count, Field(ge=1)] = Field(description="Rises by one with every change")
    state: CaseState
    reason: Why
    changed_by: ParticipantId


# --- the API --------------------------------------------------------------------------------


class CaseStateNew(Model):
    """A change of a case's state."""

    state: CaseState
    reason: Why
    expected_version: Count = Field(description="Version of the state that was seen, 0 at first")


class CaseChangeView(Model):
    """A change of a case's state, and who made it."""

    version: Count
    state: CaseState
    reason: Text
    changed_by: ParticipantId
    changed_at: Instant


class CaseView(Model):
    """A case of surveillance; only regulators see it."""

    case_id: CaseId
    market_id: Slug
    day: Day
    kind: CaseKindName
    severity: SeverityName
    state: CaseState
    version: Count = Field(description="Of the state")
    revision: Count
    is_final: StrictBool
    participants: tuple[ParticipantId, ...]
    participants_total: Count
    evidence: tuple[Name, ...]
    evidence_total: Count
    figures: dict[ParameterName, ParameterValue]
    summary: Reason
    raised_at: Instant
    changes: tuple[CaseChangeView, ...] = Field(default=(), description="Oldest first")
