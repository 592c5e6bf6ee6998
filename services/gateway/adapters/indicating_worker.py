"""The child process that clears projected books for the gateway.

``python -m services.gateway.adapters.indicating_worker MEMORY_MIB``: the gateway itself loads no
solver. It takes the lowest priority, since a round, an order and a request come before a forecast.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING

from services.core.clearing.clear import clear
from services.core.codec import book_from_dict, canonical_json
from services.core.indication import Plan, indicate, indication_to_dict
from services.kit.workers import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

_NICE = 15


def main() -> None:
    """Serve requests until the parent closes the pipe."""
    os.nice(_NICE)
    serve(answer, memory_mib=int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def answer(request: Sequence[bytes]) -> bytes:
    """Return the indication of a book, and the processor's milliseconds that it took, as JSON.

    Args:
        request: The book, then ``{"tick", "draws", "left_out_ppm"}``.
    """
    book, plan = json.loads(request[0]), json.loads(request[1])
    began = time.process_time()
    found = indicate(
        book_from_dict(book), plan["tick"], Plan(plan["draws"], plan["left_out_ppm"]), clear
    )
    cpu_ms = round((time.process_time() - began) * 1000)
    return canonical_json({"indication": indication_to_dict(found), "cpu_ms": cpu_ms})


if __name__ == "__main__":
    main()
