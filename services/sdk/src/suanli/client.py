"""Synchronous and asynchronous clients of the exchange's HTTP API."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import httpx

from suanli import bulk
from suanli import operations as ops
from suanli.api import AsyncCalls, Calls
from suanli.bulk import RETRY_STATUS
from suanli.errors import ApiError, UnreachableError
from suanli.streams import EventReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from suanli.models import BulkResult, DemandBulkItem, OfferBulkItem
    from suanli.operations import Json, Operation, Param
    from suanli.streams import StreamEvent

    Credential = str | Callable[[], str] | None

_ATTEMPTS = 5
_BACKOFF_S = 0.2
_PAGE = 500
_ENVIRONMENT = "Suanli-Environment"


class _Base:
    """What both clients share: building requests and reading replies."""

    def __init__(self, base_url: str, api_key: Credential, language: str) -> None:
        self.base_url = base_url.rstrip("/")
        # What the exchange says that it is, ``sandbox`` or nothing; known after the first reply.
        self.environment = ""
        self._headers = {"Accept": "application/json", "Accept-Language": language}
        self._credential = api_key

    @property
    def _key_header(self) -> dict[str, str]:
        found = self._credential
        key = found() if callable(found) else found
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _request(self, operation: Operation) -> dict[str, Any]:
        headers = dict(self._key_header)
        if operation.idempotency_key:
            headers["Idempotency-Key"] = operation.idempotency_key
        request: dict[str, Any] = {
            "method": operation.method,
            "url": operation.path,
            "params": {k: _text(v) for k, v in operation.params.items() if v is not None},
            "headers": headers,
        }
        if operation.body is not None:
            request["json"] = operation.body
        return request

    def _stream_request(self, operation: Operation, last_id: str) -> dict[str, Any]:
        request = self._request(operation)
        request["headers"] |= {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_id:
            request["headers"]["Last-Event-ID"] = last_id
        return request

    def _bulk_request(self, side: str, part: bulk.Part, *, dry_run: bool) -> dict[str, Any]:
        params: dict[str, Param] = {"dry_run": True} if dry_run else {}
        operation = ops.Operation("POST", f"/v1/{side}:bulk", params, idempotency_key=part.key)
        request = self._request(operation)
        kind = "application/x-ndjson"
        request["headers"] |= {"Accept": kind, "Content-Type": kind}
        request["headers"]["Content-Length"] = str(part.length())
        # The exchange reads as fast as it takes in, and answers when it has read all.
        return request | {"timeout": httpx.Timeout(30, read=600, write=120)}

    @staticmethod
    def _may_retry(operation: Operation) -> bool:
        return operation.method in {"GET", "DELETE"} or operation.idempotency_key is not None

    @staticmethod
    def _wait_s(attempt: int, response: httpx.Response | None) -> float:
        after = response.headers.get("Retry-After") if response is not None else None
        if after is not None and after.isdigit():
            return float(after)
        return _BACKOFF_S * float(2**attempt)

    @staticmethod
    def _refused(response: httpx.Response, silent: int) -> int:
        """Return how often a stream was not to be had by now, if it may be asked for again."""
        # A gateway that starts anew behind a proxy must not end what listens to it.
        if response.status_code not in RETRY_STATUS or silent + 1 == _ATTEMPTS:
            raise ApiError.of(response)
        return silent + 1

    @staticmethod
    def _result(response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
        if response.is_success:
            kind = response.headers.get("content-type", "")
            if "json" in kind:
                return response.json()
            return response.text if kind.startswith("text/") else response.content
        raise ApiError.of(response)


class Client(_Base, Calls):
    """Talk to the exchange from a script or a notebook.

    Every operation of the API is a method of its name, with its parameters and its reply typed:
    ``client.submit_offer(...)``, ``client.get_account()``. A list is an iterator over all its
    pages and a data frame if you like (`suanli.rows.Rows`).

    Args:
        base_url: For example ``http://127.0.0.1:8000``.
        api_key: Key of a participant, or what returns one for each request, such as
            `suanli.sign_in.ProfileToken`; ``None`` reads what is public.
        language: ``en`` or ``zh``: the language of error details.
        timeout_s: Longest wait for one reply.
    """

    def __init__(
        self,
        base_url: str,
        api_key: Credential = None,
        *,
        language: str = "en",
        timeout_s: float = 30.0,
    ) -> None:
        """Open a connection pool; close it with ``close`` or a ``with`` block."""
        super().__init__(base_url, api_key, language)
        self._http = httpx.Client(base_url=self.base_url, headers=self._headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, operation: Operation) -> Any:  # noqa: ANN401 - JSON
        """Send a call; retry what is safe to repeat.

        Raises:
            ApiError: the exchange refused, with code, field, value and what is allowed.
            UnreachableError: it did not answer.
        """
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1 or not self._may_retry(operation)
            try:
                response = self._http.request(**self._request(operation))
            except httpx.TransportError as error:
                if last:
                    raise UnreachableError(self.base_url, str(error)) from error
                time.sleep(self._wait_s(attempt, None))
                continue
            self.environment = response.headers.get(_ENVIRONMENT, "")
            if response.status_code in RETRY_STATUS and not last:
                time.sleep(self._wait_s(attempt, response))
                continue
            return self._result(response)
        raise AssertionError

    def events(self, operation: Operation) -> Iterator[StreamEvent]:
        """Yield what a stream sends; go on after the last event whenever the line breaks.

        Raises:
            ApiError: the exchange refused.
            UnreachableError: it did not answer so many times on end.
        """
        reader = EventReader()
        silent = 0
        while True:
            request = self._stream_request(operation, reader.last_id)
            try:
                with self._http.stream(**request, timeout=_stream_timeout()) as response:
                    if not response.is_success:
                        response.read()
                        silent = self._refused(response, silent)
                        time.sleep(self._wait_s(silent, response))
                        continue
                    for line in response.iter_lines():
                        for event in reader.feed(line):
                            silent = 0
                            yield event
            except httpx.TransportError as error:
                silent += 1
                if silent == _ATTEMPTS:
                    raise UnreachableError(self.base_url, str(error)) from error
            reader.lost()
            time.sleep(reader.retry_s)

    def submit_many(
        self,
        side: bulk.Side,
        items: Iterable[OfferBulkItem] | Iterable[DemandBulkItem],
        *,
        key: str | None = None,
        dry_run: bool = False,
        at_once: int = bulk.LINES_MAX,
    ) -> Iterator[BulkResult]:
        """Submit any number of orders; yield the verdict on each, in their order.

        What broke is sent again under its key, so no order is placed twice.

        Args:
            side: Which kind of orders.
            items: The orders; they are taken as they are needed.
            key: Idempotency key of the whole. The same orders under it are placed once, also by
                another run, with the same ``at_once``.
            dry_run: Only tell what each would come to.
            at_once: Orders in a request; each request's verdicts come when it has ended.

        Raises:
            ApiError: the exchange refused to go on; what was told before stands.
            UnreachableError: it did not answer.
        """
        for part in bulk.parts(items, key or ops.new_key(), at_once):
            for attempt in range(_ATTEMPTS):
                last = attempt == _ATTEMPTS - 1
                response: httpx.Response | None = None
                request = self._bulk_request(side, part, dry_run=dry_run)
                try:
                    with self._http.stream(**request, content=part.body()) as response:
                        if response.is_success:
                            for line in response.iter_lines():
                                if (told := part.feed(line)) is not None:
                                    yield told
                            error = part.end()
                        else:
                            response.read()
                            error = ApiError.of(response)
                except httpx.TransportError as lost:
                    if last:
                        raise UnreachableError(self.base_url, str(lost)) from lost
                else:
                    if error is None:
                        break
                    if last or error.status not in RETRY_STATUS:
                        raise error
                time.sleep(self._wait_s(attempt, response))

    def be_patient(self, timeout_s: float) -> None:
        """Wait so long for a reply from now on."""
        self._http.timeout = httpx.Timeout(timeout_s)

    def pages(self, path: str, **params: Param) -> Iterator[Json]:
        """Yield every item of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.send(ops.read(path, limit=_PAGE, cursor=cursor, **params))
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def order(self, order_id: str) -> Json:
        """Return one of your orders."""
        order: Json = self.send(ops.read(f"/v1/{side_of(order_id)}/{order_id}"))
        return order

    def cancel(self, order_id: str) -> Json:
        """Withdraw one of your orders."""
        reply: Json = self.send(ops.cancel(side_of(order_id), order_id))
        return reply

    def amend(self, order_id: str, expected_version: int, terms: Json) -> Json:
        """Replace the terms of one of your orders."""
        reply: Json = self.send(ops.amend(side_of(order_id), order_id, expected_version, terms))
        return reply

    def round_file(self, round_id: str) -> Json:
        """Return a round's file, which ``suanli.checker`` verifies."""
        file: Json = self.send(ops.read(f"/v1/rounds/{round_id}/file"))
        return file

    def download(self, path: str) -> bytes:
        """Return a resource as the bytes that were sent, for example a round's file.

        Raises:
            ApiError: the exchange refused.
            UnreachableError: it did not answer.
        """
        try:
            response = self._http.request(**self._request(ops.read(path)))
        except httpx.TransportError as error:
            raise UnreachableError(self.base_url, str(error)) from error
        if not response.is_success:
            raise ApiError.of(response)
        return response.content

    def stream(
        self, path: str, headers: dict[str, str]
    ) -> contextlib.AbstractContextManager[httpx.Response]:
        """Return a reply whose body is read piece by piece, within the ``with`` block."""
        own = {**self._key_header, **headers, "Accept-Encoding": "identity"}
        return self._http.stream("GET", path, headers=own)


