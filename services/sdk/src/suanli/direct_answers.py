"""Answers to signed records, from the participant's status topic."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from suanli.direct_access import DirectAccess, DirectError, why_not

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from suanli.operations import Json

Place = tuple[int, int]
"""Partition and offset of a record."""

_START_S_MAX: Final = 20.0
_CLOSE_S_MAX: Final = 5.0
_READ_MS: Final = 250
_AT_ONCE: Final = 1_000
_PAUSE_S: Final = 0.5
# Answers that came before the broker's word on where their record is; other programs' are there
# too, so the oldest make room.
_EARLY_MAX: Final = 10_000


class Answers:
    """Reads the status topic and hands each answer to who waits for it.

    Args:
        access: How to log in.
    """

    def __init__(self, access: DirectAccess) -> None:
        """Read nothing yet."""
        self._access = access
        self._topic = access.direct_topic
        self._waiting: dict[Place, asyncio.Future[Json]] = {}
        self._early: OrderedDict[Place, Json] = OrderedDict()
        self._status: _Status | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_doubted = False

    async def start(self) -> None:
        """Read from here on.

        Raises:
            DirectError: if the broker does not let it in, or was not reached.
            ModuleNotFoundError: if aiokafka is not installed.
        """
        self._status = await _Status.opened(self._access, None)
        self._task = asyncio.create_task(self._read_on(self._status))

    async def stop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._status is not None:
            await self._status.close()

    def expect(self, place: Place, answered: asyncio.Future[Json]) -> None:
        """Let a future have the answer to the record at a place.

        Raises:
            DirectError: if answers can no longer be read.
        """
        if self._task is not None and self._task.done() and not self._task.cancelled():
            error = self._task.exception()
            assert error is not None, "reading ends with an error alone"
            raise error
        early = self._early.pop(place, None)
        if early is None:
            self._waiting[place] = answered
        elif not answered.done():
            answered.set_result(early)

    def forget(self, places: Collection[Place]) -> None:
        """Wait for no answer to these any more."""
        for place in places:
            self._waiting.pop(place, None)

    def renew(self) -> None:
        """Read by a new connection: this one may stand still."""
        self._is_doubted = True

    async def _read_on(self, status: _Status) -> None:
        try:
            await self._read(status)
        except DirectError as error:
            for answered in self._waiting.values():
                if not answered.done():
                    answered.set_exception(error)
            raise

    async def _read(self, status: _Status) -> None:
        while True:
            for answer in await status.read():
                self._hand(answer)
            if self._is_doubted:
                self._is_doubted = False
                await status.close()
                with contextlib.suppress(DirectError):
                    # The broker may be away; whoever waits gives up in its own time.
                    status = self._status = await _Status.opened(self._access, status.position)

    def _hand(self, answer: Json) -> None:
        if answer.get("topic") != self._topic:
            return
        place = (int(answer["partition"]), int(answer["offset"]))
        answered = self._waiting.pop(place, None)
        if answered is None:
            self._early[place] = answer
            if len(self._early) > _EARLY_MAX:
                self._early.popitem(last=False)
        elif not answered.done():
            answered.set_result(answer)


class _Status:
    """A connection to the status topic, which has one partition."""

    def __init__(self, access: DirectAccess, consumer: Any, place: Any) -> None:  # noqa: ANN401
        self.position = 0
        self._access = access
        self._consumer = consumer
        self._place = place

    @classmethod
    async def opened(cls, access: DirectAccess, position: int | None) -> _Status:
        """Return a connection that reads from a position, from the topic's end if ``None``."""
        from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: PLC0415 - an extra
        from aiokafka.errors import KafkaError  # noqa: PLC0415

        place = TopicPartition(access.status_topic, 0)
        consumer = AIOKafkaConsumer(
            **access.options(),
            enable_auto_commit=False,
            fetch_max_wait_ms=_READ_MS,
            # A position that is no longer kept is one before the first that is.
            auto_offset_reset="earliest",
        )
        status = cls(access, consumer, place)
        is_in = False
        try:
            async with asyncio.timeout(_START_S_MAX):
                await consumer.start()
                is_in = True
                consumer.assign([place])
                if position is None:
                    position = (await consumer.end_offsets([place]))[place]
                consumer.seek(place, position)
        except (KafkaError, TimeoutError) as error:
            await status.close()
            raise _unreadable(access, error) if is_in else await why_not(access) from error
        status.position = position
        return status

    async def close(self) -> None:
        """Close it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S_MAX):
                await self._consumer.stop()

    async def begin(self) -> tuple[int, int]:
        """Return the first place that is kept, and the end of the topic now."""
        first = (await self._consumer.beginning_offsets([self._place]))[self._place]
        end = (await self._consumer.end_offsets([self._place]))[self._place]
        return int(first), int(end)

    async def read(self) -> list[Json]:
        """Return the next answers, none if there are none for a moment.

        Raises:
            DirectError: if they can no longer be read.
        """
        from aiokafka.errors import KafkaError  # noqa: PLC0415 - an extra

        try:
            found = await self._consumer.getmany(
                self._place, timeout_ms=_READ_MS, max_records=_AT_ONCE
            )
        except KafkaError as error:
            if not error.retriable:
                raise _unreadable(self._access, error) from error
            await asyncio.sleep(_PAUSE_S)
            return []
        records = found.get(self._place, [])
        if records:
            self.position = records[-1].offset + 1
        return [json.loads(record.value) for record in records]


async def read_answers(access: DirectAccess, *, follow: bool = False) -> AsyncIterator[Json]:
    """Yield the answers that are kept, oldest first.

    Args:
        access: How to log in.
        follow: Whether to go on with new ones as they come.

    Raises:
        DirectError: if the broker does not let it in, or was not reached.
        ModuleNotFoundError: if aiokafka is not installed.
    """
    status = await _Status.opened(access, 0)
    try:
        first, end = await status.begin()
        while follow or max(first, status.position) < end:
            for answer in await status.read():
                yield answer
    finally:
        await status.close()


def _unreadable(access: DirectAccess, error: Exception) -> DirectError:
    allowed = ("a topic that this user may read", "该用户可读取的主题")
    return DirectError("status topic", f"{access.status_topic} ({type(error).__name__})", allowed)
