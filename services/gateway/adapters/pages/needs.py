"""Urgent needs as those see them who may mark demand urgent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.types import Role
from services.gateway.errors import not_found

if TYPE_CHECKING:
    from schemas.mobilisation import MobilisationView
    from services.gateway.adapters.pages.context import Pages
    from services.gateway.ports import Principal

# A need is declared for days, and few are at once.
_LOOKED_AT = 50


async def needs_of(
    pages: Pages, principal: Principal, market_id: str | None = None
) -> list[MobilisationView]:
    """Return the declared needs under which an enterprise may ask to be served first."""
    if principal.role is not Role.ENTERPRISE:
        return []
    found = await pages.api.mobilisations.listed(
        principal, market_id, before=None, limit=_LOOKED_AT
    )
    return [
        view
        for _, view in found
        if view.state == "declared" and principal.participant_id in view.terms.participants
    ]


async def need_of(pages: Pages, principal: Principal, mobilisation_id: str) -> MobilisationView:
    """Return the one of them that a form is for.

    Raises:
        NotFoundError: if it does not name the enterprise, or is over.
    """
    for view in await needs_of(pages, principal):
        if view.mobilisation_id == mobilisation_id:
            return view
    raise not_found("need", mobilisation_id)
