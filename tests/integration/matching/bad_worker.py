"""A child process that fails at clearing in the way that its argument names, or takes its time.

Everything else it does as the real one does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from services.kit import frames
from services.matching.adapters.worker import answer

_FAILS_AT = {
    "lie_always": (b"clear", b"greedy"),
    "lie_ever": (b"clear", b"greedy", b"nothing"),
}


def main(failing: str, until: str = "") -> None:
    """Serve requests, badly, or well once a file is there."""
    while True:
        request = frames.read_blocking(sys.stdin.buffer)
        if request is None:
            return
        if failing == "slow":
            while not Path(until).exists():
                time.sleep(0.01)
            reply = answer(request)
        elif request[0] in _FAILS_AT.get(failing, (b"clear",)):
            reply = misbehave(failing, request)
        else:
            reply = answer(request)
        sys.stdout.buffer.write(frames.pack([reply]))
        sys.stdout.buffer.flush()


def misbehave(failing: str, request: list[bytes]) -> bytes:
    """Hang, die, or give a result that is better than it can be."""
    if failing == "hang":
        time.sleep(600)
    if failing == "die":
        os._exit(9)
    result = json.loads(answer([b"greedy", *request[1:]]))
    result["welfare"] += 1_000_000
    return json.dumps(result).encode()


if __name__ == "__main__":
    main(*sys.argv[1:])
