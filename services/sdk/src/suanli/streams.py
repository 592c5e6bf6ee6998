"""Streams of the exchange: server-sent events, read as they come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# Longer than any event; a server that never ends a line must not fill the memory.
_LINE_CHARS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a stream.

    Attributes:
        id: Place in the stream; the stream goes on after it if it is asked to.
        event: Kind of the event.
        data: What the event says, from JSON.
    """

    id: str
    event: str
    data: Any


class EventReader:
    """Turns the lines of an event stream into events, as the HTML standard describes them."""

    def __init__(self, last_id: str = "") -> None:
        """Begin after an event, or at the stream's beginning."""
        self.last_id = last_id
        # Not the place before the event is whole: a line that breaks within it would lose it.
        self._id = last_id
        # What the server asks a reader to wait before it comes again, seconds.
        self.retry_s = 1.0
        self._event = ""
        self._data: list[str] = []

    def feed(self, line: str) -> Iterator[StreamEvent]:
        """Take a line without its end; yield the event that it completes, if it does.

        Raises:
            ValueError: if the line is longer than any event, or the data is no JSON.
        """
        if len(line) > _LINE_CHARS_MAX:
            msg = f"a line of a stream has at most {_LINE_CHARS_MAX} characters, was {len(line)}"
            raise ValueError(msg)
        if not line:
            self.last_id = self._id
            if self._data:
                text = "\n".join(self._data)
                yield StreamEvent(self.last_id, self._event or "message", json.loads(text))
            self._event, self._data = "", []
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id" and "\0" not in value:
            self._id = value
        elif name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "retry" and value.isdigit():
            self.retry_s = int(value) / 1000

    def lost(self) -> None:
        """Forget what was begun: the line broke, and it comes again."""
        self._id = self.last_id
        self._event, self._data = "", []
