"""Routes of the life of an order."""

from fastapi import APIRouter, Response

from schemas.api import Page
from schemas.base import OrderId
from schemas.life import LifeStep
from services.gateway.adapters.http.context import (
    ApiDep,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    page,
)

router = APIRouter(route_class=StrictRoute)


@router.get("/v1/orders/{order_id}/life", tags=["orders"], response_model=Page[LifeStep])
async def get_life(
    order_id: OrderId, api: ApiDep, principal: PrincipalDep, paging: PagingDep
) -> Response:
    """Return all that happened to an order, oldest first, linked, and where it stood then."""
    steps = await api.life.life(principal, order_id)
    after = paging.number() or 0
    shown = [step for step in steps if step.step > after][: paging.limit + 1]
    last = [shown[paging.limit - 1].step] if len(shown) > paging.limit else None
    return page(paging, shown, last, f"life-{order_id}")
