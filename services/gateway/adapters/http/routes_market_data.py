"""Routes of public market data: statistics, indices, and the book by delivery window."""

from typing import Annotated

from fastapi import Query, Response

from schemas.api import Page
from schemas.base import ORDER_CHIPS_MAX, Instant, PeriodStart, PoolName, Slug
from schemas.indications import IndicativePriceView
from schemas.links import LinkPriceView
from schemas.market import Market
from schemas.market_data import (
    LEVELS_MAX,
    BookCurvesView,
    GroupName,
    IndexView,
    StatisticView,
    WindowDepthView,
    WindowName,
    WindowView,
)
from schemas.orders import Alternative, BlockShape, DemandTerms
from schemas.phases import PhaseView
from schemas.quotes import QuoteView
from schemas.types import period_of
from services.core.eligibility import pools_of
from services.core.errors import Message, ValidationError
from services.gateway.adapters.http.context import (
    ApiDep,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    page,
)
from services.gateway.adapters.http.filtering import IndicesWhere, StatisticsWhere, WindowsWhere
from services.gateway.adapters.http.routing import Routes
from services.gateway.app.book_sides import Group, groups_of

router = Routes(route_class=StrictRoute)
FromQuery = Annotated[Instant | None, Query(alias="from", description="First window of delivery")]
ToQuery = Annotated[Instant | None, Query(alias="to", description="End, exclusive")]
_PERIOD_MAX = 2**53
WindowQuery = Annotated[WindowName, Query(description="Hours, or days (UTC)")]


@router.get("/v1/markets/{market_id}/phase", tags=["markets"])
async def get_phase(market_id: Slug, api: ApiDep) -> PhaseView:
    """Return what orders may do now, and when the next round takes the book (public)."""
    return await api.market_data.phases.phase(market_id)


@router.get("/v1/indicative-prices", tags=["prices"], response_model=Page[IndicativePriceView])
async def list_indicative_prices(
    api: ApiDep,
    paging: PagingDep,
    market_id: Slug,
    pool: Annotated[PoolName | None, Query(description="Only this pool")] = None,
) -> Response:
    """List what a chip-hour would cost if the next round took the book as it was, by pool and hour
    (public). It promises nothing; none are listed while nothing is known.
    """  # noqa: D205 - shown as one paragraph on the API's page
    found = await api.market_data.indications.prices(
        market_id, pool=pool, after=paging.text_number(), limit=paging.limit + 1
    )
    last: list[str | int] | None = None
    if len(found) > paging.limit:
        item = found[paging.limit - 1]
        last = [item.pool, period_of(item.period)]
    return page(paging, found, last, "indicative-prices")


@router.get("/v1/links", tags=["prices"], response_model=Page[LinkPriceView])
async def list_links(
    api: ApiDep, paging: PagingDep, market_id: Slug, start: FromQuery = None, end: ToQuery = None
) -> Response:
    """List links between zones by hour: price, congestion, GB given away and left (public)."""
    await api.market_data.market(market_id)
    found = await api.market_data.links.prices(
        market_id,
        first=period_of(start) if start else 0,
        end=period_of(end) if end else _PERIOD_MAX,
        after=paging.text_number(),
        limit=paging.limit + 1,
    )
    last: list[str | int] | None = None
    if len(found) > paging.limit:
        item = found[paging.limit - 1]
        last = [f"{item.source}>{item.destination}", period_of(item.period)]
    return page(paging, found, last, "links")


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


# --- the book by delivery window --------------------------------------------------------------

ChipQuery = Annotated[Slug | None, Query(description="Only this chip class")]
RegionQuery = Annotated[Slug | None, Query(description="Only this region")]
StartQuery = Annotated[PeriodStart, Query(alias="from", description="First hour of the window")]
EndQuery = Annotated[PeriodStart, Query(alias="to", description="Its end, exclusive")]


@router.get("/v1/book/windows", tags=["prices"], response_model=Page[WindowView])
async def list_windows(
    api: ApiDep,
    paging: PagingDep,
    market_id: Slug,
    window: WindowQuery = "hour",
    start: FromQuery = None,
    end: ToQuery = None,
    where: WindowsWhere = None,
) -> Response:
    """Return what is on offer and wanted by chip class, region and delivery window (public).

    Only windows with an offer or a demand; by default the 168 hours after the running one.
    """
    market = await api.market_data.market(market_id)
    asked = api.market_data.book_windows(market_id, window, api.market_data.now(), start, end)
    rows = await api.market_data.book.windows(market, asked.first, asked.end, asked.periods)
    after = paging.text_number()
    found = [
        (place, view)
        for view in rows
        if (place := (f"{view.chip}|{view.region}", period_of(view.start))) > (after or ("", 0))
        and (where is None or where.matches(view.model_dump(mode="json")))
    ]
    last = found[paging.limit - 1][0] if len(found) > paging.limit else None
    return page(paging, [view for _, view in found], last, "windows")


