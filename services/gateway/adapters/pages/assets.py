"""Styles, scripts and pictures of the pages, held in memory and named by what they hold."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_VERSION_CHARS = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent.

    Attributes:
        media_type: What it is.
        body: Its bytes.
        packed: The same by gzip.
        version: Changes with its bytes, so that it may be cached for good.
    """

    media_type: str
    body: bytes
    packed: bytes
    version: str


@cache
def assets() -> dict[str, Asset]:
    """Return every file by its path below the folder; other kinds of files are not sent."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in _TYPES:
            body = path.read_bytes()
            found[path.relative_to(FOLDER).as_posix()] = Asset(
                _TYPES[path.suffix],
                body,
                gzip.compress(body, mtime=0),
                hashlib.sha256(body).hexdigest()[:_VERSION_CHARS],
            )
    return found


def address_of(name: str) -> str:
    """Return the address of a file, which is another one when the file changes."""
    return f"/static/{name}?v={assets()[name].version}"
