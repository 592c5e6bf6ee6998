"""Routes of bulk exports."""

from typing import Annotated

from fastapi import Path, Query, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from schemas.api import Page
from schemas.base import Slug
from schemas.market_data import ExportFormat, ExportTable, ExportView
from services.gateway.adapters.http.context import ApiDep, CallerDep, PagingDep, StrictRoute, page
from services.gateway.adapters.http.routing import Routes

router = Routes(route_class=StrictRoute)
_FOR_EVER = "max-age=31536000, immutable"
_MEDIA: dict[ExportFormat, str] = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.file",
}
_Day = Annotated[str, Path(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="UTC")]
_DayQuery = Annotated[
    str | None, Query(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="Only this day, UTC")
]


@router.get("/v1/exports", tags=["exports"], response_model=Page[ExportView])
async def list_exports(
    api: ApiDep, paging: PagingDep, market_id: Slug, day: _DayQuery = None
) -> Response:
    """List the days and tables of a market that can be fetched as files, latest first (public)."""
    found = await api.exports.listed(
        market_id, day=day, before=paging.text(), limit=paging.limit + 1
    )
    last: list[str | int] | None = None
    if len(found) > paging.limit:
        item = found[paging.limit - 1]
        last = [f"{item.day}/{item.table}"]
    return page(paging, found, last, "exports")


@router.get(
    "/v1/exports/{day}/{market_id}/{table}.{format}",
    tags=["exports"],
    response_class=FileResponse,
    responses={
        200: {
            "content": {media.partition(";")[0]: {} for media in _MEDIA.values()},
            "description": "The file; its hash is `X-Content-SHA256`",
        },
        206: {"description": "A part of it, as asked for by `Range`"},
    },
    # A key is taken and not needed for the public tables.
    openapi_extra={"security": [{}]},
)
async def get_export(
    day: _Day,
    market_id: Slug,
    table: ExportTable,
    format: ExportFormat,  # noqa: A002 - the name in the path
    api: ApiDep,
    caller: CallerDep,
) -> Response:
    """Return a table of a market's day as a file: prices and rounds are public, of orders and
    allocations your own rows, to regulator and operator everybody's. Takes `Range`.
    """  # noqa: D205 - shown as one paragraph on the API's page
    made, view = await api.exports.file(caller, market_id, day, table, format)
    scope = "public" if view.public else "private"
    headers = {
        "ETag": f'"{made.sha256}"',
        "X-Content-SHA256": made.sha256,
        "X-Export-Rows": str(made.rows),
        "X-Export-Final": "true" if view.final else "false",
        "Cache-Control": f"{scope}, {_FOR_EVER}" if view.final else "no-store",
        "Vary": "Authorization",
    }
    if view.final:
        headers["X-Checkpoint-Size"] = str(view.checkpoint_size)
        headers["X-Checkpoint-Root"] = str(view.checkpoint_root)
    done = None if made.kept else BackgroundTask(made.path.unlink, missing_ok=True)
    return FileResponse(
        made.path,
        headers=headers,
        media_type=_MEDIA[format],
        filename=f"{market_id}-{day}-{table}.{format}",
        background=done,
    )
