"""Routes of the journal: its entries, the proof of each, and the heads of the log."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from services.gateway.adapters.pages.context import PageRoute, Pages, PagesDep, VisitorDep
from services.gateway.adapters.pages.office import watcher
from services.gateway.errors import NotFoundError

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_ENTRIES_SHOWN = 50
_HEADS_SHOWN = 20
# What an erased entry, or one of an older version, does not say.
_SAID = (
    *("kind", "purpose", "amount", "unit", "market_id", "round_id", "order_id", "cause"),
    *("occurred_at", "pending_id"),
)
_PLACE_MAX = 2**62
LeafPath = Annotated[int, Path(ge=0, le=_PLACE_MAX)]
Before = Annotated[int | None, Query(ge=0, le=_PLACE_MAX)]


async def _log_key(pages: Pages) -> str:
    try:
        return pages.api.log.key().key
    except NotFoundError:
        return ""


@router.get("/office/journal")
async def show_journal(
    pages: PagesDep,
    visitor: VisitorDep,
    q: Annotated[str, Query(max_length=120)] = "",
    before: Before = None,
) -> Response:
    """List the journal, latest first, and the heads of the log."""
    principal, wanted = watcher(visitor), q.strip()
    found = await pages.office.journal.search(
        principal, wanted, before=before, limit=_ENTRIES_SHOWN + 1
    )
    entries = [_told(item.leaf_index, item.entry) for item in found[:_ENTRIES_SHOWN]]
    more = entries[-1]["leaf_index"] if len(found) > _ENTRIES_SHOWN else None
    reports = pages.api.reading.reports
    heads = await reports.log_heads(before=None, limit=_HEADS_SHOWN)
    return visitor.page(
        "journal.html",
        entries=entries,
        more=more,
        q=wanted,
        heads=heads,
        log_key=await _log_key(pages),
        audit=await reports.audit(),
    )


@router.get("/office/journal/{leaf_index}")
async def show_entry(leaf_index: LeafPath, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Show an entry byte for byte, with its proof to be verified in the browser."""
    found = await pages.office.journal.one(watcher(visitor), leaf_index)
    return visitor.page(
        "entry.html",
        entry=_told(found.leaf_index, found.entry),
        raw=found.entry,
        log_key=await _log_key(pages),
    )


@router.get("/office/journal/{leaf_index}/proof")
async def get_entry_proof(leaf_index: LeafPath, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Return the proof file of an entry."""
    file = await pages.api.log.proof(watcher(visitor), str(leaf_index))
    headers = {
        "Content-Disposition": f'attachment; filename="entry-{leaf_index}.tlog-proof"',
        "Cache-Control": "private, no-store",
    }
    return Response(str(file), 200, headers, "text/plain; charset=utf-8")


def _told(leaf_index: int, raw: str) -> dict[str, Any]:
    """Return what an entry says, with blanks for what an erased one does not say any more."""
    said: dict[str, Any] = json.loads(raw)
    blank: dict[str, Any] = dict.fromkeys(_SAID)
    return {
        **blank,
        "postings": [],
        **said,
        "leaf_index": leaf_index,
        "is_erased": "commitment" in said,
    }
