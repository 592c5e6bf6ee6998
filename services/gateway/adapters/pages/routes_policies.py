"""Routes of policies: what is in force, a new version of any kind of rule, withdrawing one."""

from datetime import UTC, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from schemas.base import Slug
from schemas.identity import Scope
from schemas.policies import PolicyNew, PolicyView
from schemas.policy_costs import SIMULATED_ROUNDS_MAX, SimulationId
from schemas.types import Role
from services.core.errors import DomainError, Message
from services.core.policy_study.tables import csv_of, round_rows
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.pages import policy_form
from services.gateway.adapters.pages.context import (
    PageRoute,
    Pages,
    PagesDep,
    Visitor,
    VisitorDep,
    enter,
)
from services.gateway.adapters.pages.fields import Fields
from services.gateway.adapters.pages.names import names_of
from services.gateway.adapters.pages.office import told, trace_of, watcher, whole
from services.gateway.adapters.pages.rendering import csv_response, list_response
from services.gateway.adapters.pages.routes_trade import market_of
from services.gateway.errors import not_found

router = Routes(include_in_schema=False, route_class=PageRoute)
_VERSIONS_MAX = 1000
_PAUSES_SHOWN = 20
_MARKETS_MAX = 50
_SIMULATIONS_SHOWN = 10
# Rounds that a button tries at most: some minutes of small books.
_TRIED_MAX = 200
MarketQuery = Annotated[Slug | None, Query()]


@router.get("/office/policies")
async def show_policies(
    pages: PagesDep, visitor: VisitorDep, market_id: MarketQuery = None
) -> Response:
    """Show a market's policies, and the forms of new ones."""
    watcher(visitor)
    return await _page(pages, visitor, market_id)


@router.get("/office/policies/csv")
async def get_policies(
    pages: PagesDep, visitor: VisitorDep, market_id: MarketQuery = None
) -> Response:
    """Return every version of a market's policies as a table."""
    watcher(visitor)
    return list_response(await _versions(pages, market_id), "policies")


@router.post("/office/policies")
async def set_policy(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Set the next version of a policy."""
    principal = await enter(request, pages, visitor, Scope.GOVERN)
    form = visitor.form
    kind = policy_form.BY_KIND.get(form.get("kind", ""))
    if kind is None:
        raise not_found("kind", form.get("kind", ""))
    market_id, name = form.get("market_id", ""), form.get("policy_id", "").strip()
    known = [item.policy for item in await _versions(pages, market_id)]
    versions = [item.version for item in known if item.policy_id == name]
    new, faults = policy_form.read(kind, market_id, form, versions)
    if new is not None:
        try:
            await pages.api.exchange.set_policy(principal, new, trace_of(request))
        except DomainError as error:
            faults = policy_form.faults(error)
    if faults:
        return await _page(pages, visitor, market_id, wrong=(kind.kind, form, faults), status=422)
    return _back(market_id)


@router.post("/office/policies/withdraw")
async def withdraw(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Withdraw a policy from the next round on."""
    principal = await enter(request, pages, visitor, Scope.GOVERN)
    form = visitor.form
    new = told(
        PolicyNew,
        market_id=form.get("market_id", ""),
        policy_id=form.get("policy_id", ""),
        version=whole(form.get("version", "")),
        rule=None,
        reason=form.get("reason", "").strip(),
    )
    await pages.api.exchange.set_policy(principal, new, trace_of(request))
    return _back(new.market_id)


@router.post("/office/policies/simulate")
async def simulate(request: Request, pages: PagesDep, visitor: VisitorDep) -> Response:
    """Try the rule of a form on the rounds of a day, before it is set."""
    principal = await enter(request, pages, visitor, Scope.GOVERN)
    form = visitor.form
    kind = policy_form.BY_KIND.get(form.get("kind", ""))
    if kind is None:
        raise not_found("kind", form.get("kind", ""))
    market_id, studies = form.get("market_id", ""), pages.api.studies
    new, faults = policy_form.trial(kind, market_id, form)
    if new is not None:
        try:
            found = await studies.simulate(principal, await studies.sampled(new, _TRIED_MAX))
        except DomainError as error:
            faults = policy_form.faults(error)
        else:
            where = f"/office/policies/simulations/{found.simulation_id}"
            return RedirectResponse(where, HTTPStatus.SEE_OTHER)
    return await _page(pages, visitor, market_id, wrong=(kind.kind, form, faults), status=422)


@router.get("/office/policies/simulations/{simulation_id}")
async def show_simulation(
    simulation_id: SimulationId, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Show what a rule would have done, round by round, as far as it is worked out."""
    principal = watcher(visitor)
    view = await pages.api.studies.simulation(principal, simulation_id)
    rounds = await pages.api.studies.rounds(
        principal, simulation_id, after=0, limit=SIMULATED_ROUNDS_MAX
    )
    return visitor.page(
        "simulation.html",
        view=view,
        rounds=rounds,
        words=policy_form.words_of,
        by_kind=policy_form.BY_KIND,
    )


@router.get("/office/policies/simulations/{simulation_id}/csv")
async def get_simulation(
    simulation_id: SimulationId, pages: PagesDep, visitor: VisitorDep
) -> Response:
    """Return the rounds of a simulation as a table."""
    rounds = await pages.api.studies.rounds(
        watcher(visitor), simulation_id, after=0, limit=SIMULATED_ROUNDS_MAX
    )
    return csv_response(csv_of(round_rows(rounds)), simulation_id)


async def _versions(pages: Pages, market_id: str | None) -> list[PolicyView]:
    return await pages.api.reading.markets.policies(
        market_id=market_id, after=None, limit=_VERSIONS_MAX
    )


async def _page(
    pages: Pages,
    visitor: Visitor,
    market_id: str | None,
    wrong: tuple[str, Fields, dict[str, Message]] | None = None,
    status: int = 200,
) -> Response:
    market = await market_of(pages, market_id)
    if market is None:
        return visitor.page("no_market.html")
    markets = await pages.api.reading.markets.markets(after=None, limit=_MARKETS_MAX)
    versions = await _versions(pages, market.id)
    latest = {item.policy.policy_id: item.policy.version for item in versions}
    pauses = await pages.api.reading.markets.pauses(
        market_id=market.id, before=None, limit=_PAUSES_SHOWN
    )
    yesterday = pages.api.market_data.now().astimezone(UTC).date() - timedelta(days=1)
    tried = await pages.api.studies.simulations(
        watcher(visitor), market.id, before=None, limit=_SIMULATIONS_SHOWN
    )
    is_regulator = watcher(visitor).role is Role.REGULATOR
    kinds = [item for item in policy_form.KINDS if is_regulator or item.by_operator]
    context: dict[str, Any] = {
        "market": market,
        "names": await names_of(pages, visitor),
        "markets": [item.market for item in markets],
        "versions": sorted(versions, key=lambda item: item.set_at, reverse=True),
        "latest": latest,
        "pauses": pauses,
        "yesterday": yesterday.isoformat(),
        "simulations": [view for _, view in tried],
        "kinds": kinds,
        "may_withdraw": {item.kind for item in kinds},
        "wrong": wrong,
        "blank": policy_form.blank,
        "label": policy_form.label_of,
        "words": policy_form.words_of,
        "by_kind": policy_form.BY_KIND,
    }
    return visitor.page("policies.html", status, **context)


def _back(market_id: str) -> Response:
    return RedirectResponse(f"/office/policies?market_id={market_id}", HTTPStatus.SEE_OTHER)
