"""The child that clears books for studies: ``python -m services.gateway.adapters.study_child``.

It loads the solver, which the gateway itself never does, and steps back for everything else on
the machine. A failure ends it, which the gateway notices.
"""

from __future__ import annotations

import json
import os
import zlib
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING

from schemas.policy_costs import PolicySimulationNew
from services.core.codec import round_from_dict
from services.core.policy_study.cost import policy_costs
from services.core.policy_study.simulation import Simulation
from services.kit.workers import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

_NICE = 10
_FILE_BYTES_MAX = 1 << 30
# One runs at a time; a few more than that are remembered.
_KNOWN_MAX = 4
_simulations: OrderedDict[str, Simulation] = OrderedDict()
# Round and answer of the last request: what could not be kept is asked for again.
_last: dict[str, tuple[str, bytes]] = {}


def answer(request: Sequence[bytes]) -> bytes:
    """Return the answer to a request, as JSON.

    Args:
        request: The operation, a compressed round file and, to simulate, what is asked for. A
            simulation's rounds come in their order, since a circuit breaker looks back.
    """
    operation, packed, *told = request
    unpack = zlib.decompressobj()
    file = unpack.decompress(packed, _FILE_BYTES_MAX)
    assert unpack.eof, f"a round file must be whole and at most {_FILE_BYTES_MAX} bytes"
    book, rules, result = round_from_dict(json.loads(file))
    if operation == b"costs":
        costs = policy_costs(book, rules, result)
        return json.dumps([cost.model_dump(mode="json") for cost in costs]).encode()
    assert operation == b"simulate", operation
    about = json.loads(told[0])
    name = about["simulation_id"]
    known_round, known = _last.get(name, ("", b""))
    if known_round == book.round_id:
        return known
    if name not in _simulations:
        asked = PolicySimulationNew.model_validate(about["asked"])
        _simulations[name] = Simulation(about["market_id"], asked.rule, asked.replaces or "")
        while len(_simulations) > _KNOWN_MAX:
            _simulations.popitem(last=False)
    at = datetime.fromisoformat(about["at"])
    found = _simulations[name].take(book, rules, result, at).model_dump_json().encode()
    _last.clear()
    _last[name] = book.round_id, found
    return found


def main() -> None:
    """Serve requests until the gateway closes the pipe."""
    os.nice(_NICE)
    serve(answer)


if __name__ == "__main__":
    main()