class AsyncClient(_Base, AsyncCalls):
    """`Client` for asyncio: the same calls, awaited."""

    def __init__(
        self,
        base_url: str,
        api_key: Credential = None,
        *,
        language: str = "en",
        timeout_s: float = 30.0,
        connections: int = 32,
    ) -> None:
        """Open a connection pool; close it with ``aclose`` or an ``async with`` block."""
        super().__init__(base_url, api_key, language)
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            headers=self._headers,
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=connections),
        )

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, operation: Operation) -> Any:  # noqa: ANN401 - JSON
        """Send a call; retry what is safe to repeat.

        Raises:
            ApiError: the exchange refused, with code, field, value and what is allowed.
            UnreachableError: it did not answer.
        """
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1 or not self._may_retry(operation)
            try:
                response = await self._http.request(**self._request(operation))
            except httpx.TransportError as error:
                if last:
                    raise UnreachableError(self.base_url, str(error)) from error
                await asyncio.sleep(self._wait_s(attempt, None))
                continue
            self.environment = response.headers.get(_ENVIRONMENT, "")
            if response.status_code in RETRY_STATUS and not last:
                await asyncio.sleep(self._wait_s(attempt, response))
                continue
            return self._result(response)
        raise AssertionError

    async def events(self, operation: Operation) -> AsyncIterator[StreamEvent]:
        """Yield what a stream sends; go on after the last event whenever the line breaks.

        Raises:
            ApiError: the exchange refused.
            UnreachableError: it did not answer so many times on end.
        """
        reader = EventReader()
        silent = 0
        while True:
            request = self._stream_request(operation, reader.last_id)
            try:
                async with self._http.stream(**request, timeout=_stream_timeout()) as response:
                    if not response.is_success:
                        await response.aread()
                        silent = self._refused(response, silent)
                        await asyncio.sleep(self._wait_s(silent, response))
                        continue
                    async for line in response.aiter_lines():
                        for event in reader.feed(line):
                            silent = 0
                            yield event
            except httpx.TransportError as error:
                silent += 1
                if silent == _ATTEMPTS:
                    raise UnreachableError(self.base_url, str(error)) from error
            reader.lost()
            await asyncio.sleep(reader.retry_s)

    async def submit_many(
        self,
        side: bulk.Side,
        items: Iterable[OfferBulkItem] | Iterable[DemandBulkItem],
        *,
        key: str | None = None,
        dry_run: bool = False,
        at_once: int = bulk.LINES_MAX,
    ) -> AsyncIterator[BulkResult]:
        """Submit any number of orders; yield the verdict on each: `Client.submit_many`, awaited.

        Raises:
            ApiError: the exchange refused to go on; what was told before stands.
            UnreachableError: it did not answer.
        """
        for part in bulk.parts(items, key or ops.new_key(), at_once):
            for attempt in range(_ATTEMPTS):
                last = attempt == _ATTEMPTS - 1
                response: httpx.Response | None = None
                request = self._bulk_request(side, part, dry_run=dry_run)
                try:
                    async with self._http.stream(**request, content=_awaited(part)) as response:
                        if response.is_success:
                            async for line in response.aiter_lines():
                                if (told := part.feed(line)) is not None:
                                    yield told
                            error = part.end()
                        else:
                            await response.aread()
                            error = ApiError.of(response)
                except httpx.TransportError as lost:
                    if last:
                        raise UnreachableError(self.base_url, str(lost)) from lost
                else:
                    if error is None:
                        break
                    if last or error.status not in RETRY_STATUS:
                        raise error
                await asyncio.sleep(self._wait_s(attempt, response))

    def acting_as(self, api_key: str | None) -> AsyncClient:
        """Return a client with another key over the same connections; closing this closes both."""
        other = copy.copy(self)
        other._credential = api_key  # noqa: SLF001 - a copy of this very object
        return other

    async def download(self, path: str) -> bytes:
        """Return a resource as the bytes that were sent, for example a round's file.

        Raises:
            ApiError: the exchange refused.
            UnreachableError: it did not answer.
        """
        try:
            response = await self._http.request(**self._request(ops.read(path)))
        except httpx.TransportError as error:
            raise UnreachableError(self.base_url, str(error)) from error
        if not response.is_success:
            raise ApiError.of(response)
        return response.content

    async def pages(self, path: str, **params: Param) -> AsyncIterator[Json]:
        """Yield every item of a list, page by page."""
        cursor: str | None = None
        while True:
            page = await self.send(ops.read(path, limit=_PAGE, cursor=cursor, **params))
            for item in page["items"]:
                yield item
            cursor = page.get("next_cursor")
            if cursor is None:
                return


async def _awaited(part: bulk.Part) -> AsyncIterator[bytes]:
    for piece in part.body():
        yield piece


def _text(value: Param) -> Any:  # noqa: ANN401 - what httpx takes
    return value.isoformat() if isinstance(value, datetime) else value


def _stream_timeout() -> httpx.Timeout:
    # A stream is silent while nothing happens, but says at least that it is alive.
    return httpx.Timeout(30, read=60)


def side_of(order_id: str) -> str:
    """Return the API collection that an order id belongs to.

    Raises:
        ValueError: if the id is not an order's.
    """
    for prefix, side in (("off_", "offers"), ("dem_", "demand")):
        if order_id.startswith(prefix):
            return side
    msg = f"order id must begin with off_ or dem_, was {order_id!r}"
    raise ValueError(msg)
