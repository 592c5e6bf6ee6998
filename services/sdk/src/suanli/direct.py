"""Orders by signed records on the broker, for many a second (`pip install suanli[kafka]`).

    async with DirectProducer(DirectAccess.of(), SigningKey.load(path)) as exchange:
        receipt = await exchange.send("jjj-spot", terms, idempotency_key="day-1-row-1")
        async for outcome in exchange.send_many(orders):
            ...

The exchange answers every record on the participant's status topic; an answer belongs to the
record at the place that it names. A record without an answer is signed and sent again under the
same idempotency key, which has one effect however often it is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast

from suanli.direct_access import (
    DirectAccess,
    DirectError,
    DirectReceipt,
    RefusedError,
    UnansweredError,
    why_not,
)
from suanli.direct_answers import Answers, read_answers
from suanli.errors import SuanliError
from suanli.operations import new_key
from suanli.signing import VALUE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from suanli.direct_answers import Place
    from suanli.operations import Json
    from suanli.signing import SignedRecord, SigningKey

__all__ = [
    "DirectAccess",
    "DirectError",
    "DirectOrder",
    "DirectOutcome",
    "DirectProducer",
    "DirectReceipt",
    "RefusedError",
    "UnansweredError",
    "read_answers",
]

_START_S_MAX: Final = 20.0
_CLOSE_S_MAX: Final = 5.0
# Between records that the broker did not take; doubles each time.
_PAUSE_S: Final = 0.5
# Long enough that records of one moment share a request.
_LINGER_MS: Final = 2


@dataclass(frozen=True, slots=True)
class DirectOrder:
    """An order to be sent.

    Attributes:
        market_id: Market.
        terms: Terms as in the API.
        idempotency_key: The same key has one effect; a fresh one if ``None``.
    """

    market_id: str
    terms: Any
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class DirectOutcome:
    """What became of an order of many.

    Attributes:
        index: Its place among them, from 0.
        idempotency_key: Its key.
        receipt: The receipt, if it was accepted.
        error: Why not, otherwise: `RefusedError`, or `UnansweredError` if nobody knows.
    """

    index: int
    idempotency_key: str
    receipt: DirectReceipt | None = None
    error: SuanliError | None = None


class DirectProducer:
    """Sends orders straight to the broker and waits for what became of each.

    Args:
        access: How to log in.
        key: Key that signs; the exchange must know its public half.
        in_flight: Orders of `send_many` that wait for an answer at a time.
        answer_s: Longest wait for an answer before the order is sent again, seconds.
        attempts: Times that an order is sent before nobody knows.
        valid_s: Seconds for which a record counts, at most an hour.
    """

    def __init__(
        self,
        access: DirectAccess,
        key: SigningKey,
        *,
        in_flight: int = 1_000,
        answer_s: float = 20.0,
        attempts: int = 4,
        valid_s: int = 300,
    ) -> None:
        """Connect nowhere yet; use the producer in an ``async with`` block."""
        self._access = access
        self._key = key
        self._topic = access.direct_topic
        self._in_flight = in_flight
        self._answer_s = answer_s
        self._attempts = attempts
        self._valid_s = valid_s
        self._answers = Answers(access)
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        """Log in.

        Raises:
            DirectError: if the broker does not let it in, or was not reached.
            ModuleNotFoundError: if aiokafka is not installed.
        """
        from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - an extra
        from aiokafka.errors import KafkaError  # noqa: PLC0415

        # The answers before the first record, so that none is missed.
        await self._answers.start()
        self._producer = AIOKafkaProducer(
            **self._access.options(), acks="all", enable_idempotence=True, linger_ms=_LINGER_MS
        )
        try:
            async with asyncio.timeout(_START_S_MAX):
                await self._producer.start()
        except (KafkaError, TimeoutError) as error:
            await self.aclose()
            raise await why_not(self._access) from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; what is on its way to the broker has a moment to arrive."""
        await self._answers.stop()
        if self._producer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S_MAX):
                    await self._producer.stop()

    async def send(
        self,
        market_id: str,
        terms: Any,  # noqa: ANN401 - OfferTerms or DemandTerms, as the topic is
        *,
        idempotency_key: str | None = None,
    ) -> DirectReceipt:
        """Send an order and return its receipt.

        Raises:
            RefusedError: the exchange refused it.
            UnansweredError: it may have arrived; the same key cannot place it twice.
            DirectError: the broker refused the record, or it is too large.
        """
        key = idempotency_key or new_key()
        answered: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        places: list[Place] = []
        try:
            for attempt in range(self._attempts):
                # Signed anew each time, since the one before may have expired by now.
                place = await self._write(self._record(market_id, terms, key))
                if place is None:
                    await asyncio.sleep(_PAUSE_S * 2**attempt)
                    continue
                places.append(place)
                # An answer to an earlier one is an answer as well.
                self._answers.expect(place, answered)
                if await _within(answered, self._answer_s):
                    return _receipt(answered.result())
                self._answers.renew()
        finally:
            answered.cancel()
            self._answers.forget(places)
        raise _unanswered(key, bool(places))

    async def send_many(
        self, orders: Iterable[DirectOrder] | AsyncIterable[DirectOrder]
    ) -> AsyncIterator[DirectOutcome]:
        """Send orders, many at a time, and yield what became of each as it is known.

        Raises:
            DirectError: the broker refused a record; what was sent before may have arrived.
        """
        done: asyncio.Queue[DirectOutcome | SuanliError] = asyncio.Queue()
        under_way: set[asyncio.Task[None]] = set()

        async def one(index: int, order: DirectOrder) -> None:
            await done.put(await self._outcome(index, order))

        left = 0
        try:
            async for index, order in _numbered(orders):
                task = asyncio.create_task(one(index, order))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                left += 1
                while left >= self._in_flight or not done.empty():
                    yield _told(await done.get())
                    left -= 1
            while left:
                yield _told(await done.get())
                left -= 1
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _outcome(self, index: int, order: DirectOrder) -> DirectOutcome | SuanliError:
        key = order.idempotency_key or new_key()
        try:
            receipt = await self.send(order.market_id, order.terms, idempotency_key=key)
        except (RefusedError, UnansweredError) as error:
            return DirectOutcome(index, key, error=error)
        except DirectError as error:
            # Of the login or the topic, so the rest would fare the same.
            return error
        return DirectOutcome(index, key, receipt=receipt)

    def _record(self, market_id: str, terms: Any, key: str) -> SignedRecord:  # noqa: ANN401
        record = self._key.record(
            self._topic,
            self._access.participant_id,
            market_id,
            terms,
            key,
            valid_s=self._valid_s,
        )
        if len(record.value) > VALUE_BYTES_MAX:
            limit = str(VALUE_BYTES_MAX)
            allowed = (f"at most {limit} bytes", f"不超过 {limit} 字节")
            raise DirectError("terms", f"{len(record.value)} bytes", allowed)
        return record

    async def _write(self, record: SignedRecord) -> Place | None:
        from aiokafka.errors import KafkaError  # noqa: PLC0415 - an extra

        try:
            sent = await self._producer.send(
                self._access.topic, record.value, record.key, headers=list(record.headers)
            )
            async with asyncio.timeout(self._answer_s):
                placed = await asyncio.shield(sent)
        except TimeoutError:
            return None
        except KafkaError as error:
            if error.retriable:
                return None
            allowed = ("a topic that this user may write to", "该用户可写入的主题")
            found = f"{self._access.topic} ({type(error).__name__})"
            raise DirectError("topic", found, allowed) from error
        return placed.partition, placed.offset


