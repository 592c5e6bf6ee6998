"""Routes of offers and demand."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ValidationError as ModelError

from schemas.api import (
    BULK_ITEMS_MAX,
    BulkReply,
    BulkResult,
    DemandAmend,
    DemandBulkItem,
    DemandNew,
    DemandView,
    OfferAmend,
    OfferBulkItem,
    OfferNew,
    OfferView,
    OrderEvent,
    Page,
    Receipt,
)
from schemas.base import OrderId, Slug
from schemas.filters import Filter
from schemas.quotes import QuoteView
from schemas.types import OrderState, Side
from services.core.errors import DomainError, Message
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.context import (
    Api,
    ApiDep,
    KeyHeader,
    OptionalKeyHeader,
    Paging,
    PagingDep,
    PrincipalDep,
    StrictRoute,
    TraceDep,
    TraderDep,
    numbered_page,
    parse_json,
)
from services.gateway.adapters.http.filtering import DemandWhere, HistoryWhere, OffersWhere
from services.gateway.adapters.http.middleware import BODY_BYTES_MAX
from services.gateway.adapters.http.problems import prefers_chinese, problem_of
from services.gateway.adapters.http.translate import faults_of
from services.gateway.app.orders import Change, Submission
from services.gateway.errors import Fault, FaultsError, TooLargeError
from services.gateway.ports import Principal

router = APIRouter(route_class=StrictRoute)
ACCEPTED = 202

OfferIdPath = Annotated[OrderId, Path(description="`off_...`")]
DemandIdPath = Annotated[OrderId, Path(description="`dem_...`")]
StatesQuery = Annotated[
    list[OrderState] | None, Query(description="Only in these states; may be repeated")
]


async def _submit(
    api: Api, principal: Principal, side: Side, submission: Submission, trace: str
) -> Receipt:
    (outcome,) = await api.orders.submit(principal, side, [submission], trace)
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome


@router.post(
    "/v1/offers",
    status_code=ACCEPTED,
    tags=["offers"],
    summary="Submit an offer (provider)",
    response_model_exclude_none=True,
)
async def submit_offer(
    body: Annotated[OfferNew, examples.OFFER_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
) -> Receipt:
    """Put an offer on the log; the receipt tells where. Its verdict follows within a second."""
    submission = Submission(key, body.market_id, body.terms)
    return await _submit(api, principal, Side.OFFER, submission, trace)


@router.post(
    "/v1/demand",
    status_code=ACCEPTED,
    tags=["demand"],
    summary="Submit demand (enterprise)",
    response_model_exclude_none=True,
)
async def submit_demand(
    body: Annotated[DemandNew, examples.DEMAND_NEW],
    key: KeyHeader,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
) -> Receipt:
    """Put demand on the log; it enters the book once the ledger holds its money."""
    submission = Submission(key, body.market_id, body.terms)
    return await _submit(api, principal, Side.DEMAND, submission, trace)


_BULK: dict[str, Any] = {
    "status_code": ACCEPTED,
    "response_model": BulkReply,
    "response_model_exclude_none": True,
}


def _bulk_body(model: type[OfferBulkItem | DemandBulkItem]) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "array", "maxItems": BULK_ITEMS_MAX, "items": reference}
                },
                "application/x-ndjson": {"schema": reference},
            },
        }
    }


@router.post(
    "/v1/offers:bulk",
    tags=["offers"],
    summary="Submit many offers (provider)",
    openapi_extra=_bulk_body(OfferBulkItem),
    **_BULK,
)
async def submit_offers(
    request: Request, api: ApiDep, principal: TraderDep, trace: TraceDep
) -> BulkReply:
    """Submit up to 1,000 offers, as a JSON list or as NDJSON; each has its own verdict."""
    return await _bulk(request, api, principal, Side.OFFER, trace)


@router.post(
    "/v1/demand:bulk",
    tags=["demand"],
    summary="Submit many demands (enterprise)",
    openapi_extra=_bulk_body(DemandBulkItem),
    **_BULK,
)
async def submit_demands(
    request: Request, api: ApiDep, principal: TraderDep, trace: TraceDep
) -> BulkReply:
    """Submit up to 1,000 demands, as a JSON list or as NDJSON; each has its own verdict."""
    return await _bulk(request, api, principal, Side.DEMAND, trace)


@router.post("/v1/demand:quote", tags=["demand"])
async def quote_demand(
    body: Annotated[DemandNew, examples.DEMAND_NEW], api: ApiDep, principal: PrincipalDep
) -> QuoteView:
    """Return what a demand would get and cost by the last round; nothing is placed."""
    _ = principal  # anybody who is known may ask
    return await api.quotes.quote(body.market_id, body.terms)


@router.get("/v1/offers", tags=["offers"], response_model=Page[OfferView])
async def list_offers(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    market_id: Slug | None = None,
    state: StatesQuery = None,
    where: OffersWhere = None,
) -> Response:
    """List your offers, newest first; the regulator and the operator see everybody's."""
    return await _list(api, principal, paging, Side.OFFER, market_id, state, where)


