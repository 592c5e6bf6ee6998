"""Routes of the life of an order and of the book of a moment."""

from dataclasses import replace
from typing import Annotated

from fastapi import Query, Response

from schemas.api import Page
from schemas.base import Instant, OrderId, Slug
from schemas.indications import LikelihoodView
from schemas.life import BookThenView, LifeStep
from services.gateway.adapters.http.context import (
    ApiDep,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    page,
)
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
# As many digits as the id of a round takes.
_SEQ_MAX = 10**12 - 1


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


@router.get("/v1/orders/{order_id}/likelihood", tags=["orders"])
async def get_likelihood(order_id: OrderId, api: ApiDep, principal: PrincipalDep) -> LikelihoodView:
    """Return how likely the next round fills an order, as its book stood; no promise."""
    return await api.market_data.indications.likelihood(principal, order_id)


@router.get("/v1/book/at", tags=["audit"], response_model=BookThenView)
async def get_book_at(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    market_id: Slug,
    time: Annotated[Instant | None, Query(description="On the market's clock")] = None,
    seq: Annotated[
        int | None, Query(ge=1, le=_SEQ_MAX, alias="round", description="Number of a round")
    ] = None,
) -> Response:
    """Return the book as it stood at a time, or as a round sealed it, rebuilt from the log alone
    (regulator, operator). As CSV or NDJSON: its orders, all of them.
    """  # noqa: D205 - shown as one paragraph on the API's page
    then = await api.books.book(principal, market_id, at=time, seq=seq)
    if paging.as_csv or paging.as_lines:
        whole = replace(paging, limit=len(then.orders))
        return page(whole, then.orders, None, f"book-{then.round_id}")
    return Response(then.model_dump_json(), media_type="application/json")
