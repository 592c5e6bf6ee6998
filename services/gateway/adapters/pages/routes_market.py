"""Routes of the market's page, which is public."""

import time
from dataclasses import replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.api import MarketView
from schemas.base import Slug
from schemas.types import period_of
from services.core.phases import periods_ahead
from services.core.policies import halt_of
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages import link_figures, share_figures
from services.gateway.adapters.pages import market_figures as figures
from services.gateway.adapters.pages.context import PageRoute, Pages, PagesDep, VisitorDep
from services.gateway.adapters.pages.figures import Figure, drawn, shown
from services.gateway.adapters.pages.regions import PLACES, VIEW
from services.gateway.adapters.pages.rendering import csv_response, page_response, render
from services.gateway.app.book_sides import groups_of
from services.gateway.errors import not_found

router = Routes(include_in_schema=False, route_class=PageRoute)
# 64 zones of 64 chip classes over a week would be 688,128; more than a page can show.
_PRICES_MAX = 20_000
_INDICES_MAX = 500
# A verdict on a round comes while the next ones are under way.
_HEADS = 5
_TRUSTED_S = 15.0
# Pages ask 0.15 s after they heard of a round: by then nobody may be told of the one before.
_HEARD_S = 0.1
# A book of 100,000 orders takes seconds to add up; it may take a fifth of the time.
_DEPTH_TIMES = 4
_NOW_MARK = "@now@"
_MARKETS_MAX = 50
HOURS = (6, 24, 72)
ChipQuery = Annotated[Slug | None, Query()]
HoursQuery = Annotated[int, Query(ge=1, le=168)]