@router.get("/v1/demand", tags=["demand"], response_model=Page[DemandView])
async def list_demand(
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    market_id: Slug | None = None,
    state: StatesQuery = None,
    where: DemandWhere = None,
) -> Response:
    """List your demand, newest first; the regulator and the operator see everybody's."""
    return await _list(api, principal, paging, Side.DEMAND, market_id, state, where)


@router.get("/v1/offers/{order_id}", tags=["offers"])
async def get_offer(order_id: OfferIdPath, api: ApiDep, principal: PrincipalDep) -> OfferView:
    """Return one offer; right after its submission already."""
    view = await api.reading.order(principal, Side.OFFER, order_id)
    assert isinstance(view, OfferView)
    return view


@router.get("/v1/demand/{order_id}", tags=["demand"])
async def get_demand(order_id: DemandIdPath, api: ApiDep, principal: PrincipalDep) -> DemandView:
    """Return one demand; right after its submission already."""
    view = await api.reading.order(principal, Side.DEMAND, order_id)
    assert isinstance(view, DemandView)
    return view


_CHANGE: dict[str, Any] = {"status_code": ACCEPTED, "response_model_exclude_none": True}


@router.put("/v1/offers/{order_id}", tags=["offers"], **_CHANGE)
async def amend_offer(
    order_id: OfferIdPath,
    body: OfferAmend,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: OptionalKeyHeader = None,
) -> Receipt:
    """Ask for new terms in place of version `expected_version`; what is allocated stands."""
    change = Change(order_id, _key(key), body.expected_version, body.terms)
    return await api.orders.amend(principal, Side.OFFER, change, trace)


@router.put("/v1/demand/{order_id}", tags=["demand"], **_CHANGE)
async def amend_demand(
    order_id: DemandIdPath,
    body: DemandAmend,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: OptionalKeyHeader = None,
) -> Receipt:
    """Ask for new terms in place of version `expected_version`; they describe what is still
    wanted. They count once the ledger holds enough money for them.
    """  # noqa: D205 - shown as one paragraph on the API's page
    change = Change(order_id, _key(key), body.expected_version, body.terms)
    return await api.orders.amend(principal, Side.DEMAND, change, trace)


@router.delete("/v1/offers/{order_id}", tags=["offers"], **_CHANGE)
async def cancel_offer(
    order_id: OfferIdPath,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: OptionalKeyHeader = None,
) -> Receipt:
    """Withdraw an offer; what is allocated stands."""
    return await api.orders.cancel(principal, Side.OFFER, Change(order_id, _key(key)), trace)


@router.delete("/v1/demand/{order_id}", tags=["demand"], **_CHANGE)
async def cancel_demand(
    order_id: DemandIdPath,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: OptionalKeyHeader = None,
) -> Receipt:
    """Withdraw what a demand still wants; its money is free again after the next round."""
    return await api.orders.cancel(principal, Side.DEMAND, Change(order_id, _key(key)), trace)


@router.get("/v1/orders/{order_id}/history", tags=["orders"], response_model=Page[OrderEvent])
async def get_history(
    order_id: OrderId,
    api: ApiDep,
    principal: PrincipalDep,
    paging: PagingDep,
    where: HistoryWhere = None,
) -> Response:
    """Return all that happened to an order, oldest first: intents, states, holds."""
    found = await api.reading.history(
        principal, order_id, after=paging.number(), limit=paging.limit + 1, where=where
    )
    return numbered_page(paging, found, "history")


def _key(given: str | None) -> str:
    # A change without a key is an intent of its own each time.
    return given or f"auto-{secrets.token_hex(16)}"


