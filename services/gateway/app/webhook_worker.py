"""Telling webhooks what happens: in order for each endpoint, at least once, one worker at a time.

An endpoint that does not answer is waited for: nothing is told past what it has not taken. The
others go on meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from services.gateway.app.webhook_messages import gap_of, message_of
from services.kit.logging import get_logger
from services.kit.webhooks import retry_s

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.gateway.webhook_ports import Endpoint, Outgoing, Sender, Sending, WebhookQueue
    from services.kit.clock import Clock

# How late something is told at most, if nothing else is in the way.
_POLL_S = 0.5
_TIDY_EVERY_S = 30.0
# Endpoints that are told something at the same time.
_BUSY_MAX = 32
# An endpoint with more to be told is looked at again after so much: its URL, its secrets.
_PAGE = 100
_GONE_STATUS = 410


class WebhookWorker:
    """Tells endpoints what they are to be told.

    Args:
        queue: What there is to tell, and what was taken.
        sender: Reaches endpoints.
        wall: The wall clock.
        chance: Draws a number from 0 to 1.
        store_errors: What a lost store raises.
        first_retry_s: Wait after a first failure.
        failing_days: Days of failures after which an endpoint is disabled.
        kept_days: What was delivered longer ago is forgotten.
    """

    def __init__(
        self,
        queue: WebhookQueue,
        sender: Sender,
        wall: Clock,
        chance: Callable[[], float],
        *,
        store_errors: tuple[type[Exception], ...],
        first_retry_s: float,
        failing_days: int,
        kept_days: int,
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._wall = wall
        self._chance = chance
        self._store_errors = store_errors
        self._first_retry_s = first_retry_s
        self._failing_days = failing_days
        self._kept_days = kept_days
        self._log = get_logger("gateway.webhooks")

    async def run(self, stop: asyncio.Event) -> None:
        """Tell until ``stop`` is set; what is on its way then is sent again by the next worker.

        Raises:
            StaleWriterError: if another worker took over.
        """
        loop = asyncio.get_running_loop()
        tidy_at = loop.time()
        busy: dict[str, asyncio.Task[None]] = {}
        try:
            while not stop.is_set():
                try:
                    if loop.time() >= tidy_at:
                        await self._queue.tidy([*busy], self._kept_days)
                        tidy_at = loop.time() + _TIDY_EVERY_S
                    for one in await self._queue.due([*busy], _BUSY_MAX - len(busy)):
                        busy[one.webhook_id] = asyncio.create_task(self._tell(one))
                except self._store_errors as error:
                    self._log.warning("webhooks wait for the store", error=repr(error))
                await _any_of(stop, busy)
                for name in [name for name, task in busy.items() if task.done()]:
                    busy.pop(name).result()
        finally:
            for task in busy.values():
                task.cancel()
            await asyncio.gather(*busy.values(), return_exceptions=True)

    async def _tell(self, endpoint: Endpoint) -> None:
        """Tell an endpoint a page of what it wants; stop at the first thing it does not take."""
        try:
            secrets = await self._queue.secrets(endpoint.webhook_id)
            if not secrets:
                # It was deleted meanwhile.
                return
            async with self._sender.to(endpoint.url) as line:
                if endpoint.last_seq < endpoint.kept_from - 1:
                    message, until = gap_of(endpoint, self._wall.now())
                    if not await self._one(endpoint, line, secrets, message, until):
                        return
                for told in await self._queue.page(endpoint.webhook_id, _PAGE):
                    message = message_of(endpoint.feed, told)
                    if not await self._one(endpoint, line, secrets, message, told.item.seq):
                        return
        except self._store_errors as error:
            # What it took and was not recorded is told again.
            self._log.warning("webhook waits for the store", error=repr(error))
            await asyncio.sleep(_POLL_S)

    async def _one(
        self,
        endpoint: Endpoint,
        line: Sending,
        secrets: Sequence[bytes],
        message: Outgoing,
        seq: int,
    ) -> bool:
        answer = await line.send(message, secrets)
        if answer.is_taken:
            await self._queue.took(endpoint.webhook_id, message, answer, seq)
            return True
        wait_s = retry_s(endpoint.failures + 1, self._first_retry_s, self._chance())
        days = 0 if answer.status == _GONE_STATUS else self._failing_days
        owner = await self._queue.failed(
            endpoint, message, answer, max(wait_s, float(answer.wait_s)), days
        )
        if owner is not None:
            self._log.warning(
                "webhook disabled",
                webhook_id=endpoint.webhook_id,
                participant_id=owner,
                status=answer.status,
                error=answer.error,
            )
        return False


async def _any_of(stop: asyncio.Event, busy: dict[str, asyncio.Task[None]]) -> None:
    """Wait for the stop, for an endpoint that is done, or a moment."""
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait(
            {stopping, *busy.values()}, timeout=_POLL_S, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stopping
