"""What every route needs: the use cases, the caller, the trace, the page."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Query, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer, SecurityScopes
from pydantic_core import from_json
from starlette.responses import Response

from schemas.api import PAGE_ITEMS_MAX, IdempotencyKey, Page
from schemas.base import Model
from schemas.identity import Scope
from services.core.errors import AuthError, DomainError, Message, ValidationError
from services.gateway.adapters.http.middleware import is_streamed
from services.gateway.adapters.http.problems import status_of
from services.gateway.adapters.sight import see_as, see_nothing
from services.gateway.app.acts import ActsReading
from services.gateway.app.books_then import BooksThen
from services.gateway.app.cancel_all import CancelAll
from services.gateway.app.day_reports import DayReports
from services.gateway.app.dead_letters import DeadLetterWork
from services.gateway.app.direct_logins import DirectLogins
from services.gateway.app.door import Door
from services.gateway.app.erasures import ErasureWork
from services.gateway.app.exchange import ExchangeCommands
from services.gateway.app.exports import Exports
from services.gateway.app.finality import Finality
from services.gateway.app.funds import FundsCommands, FundsReading
from services.gateway.app.keys import KeyCommands
from services.gateway.app.life import LifeReading
from services.gateway.app.limits import Limits
from services.gateway.app.log import LogReading
from services.gateway.app.market_data import MarketData
from services.gateway.app.members import MemberCommands
from services.gateway.app.mobilisations import MobilisationWork
from services.gateway.app.orders import OrderCommands
from services.gateway.app.policy_studies import PolicyStudies
from services.gateway.app.previews import Previews
from services.gateway.app.quotes import Quotes
from services.gateway.app.reading import Reading
from services.gateway.app.scopes import require_scope
from services.gateway.app.signing_keys import SigningKeyCommands
from services.gateway.app.standing import Standing
from services.gateway.app.streams import Streams
from services.gateway.app.surveillance import CaseWork
from services.gateway.app.webhooks import WebhookCommands
from services.gateway.errors import UnavailableError
from services.gateway.ports import Principal
from services.kit.telemetry import child_traceparent

_PAGE_ITEMS = 100

ItemT = TypeVar("ItemT", bound=Model)


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes call.

    Attributes:
        orders: Writes about orders.
        exchange: Writes about the rest.
        reading: Reads.
        funds: Writes about money.
        money: Reads about money.
        quotes: What an order would get.
        previews: What an order would come to.
        log: The transparency log.
        life: Lives of orders.
        books: Books of the past.
        erasures: Orders to erase entries.
        dead_letters: Records that nobody could take.
        market_data: Public statistics and indices.
        exports: A market's days as files.
        cases: Cases of surveillance.
        reports: Daily reports.
        finality: How far the log is final.
        door: Who is calling.
        limits: How much callers may ask for.
        standing: Who may trade.
        mobilisations: Needs declared urgent.
        studies: What policies cost and would cost.
        keys: API keys.
        members: People who act for participants.
        signing_keys: Keys of signed records.
        direct_logins: Logins at the broker.
        acts: The record of acts.
        streams: What is told live.
        webhooks: Who is told it by HTTP.
        cancel_all: Withdraws all orders of a participant.
        receipt_key: (key id, public key Base64) that receipts are signed with, if any.
        readiness: Returns the parts of the gateway and whether each is ready.
        is_sandbox: Whether the money is play money, to be had for the asking.
    """

    orders: OrderCommands
    exchange: ExchangeCommands
    reading: Reading
    funds: FundsCommands
    money: FundsReading
    quotes: Quotes
    previews: Previews
    log: LogReading
    life: LifeReading
    books: BooksThen
    erasures: ErasureWork
    dead_letters: DeadLetterWork
    market_data: MarketData
    exports: Exports
    cases: CaseWork
    reports: DayReports
    finality: Finality
    door: Door
    limits: Limits
    standing: Standing
    mobilisations: MobilisationWork
    studies: PolicyStudies
    keys: KeyCommands
    members: MemberCommands
    signing_keys: SigningKeyCommands
    direct_logins: DirectLogins
    acts: ActsReading
    streams: Streams
    webhooks: WebhookCommands
    cancel_all: CancelAll
    receipt_key: tuple[str, str] | None
    readiness: Callable[[], Awaitable[Mapping[str, bool]]]
    is_sandbox: bool = False


# Dependencies are coroutines even where they await nothing: others cost a thread each.
async def get_api(request: Request) -> Api:
    """Return the use cases of the running app."""
    api = request.app.state.api
    assert isinstance(api, Api)
    return api


ApiDep = Annotated[Api, Depends(get_api)]

_bearer = HTTPBearer(
    auto_error=False, scheme_name="ApiKey", description="`Authorization: Bearer sk_...`, or a token"
)
_SAFE_METHODS = frozenset({"GET", "HEAD"})


