"""Routes of a sandbox, and the mark that every reply of one bears."""

from typing import Annotated, Any

from fastapi import Body
from pydantic import Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from schemas.api import Receipt
from schemas.base import Model, Money
from services.gateway.adapters.http.context import (
    ApiDep,
    KeyHeader,
    StrictRoute,
    TraceDep,
    TraderDep,
)
from services.gateway.adapters.http.routing import Routes
from services.gateway.app.sandbox import top_up

router = Routes(route_class=StrictRoute)
_ACCEPTED: dict[str, Any] = {"status_code": 202, "response_model_exclude_none": True}
_MARK = (b"suanli-environment", b"sandbox")


class TopUpNew(Model):
    """Play money that a participant of a sandbox asks for."""

    amount: Annotated[Money, Field(gt=0)]


@router.post(
    "/v1/sandbox/top-up", tags=["money"], summary="Take play money (sandbox only)", **_ACCEPTED
)
async def take_play_money(
    body: Annotated[TopUpNew, Body(examples=[{"amount": 1_000_000_000_000}])],
    key: KeyHeader,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
) -> Receipt:
    """Add play money to your account; elsewhere than in a sandbox this is not there."""
    return await top_up(api.exchange, principal, body.amount, key, trace, is_sandbox=api.is_sandbox)


class SandboxMark:
    """Says on every reply that this is a sandbox, so that no client takes it for real.

    Args:
        app: What comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def marking(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), _MARK]
            await send(message)

        await self._app(scope, receive, marking if scope["type"] == "http" else send)