def _receipt(answer: Json) -> DirectReceipt:
    if answer["outcome"] != "accepted":
        raise RefusedError(answer)
    return cast("DirectReceipt", answer["receipt"])


def _unanswered(key: str, is_sent: bool) -> UnansweredError:  # noqa: FBT001 - private
    if not is_sent:
        allowed = ("taken by the broker", "被 Kafka 接收")
        return UnansweredError("record", f"not taken, key {key}", allowed)
    allowed = (
        "answered (is the signing key registered, does the gateway run?)",
        "得到应答(签名密钥是否已登记、网关是否运行?)",
    )
    return UnansweredError("record", f"unanswered, key {key}", allowed)


async def _within(answered: asyncio.Future[Json], answer_s: float) -> bool:
    found, _ = await asyncio.wait({answered}, timeout=answer_s)
    return bool(found)


def _told(item: DirectOutcome | SuanliError) -> DirectOutcome:
    if isinstance(item, SuanliError):
        raise item
    return item


async def _numbered(
    orders: Iterable[DirectOrder] | AsyncIterable[DirectOrder],
) -> AsyncIterator[tuple[int, DirectOrder]]:
    index = 0
    if isinstance(orders, AsyncIterable):
        async for order in orders:
            yield index, order
            index += 1
        return
    for order in orders:
        yield index, order
        index += 1
