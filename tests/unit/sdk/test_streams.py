"""Server-sent events as the client reads them, and what importing it costs."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time

import httpx
import pytest

import suanli
from suanli.operations import read as read_stream
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


PARTS = {
    "": "retry: 0\nid: 1\ndata: 1\n\nid: 2\ndata: 2\n\nid: 3\ndata: 3",
    "2": "id: 3\ndata: 3\n\n",
    "3": "id: 4\ndata: 4\n\n",
}


def answer(request: httpx.Request) -> httpx.Response:
    """Send what comes after the last event, and break off, once in the middle of an event."""
    assert request.headers["Accept"] == "text/event-stream"
    part = PARTS[request.headers.get("Last-Event-ID", "")]
    return httpx.Response(200, text=part, headers={"Content-Type": "text/event-stream"})


def test_a_broken_stream_goes_on_without_a_gap_and_without_a_repeat() -> None:
    with suanli.Client("http://exchange") as client:
        client._http = httpx.Client(base_url=client.base_url, transport=httpx.MockTransport(answer))
        stream = client.events(read_stream("/v1/streams/rounds"))
        assert [event.data for event in itertools.islice(stream, 4)] == [1, 2, 3, 4]


def restarting(request: httpx.Request) -> httpx.Response:
    """Answer as `answer`, but whoever comes back finds the gateway away at first."""
    BACK.append(request.headers.get("Last-Event-ID", ""))
    if BACK[-1] and BACK.count(BACK[-1]) == 1:
        return httpx.Response(503, text="data: no event", headers={"Retry-After": "0"})
    return answer(request)


BACK: list[str] = []


async def test_a_stream_outlives_a_gateway_that_is_away_for_a_moment() -> None:
    BACK.clear()
    with suanli.Client("http://exchange") as client:
        client._http = httpx.Client(
            base_url=client.base_url, transport=httpx.MockTransport(restarting)
        )
        stream = client.events(read_stream("/v1/streams/rounds"))
        assert [event.data for event in itertools.islice(stream, 4)] == [1, 2, 3, 4]
    assert BACK == ["", "2", "2", "3", "3"]
    BACK.clear()
    async with suanli.AsyncClient("http://exchange") as other:
        other._http = httpx.AsyncClient(
            base_url=other.base_url, transport=httpx.MockTransport(restarting)
        )
        found = []
        async for event in other.events(read_stream("/v1/streams/rounds")):
            found.append(event.data)
            if len(found) == 4:
                break
    assert found == [1, 2, 3, 4]


def test_a_stream_that_stays_away_is_an_error_in_the_end() -> None:
    away = httpx.MockTransport(lambda _: httpx.Response(503, headers={"Retry-After": "0"}))
    with suanli.Client("http://exchange") as client:
        client._http = httpx.Client(base_url=client.base_url, transport=away)
        with pytest.raises(suanli.ApiError):
            next(client.events(read_stream("/v1/streams/rounds")))


async def test_an_awaited_stream_does_the_same() -> None:
    async with suanli.AsyncClient("http://exchange") as client:
        client._http = httpx.AsyncClient(
            base_url=client.base_url, transport=httpx.MockTransport(answer)
        )
        found = []
        async for event in client.events(read_stream("/v1/streams/rounds")):
            found.append(event.data)
            if len(found) == 4:
                break
    assert found == [1, 2, 3, 4]


def test_a_refused_stream_is_an_error_and_is_not_asked_for_again() -> None:
    problem = {"code": "auth.key_missing", "detail": "a key is needed", "errors": []}
    refusing = httpx.MockTransport(lambda _: httpx.Response(401, json=problem))
    with suanli.Client("http://exchange") as client:
        client._http = httpx.Client(base_url=client.base_url, transport=refusing)
        with pytest.raises(suanli.ApiError, match="a key is needed"):
            next(client.events(read_stream("/v1/streams/orders")))


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
