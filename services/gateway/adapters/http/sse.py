"""Server-sent events: the frames of a stream, and the response that sends them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from starlette.types import Message, Receive, Scope, Send

MEDIA_TYPE = "text/event-stream"
# A peer that takes nothing for so long is gone, or holds a connection for nothing.
_SEND_S_MAX = 60.0
_HEADERS = {
    "Cache-Control": "no-store",
    # Proxies would hold back what must be live.
    "X-Accel-Buffering": "no",
}


def frame(event_id: str | None, kind: str, data: str) -> bytes:
    """Return an event as it is sent; data is JSON on one line."""
    assert "\n" not in data, "data must be one line, was more"
    told = "" if event_id is None else f"id: {event_id}\n"
    return f"{told}event: {kind}\ndata: {data}\n\n".encode()


def keep_alive(event_id: str) -> bytes:
    """Return a comment, with the id up to which there was nothing to tell.

    A block without data dispatches no event, but moves what a client sends as `Last-Event-ID`.
    """
    return f": keep-alive\nid: {event_id}\n\n".encode()


class EventStream(StreamingResponse):
    """Sends frames until there are none, the peer leaves or takes nothing any more.

    Args:
        frames: What is sent.
        ended: Called once it is over, however it ended.
    """

    media_type = MEDIA_TYPE

    def __init__(self, frames: AsyncGenerator[bytes, None], ended: Callable[[], None]) -> None:
        """Send nothing yet."""
        super().__init__(frames, headers=_HEADERS)
        self._frames = frames
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the frames."""
        try:
            async with aclosing(self._frames):
                await super().__call__(scope, receive, send)
        finally:
            self._ended()

    async def stream_response(self, send: Send) -> None:
        """Send each frame in its time; break off when the peer does not take it."""

        async def timely(message: Message) -> None:
            async with asyncio.timeout(_SEND_S_MAX):
                await send(message)

        try:
            await super().stream_response(timely)
        except TimeoutError:
            # The reply stays without its end, so that the server closes the connection.
            return
