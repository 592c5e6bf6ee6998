"""Routes of daily reports and exports."""

from datetime import UTC
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from schemas.base import Slug
from schemas.funds import Day
from schemas.market import Market
from schemas.market_data import ExportFormat, ExportTable
from schemas.reports import ReportKind, ReportView
from schemas.types import Role
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.context import PageRoute, Pages, PagesDep, Visitor, VisitorDep
from services.gateway.adapters.pages.figures import drawn, shown
from services.gateway.adapters.pages.names import names_of
from services.gateway.adapters.pages.office import markets_of, watcher
from services.gateway.adapters.pages.office_figures import (
    kind_of,
    leads,
    report_bars,
    report_figure,
)
from services.gateway.app.report_words import ABOUT, TITLES
from suanli.report_files import content

router = Routes(include_in_schema=False, route_class=PageRoute)
_DAYS_SHOWN = 120
_FOR_REGULATORS = frozenset({"surveillance", "concentration"})
_MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "html": "text/html; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.file",
}
KindPath = Annotated[ReportKind, Path()]
MarketQuery = Annotated[Slug | None, Query()]
DayQuery = Annotated[Day | None, Query()]


def _kinds(visitor: Visitor) -> list[str]:
    is_regulator = watcher(visitor).role is Role.REGULATOR
    return [kind for kind in TITLES if is_regulator or kind not in _FOR_REGULATORS]


async def _report(
    pages: Pages, visitor: Visitor, kind: ReportKind, market_id: str | None, day: str | None
) -> tuple[ReportView | None, list[Market]]:
    """Return the report, by default of the first market's present day, and all markets."""
    principal, markets = watcher(visitor), await markets_of(pages)
    wanted = market_id or (markets[0].id if markets else None)
    if wanted is None:
        return None, markets
    today = pages.api.market_data.now().astimezone(UTC).date().isoformat()
    return await pages.api.reports.report(principal, kind, wanted, day or today), markets


@router.get("/office/reports")
async def show_reports(visitor: VisitorDep) -> Response:
    """List the kinds of reports."""
    found = [(kind, TITLES[kind], ABOUT[kind]) for kind in _kinds(visitor)]  # type: ignore[index]
    return visitor.page("reports.html", kinds=found)


@router.get("/office/reports/{kind}")
async def show_report(
    kind: KindPath,
    pages: PagesDep,
    visitor: VisitorDep,
    market_id: MarketQuery = None,
    day: DayQuery = None,
) -> Response:
    """Show a report with its picture, its table and its files."""
    view, markets = await _report(pages, visitor, kind, market_id, day)
    context: dict[str, Any] = {"figure": None, "bars": None}
    if view is not None:
        context = {
            "figure": report_figure(view, visitor.language),
            "bars": report_bars(view, visitor.language),
        }
    return visitor.page(
        "report.html",
        view=view,
        kind=kind,
        title=TITLES[kind],
        markets=markets,
        kinds=[(one, TITLES[one]) for one in _kinds(visitor)],  # type: ignore[index]
        shown=shown,
        named=(await names_of(pages, visitor)).shown,
        leads=leads,
        drawn=drawn,
        kind_of=kind_of,
        **context,
    )


@router.get("/office/reports/{kind}/file.{suffix}")
async def get_report_file(
    kind: KindPath,
    suffix: Annotated[str, Path(pattern=r"^(json|csv|parquet|html)$")],
    market_id: Annotated[Slug, Query()],
    day: Annotated[Day, Query()],
    pages: PagesDep,
    visitor: VisitorDep,
) -> Response:
    """Return a report as a file; all but CSV carry the exchange's signature."""
    view = await pages.api.reports.report(watcher(visitor), kind, market_id, day)
    body = content(view.model_dump(mode="json"), f".{suffix}", visitor.language)
    name = f"{market_id}-{kind}-{day}.{suffix}"
    # A page of its own with styles inside: it is to be kept, not to be shown as one of ours.
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(body, 200, headers, _MEDIA[suffix])


@router.get("/office/exports")
async def show_exports(
    pages: PagesDep, visitor: VisitorDep, market_id: MarketQuery = None
) -> Response:
    """List the days of a market that can be fetched as files."""
    watcher(visitor)
    markets = await markets_of(pages)
    wanted = market_id or (markets[0].id if markets else None)
    days: dict[str, list[Any]] = {}
    if wanted is not None:
        for item in await pages.api.exports.listed(
            wanted, day=None, before=None, limit=_DAYS_SHOWN
        ):
            days.setdefault(item.day, []).append(item)
    return visitor.page("exports.html", days=days, market_id=wanted, markets=markets)


@router.get("/office/exports/{day}/{market_id}/{table}.{suffix}")
async def get_export_file(
    day: Annotated[str, Path(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")],
    market_id: Slug,
    table: ExportTable,
    suffix: ExportFormat,
    pages: PagesDep,
    visitor: VisitorDep,
) -> Response:
    """Return a table of a market's day as a file, everybody's rows in it."""
    made, _ = await pages.api.exports.file(watcher(visitor), market_id, day, table, suffix)
    return FileResponse(
        made.path,
        headers={"X-Content-SHA256": made.sha256, "Cache-Control": "no-store"},
        media_type=_MEDIA[suffix],
        filename=f"{market_id}-{day}-{table}.{suffix}",
        background=None if made.kept else BackgroundTask(made.path.unlink, missing_ok=True),
    )