async def _list(
    api: Api,
    principal: Principal,
    paging: Paging,
    side: Side,
    market_id: str | None,
    states: list[OrderState] | None,
    where: Filter | None,
) -> Response:
    found = await api.reading.orders(
        principal,
        side,
        market_id=market_id,
        states=None if states is None else [state.value for state in states],
        before=paging.number(),
        limit=paging.limit + 1,
        where=where,
    )
    return numbered_page(paging, found, "offers" if side is Side.OFFER else "demand")


# --- many at once ---------------------------------------------------------------------------


async def _bulk(
    request: Request, api: Api, principal: Principal, side: Side, trace: str
) -> BulkReply:
    raw = _items(await request.body(), request.headers.get("content-type", ""))
    model = OfferBulkItem if side is Side.OFFER else DemandBulkItem
    chinese = prefers_chinese(request.headers.get("accept-language", ""))
    keys: list[str | None] = []
    errors: dict[int, DomainError] = {}
    submissions: dict[int, Submission] = {}
    for index, item in enumerate(raw):
        try:
            if isinstance(item, DomainError):
                raise item
            read: OfferBulkItem | DemandBulkItem = model.model_validate(item)
        except ModelError as error:
            errors[index] = faults_of(error.errors(include_url=False), f"items.{index}")
        except DomainError as error:
            errors[index] = error
        else:
            submissions[index] = Submission(read.idempotency_key, read.market_id, read.terms)
        given = item.get("idempotency_key") if isinstance(item, dict) else None
        keys.append(given if isinstance(given, str) else None)
    outcomes = await api.orders.submit(principal, side, list(submissions.values()), trace)
    receipts: dict[int, Receipt] = {}
    for index, outcome in zip(submissions, outcomes, strict=True):
        if isinstance(outcome, DomainError):
            errors[index] = outcome
        else:
            receipts[index] = outcome
    return BulkReply(
        accepted=len(receipts),
        refused=len(errors),
        results=tuple(
            BulkResult(
                index=index,
                idempotency_key=key,
                receipt=receipts.get(index),
                problem=problem_of(errors[index], chinese=chinese) if index in errors else None,
            )
            for index, key in enumerate(keys)
        ),
    )


def _items(body: bytes, content_type: str) -> list[Any]:
    if content_type.partition(";")[0].strip().lower() == "application/x-ndjson":
        lines = [line for line in body.split(b"\n") if line.strip()]
        _check_count(len(lines))
        return [_parsed_line(index, line) for index, line in enumerate(lines)]
    try:
        items = parse_json(body)
    except ValueError as error:
        raise _not_json("body", str(error)) from None
    if not isinstance(items, list):
        kind = type(items).__name__
        raise _not_list(kind)
    _check_count(len(items))
    return items


def _parsed_line(index: int, line: bytes) -> object:
    # One line that is no JSON costs only itself.
    if len(line) > BODY_BYTES_MAX:
        return TooLargeError(
            "validation.too_large",
            Message(
                f"items.{index}: must be at most {BODY_BYTES_MAX} bytes, was {len(line)}",
                f"items.{index}：不得超过 {BODY_BYTES_MAX} 字节，实为 {len(line)}",
            ),
            field=f"items.{index}",
            value=f"{len(line)} bytes",
            allowed=f"at most {BODY_BYTES_MAX} bytes",
        )
    try:
        return parse_json(line)
    except ValueError as error:
        return _not_json(f"items.{index}", str(error))


def _check_count(count: int) -> None:
    if not 1 <= count <= BULK_ITEMS_MAX:
        fault = Fault(
            "body",
            f"{count} items",
            f"1 to {BULK_ITEMS_MAX} items",
            Message(
                f"body: must be 1 to {BULK_ITEMS_MAX} items, was {count}",
                f"请求体须有 1 至 {BULK_ITEMS_MAX} 项，实为 {count} 项",
            ),
        )
        raise FaultsError("validation.item_count", fault.message, (fault,))


def _not_json(field: str, reason: str) -> FaultsError:
    fault = Fault(
        field,
        reason[:200],
        "valid JSON",
        Message(
            f"{field}: must be valid JSON, was {reason}", f"{field}：须为有效的 JSON：{reason}"
        ),
    )
    return FaultsError("validation.not_json", fault.message, (fault,))


def _not_list(kind: str) -> FaultsError:
    fault = Fault(
        "body",
        kind,
        "a JSON list, or NDJSON as application/x-ndjson",
        Message(f"body: must be a JSON list, was {kind}", f"请求体须为 JSON 数组，实为 {kind}"),
    )
    return FaultsError("validation.invalid", fault.message, (fault,))
