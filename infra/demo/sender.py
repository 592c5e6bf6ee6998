"""Sends the day's orders at their times, by their participants' own keys, many at once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from infra.demo import world
from infra.demo.facts import Attempt
from suanli import operations as ops
from suanli.client import side_of
from suanli.errors import ApiError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.demo.day import Action, Day
    from infra.demo.facts import Json
    from services.kit.clock import Clock
    from suanli.client import AsyncClient
    from suanli.operations import Operation

_WORKERS = 12
_QUEUE_MAX = 200
_SIDES = {"offer": "offers", "demand": "demand"}
# A service that was killed is back well within this; only then is an order given up.
_PATIENCE_S = 60.0
_PAUSE_S = 0.5
_OURS = 500
"""From this status on it is the exchange that could not, and asking again may help."""
_RESEND_EVERY = 60
"""Every so many orders one is sent a second time with the same key."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How a call ended.

    Attributes:
        order_id: The order, if it was accepted.
        outcome: ``accepted``, ``refused`` or ``lost``.
        code: Code of the refusal.
        http_ms: Time of the last try.
        tries: How often it was tried.
    """

    order_id: str | None
    outcome: str
    code: str
    http_ms: float
    tries: int


async def answered(client: AsyncClient, operation: Operation) -> Json:
    """Return the reply to a call; a gateway that was killed is waited for.

    Raises:
        ApiError: the call is refused, or cannot be answered for a minute.
        UnreachableError: nobody answers for a minute.
    """
    give_up_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            reply: Json = await client.send(operation)
        except ApiError as error:
            if error.status < _OURS or time.monotonic() > give_up_s:
                raise
        except UnreachableError:
            if time.monotonic() > give_up_s:
                raise
        else:
            return reply
        await asyncio.sleep(_PAUSE_S)


async def send_patiently(client: AsyncClient, operation: Operation) -> Reply:
    """Send a call until there is an answer; its idempotency key makes that harmless."""
    tries = 0
    give_up_s = time.monotonic() + _PATIENCE_S
    while True:
        tries += 1
        began_s = time.monotonic()
        try:
            receipt = await client.send(operation)
        except ApiError as error:
            took_ms = (time.monotonic() - began_s) * 1000
            if error.status < _OURS:
                return Reply(None, "refused", error.code, took_ms, tries)
            if time.monotonic() > give_up_s:
                return Reply(None, "lost", error.code, took_ms, tries)
        except UnreachableError:
            if time.monotonic() > give_up_s:
                return Reply(None, "lost", "unreachable", 0.0, tries)
        else:
            took_ms = (time.monotonic() - began_s) * 1000
            return Reply(receipt.get("order_id"), "accepted", "", took_ms, tries)
        await asyncio.sleep(_PAUSE_S)


class Sender:
    """Walks through the day's actions.

    Args:
        client: Any client of the exchange; every call uses its participant's key.
        keys: API key of every participant.
        clock: The market's clock.
        day: What is sent.

    Attributes:
        attempts: What was sent and answered so far.
        resent: (order id then, order id again) of orders that were sent twice on purpose.
    """

    def __init__(
        self, client: AsyncClient, keys: Mapping[str, str], clock: Clock, day: Day
    ) -> None:
        self._clients = {who: client.acting_as(key) for who, key in keys.items()}
        self._clock = clock
        self._day = day
        self._queue: asyncio.Queue[Action | None] = asyncio.Queue(_QUEUE_MAX)
        self._known: dict[str, asyncio.Future[str | None]] = {}
        self.attempts: list[Attempt] = []
        self.resent: list[tuple[str, str]] = []

    async def run(self) -> None:
        """Send everything; return when all was answered."""
        loop = asyncio.get_running_loop()
        orders = [item.key for item in self._day.actions if item.kind in _SIDES]
        self._known = {key: loop.create_future() for key in orders}
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._work())
            for action in self._day.actions:
                # What is there at midnight comes before it, for the round of midnight.
                if action.at_s > 0:
                    at = self._day.start + timedelta(seconds=action.at_s)
                    await self._clock.sleep_until(at)
                await self._queue.put(action)
            for _ in range(_WORKERS):
                await self._queue.put(None)

    def some_demand(self) -> str | None:
        """Return the id of the newest demand that was accepted, ``None`` before the first."""
        found = (item.order_id for item in reversed(self.attempts) if item.kind == "demand")
        return next((order_id for order_id in found if order_id), None)

    async def _work(self) -> None:
        while True:
            action = await self._queue.get()
            if action is None:
                return
            if action.kind in _SIDES:
                await self._submit(action)
            else:
                await self._change(action)

    async def _submit(self, action: Action) -> None:
        client = self._clients[action.participant_id]
        operation = ops.submit(_SIDES[action.kind], world.MARKET_ID, action.body, action.key)
        reply = await self._note(action, client, operation)
        self._known[action.key].set_result(reply.order_id)
        if reply.order_id is not None and len(self.attempts) % _RESEND_EVERY == 0:
            again = await send_patiently(client, operation)
            self.resent.append((reply.order_id, again.order_id or again.code))

    async def _change(self, action: Action) -> None:
        # Orders come before their changes in the queue, so this waits for a worker that is busy
        # with the order, never for one that waits itself.
        order_id = await self._known[action.key]
        if order_id is None:
            return
        side = side_of(order_id)
        operation = (
            ops.cancel(side, order_id)
            if action.kind == "cancel"
            else ops.amend(side, order_id, 1, action.body, f"{action.key}-amended")
        )
        await self._note(action, self._clients[action.participant_id], operation, order_id)

    async def _note(
        self,
        action: Action,
        client: AsyncClient,
        operation: Operation,
        order_id: str | None = None,
    ) -> Reply:
        sent_at = datetime.now(UTC)
        reply = await send_patiently(client, operation)
        self.attempts.append(
            Attempt(
                kind=action.kind,
                participant_id=action.participant_id,
                key=action.key,
                outcome=reply.outcome,
                order_id=reply.order_id or order_id,
                code=reply.code,
                http_ms=reply.http_ms,
                sent_at=sent_at,
                tries=reply.tries,
            )
        )
        return reply