async def get_principal(
    request: Request,
    api: ApiDep,
    scopes: SecurityScopes,
    _shown: Annotated[object, Depends(_bearer)],
) -> Principal:
    """Return the caller, who has the scope that the route declares.

    Raises:
        UnauthenticatedError: if the request has no key or token, or none that is valid.
        ForbiddenError: if the scope is missing.
        LimitError: if the caller asks for too much.
    """
    (needed,) = scopes.scopes
    return await enter(request, api, Scope(needed))


async def enter(request: Request, api: Api, needed: Scope) -> Principal:
    """Return the caller, counted, and recorded if the scope is.

    Raises:
        UnauthenticatedError: if the request has no key or token, or none that is valid.
        ForbiddenError: if the scope is missing.
        LimitError: if the caller asks for too much.
    """
    state = request.state
    try:
        found = await api.door.caller(request.headers.get("authorization", ""))
    except (AuthError, UnavailableError):
        # Whoever guesses is counted where he is, since nobody knows who he is.
        state.standing = await api.limits.unknown(address_of(request))
        raise
    see_as(found)
    body = b""
    # What a route reads as it comes is counted there, as it comes.
    if request.method not in _SAFE_METHODS and not is_streamed(request.scope):
        body = await request.body()
    writes = needed is not Scope.READ
    state.standing = await api.limits.known(found, writes=writes, body_bytes=len(body))
    act = request.scope["route"].name
    state.act = await api.door.begin(found, needed, act=act, path=request.url.path, body=body)
    require_scope(found, needed)
    return found


def address_of(request: Request) -> str:
    """Return where a request came from, as far as that is known."""
    return "" if request.client is None else request.client.host


# What a route needs is declared by the type of its `principal`, and shown in its description.
PrincipalDep = Annotated[Principal, Security(get_principal, scopes=[Scope.READ.value])]
TraderDep = Annotated[Principal, Security(get_principal, scopes=[Scope.TRADE.value])]
TreasurerDep = Annotated[Principal, Security(get_principal, scopes=[Scope.MONEY.value])]
GovernorDep = Annotated[Principal, Security(get_principal, scopes=[Scope.GOVERN.value])]
AdminDep = Annotated[Principal, Security(get_principal, scopes=[Scope.ADMIN.value])]


async def get_caller(
    request: Request, api: ApiDep, _shown: Annotated[object, Depends(_bearer)]
) -> Principal | None:
    """Return the caller of what anybody may read; ``None`` if the request has no key.

    Raises:
        UnauthenticatedError: if it has one that is not valid.
    """
    if "authorization" not in request.headers:
        return None
    return await enter(request, api, Scope.READ)


CallerDep = Annotated[Principal | None, Security(get_caller, scopes=[Scope.READ.value])]


async def get_trace(traceparent: Annotated[str, Header(include_in_schema=False)] = "") -> str:
    """Return the trace context of what the request leads to."""
    return child_traceparent(traceparent)


TraceDep = Annotated[str, Depends(get_trace)]
KeyHeader = Annotated[IdempotencyKey, Header(alias="Idempotency-Key")]
OptionalKeyHeader = Annotated[IdempotencyKey | None, Header(alias="Idempotency-Key")]


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Return parsed JSON; depth is bounded and NaN refused, which Python's parser does not.

    Raises:
        ValueError: if it is not JSON.
    """
    return from_json(body, allow_inf_nan=False)


class StrictRequest(Request):
    """Parses JSON by `parse_json`."""

    async def json(self) -> Any:  # noqa: ANN401 - JSON
        """Return the parsed body.

        Raises:
            json.JSONDecodeError: if it is not JSON.
        """
        body = await self.body()
        try:
            return parse_json(body)
        except ValueError as error:
            text = str(error)
            raise json.JSONDecodeError(text[:200], body.decode(errors="replace"), 0) from None


class StrictRoute(APIRoute):
    """A route whose requests are `StrictRequest`, counted, and recorded if its scope is."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return the handler with its request replaced."""
        handler = super().get_route_handler()
        asks_who = _asks_who(self.dependant)

        async def handle(request: Request) -> Response:
            see_nothing()
            api, state = await get_api(request), request.state
            state.act = state.standing = None
            if not asks_who or "authorization" not in request.headers:
                state.standing = await api.limits.unknown(address_of(request))
            status = HTTPStatus.INTERNAL_SERVER_ERROR.value
            try:
                response: Response = await handler(StrictRequest(request.scope, request.receive))
                status = response.status_code
            except DomainError as error:
                status = status_of(error).value
                raise
            except RequestValidationError:
                status = HTTPStatus.UNPROCESSABLE_ENTITY.value
                raise
            finally:
                if state.act is not None:
                    await api.door.end(state.act, status)
            if state.standing is not None:
                response.headers.update(state.standing.headers())
            return response

        return handle


def _asks_who(dependant: Dependant) -> bool:
    return any(
        part.call in (get_principal, get_caller) or _asks_who(part)
        for part in dependant.dependencies
    )


