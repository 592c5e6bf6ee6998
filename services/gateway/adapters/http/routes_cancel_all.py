"""The route that withdraws all orders of a participant."""

from typing import Annotated

from fastapi import Query, Request

from schemas.api import CancelAllReply, CancelResult
from schemas.base import Slug
from schemas.types import Side
from services.core.errors import DomainError
from services.gateway.adapters.http.context import (
    ApiDep,
    KeyHeader,
    StrictRoute,
    TraceDep,
    TraderDep,
)
from services.gateway.adapters.http.problems import prefers_chinese, problem_of
from services.gateway.adapters.http.routing import Routes
from services.gateway.app.once import Outcome

router = Routes(route_class=StrictRoute)
ACCEPTED = 202


@router.post(
    "/v1/orders:cancel-all",
    status_code=ACCEPTED,
    tags=["orders"],
    summary="Withdraw all your live orders",
    response_model_exclude_none=True,
)
async def cancel_all(
    request: Request,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: KeyHeader,
    side: Annotated[Side | None, Query(description="Your side; your role's if not given")] = None,
    market_id: Annotated[Slug | None, Query(description="Only in this market")] = None,
) -> CancelAllReply:
    """Ask for the withdrawal of every live order of yours; what is allocated stands.

    The answer lists each order with its receipt, or why it was refused. A repeat with the same key
    asks for each order once.
    """
    found = await api.cancel_all.run(principal, key, trace, side=side, market_id=market_id)
    chinese = prefers_chinese(request.headers.get("accept-language", ""))
    results = tuple(_result(order_id, outcome, chinese=chinese) for order_id, outcome in found)
    refused = sum(result.problem is not None for result in results)
    return CancelAllReply(cancelled=len(results) - refused, refused=refused, results=results)


def _result(order_id: str, outcome: Outcome, *, chinese: bool) -> CancelResult:
    if isinstance(outcome, DomainError):
        return CancelResult(order_id=order_id, problem=problem_of(outcome, chinese=chinese))
    return CancelResult(order_id=order_id, receipt=outcome)
