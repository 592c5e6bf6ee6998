"""Routes of the journal: its entries, the proof of each, and the heads of the log."""

import json
from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.context import PageRoute, Pages, PagesDep, VisitorDep
from services.gateway.adapters.pages.figures import Column, Figure
from services.gateway.adapters.pages.office import watcher
from services.gateway.adapters.pages.rendering import EXPORTED_MAX, csv_response
from services.gateway.errors import NotFoundError

router = Routes(include_in_schema=False, route_class=PageRoute)
_ENTRIES_SHOWN = 50
_HEADS_SHOWN = 20
# What an erased entry, or one of an older version, does not say.
_SAID = (
    *("kind", "purpose", "amount", "unit", "market_id", "round_id", "order_id", "cause"),
    *("occurred_at", "pending_id"),
)
_PLACE_MAX = 2**62
LeafPath = Annotated[int, Path(ge=0, le=_PLACE_MAX)]
SoughtQuery = Annotated[str, Query(max_length=120)]
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
    q: SoughtQuery = "",
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


@router.get("/office/journal/csv")
async def get_journal(pages: PagesDep, visitor: VisitorDep, q: SoughtQuery = "") -> Response:
    """Return the entries as a table, latest first."""
    found = await pages.office.journal.search(
        watcher(visitor), q.strip(), before=None, limit=EXPORTED_MAX
    )
    entries = [_told(item.leaf_index, item.entry) for item in found]
    return csv_response(_entries_figure(entries).csv(), "journal")


def _entries_figure(entries: list[dict[str, Any]]) -> Figure:
    columns = (
        Column("Place", "位置", "count", "leaf_index"),
        Column("Entry", "条目", "text", "entry_id"),
        Column("When", "时间", "text", "occurred_at"),
        Column("Kind", "类别", "text", "kind"),
        Column("Purpose", "用途", "text", "purpose"),
        Column("Amount", "金额", "money", "amount_yuan"),
        Column("Postings", "过账", "text", "postings"),
        Column("Round", "轮次", "text", "round_id"),
        Column("Order", "订单", "text", "order_id"),
    )
    rows = tuple(
        (
            item["leaf_index"],
            item.get("entry_id"),
            item["occurred_at"],
            "erased" if item["is_erased"] else item["kind"],
            item["purpose"],
            item["amount"],
            json.dumps(item["postings"]) if item["postings"] else None,
            item["round_id"],
            item["order_id"],
        )
        for item in entries
    )
    return Figure("journal", columns, rows)


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
