"""Doing together what many tasks ask for at once.

Whoever finds nothing under way is served alone and at once; whoever comes meanwhile goes together
with the others that came. So nobody waits for company, and the busier it is, the less each costs.
A batch that takes long holds up no other: after a while those that wait go beside it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# Two, so that one that waits for a lock does not hold up all others. Two from the start would make
# batches half as large, and what a batch costs is to a good part the same whatever its size.
_LANES = 2
_SLOW_S = 0.02
# Beyond this a batch gains little and its last waits long for its first.
_PARTS_MAX = 256


class Batcher(Generic[ItemT, ResultT]):
    """Serves items in batches.

    Args:
        serve: Serves a batch; returns a result for each item in order, an error for one that
            failed. What it raises, every item of the batch raises.
        parts_of: Returns what an item is about; two items about the same part are never in one
            batch.
    """

    def __init__(
        self,
        serve: Callable[[list[ItemT]], Awaitable[Sequence[ResultT | Exception]]],
        parts_of: Callable[[ItemT], Collection[Hashable]],
    ) -> None:
        self._serve = serve
        self._parts_of = parts_of
        self._waiting: dict[asyncio.Future[ResultT], ItemT] = {}
        self._lanes: set[asyncio.Task[None]] = set()
        # When the batch began that was taken last, on the loop's clock.
        self._began_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, item: ItemT) -> ResultT:
        """Return the result for an item; a caller that is cancelled does not stop its batch."""
        answer: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting[answer] = item
        if self._lanes:
            self._watch()
        else:
            self._open()
        return await answer

    def _open(self) -> None:
        self._lanes.add(asyncio.create_task(self._drain()))

    def _watch(self) -> None:
        """See to it that those who wait do not wait long for a batch that takes long."""
        if self._waiting and self._timer is None and 0 < len(self._lanes) < _LANES:
            loop = asyncio.get_running_loop()
            at_s = max(self._began_s + _SLOW_S, loop.time())
            self._timer = loop.call_at(at_s, self._look)

    def _look(self) -> None:
        self._timer = None
        is_slow = asyncio.get_running_loop().time() - self._began_s >= _SLOW_S
        if is_slow and self._waiting and 0 < len(self._lanes) < _LANES:
            self._open()
        self._watch()

    async def _drain(self) -> None:
        lane = asyncio.current_task()
        assert lane is not None
        try:
            while self._waiting:
                await self._serve_one()
                if len(self._lanes) > 1:
                    # It was opened beside a slow one, or was slow itself: one is enough again.
                    break
        finally:
            # At once, not when the task is over: whoever asks in between must not wait for it.
            self._lanes.discard(lane)
            self._watch()

    async def _serve_one(self) -> None:
        batch = self._take()
        self._began_s = asyncio.get_running_loop().time()
        serving = asyncio.ensure_future(self._serve(list(batch.values())))
        try:
            await asyncio.wait({serving})
        finally:
            # Only the end of the service cancels a lane.
            if not serving.done():
                serving.cancel()
                for answer in batch:
                    answer.cancel()
        _tell(serving, list(batch))

    def _take(self) -> dict[asyncio.Future[ResultT], ItemT]:
        taken: dict[asyncio.Future[ResultT], ItemT] = {}
        parts: set[Hashable] = set()
        for answer, item in self._waiting.items():
            own = self._parts_of(item)
            if taken and len(parts) + len(own) > _PARTS_MAX:
                break
            if parts.isdisjoint(own):
                taken[answer] = item
                parts.update(own)
        for answer in taken:
            del self._waiting[answer]
        return taken


def _tell(
    serving: asyncio.Future[Sequence[ResultT | Exception]],
    answers: Sequence[asyncio.Future[ResultT]],
) -> None:
    if serving.cancelled():
        for answer in answers:
            answer.cancel()
        return
    failed = serving.exception()
    results = [failed] * len(answers) if failed is not None else serving.result()
    for answer, result in zip(answers, results, strict=True):
        # Nobody waits any more for one that is done: its caller was cancelled.
        if answer.done():
            continue
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)
