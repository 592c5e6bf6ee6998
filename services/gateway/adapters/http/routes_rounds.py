"""Routes of rounds, prices, the book, allocations and findings."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from schemas.api import (
    AllocationView,
    BookView,
    FindingView,
    Page,
    PriceView,
    RoundPricesView,
    RoundView,
)
from schemas.base import Instant, OrderId, PoolName, RoundId, Slug
from schemas.types import period_of
from services.gateway.adapters.http.context import (
    ApiDep,
    CallerDep,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    numbered_page,
    page,
)
from services.gateway.adapters.http.filtering import (
    AllocationsWhere,
    FindingsWhere,
    PricesWhere,
    RoundsWhere,
)
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.round_files import stream_file
from services.gateway.app.findings import shown
from services.gateway.errors import not_found

router = Routes(route_class=StrictRoute)
_PERIOD_MAX = 2**40
# A round never changes once its file is whole.
_FOR_EVER = "public, max-age=31536000, immutable"
_FILE_STATES = {"none": "尚未到达", "partial": "尚不完整", "corrupt": "与其哈希不符", "ok": "完整"}


@router.get("/v1/rounds", tags=["rounds"], response_model=Page[RoundView])
async def list_rounds(
    api: ApiDep, paging: PagingDep, market_id: Slug | None = None, where: RoundsWhere = None
) -> Response:
    """List rounds, latest first (public)."""
    found = await api.reading.reports.rounds(
        market_id=market_id, before=paging.number_text(), limit=paging.limit + 1, where=where
    )
    last: list[str | int] | None = None
    if len(found) > paging.limit:
        last = [found[paging.limit - 1].seq, found[paging.limit - 1].market_id]
    return page(paging, found, last, "rounds")


@router.get("/v1/rounds/{round_id}", tags=["rounds"])
async def get_round(round_id: RoundId, api: ApiDep) -> RoundView:
    """Return a round in numbers (public)."""
    return await api.reading.round(round_id)


@router.get(
    "/v1/rounds/{round_id}/file",
    tags=["rounds"],
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {}}, "description": "suanli.round.v1"}},
)
async def get_round_file(round_id: RoundId, api: ApiDep, request: Request) -> Response:
    """Return the round's file: book, rules and result, for `suanli verify` (public)."""
    view = await api.reading.round(round_id)
    if view.file.state != "ok":
        raise not_found(
            "round_id",
            f"{round_id}, whose file is {view.file.state}",
            f"{round_id}，其文件{_FILE_STATES[view.file.state]}",
        )
    headers = {
        "ETag": f'"{view.file.sha256}"',
        "Cache-Control": _FOR_EVER,
        "Content-Length": str(view.file.bytes),
        "X-Content-SHA256": str(view.file.sha256),
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers={"ETag": headers["ETag"]})
    body: AsyncIterator[bytes] = stream_file(api.reading.reports, round_id)
    return StreamingResponse(body, media_type="application/json", headers=headers)


@router.get("/v1/rounds/{round_id}/prices", tags=["rounds"])
async def get_round_prices(round_id: RoundId, api: ApiDep) -> RoundPricesView:
    """Return the clearing prices of a round (public); its file has those of the certificate."""
    return await api.reading.round_prices(round_id)


@router.get("/v1/prices", tags=["prices"], response_model=Page[PriceView])
async def list_prices(
    api: ApiDep,
    paging: PagingDep,
    market_id: Slug,
    pool: PoolName | None = None,
    start: Annotated[Instant | None, Query(alias="from", description="First period")] = None,
    end: Annotated[Instant | None, Query(alias="to", description="End, exclusive")] = None,
    where: PricesWhere = None,
) -> Response:
    """List the latest price of each pool and period, with low, high and average (public)."""
    found = await api.reading.reports.prices(
        market_id,
        pool=pool,
        first=period_of(start) if start else 0,
        end=period_of(end) if end else _PERIOD_MAX,
        after=paging.text_number(),
        limit=paging.limit + 1,
        where=where,
    )
    last: list[str | int] | None = None
    if len(found) > paging.limit:
        item = found[paging.limit - 1]
        last = [item.pool, period_of(item.period)]
    return page(paging, found, last, "prices")


@router.get("/v1/book", tags=["prices"])
async def get_book(api: ApiDep, market_id: Slug) -> BookView:
    """Return the open orders in numbers: counts, and depth by pool (public)."""
    return await api.reading.book(market_id)


@router.get("/v1/allocations", tags=["allocations"], response_model=Page[AllocationView])
async def list_allocations(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    market_id: Slug | None = None,
    round_id: RoundId | None = None,
    order_id: OrderId | None = None,
    where: AllocationsWhere = None,
) -> Response:
    """List your allocations, latest first; the regulator and the operator see everybody's."""
    found = await api.reading.allocations(
        principal,
        market_id=market_id,
        round_id=round_id,
        order_id=order_id,
        before=paging.number(),
        limit=paging.limit + 1,
        where=where,
    )
    return numbered_page(paging, found, "allocations")


@router.get(
    "/v1/findings",
    tags=["findings"],
    response_model=Page[FindingView],
    # A key is taken and not needed: it shows more.
    openapi_extra={"security": [{}]},
)
async def list_findings(
    api: ApiDep,
    paging: PagingDep,
    caller: CallerDep,
    market_id: Slug | None = None,
    round_id: RoundId | None = None,
    where: FindingsWhere = None,
) -> Response:
    """List findings, latest first (public; whose money it is, regulator and operator)."""
    found = await api.reading.reports.findings(
        market_id=market_id,
        round_id=round_id,
        before=paging.number(),
        limit=paging.limit + 1,
        where=where,
    )
    seen = [(number, shown(view, caller)) for number, view in found]
    return numbered_page(paging, seen, "findings")
