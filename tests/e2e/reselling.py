"""Hours that were bought, offered again by `suanli`."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.shell import Cli


def sell_on_once(cli: Cli) -> None:
    """Buy, sell on, raise that, be refused a second time, withdraw, and sell on again."""
    need = (
        "demand create --chip ascend-910b --chips 4 --chips-min 1 --hours 2 --limit 190 "
        "--earliest +6h --deadline +20h"
    )
    demand_id = cli.json("enterprise", *need.split())["order"]["order_id"]
    cli.run("enterprise", "orders", "watch", demand_id, "--timeout", "90", "-o", "json")
    bought = next(
        item for item in cli.json("enterprise", "allocations") if item["demand_id"] == demand_id
    )
    resell = ["offers", "resell", bought["allocation_id"], "--ask", "199"]
    resell += ["--resource-code", "CN.11.0108.LAB-910B"]
    first, last = (bought["periods"][at]["start"] for at in (0, -1))
    placed = cli.json("enterprise", *resell, "--start", first, "--end", last)["order"]
    assert (placed["state"], placed["terms"]["resale_of"]) == ("open", bought["allocation_id"])
    # The last hour as well, once it is reserved.
    end = (datetime.fromisoformat(last) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    more = cli.json("enterprise", "offers", "amend", placed["order_id"], "--end", end)["order"]
    assert (more["version"], more["state"], more["terms"]["end"]) == (2, "open", end)
    life = cli.json("enterprise", "orders", "life", placed["order_id"])
    asked = [step["kind"] for step in life if step["kind"].startswith("capacity")]
    assert asked == ["capacity_held", "capacity_wanted", "capacity_held"]
    twice = cli.run("enterprise", *resell, "-o", "json", expect=1)
    assert json.loads(twice.stdout)["order"]["reason"]["code"] == "capacity.taken"
    cli.run("enterprise", "offers", "cancel", placed["order_id"])
    # What it held is free once the ledger has heard of it.
    end_s = time.monotonic() + 30
    while cli.run("enterprise", *resell, expect=None).exit_code:
        assert time.monotonic() < end_s, "what was withdrawn is not free again"
