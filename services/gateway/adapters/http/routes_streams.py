"""Routes of the live streams."""

from typing import Annotated, Any

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse

from schemas.base import OrderId, PoolName, Slug
from services.core.errors import AuthError
from services.gateway.adapters.http import sse
from services.gateway.adapters.http.context import (
    Api,
    ApiDep,
    PrincipalDep,
    StrictRoute,
)
from services.gateway.adapters.http.routing import Routes
from services.gateway.stream_ports import Watch

router = Routes(route_class=StrictRoute)

CURSOR_CHARS_MAX = 200
AfterQuery = Annotated[
    str | None,
    Query(
        max_length=CURSOR_CHARS_MAX,
        description="Id of the last event that you saw, or `oldest`; without it, what is new",
        examples=["1f0c9a2b-4711"],
    ),
]
LastIdHeader = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        max_length=CURSOR_CHARS_MAX,
        description="The same, as browsers send it when they connect again; goes before `after`",
    ),
]


def _reply(example: str, **data: str) -> dict[int | str, dict[str, Any]]:
    schema = {
        "type": "string",
        "description": "Server-sent events; `data` is JSON of the schema of its `event`",
        "x-events": {
            kind: {"$ref": f"#/components/schemas/{model}"}
            for kind, model in (data | {"ready": "StreamReady", "cut": "StreamCut"}).items()
        },
    }
    content = {sse.MEDIA_TYPE: {"schema": schema, "example": example}}
    return {200: {"description": "The stream, until either side ends it", "content": content}}


_ORDERS = """id: 1f0c9a2b-4710
event: ready
data: {"stream":"orders"}

id: 1f0c9a2b-4711
event: status
data: {"order_id":"dem_aaaaaaaaaaaaaaaaaaaaaaaaaa","state":"open","version":1,"sequence":1}

"""
_ROUNDS = """id: 1f0c9a2b-4712
event: closed
data: {"round_id":"jingjinji:7","market_id":"jingjinji","seq":7,"stage":"closed"}

"""
_PRICES = """id: 1f0c9a2b-4713
event: prices
data: {"round_id":"jingjinji:7","pool":"bj-1/h800","prices":[9500000],"chips":[64]}

"""


@router.get(
    "/v1/streams/orders",
    tags=["streams"],
    summary="Listen to what happens to your orders",
    response_class=StreamingResponse,
    responses=_reply(_ORDERS, status="OrderStatusTold", fill="OrderFillTold"),
)
async def stream_orders(
    request: Request,
    api: ApiDep,
    principal: PrincipalDep,
    after: AfterQuery = None,
    last_event_id: LastIdHeader = None,
    market_id: Slug | None = None,
    order_id: OrderId | None = None,
) -> sse.EventStream:
    """Tell states and fills of your orders as they happen; the regulator and the operator hear
    everybody's. Whoever connects again with the last id misses nothing and hears nothing twice.
    """  # noqa: D205 - shown as one paragraph on the API's page
    whose = None if principal.sees_all else principal.participant_id
    watch = Watch("orders", whose, market_id, order_id)
    return await listen(request, api, watch, last_event_id or after)


@router.get(
    "/v1/streams/rounds",
    tags=["streams"],
    summary="Listen to rounds",
    response_class=StreamingResponse,
    responses=_reply(_ROUNDS, sealed="RoundTold", cleared="RoundTold", closed="RoundTold"),
)
async def stream_rounds(
    request: Request,
    api: ApiDep,
    after: AfterQuery = None,
    last_event_id: LastIdHeader = None,
    market_id: Slug | None = None,
) -> sse.EventStream:
    """Tell when rounds are sealed, cleared and closed (public)."""
    return await listen(request, api, Watch("rounds", None, market_id), last_event_id or after)


@router.get(
    "/v1/streams/prices",
    tags=["streams"],
    summary="Listen to prices",
    response_class=StreamingResponse,
    responses=_reply(_PRICES, prices="PoolPricesTold"),
)
async def stream_prices(
    request: Request,
    api: ApiDep,
    after: AfterQuery = None,
    last_event_id: LastIdHeader = None,
    market_id: Slug | None = None,
    pool: PoolName | None = None,
) -> sse.EventStream:
    """Tell the prices of each round, pool by pool (public)."""
    watch = Watch("prices", None, market_id, pool)
    return await listen(request, api, watch, last_event_id or after)


async def listen(request: Request, api: Api, watch: Watch, after: str | None) -> sse.EventStream:
    """Return the stream of what somebody wants to hear, after an id.

    Raises:
        DomainError: if it cannot be told.
    """
    position = await api.streams.position(after)

    async def is_valid() -> bool:
        if watch.stream != "orders":
            return True
        try:
            await api.door.caller(request.headers.get("authorization", ""))
        except AuthError:
            return False
        return True

    api.streams.admit(watch)
    frames = api.streams.follow(watch, position, is_valid)
    return sse.EventStream(frames, lambda: api.streams.release(watch))
