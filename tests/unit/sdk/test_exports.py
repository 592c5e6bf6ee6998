"""A download goes on where it broke, and is not kept if it is not what was promised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from suanli.client import Client
from suanli.errors import ApiError, UnreachableError
from suanli.exports import ExportError, fetch

BODY = bytes(range(256)) * 4000
NAME = "m-2026-11-24-prices.csv"


class Source:
    """Serves a file as the exchange does; breaks off after so many bytes, so many times."""

    def __init__(self, body: bytes = BODY, breaks: int = 0, at: int = 300_000) -> None:
        self.body = body
        self.breaks = breaks
        self.at = at
        self.ranges: list[str | None] = []
        self.told = hashlib.sha256(body).hexdigest()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        wanted = request.headers.get("range")
        self.ranges.append(wanted)
        tag = f'"{self.told}"'
        start, status = 0, 200
        if wanted and request.headers.get("if-range", tag) == tag:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, status = int(first), 206
            if start >= len(self.body):
                return httpx.Response(416)
            if last:
                return httpx.Response(206, headers=self._headers(1), content=self.body[:1])
        rest = self.body[start:]
        return httpx.Response(status, headers=self._headers(len(rest)), content=self._pieces(rest))

    def _headers(self, length: int) -> dict[str, str]:
        return {
            "etag": f'"{self.told}"',
            "x-content-sha256": self.told,
            "content-length": str(length),
            "x-export-rows": "7",
            "x-export-final": "true",
            "x-checkpoint-size": "12",
            "x-checkpoint-root": "ab",
        }

    def _pieces(self, rest: bytes) -> Iterator[bytes]:
        if self.breaks:
            self.breaks -= 1
            yield rest[: self.at]
            raise httpx.ReadError("connection lost")
        yield rest


def client_of(source: Source) -> Client:
    client = Client("http://exchange")
    client._http.close()
    transport = httpx.MockTransport(source)
    client._http = httpx.Client(transport=transport, base_url="http://exchange")
    return client


def test_a_broken_download_goes_on_where_it_ended(tmp_path: Path) -> None:
    source, seen = Source(breaks=2), []
    with client_of(source) as client:
        made = fetch(client, "/x", tmp_path / NAME, lambda done, total: seen.append((done, total)))
    assert made.path.read_bytes() == BODY
    assert (made.rows, made.final, made.checkpoint) == (7, True, (12, "ab"))
    # Pieces are written as they come, so a break may lose the last one.
    assert len(source.ranges) == 3
    assert source.ranges[0] is None
    assert all(wanted and wanted != "bytes=0-" for wanted in source.ranges[1:])
    assert seen[-1] == (len(BODY), len(BODY))
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_the_next_run_goes_on_after_all_tries_failed(tmp_path: Path) -> None:
    source = Source(breaks=5)
    source.at = 600_000
    with client_of(source) as client, pytest.raises(UnreachableError):
        fetch(client, "/x", tmp_path / NAME)
    left = (tmp_path / f"{NAME}.part").stat().st_size
    assert left > 0
    with client_of(source) as client:
        made = fetch(client, "/x", tmp_path / NAME)
    assert made.resumed == left
    assert made.path.read_bytes() == BODY


def test_another_file_in_the_meantime_is_fetched_from_its_beginning(tmp_path: Path) -> None:
    first = Source(breaks=5)
    with client_of(first) as client, pytest.raises(UnreachableError):
        fetch(client, "/x", tmp_path / NAME)
    other = Source(body=b"other" * 100)
    with client_of(other) as client:
        assert fetch(client, "/x", tmp_path / NAME).path.read_bytes() == b"other" * 100


def test_a_file_that_is_whole_but_was_not_renamed_is_only_checked(tmp_path: Path) -> None:
    source = Source()
    (tmp_path / f"{NAME}.part").write_bytes(BODY)
    (tmp_path / f"{NAME}.etag").write_text(f'"{source.told}"')
    with client_of(source) as client:
        assert fetch(client, "/x", tmp_path / NAME).path.read_bytes() == BODY
    assert source.ranges == [f"bytes={len(BODY)}-", "bytes=0-0"]


def test_a_file_of_another_hash_is_refused_and_not_kept(tmp_path: Path) -> None:
    source = Source()
    source.told = "0" * 64
    with client_of(source) as client, pytest.raises(ExportError, match="SHA-256 must be 000"):
        fetch(client, "/x", tmp_path / NAME)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_is_told_as_such(tmp_path: Path) -> None:
    with Client("http://exchange") as client:
        client._http.close()
        gone = httpx.MockTransport(lambda _: httpx.Response(404, json={"code": "not_found"}))
        client._http = httpx.Client(transport=gone, base_url="http://exchange")
        with pytest.raises(ApiError) as caught:
            fetch(client, "/x", tmp_path / NAME)
    assert caught.value.code == "not_found"
