"""Routes of rounds: their list, and each one with its certificate, verified in the browser."""

from starlette.responses import Response

from schemas.base import RoundId, Slug
from schemas.policy_costs import RoundPolicyCosts, ShareBound
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages.context import PageRoute, PagesDep, VisitorDep
from services.gateway.adapters.pages.names import names_in
from services.gateway.adapters.pages.rendering import EXPORTED_MAX, list_response
from services.gateway.app.findings import shown

router = Routes(include_in_schema=False, route_class=PageRoute)
_ROUNDS_SHOWN = 50


@router.get("/rounds")
async def show_rounds(
    pages: PagesDep, visitor: VisitorDep, market_id: Slug | None = None, before: str = ""
) -> Response:
    """List rounds, latest first."""
    seq, _, market = before.partition(".")
    place = (int(seq), market) if seq.isdecimal() and len(seq) < 18 else None
    found = await pages.api.reading.reports.rounds(
        market_id=market_id, before=place, limit=_ROUNDS_SHOWN + 1
    )
    rounds = found[:_ROUNDS_SHOWN]
    more = f"{rounds[-1].seq}.{rounds[-1].market_id}" if len(found) > _ROUNDS_SHOWN else None
    return visitor.page("rounds.html", rounds=rounds, more=more, market_id=market_id)


@router.get("/rounds/csv")
async def get_rounds(
    pages: PagesDep, visitor: VisitorDep, market_id: Slug | None = None
) -> Response:
    """Return rounds as a table."""
    _ = visitor
    found = await pages.api.reading.reports.rounds(
        market_id=market_id, before=None, limit=EXPORTED_MAX
    )
    return list_response(found, "rounds")


@router.get("/rounds/{round_id}")
async def show_round(round_id: RoundId, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Show a round in numbers, with what the auditor found, and the checker for everybody."""
    api = pages.api
    view = await api.reading.round(round_id)
    found = await api.reading.reports.findings(
        market_id=None, round_id=round_id, before=None, limit=_ROUNDS_SHOWN
    )
    findings = [shown(item, visitor.principal) for _, item in found]
    market = await api.market_data.market(view.market_id)
    costs = await api.studies.costs_of(round_id)
    return visitor.page(
        "round.html",
        round=view,
        market=market,
        names=names_in([market], visitor.language),
        findings=findings,
        policies=costs,
        bound=_bound(costs),
    )


@router.get("/rounds/{round_id}/largest-shares/csv")
async def get_largest_shares(round_id: RoundId, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Return where largest shares bound a round as a table."""
    _ = visitor
    found = _bound(await pages.api.studies.costs_of(round_id))
    return list_response(found, f"largest-shares-{round_id.replace(':', '-')}")


def _bound(costs: RoundPolicyCosts) -> list[ShareBound]:
    return [row for cost in costs.costs for row in cost.bound]