@router.get("/v1/book/depth", tags=["prices"])
async def get_window_depth(
    api: ApiDep,
    market_id: Slug,
    start: StartQuery,
    end: EndQuery,
    chip: ChipQuery = None,
    region: RegionQuery = None,
    pool: Annotated[PoolName | None, Query(description="One pool, without chip and region")] = None,
    levels: Annotated[int, Query(ge=1, le=LEVELS_MAX, description="Levels a side")] = 100,
) -> WindowDepthView:
    """Return the asks and limits of one delivery window, level by level; nobody is named (public).

    An ask counts with the chip-hours that are left of it there, a demand with the most that it
    could take there.
    """
    market = await api.market_data.market(market_id)
    first, last = api.market_data.book_window(start, end)
    group = _group(market, chip, region, pool)
    return await api.market_data.book.depth(market, group, first, last, levels)


@router.get("/v1/book/curves", tags=["prices"], response_model=Page[BookCurvesView])
async def list_curves(
    api: ApiDep,
    paging: PagingDep,
    market_id: Slug,
    start: StartQuery,
    end: EndQuery,
    chip: ChipQuery = None,
    region: RegionQuery = None,
) -> Response:
    """Return the aggregated supply and demand of each chip class and region in one delivery window,
    and where they cross; nobody is named (public).
    """  # noqa: D205 - shown as one paragraph on the API's page
    market = await api.market_data.market(market_id)
    first, last = api.market_data.book_window(start, end)
    _group(market, chip, region, None)
    after = paging.text() or ""
    groups = [
        group
        for group in groups_of(market)
        if chip in (None, group.chip) and region in (None, group.region) and _key(group) > after
    ]
    asked = groups[: paging.limit + 1]
    found = await api.market_data.book.curves(market, asked, first, last)
    following = [_key(asked[paging.limit - 1])] if len(asked) > paging.limit else None
    return page(paging, found, following, "curves")


@router.get("/v1/book/quote", tags=["prices"])
async def get_window_quote(
    api: ApiDep,
    principal: PrincipalDep,
    market_id: Slug,
    chip: Annotated[Slug, Query(description="Chip class")],
    chips: Annotated[int, Query(ge=1, le=ORDER_CHIPS_MAX, description="The same in every hour")],
    start: StartQuery,
    end: EndQuery,
    region: RegionQuery = None,
) -> QuoteView:
    """Return what chips for a whole delivery window would cost by the last round; nothing is placed
    (any participant). `POST /v1/demand:quote` answers for any demand.
    """  # noqa: D205 - shown as one paragraph on the API's page
    market = await api.market_data.market(market_id)
    first, last = api.market_data.book_window(start, end)
    _group(market, chip, region, None)
    terms = DemandTerms(
        shape=BlockShape(chips=chips, duration=last - first),
        alternatives=(
            Alternative(
                chips_any_of=(chip,),
                regions=() if region is None else (region,),
                limit=market.rules.price_max,
            ),
        ),
        earliest=start,
        deadline=end,
    )
    return await api.quotes.quote(market_id, terms, principal)


def _key(group: Group) -> str:
    return f"{group.chip}|{group.region}"


def _group(market: Market, chip: str | None, region: str | None, pool: str | None) -> Group:
    """Return the pools that are meant.

    Raises:
        ValidationError: if the market has no such chip class, region or pool, or too much is given.
    """
    pools = pools_of(market)
    known = {
        "chip": (chip, {one.chip for one in pools}),
        "region": (region, {one.region for one in pools}),
        "pool": (pool, {one.key for one in pools}),
    }
    for name, (given, allowed) in known.items():
        if given is not None and given not in allowed:
            raise _unknown(name, given, sorted(allowed))
    if pool is not None and (chip is not None or region is not None):
        raise _unknown("pool", pool, ["given without chip and region"])
    keys = frozenset(
        one.key
        for one in pools
        if chip in (None, one.chip) and region in (None, one.region) and pool in (None, one.key)
    )
    return Group(keys, chip=chip, region=region, pool=pool)


def _unknown(field: str, value: str, allowed: list[str]) -> ValidationError:
    listed = ", ".join(allowed)
    return ValidationError(
        "validation.choice",
        Message(
            f"{field}: must be one of {listed}, was {value}",
            f"{field}：须为 {listed} 之一，实为 {value}",
        ),
        field=field,
        value=value,
        allowed=listed,
    )
