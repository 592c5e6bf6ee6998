"""Routes of many offers or demands at once: a JSON list, or NDJSON that is read as it comes."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import Any

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError as ModelError
from starlette.requests import ClientDisconnect

from schemas.api import (
    BULK_ITEMS_MAX,
    BULK_LINES_MAX,
    BulkReply,
    BulkResult,
    DemandBulkItem,
    OfferBulkItem,
)
from schemas.types import Side
from services.core.errors import DomainError, Message
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.context import (
    Api,
    ApiDep,
    OptionalKeyHeader,
    StrictRoute,
    TraceDep,
    TraderDep,
    parse_json,
)
from services.gateway.adapters.http.middleware import BODY_BYTES_MAX, NDJSON, is_streamed
from services.gateway.adapters.http.ndjson import Line, Lines
from services.gateway.adapters.http.problems import prefers_chinese, problem_of
from services.gateway.adapters.http.routing import Routes
from services.gateway.adapters.http.translate import faults_of, not_json
from services.gateway.adapters.http.trying import DryRunQuery
from services.gateway.app.orders import Submission
from services.gateway.errors import Fault, FaultsError, LimitError, TooLargeError
from services.gateway.ports import Principal

router = Routes(route_class=StrictRoute)

# As many as the log takes at one go without others waiting long.
_BATCH_LINES = 500
_BATCH_BYTES = 1024 * 1024
# Results wait until the body has ended, since most clients read only then; more goes to a file.
_SPOOL_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024
# A line that is wrong in a hundred places need not have each of them told.
_FAULTS_TOLD = 10
# Waits of a second or more for a share of the limit, for each batch.
_WAITS_MAX = 60
Result = tuple[int, str | None, Any]

_BULK: dict[str, Any] = {
    "status_code": HTTPStatus.ACCEPTED.value,
    "response_model": BulkReply,
    "response_model_exclude_none": True,
    "responses": {
        HTTPStatus.ACCEPTED.value: {
            "description": "A verdict for each, in their order; to NDJSON one in a line",
            "content": {NDJSON: {"schema": {"$ref": "#/components/schemas/BulkResult"}}},
        }
    },
}


def _body_of(
    model: type[OfferBulkItem | DemandBulkItem], example: dict[str, Any]
) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    many = {"type": "array", "maxItems": BULK_ITEMS_MAX, "items": reference}
    many["examples"] = [[example]]
    lines = {"schema": reference, "example": example}
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": many}, NDJSON: lines},
        }
    }


@router.post(
    "/v1/offers:bulk",
    tags=["offers"],
    summary="Submit many offers (provider)",
    openapi_extra=_body_of(OfferBulkItem, examples.OFFER),
    **_BULK,
)
async def submit_offers(
    request: Request,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: OptionalKeyHeader = None,
    *,
    dry_run: DryRunQuery = False,
) -> Response:
    """Submit up to 1,000 offers as a JSON list, or up to 10,000 as NDJSON; each has its own
    verdict. An `Idempotency-Key` stands for the whole: sent again, nothing is done twice.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await _answer(request, Bulk(api, principal, Side.OFFER, trace, key, dry_run=dry_run))


@router.post(
    "/v1/demand:bulk",
    tags=["demand"],
    summary="Submit many demands (enterprise)",
    openapi_extra=_body_of(DemandBulkItem, examples.DEMAND),
    **_BULK,
)
async def submit_demands(
    request: Request,
    api: ApiDep,
    principal: TraderDep,
    trace: TraceDep,
    key: OptionalKeyHeader = None,
    *,
    dry_run: DryRunQuery = False,
) -> Response:
    """Submit up to 1,000 demands as a JSON list, or up to 10,000 as NDJSON; each has its own
    verdict. An `Idempotency-Key` stands for the whole: sent again, nothing is done twice.
    """  # noqa: D205 - shown as one paragraph on the API's page
    return await _answer(request, Bulk(api, principal, Side.DEMAND, trace, key, dry_run=dry_run))


