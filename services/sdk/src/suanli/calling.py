"""What the generated calls stand on: something that sends a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from suanli.operations import Operation
    from suanli.streams import StreamEvent


class Caller:
    """Sends calls and waits for each reply; `suanli.Client` is one."""

    def send(self, operation: Operation) -> Any:  # noqa: ANN401 - JSON
        """Send a call; return what the reply held."""
        raise NotImplementedError

    def events(self, operation: Operation) -> Iterator[StreamEvent]:
        """Yield what a stream sends, for as long as the caller goes on."""
        raise NotImplementedError


class AsyncCaller:
    """Sends calls, awaited; `suanli.AsyncClient` is one."""

    async def send(self, operation: Operation) -> Any:  # noqa: ANN401 - JSON
        """Send a call; return what the reply held."""
        raise NotImplementedError

    def events(self, operation: Operation) -> AsyncIterator[StreamEvent]:
        """Yield what a stream sends, for as long as the caller goes on."""
        raise NotImplementedError
