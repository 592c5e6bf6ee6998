"""Where a market stands between two rounds."""

from typing import Literal

from pydantic import Field

from schemas.base import Instant, Model, RoundId, Slug

PhaseName = Literal["open", "freeze"]


class PhaseView(Model):
    """What orders may do now, and when the next round takes the book."""

    market_id: Slug
    as_of: Instant
    phase: PhaseName = Field(
        description="`freeze`: orders may be added and improved, not withdrawn or made worse; "
        "no round to freeze for, no freeze"
    )
    until: Instant | None = Field(description="When the phase ends; null while trading is halted")
    cut_at: Instant | None = Field(
        description="When the next round takes the book; null while trading is halted"
    )
    held: Literal["halt", "pause"] | None = Field(
        default=None, description="Why no round is run now, if none is"
    )
    clearing: RoundId | None = Field(
        default=None, description="Round that took the book and is not published yet"
    )