@dataclass(slots=True)
class Bulk:
    """Many orders of one side, taken in piece by piece.

    Attributes:
        api: The use cases.
        principal: Whose they are.
        side: Their side.
        trace: Trace context.
        key: Idempotency key of the whole, if there is one.
        dry_run: Whether they are only tried.
        reserved: Micro-yuan that the orders tried so far would hold.
    """

    api: Api
    principal: Principal
    side: Side
    trace: str
    key: str | None
    dry_run: bool
    reserved: int = 0

    async def take(self, items: Sequence[tuple[int, Any]], prefix: str = "") -> list[Result]:
        """Submit or try items; return (index, key, what became of it) of each, in order.

        Args:
            items: (index, parsed JSON or why it is none).
            prefix: Path of an item in the request, with ``{}`` for its index.
        """
        read = [(index, *self._read(index, item, prefix.format(index))) for index, item in items]
        wanted = [item for _, _, item in read if isinstance(item, Submission)]
        outcomes: Sequence[Any]
        if self.dry_run:
            outcomes = await self.api.previews.submissions(
                self.principal, self.side, wanted, self.reserved
            )
            holds = [getattr(item, "hold", None) for item in outcomes]
            self.reserved += sum(hold.amount for hold in holds if hold is not None)
        else:
            outcomes = await self.api.orders.submit(self.principal, self.side, wanted, self.trace)
        told = iter(outcomes)
        return [
            (index, key, next(told) if isinstance(item, Submission) else item)
            for index, key, item in read
        ]

    def _read(
        self,
        index: int,
        item: Any,  # noqa: ANN401 - JSON
        path: str,
    ) -> tuple[str | None, Submission | DomainError]:
        given = item.get("idempotency_key") if isinstance(item, dict) else None
        key = given if isinstance(given, str) else None
        if isinstance(item, DomainError):
            return key, item
        model = OfferBulkItem if self.side is Side.OFFER else DemandBulkItem
        try:
            read: OfferBulkItem | DemandBulkItem = model.model_validate(item)
        except ModelError as error:
            return key, faults_of(error.errors(include_url=False), path)
        key = read.idempotency_key or self._key_of(index)
        if key is None:
            return None, _no_key(f"{path}.idempotency_key".lstrip("."))
        return key, Submission(key, read.market_id, read.terms)

    def _key_of(self, index: int) -> str | None:
        if self.key is None:
            return "dry-run" if self.dry_run else None
        digest = hashlib.sha256(f"{self.key}/{index}".encode()).hexdigest()
        return f"bulk-{digest[:40]}"


async def _answer(request: Request, bulk: Bulk) -> Response:
    chinese = prefers_chinese(request.headers.get("accept-language", ""))
    if is_streamed(request.scope):
        return await _lines(request, bulk, chinese=chinese)
    items = _items(await request.body())
    results = await bulk.take(list(enumerate(items)), "items.{}")
    refused = sum(isinstance(item, DomainError) for _, _, item in results)
    told = ",".join(_told(*item, chinese=chinese) for item in results)
    return Response(
        f'{{"accepted":{len(results) - refused},"refused":{refused},"results":[{told}]}}',
        HTTPStatus.ACCEPTED.value,
        media_type="application/json",
    )


def _told(
    index: int,
    key: str | None,
    found: Any,  # noqa: ANN401 - a receipt, a preview or an error
    *,
    chinese: bool,
) -> str:
    """Return a verdict as JSON, a `BulkResult` without what does not apply to it."""
    if isinstance(found, DomainError):
        problem = problem_of(found, chinese=chinese)
        problem = problem.model_copy(update={"errors": problem.errors[:_FAULTS_TOLD]})
        result = BulkResult(index=index, idempotency_key=key, problem=problem)
        return result.model_dump_json(exclude_none=True)
    if not hasattr(found, "fits"):
        taken = BulkResult.model_construct(index=index, idempotency_key=key, receipt=found)
        return taken.model_dump_json(exclude_none=True)
    tried = BulkResult.model_construct(index=index, idempotency_key=key, preview=found)
    absent = {"receipt", "problem"} | ({"idempotency_key"} if key is None else set())
    # The preview with its nulls, as when one order is tried alone.
    return tried.model_dump_json(exclude=absent)


# --- NDJSON ---------------------------------------------------------------------------------