# --- pages ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a list is wanted, and as what.

    Attributes:
        limit: Items at most.
        after: What the cursor holds, ``None`` at the start.
        as_csv: Whether the caller asks for CSV.
        as_lines: Whether the caller asks for one JSON object a line.
    """

    limit: int
    after: tuple[str | int, ...] | None
    as_csv: bool
    as_lines: bool = False

    def number(self) -> int | None:
        """Return the cursor of a list by sequence number."""
        return None if self.after is None else int(self._typed(int)[0])

    def text(self) -> str | None:
        """Return the cursor of a list by id."""
        return None if self.after is None else str(self._typed(str)[0])

    def number_text(self) -> tuple[int, str] | None:
        """Return the cursor of a list by number, then id."""
        if self.after is None:
            return None
        number, text = self._typed(int, str)
        return int(number), str(text)

    def text_number(self) -> tuple[str, int] | None:
        """Return the cursor of a list by id, then number."""
        if self.after is None:
            return None
        text, number = self._typed(str, int)
        return str(text), int(number)

    def _typed(self, *types: type) -> tuple[str | int, ...]:
        assert self.after is not None
        if [type(part) for part in self.after] != list(types):
            raise _bad_cursor("of another list")
        return self.after


async def get_paging(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX)] = _PAGE_ITEMS,
    cursor: Annotated[str | None, Query(max_length=300, description="`next_cursor`")] = None,
) -> Paging:
    """Return the page that is wanted.

    Raises:
        ValidationError: if the cursor is not one that a list gave out.
    """
    wanted = request.headers.get("accept", "")
    after = None if cursor is None else _decode(cursor)
    return Paging(limit, after, "text/csv" in wanted, "application/x-ndjson" in wanted)


PagingDep = Annotated[Paging, Depends(get_paging)]
_NUMBER_MAX = 2**63 - 1


def _decode(cursor: str) -> tuple[str | int, ...]:
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=="))
    except (ValueError, binascii.Error, RecursionError):
        raise _bad_cursor(cursor) from None
    if not isinstance(parts, list) or not all(map(_fits, parts)):
        raise _bad_cursor(cursor)
    return tuple(parts)


def _fits(part: object) -> bool:
    if type(part) is str:
        # Ids are ASCII; a lone surrogate or U+0000 is nothing that Postgres could look for.
        return part.isascii() and "\0" not in part
    return type(part) is int and abs(part) <= _NUMBER_MAX


def _encode(*parts: str | int) -> str:
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _bad_cursor(value: str) -> ValidationError:
    return ValidationError(
        "validation.cursor",
        Message(
            f"cursor: must be the next_cursor of the same list, was {value[:200]}",
            f"cursor：须为同一列表返回的 next_cursor，实为 {value[:200]}",
        ),
        field="cursor",
        value=value,
        allowed="next_cursor of the same list",
    )


def page(
    paging: Paging, items: Sequence[ItemT], last: Sequence[str | int] | None, name: str
) -> Response:
    """Return a page as JSON, CSV or one JSON object a line.

    Args:
        paging: What was asked for.
        items: One more than ``paging.limit`` if there is a further page.
        last: Sort key of item number ``paging.limit``, if there are that many.
        name: File name of the CSV, without its ending.
    """
    more = len(items) > paging.limit
    shown = tuple(items[: paging.limit])
    cursor = _encode(*last) if more and last is not None else None
    if paging.as_csv:
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        if cursor is not None:
            headers["Link"] = _next(cursor, paging.limit)
        return Response(csv_of(shown), media_type="text/csv; charset=utf-8", headers=headers)
    if paging.as_lines:
        lines = "".join(item.model_dump_json() + "\n" for item in shown)
        headers = {} if cursor is None else {"Link": _next(cursor, paging.limit)}
        return Response(lines, media_type="application/x-ndjson", headers=headers)
    body = Page[Model](items=shown, next_cursor=cursor)
    return Response(body.model_dump_json(serialize_as_any=True), media_type="application/json")


def numbered_page(paging: Paging, found: Sequence[tuple[int, ItemT]], name: str) -> Response:
    """Return a `page` of items that come with the number that they are sorted by."""
    last = [found[paging.limit - 1][0]] if len(found) > paging.limit else None
    return page(paging, [item for _, item in found], last, name)


def _next(cursor: str, limit: int) -> str:
    return f'<?cursor={cursor}&limit={limit}>; rel="next"'


def csv_of(items: Sequence[Model]) -> str:
    """Return rows as CSV: a column for every field, and none that a spreadsheet would run."""
    flat = [_flat(item.model_dump(mode="json")) for item in items]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()


def _flat(row: dict[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            flat[prefix + name] = json.dumps(value, ensure_ascii=False)
        else:
            flat[prefix + name] = _harmless(value)
    return flat


def _harmless(value: object) -> object:
    # A spreadsheet runs a text that begins like this as a formula.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
