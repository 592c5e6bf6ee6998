"""Routes of public market data: statistics and indices."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from schemas.api import Page
from schemas.base import Instant, Slug
from schemas.market_data import GroupName, IndexView, StatisticView, WindowName
from services.gateway.adapters.http.context import ApiDep, PagingDep, StrictRoute, page
from services.gateway.adapters.http.filtering import IndicesWhere, StatisticsWhere

router = APIRouter(route_class=StrictRoute)
FromQuery = Annotated[Instant | None, Query(alias="from", description="First window of delivery")]
ToQuery = Annotated[Instant | None, Query(alias="to", description="End, exclusive")]
WindowQuery = Annotated[WindowName, Query(description="Hours, or days (UTC)")]


@router.get("/v1/statistics", tags=["prices"], response_model=Page[StatisticView])
async def list_statistics(
    api: ApiDep,
    paging: PagingDep,
    market_id: Slug,
    group: Annotated[GroupName, Query(description="What is added up")] = "chip-region",
    window: WindowQuery = "day",
    start: FromQuery = None,
    end: ToQuery = None,
    where: StatisticsWhere = None,
) -> Response:
    """Return last, min, max, average and volume of trades by window of delivery (public)."""
    windows = await api.market_data.windows(market_id, window, start, end)
    found = []
    if windows is not None:
        after, limit = paging.text_number(), paging.limit + 1
        found = await api.market_data.statistics(
            windows, group, after=after, limit=limit, where=where
        )
    last = found[paging.limit - 1][0] if len(found) > paging.limit else None
    return page(paging, [view for _, view in found], last, "statistics")


@router.get("/v1/indices", tags=["prices"], response_model=Page[IndexView])
async def list_indices(
    api: ApiDep,
    paging: PagingDep,
    market_id: Slug,
    window: WindowQuery = "day",
    start: FromQuery = None,
    end: ToQuery = None,
    where: IndicesWhere = None,
) -> Response:
    """Return the index of each chip class and region by window of delivery (public): the average of
    its trades weighted by chips; without a trade carried for at most 168 hours, then null.
    """  # noqa: D205 - shown as one paragraph on the API's page
    windows = await api.market_data.windows(market_id, window, start, end)
    found = []
    if windows is not None:
        after, limit = paging.text_number(), paging.limit + 1
        found = await api.market_data.indices(windows, after=after, limit=limit, where=where)
    last = found[paging.limit - 1][0] if len(found) > paging.limit else None
    return page(paging, [view for _, view in found], last, "indices")
