"""Routes for those who check the exchange: the journal byte for byte, heads, terms of old."""

from fastapi import Response

from schemas.api import Page
from schemas.audit import AuditView, JournalEntryView, LogHeadView, TermsVersionView
from schemas.base import OrderId
from services.gateway.adapters.http.context import (
    ApiDep,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    page,
)
from services.gateway.adapters.http.routing import Routes
from services.gateway.errors import not_found

router = Routes(route_class=StrictRoute)


@router.get("/v1/journal", tags=["audit"], response_model=Page[JournalEntryView])
async def list_journal(api: ApiDep, principal: PrincipalDep, paging: PagingDep) -> Response:
    """List the journal in the order of the log, byte for byte (regulator, operator)."""
    found = await api.reading.journal(principal, after=paging.number(), limit=paging.limit + 1)
    last = [found[paging.limit - 1].leaf_index] if len(found) > paging.limit else None
    return page(paging, found, last, "journal")


@router.get("/v1/audit", tags=["audit"])
async def get_audit(api: ApiDep) -> AuditView:
    """Return how far the exchange's own auditor is, and how much it found (public)."""
    found = await api.reading.reports.audit()
    if found is None:
        raise not_found(
            "audit", "none: the auditor has not told anything yet", "无：审计服务尚未报告任何内容"
        )
    return found


@router.get("/v1/log/heads", tags=["audit"], response_model=Page[LogHeadView])
async def list_log_heads(api: ApiDep, paging: PagingDep) -> Response:
    """List the heads of the transparency log, latest first (public)."""
    found = await api.reading.reports.log_heads(before=paging.number(), limit=paging.limit + 1)
    last = [found[paging.limit - 1].size] if len(found) > paging.limit else None
    return page(paging, found, last, "heads")


@router.get("/v1/orders/{order_id}/versions", tags=["audit"])
async def list_versions(
    order_id: OrderId, api: ApiDep, principal: PrincipalDep
) -> list[TermsVersionView]:
    """List all terms that were sent for an order, oldest first, refused ones too."""
    return await api.reading.versions(principal, order_id)
