"""Routes of dead letters: records that nobody could take."""

from typing import Annotated

from fastapi import Body, Path, Query, Response

from schemas.api import Page
from schemas.dead_letters import (
    DeadLetterContent,
    DeadLetterDiscard,
    DeadLetterView,
    LetterId,
    LetterState,
)
from services.gateway.adapters.http.context import (
    ApiDep,
    GovernorDep,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    numbered_page,
)
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
LetterPath = Annotated[LetterId, Path()]
StateQuery = Annotated[LetterState | None, Query(description="Only letters of this state")]
TopicQuery = Annotated[
    str | None, Query(max_length=100, description="Only letters from this topic, such as offers")
]
_DISCARD = Body(examples=[{"reason": "A test of the new client; nothing was meant."}])


@router.get("/v1/dead-letters", tags=["audit"], response_model=Page[DeadLetterView])
async def list_dead_letters(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    state: StateQuery = None,
    topic: TopicQuery = None,
) -> Response:
    """List records that nobody could take, latest first (regulator, operator)."""
    found = await api.dead_letters.listed(
        principal, before=paging.number(), state=state, topic=topic, limit=paging.limit + 1
    )
    return numbered_page(paging, found, "dead-letters")


@router.get("/v1/dead-letters/{letter_id}", tags=["audit"])
async def get_dead_letter(
    letter_id: LetterPath, api: ApiDep, principal: PrincipalDep
) -> DeadLetterContent:
    """Return a dead letter with its record, if it is still there (regulator, operator)."""
    return await api.dead_letters.content(principal, letter_id)


@router.post("/v1/dead-letters/{letter_id}/redrive", tags=["audit"])
async def redrive_dead_letter(
    letter_id: LetterPath, api: ApiDep, principal: GovernorDep
) -> DeadLetterView:
    """Send a letter's record to its topic again, as it was; twice is once (operator)."""
    return await api.dead_letters.redrive(principal, letter_id)


@router.post("/v1/dead-letters/{letter_id}/discard", tags=["audit"])
async def discard_dead_letter(
    letter_id: LetterPath,
    body: Annotated[DeadLetterDiscard, _DISCARD],
    api: ApiDep,
    principal: GovernorDep,
) -> DeadLetterView:
    """Put a dead letter aside with the reason (operator)."""
    return await api.dead_letters.discard(principal, letter_id, body.reason)
