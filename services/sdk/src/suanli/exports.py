"""Files of a market's day, fetched and checked; a broken download goes on where it ended."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from suanli.errors import ApiError, SuanliError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from suanli.client import Client

TABLES: Final = ("orders", "allocations", "prices", "rounds")
FORMATS: Final = ("parquet", "csv", "arrow")
_ATTEMPTS: Final = 5
_CHUNK: Final = 256 * 1024
_PARTIAL: Final = 206
_UNSATISFIABLE: Final = 416


class ExportError(SuanliError):
    """A file is not what the exchange said it is; the text says why, in English and Chinese."""

    def __init__(self, en: str, zh: str) -> None:
        """Keep both sentences."""
        super().__init__(en)
        self.en = en
        self.zh = zh


@dataclass(frozen=True, slots=True)
class Export:
    """A file that was fetched and checked.

    Attributes:
        path: Where it is.
        sha256: Its hash, which is the one that the exchange gave.
        bytes: Its size.
        rows: Rows of the table.
        final: Whether the day is over and the file the same for good.
        checkpoint: (size, root) of the head of the log that it belongs to, if it is final.
        resumed: Bytes that an earlier try had left.
    """

    path: Path
    sha256: str
    bytes: int
    rows: int
    final: bool
    checkpoint: tuple[int, str] | None
    resumed: int


def fetch(
    client: Client,
    path: str,
    target: Path,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Export:
    """Fetch an export into a file and check its hash.

    Args:
        client: A client of the exchange.
        path: One of the ``paths`` of ``/v1/exports``.
        target: Where to write; until it is whole it is at the same name with ``.part``.
        progress: Called with the bytes that are there and those of the whole file.

    Raises:
        ApiError: the exchange refused.
        UnreachableError: it did not answer, five times; the next try goes on from there.
        ExportError: the file does not have the hash that the exchange gave.
    """
    part = target.with_name(f"{target.name}.part")
    tag = target.with_name(f"{target.name}.etag")
    resumed = part.stat().st_size if part.exists() and tag.exists() else 0
    for attempt in range(_ATTEMPTS):
        try:
            reply = _fetch(client, path, part, tag, progress)
        except httpx.TransportError as error:
            if attempt == _ATTEMPTS - 1:
                raise UnreachableError(client.base_url, str(error)) from error
            continue
        digest, size = _digest(part)
        if digest != reply.get("x-content-sha256"):
            # What is there may be of another file: the next try begins anew.
            part.unlink()
            tag.unlink(missing_ok=True)
            raise ExportError(
                f"{target.name}: SHA-256 must be {reply.get('x-content-sha256')}, was {digest}",
                f"{target.name}:SHA-256 须为 {reply.get('x-content-sha256')},实为 {digest}",
            )
        part.replace(target)
        tag.unlink(missing_ok=True)
        return _export(target, reply, digest, size, resumed)
    raise AssertionError


def _fetch(
    client: Client, path: str, part: Path, tag: Path, progress: Callable[[int, int], None]
) -> httpx.Headers:
    have = part.stat().st_size if part.exists() and tag.exists() else 0
    headers = {}
    if have:
        # Only of the very same file; of another one, all of it comes.
        headers = {"Range": f"bytes={have}-", "If-Range": tag.read_text(encoding="ascii")}
    with client.stream(path, headers) as response:
        if response.status_code == _UNSATISFIABLE:
            # All of it is there already, and only its name was not changed.
            response.read()
            return _whole(client, path)
        if not response.is_success:
            response.read()
            raise ApiError.of(response)
        if response.status_code != _PARTIAL:
            have = 0
        tag.write_text(response.headers.get("etag", ""), encoding="ascii")
        total = have + int(response.headers.get("content-length", 0))
        with part.open("ab" if have else "wb") as file:
            for chunk in response.iter_raw(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                progress(have, total)
        return response.headers


def _whole(client: Client, path: str) -> httpx.Headers:
    with client.stream(path, {"Range": "bytes=0-0"}) as response:
        response.read()
        if not response.is_success:
            raise ApiError.of(response)
        return response.headers


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def _export(target: Path, reply: httpx.Headers, digest: str, size: int, resumed: int) -> Export:
    checkpoint = None
    if "x-checkpoint-root" in reply:
        checkpoint = (int(reply["x-checkpoint-size"]), reply["x-checkpoint-root"])
    return Export(
        path=target,
        sha256=digest,
        bytes=size,
        rows=int(reply.get("x-export-rows", 0)),
        final=reply.get("x-export-final") == "true",
        checkpoint=checkpoint,
        resumed=resumed,
    )
