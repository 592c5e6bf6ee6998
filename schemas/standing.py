"""Whether a participant may trade: the event that markets read, and the request that sets it."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Model, ParticipantId, Slug
from schemas.events import Event

Status = Literal["active", "suspended"]
# A reason is a parameter of the sentence that each order leaves with, so it is short.
StandingReason = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)
]


class ParticipantStandingSet(Event):
    """A participant was suspended from a market, or may trade there again.

    Its open orders leave the book at the next round; what is allocated stands.
    """

    market_id: Slug
    participant_id: ParticipantId
    status: Status
    reason: StandingReason


class StandingNew(Model):
    """Whether a participant may trade."""

    status: Status
    reason: StandingReason = Field(description="Its orders leave with this sentence")
