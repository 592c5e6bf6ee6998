"""The app: routes, middleware, health, and the page that describes the API."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse

from schemas.api import DemandBulkItem, OfferBulkItem, ReceiptKey
from schemas.base import Model
from schemas.problem import PROBLEM_MEDIA_TYPE, Problem
from schemas.streams import STREAM_MODELS
from schemas.webhooks import WEBHOOK_MODELS
from services.gateway.adapters.http import (
    problems,
    routes_audit,
    routes_bulk,
    routes_cancel_all,
    routes_dead_letters,
    routes_direct_logins,
    routes_erasures,
    routes_exchange,
    routes_exports,
    routes_funds,
    routes_identity,
    routes_life,
    routes_log,
    routes_market_data,
    routes_members,
    routes_mobilisations,
    routes_orders,
    routes_policies,
    routes_reports,
    routes_rounds,
    routes_sandbox,
    routes_signing_keys,
    routes_streams,
    routes_studies,
    routes_surveillance,
    routes_webhooks,
)
from services.gateway.adapters.http.context import Api, ApiDep, StrictRoute
from services.gateway.adapters.http.middleware import BodyLimit, Measure
from services.gateway.adapters.http.reply_examples import add_examples
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.http.short_way import ShortWay
from services.gateway.adapters.http.stream_way import StreamWay
from services.gateway.errors import not_found
from services.kit.telemetry import METRICS

_PAGE = Path(__file__).parent / "docs.html"
_DESCRIPTION = """
An exchange for computing power. Providers offer chips, enterprises ask for them, rounds clear
both at one price per pool and hour, and everybody can check every round.

Money is in micro-yuan, prices in micro-yuan per chip-hour, instants are UTC in ISO 8601.
Refusals are `application/problem+json` with every wrong field, its value and what is allowed,
in English and Chinese. Send `Idempotency-Key` with whatever must happen once. Lists take
`limit` and `cursor`, and give CSV for `Accept: text/csv`.
"""
# Inline style and script of our own page only; it loads nothing from anywhere.
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
)

health = Routes(include_in_schema=False)


@health.get("/livez")
async def livez() -> dict[str, bool]:
    """Return that the process answers."""
    return {"live": True}


@health.get("/readyz")
async def readyz(api: ApiDep) -> JSONResponse:
    """Return whether every part is ready; 503 if one is not."""
    parts = dict(await api.readiness())
    ready = all(parts.values())
    return JSONResponse({"ready": ready, "checks": parts}, status_code=200 if ready else 503)


@health.get("/metrics")
async def metrics() -> Response:
    """Return the process's metrics in the Prometheus text format."""
    content_type, body = METRICS.render()
    return Response(body, media_type=content_type)


@health.get("/docs")
async def docs() -> HTMLResponse:
    """Return a page that lists every operation; it needs no other host."""
    return HTMLResponse(
        _PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": _PAGE_POLICY}
    )


keys = Routes(route_class=StrictRoute)


@keys.get("/v1/receipt-key", tags=["orders"])
async def get_receipt_key(api: ApiDep) -> ReceiptKey:
    """Return the public key that receipts are signed with (public)."""
    if api.receipt_key is None:
        raise not_found(
            "receipt_key",
            "none: receipts of this exchange are not signed",
            "无：此处回执未签名",
        )
    key_id, public_key = api.receipt_key
    return ReceiptKey(key_id=key_id, public_key=public_key)


def create_app(api: Api | None = None) -> FastAPI:
    """Return the app.

    Args:
        api: What the routes call; ``None`` is enough to describe the API.
    """
    app = FastAPI(
        title="Suanli Exchange",
        version="1",
        description=_DESCRIPTION.strip(),
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        # We measure by ourselves; FastAPI would look for exporters at every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        generate_unique_id_function=lambda route: route.name,
        responses={
            status: {"model": Problem, "description": text}
            for status, text in {
                "4XX": "Refused; the body says why and what would do",
                "5XX": "The exchange failed; the body has a number for the operator",
            }.items()
        },
    )
    app.state.api = api
    for router in (
        routes_orders.router,
        routes_bulk.router,
        routes_rounds.router,
        routes_market_data.router,
        routes_exports.router,
        routes_exchange.router,
        routes_funds.router,
        routes_identity.router,
        routes_members.router,
        routes_signing_keys.router,
        routes_direct_logins.router,
        routes_audit.router,
        routes_life.router,
        routes_policies.router,
        routes_log.router,
        routes_erasures.router,
        routes_dead_letters.router,
        routes_studies.router,
        routes_surveillance.router,
        routes_reports.router,
        routes_sandbox.router,
        routes_streams.router,
        routes_webhooks.router,
        routes_cancel_all.router,
        routes_mobilisations.router,
        keys,
        health,
    ):
        app.include_router(router)
    problems.install(app)
    # The last one added is the first one asked.
    app.add_middleware(StreamWay)
    app.add_middleware(BodyLimit)
    app.add_middleware(Measure)
    app.add_middleware(ShortWay)
    if api is not None and api.is_sandbox:
        app.add_middleware(routes_sandbox.SandboxMark)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def openapi() -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of the API."""
    return create_app().openapi()


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        described = FastAPI.openapi(app)
        components = described["components"]["schemas"]
        # Bulk bodies are read and streams are told item by item: FastAPI knows no models of them.
        models: tuple[type[Model], ...] = (
            *(OfferBulkItem, DemandBulkItem),
            *STREAM_MODELS,
            *WEBHOOK_MODELS,
        )
        for model in models:
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            for name, part in schema.pop("$defs", {}).items():
                components.setdefault(name, part)
            components[model.__name__] = schema
        for name in ("HTTPValidationError", "ValidationError"):
            components.pop(name, None)
        for operation in (item for path in described["paths"].values() for item in path.values()):
            replies = operation["responses"]
            replies.pop("422", None)
            for status in ("4XX", "5XX"):
                content = replies[status]["content"]
                content[PROBLEM_MEDIA_TYPE] = content.pop("application/json")
        add_examples(described)
    assert app.openapi_schema is not None
    return app.openapi_schema
