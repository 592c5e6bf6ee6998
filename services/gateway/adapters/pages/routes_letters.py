"""Routes of dead letters: why nobody took a record, its bytes, and what is done about it."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Path, Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.dead_letters import DeadLetterDiscard, LetterId, LetterState
from schemas.identity import Scope
from schemas.types import Role
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.context import PageRoute, PagesDep, VisitorDep, enter
from services.gateway.adapters.pages.office import told, watcher
from services.gateway.adapters.pages.rendering import EXPORTED_MAX, list_response

router = Routes(include_in_schema=False, route_class=PageRoute)
LetterPath = Annotated[LetterId, Path()]
State = Annotated[LetterState | Literal[""], Query()]
_PLACE_MAX = 2**62
Before = Annotated[int | None, Query(ge=0, le=_PLACE_MAX)]
_SHOWN = 50


@router.get("/office/letters")
async def show_letters(
    pages: PagesDep, visitor: VisitorDep, state: State = "", before: Before = None
) -> Response:
    """List dead letters, latest first."""
    found = await pages.api.dead_letters.listed(
        watcher(visitor), before=before, state=state or None, topic=None, limit=_SHOWN + 1
    )
    return visitor.page(
        "letters.html",
        letters=[view for _, view in found[:_SHOWN]],
        more=found[_SHOWN - 1][0] if len(found) > _SHOWN else None,
        state=state,
    )


@router.get("/office/letters/csv")
async def get_letters(pages: PagesDep, visitor: VisitorDep, state: State = "") -> Response:
    """Return dead letters as a table."""
    found = await pages.api.dead_letters.listed(
        watcher(visitor), before=None, state=state or None, topic=None, limit=EXPORTED_MAX
    )
    return list_response([view for _, view in found], "dead-letters")


@router.get("/office/letters/{letter_id}")
async def show_letter(letter_id: LetterPath, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Show a dead letter with its record."""
    principal = watcher(visitor)
    found = await pages.api.dead_letters.content(principal, letter_id)
    return visitor.page(
        "letter.html", found=found, letter=found.letter, decides=principal.role is Role.OPERATOR
    )


@router.post("/office/letters/{letter_id}/redrive")
async def redrive(
    letter_id: LetterPath, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Send a letter's record to its topic again."""
    principal = await enter(request, pages, visitor, Scope.GOVERN)
    await pages.api.dead_letters.redrive(principal, letter_id)
    return RedirectResponse(f"/office/letters/{letter_id}", HTTPStatus.SEE_OTHER)


@router.post("/office/letters/{letter_id}/discard")
async def discard(
    letter_id: LetterPath, request: Request, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Put a letter aside."""
    principal = await enter(request, pages, visitor, Scope.GOVERN)
    why = told(DeadLetterDiscard, reason=visitor.form.get("reason", "").strip())
    await pages.api.dead_letters.discard(principal, letter_id, why.reason)
    return RedirectResponse(f"/office/letters/{letter_id}", HTTPStatus.SEE_OTHER)