async def _lines(request: Request, bulk: Bulk, *, chinese: bool) -> Response:
    """Take in lines as they arrive, then tell what became of each.

    What stops the reading is told in a last line: the lines before it have their verdicts, and
    the whole may be sent again under its key.
    """
    lines = Lines(BODY_BYTES_MAX)
    with ExitStack() as stack:
        spool = stack.enter_context(SpooledTemporaryFile[bytes](_SPOOL_BYTES))
        tell = partial(_tell, spool, chinese=chinese)
        try:
            async for batch in _batches(request, lines):
                await _pay(bulk, sum(line.size for line in batch))
                tell(await bulk.take([(line.index, _parsed(line)) for line in batch]))
            if lines.next_index == 0:
                raise _count(0, BULK_LINES_MAX)
        except ClientDisconnect:
            # Nobody is there to read it.
            return Response(status_code=HTTPStatus.BAD_REQUEST.value)
        except DomainError as error:
            if spool.tell() == 0:
                raise
            tell([(min(lines.next_index, BULK_LINES_MAX), None, error)])
        # Whoever reads it out closes it.
        stack.pop_all()
    return StreamingResponse(
        _read_out(spool), status_code=HTTPStatus.ACCEPTED.value, media_type=NDJSON
    )


def _tell(
    spool: "SpooledTemporaryFile[bytes]", results: Sequence[Result], *, chinese: bool
) -> None:
    for item in results:
        spool.write(_told(*item, chinese=chinese).encode() + b"\n")


async def _batches(request: Request, lines: Lines) -> AsyncIterator[list[Line]]:
    batch: list[Line] = []
    size = 0
    async for chunk in request.stream():
        for line in lines.feed(chunk):
            if line.index >= BULK_LINES_MAX:
                yield batch
                raise _count(f"more than {BULK_LINES_MAX}", BULK_LINES_MAX)
            batch.append(line)
            size += line.size
            if len(batch) >= _BATCH_LINES or size >= _BATCH_BYTES:
                yield batch
                batch, size = [], 0
    batch += lines.end()
    if batch:
        yield batch


async def _pay(bulk: Bulk, size: int) -> None:
    """Count lines against the participant's limit; wait rather than break off a bulk."""
    for left in reversed(range(_WAITS_MAX)):
        try:
            await bulk.api.limits.known(bulk.principal, writes=True, body_bytes=size)
        except LimitError as error:
            if left == 0:
                raise
            await asyncio.sleep(error.wait_s)
        else:
            return


async def _read_out(spool: "SpooledTemporaryFile[bytes]") -> AsyncIterator[bytes]:
    with spool:
        spool.seek(0)
        while chunk := spool.read(_CHUNK_BYTES):
            yield chunk


def _parsed(line: Line) -> Any:  # noqa: ANN401 - JSON
    # One line that is no JSON, or too long, costs only itself.
    if line.size > BODY_BYTES_MAX:
        return TooLargeError(
            "validation.too_large",
            Message(
                f"line: must be at most {BODY_BYTES_MAX} bytes, was {line.size}",
                f"行：不得超过 {BODY_BYTES_MAX} 字节，实为 {line.size}",
            ),
            field="line",
            value=f"{line.size} bytes",
            allowed=f"at most {BODY_BYTES_MAX} bytes",
        )
    try:
        return parse_json(line.text)
    except ValueError as error:
        return not_json("line", str(error))


# --- a JSON list ----------------------------------------------------------------------------


def _items(body: bytes) -> list[Any]:
    try:
        items = parse_json(body)
    except ValueError as error:
        raise not_json("body", str(error)) from None
    if not isinstance(items, list):
        raise _not_list(type(items).__name__)
    if not 1 <= len(items) <= BULK_ITEMS_MAX:
        raise _count(len(items), BULK_ITEMS_MAX)
    return items


def _fault(code: str, field: str, value: str, allowed: str, message: Message) -> FaultsError:
    return FaultsError(code, message, (Fault(field, value, allowed, message),))


def _count(count: int | str, most: int) -> FaultsError:
    message = Message(
        f"body: must be 1 to {most} items, was {count}",
        f"请求体须有 1 至 {most} 项，实为 {count} 项",
    )
    allowed = f"1 to {most} items"
    return _fault("validation.item_count", "body", f"{count} items", allowed, message)


def _not_list(kind: str) -> FaultsError:
    message = Message(
        f"body: must be a JSON list, was {kind}", f"请求体须为 JSON 数组，实为 {kind}"
    )
    allowed = f"a JSON list, or NDJSON as {NDJSON}"
    return _fault("validation.invalid", "body", kind, allowed, message)


def _no_key(field: str) -> FaultsError:
    allowed = "given, or an Idempotency-Key for the whole"
    message = Message(
        f"{field}: must be {allowed}, was absent",
        f"{field}：必填，或以 Idempotency-Key 标识整个请求；实为缺失",
    )
    return _fault("validation.missing", field, "absent", allowed, message)