async def look(pages: Pages, market_id: str) -> figures.Sight:
    """Return what the market's page tells.

    It is read anew when the latest rounds are others or stand otherwise, or the hour is another,
    and now and then: a round's prices are on a topic of their own and may come after its end.

    Raises:
        NotFoundError: if there is no such market.
    """

    async def make() -> figures.Sight:
        api = pages.api
        view = await api.reading.market_view(market_id)
        now = api.market_data.now()
        heads = await api.reading.reports.rounds(market_id=market_id, before=None, limit=_HEADS)
        told = [(item.round_id, item.state, item.verified) for item in heads]
        mark = (view.defined_at, period_of(now), time.monotonic() // _TRUSTED_S, *told)
        read = partial(_read, pages, view, now)
        kept: figures.Sight = await pages.shown.while_same(("sight", market_id), mark, read)
        return replace(kept, now=now, mark=mark)

    sight: figures.Sight = await pages.shown.get(("sight", market_id), make, kept_s=_HEARD_S)
    return sight


async def _read(pages: Pages, view: MarketView, now: datetime) -> figures.Sight:
    market = view.market
    reports, first = pages.api.reading.reports, period_of(now)
    end = periods_ahead(market.rules, now).stop
    found = await reports.prices(
        market.id,
        pool=None,
        first=first,
        end=end,
        after=None,
        limit=_PRICES_MAX + 1,
    )
    rounds = await reports.rounds(market_id=market.id, before=None, limit=figures.ROUNDS_READ)
    markets = pages.api.reading.markets
    pauses = await markets.pauses(market_id=market.id, before=None, limit=1)
    policies, last_round = await markets.all_policies(market.id)
    asked = await markets.shares(market_id=market.id, before=None, limit=figures.ROUNDS_SHOWN)
    oldest = rounds[-1].seq if rounds else 0
    indicated = await pages.api.market_data.indications.prices(
        market.id, pool=None, after=None, limit=_PRICES_MAX
    )
    return figures.Sight(
        market=market,
        indicated=tuple(indicated),
        now=now,
        rounds=tuple(rounds),
        prices={(item.pool, period_of(item.period)): item for item in found[:_PRICES_MAX]},
        indices=await _indices(pages, market.id),
        is_whole=len(found) <= _PRICES_MAX,
        pause=pauses[0] if pauses else None,
        defined_at=view.defined_at,
        is_halted=halt_of(policies, last_round + 1) is not None,
        shares=tuple(item for item in asked if item.seq >= oldest),
        flows=tuple(await pages.api.market_data.links.flows(market.id, first=first + 1, end=end)),
    )


async def _indices(pages: Pages, market_id: str) -> tuple[Any, ...]:
    windows = await pages.api.market_data.windows(market_id, "day", None, None)
    if windows is None:
        return ()
    found = await pages.api.market_data.indices(windows, after=None, limit=_INDICES_MAX, where=None)
    # Ordered by chip class and region, then by day: the last one with trades of its own stands.
    latest = {
        (view.chip, view.region): view
        for _, view in found
        if view.index is not None and view.carried_from is None
    }
    return tuple(latest.values())


def _context(
    pages: Pages, language: str, sight: figures.Sight, chip_id: str | None
) -> dict[str, Any]:
    chip = sight.chip(chip_id)
    zone_names = {zone.id: (zone.name_en, zone.name_zh) for zone in sight.market.zones}
    said = {zone: names[language == "zh"] for zone, names in zone_names.items()}
    return {
        "sight": sight,
        "market": sight.market,
        "chip": chip,
        "speed": pages.around.clock_speed,
        "indicated": sight.indicated_for(chip.id),
        "prices": figures.prices_figure(sight, chip),
        "volumes": figures.volumes_figure(sight),
        "welfare": figures.welfare_figure(sight),
        "turnover": figures.turnover_figure(sight),
        "regions": figures.regions_figure(sight, chip),
        "indices": figures.indices_figure(sight),
        "heat": figures.heat_figure(sight),
        "heat_rows": figures.heat_rows(sight),
        "map_prices": figures.map_prices(sight, chip),
        "places": PLACES,
        "zone_names": zone_names,
        "links": link_figures.links_figure(sight.flows, said),
        "shares": [
            (region, share_figures.shares_figure(sight.shares, region))
            for region in share_figures.share_regions(sight.shares)
        ],
        "arrows": link_figures.arrows(sight.flows, sight.market),
        "map_view": VIEW,
        "region_name": figures.region_name,
        "shown": shown,
        "drawn": drawn,
        "hours": HOURS,
    }


async def _parts(pages: Pages, language: str, sight: figures.Sight, chip_id: str) -> str:
    """Return what changes with every round, made once for all who look in one language."""

    async def make() -> str:
        context = _context(pages, language, sight, chip_id)
        return render("market_parts.html", language, now_mark=_NOW_MARK, **context)

    name = ("parts", sight.market.id, chip_id, language)
    html = str(await pages.shown.while_same(name, sight.mark, make))
    return html.replace(_NOW_MARK, str(sight.now.timestamp()))


@router.get("/")
async def show_first_market(pages: PagesDep, visitor: VisitorDep) -> Response:
    """Lead to the first market, or say that there is none."""
    found = await pages.api.reading.markets.markets(after=None, limit=1)
    if not found:
        return visitor.page("no_market.html")
    return RedirectResponse(f"/market/{found[0].market.id}", HTTPStatus.SEE_OTHER)


@router.get("/market/{market_id}")
async def show_market(
    market_id: Slug, pages: PagesDep, visitor: VisitorDep, chip: ChipQuery = None
) -> Response:
    """Show a market: its round, prices, volumes, welfare, indices."""
    sight = await look(pages, market_id)
    chip_id = sight.chip(chip).id
    parts = await _parts(pages, visitor.language, sight, chip_id)
    markets = await pages.api.reading.markets.markets(after=None, limit=_MARKETS_MAX)
    return visitor.page(
        "market.html", markets=markets, market=sight.market, chip_id=chip_id, parts=parts
    )


@router.get("/market/{market_id}/parts")
async def show_parts(
    market_id: Slug, pages: PagesDep, visitor: VisitorDep, chip: ChipQuery = None
) -> Response:
    """Show what changes on the market's page with every round."""
    sight = await look(pages, market_id)
    chip_id = sight.chip(chip).id

    async def make() -> Response:
        html = await _parts(pages, visitor.language, sight, chip_id)
        return page_response(html, packs=visitor.packs)

    # A thousand open pages ask for it when a round is published: it is packed once a second.
    name = ("packed", market_id, chip_id, visitor.language, visitor.packs)
    mark = (sight.mark, int(time.monotonic()))
    kept: Response = await pages.shown.while_same(name, mark, make)
    return Response(kept.body, kept.status_code, dict(kept.headers))


@router.get("/market/{market_id}/depth")
async def show_depth(
    request: Request,
    market_id: Slug,
    pages: PagesDep,
    visitor: VisitorDep,
    chip: ChipQuery = None,
    region: ChipQuery = None,
    hours: HoursQuery = 24,
) -> Response:
    """Show what is offered and wanted in a delivery window."""
    context = await _depth(pages, market_id, chip, region, hours)
    if "hx-request" not in request.headers:
        return visitor.page("part_page.html", part="depth.html", **context)
    html = render("depth.html", visitor.language, **context)
    return page_response(html, packs=visitor.packs)


async def _depth(
    pages: Pages, market_id: str, chip: str | None, region: str | None, hours: int
) -> dict[str, Any]:
    sight = await look(pages, market_id)
    chip_id = sight.chip(chip).id
    regions = sight.regions()
    region_id = region if region in regions else regions[0]
    start, end = figures.window_of(sight, min(hours, sight.market.rules.horizon_periods))

    async def make() -> Any:  # noqa: ANN401 - whatever the book tells
        asked = [
            group
            for group in groups_of(sight.market)
            if group.chip == chip_id and group.region == region_id
        ]
        first, last = pages.api.market_data.book_window(start, end)
        return await pages.api.market_data.book.curves(sight.market, asked, first, last)

    name = ("curves", market_id, chip_id, region_id, hours, start)
    found = await pages.shown.get(name, make, times=_DEPTH_TIMES)
    curves = found[0] if found else None
    return {
        "market": sight.market,
        "chip_id": chip_id,
        "region_id": region_id,
        "regions": regions,
        "hours": hours,
        "all_hours": HOURS,
        "start": start,
        "end": end,
        "curves": curves,
        "depth": None if curves is None else figures.depth_figure(curves),
        "region_name": figures.region_name,
        "shown": shown,
        "drawn": drawn,
    }


@router.get("/market/{market_id}/csv/{name}")
async def get_csv(
    market_id: Slug,
    name: str,
    pages: PagesDep,
    visitor: VisitorDep,
    chip: ChipQuery = None,
    region: ChipQuery = None,
    hours: HoursQuery = 24,
) -> Response:
    """Return a figure of the market's page as CSV."""
    _ = visitor
    figure = await _figure(pages, market_id, name, chip, region, hours)
    return csv_response(figure.csv(), f"{market_id}-{name}")


async def _figure(
    pages: Pages, market_id: str, name: str, chip: str | None, region: str | None, hours: int
) -> Figure:
    if name == "depth":
        depth: Figure | None = (await _depth(pages, market_id, chip, region, hours))["depth"]
        if depth is None:
            raise not_found("figure", name)
        return depth
    sight = await look(pages, market_id)
    makers = {
        "prices": lambda: figures.prices_figure(sight, sight.chip(chip)),
        "volumes": lambda: figures.volumes_figure(sight),
        "welfare": lambda: figures.welfare_figure(sight),
        "turnover": lambda: figures.turnover_figure(sight),
        "regions": lambda: figures.regions_figure(sight, sight.chip(chip)),
        "indices": lambda: figures.indices_figure(sight),
        "heat": lambda: figures.heat_figure(sight),
        "links": lambda: link_figures.links_figure(sight.flows),
        "shares": lambda: share_figures.shares_figure(sight.shares, region),
    }
    if name not in makers:
        raise not_found("figure", name)
    return makers[name]()
