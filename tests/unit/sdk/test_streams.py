"""Server-sent events as the client reads them, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from suanli.streams import EventReader, StreamEvent


def read(reader: EventReader, text: str) -> list[StreamEvent]:
    return [event for line in text.split("\n") for event in reader.feed(line)]


def test_an_event_has_its_id_its_kind_and_its_data() -> None:
    text = 'id: a-1\nevent: status\ndata: {"state":\ndata:  "open"}\n\n: alive\n\ndata: 2\n\n'
    assert read(EventReader(), text) == [
        StreamEvent("a-1", "status", {"state": "open"}),
        # The place stays where it was; an event without a kind is a message.
        StreamEvent("a-1", "message", 2),
    ]


def test_a_broken_line_leaves_the_reader_at_the_last_whole_event() -> None:
    reader = EventReader()
    assert len(read(reader, "id: 7\ndata: 1\n\n")) == 1
    assert read(reader, "event: x\ndata: 2") == []
    reader.lost()
    assert reader.last_id == "7"
    assert read(reader, "id: 8\ndata: 3\n\n") == [StreamEvent("8", "message", 3)]


def test_the_server_says_how_long_to_wait_and_no_line_is_endless() -> None:
    reader = EventReader()
    assert read(reader, "retry: 2500\nretry: soon") == []
    assert reader.retry_s == 2.5
    with pytest.raises(ValueError, match="at most"):
        list(reader.feed("x" * 1_000_001))


def seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def test_the_client_imports_in_a_fraction_of_a_second_and_without_what_it_does_not_need() -> None:
    code = "import suanli, sys; suanli.Client; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    for heavy in ("'pydantic'", "'polars'", "'pandas'", "'pyarrow'", "'suanli.models'"):
        assert heavy not in done.stdout
    # Against an interpreter that starts and stops, since both slow down on a busy machine.
    bare = min(seconds("pass") for _ in range(3))
    assert min(seconds("import suanli") for _ in range(3)) < bare + 0.3
