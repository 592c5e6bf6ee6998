"""Free ports of the loopback interface, chosen once and remembered."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

LOOPBACK = "127.0.0.1"

_FIRST, _LAST = 20_000, 29_999
# Below the range that Linux and macOS hand out to outgoing connections, so that a port which was
# free when we stopped is not some client's end when we start again.
_TRIES_MAX = 200
_DYING_S_MAX = 1.0


def is_free(port: int) -> bool:
    """Return whether a server could listen on a loopback port now."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # Servers set this too; without it a port just left would look taken for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _comes_free(port: int) -> bool:
    """Return whether a port is free or soon is: a killed server keeps it to its last thread."""
    until_s = time.monotonic() + _DYING_S_MAX
    while not is_free(port):
        if time.monotonic() > until_s:
            return False
        time.sleep(0.02)
    return True


class PortBook:
    """Remembers the port of each name in a file.

    Args:
        path: The file, created when the first port is claimed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __contains__(self, name: str) -> bool:
        """Return whether a port is remembered for a name."""
        return name in self._load()

    def get(self, name: str) -> int | None:
        """Return the remembered port of a name, None if there is none."""
        return self._load().get(name)

    def claim(self, name: str) -> int:
        """Return a port for a server that is about to start; chosen anew if the old one is taken.

        Args:
            name: What the port is for.
        """
        ports = self._load()
        remembered = ports.get(name)
        if remembered is not None and _comes_free(remembered):
            return remembered
        port = choose(set(ports.values()))
        self.remember(name, port)
        return port

    def remember(self, name: str, port: int) -> None:
        """Note the port that a server listens on."""
        ports = {**self._load(), name: port}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(ports, indent=2), encoding="utf-8")
        partial.replace(self._path)

    def _load(self) -> dict[str, int]:
        try:
            raw = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return {str(name): int(port) for name, port in raw.items()}


def choose(avoid: Collection[int] = ()) -> int:
    """Return a free loopback port, none of those to avoid."""
    # Drawn, not counted up, so that two stacks that start together seldom want the same port.
    draw = random.SystemRandom()
    for _ in range(_TRIES_MAX):
        port = draw.randint(_FIRST, _LAST)
        if port not in avoid and is_free(port):
            return port
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
