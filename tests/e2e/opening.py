"""What an exchange has before the journeys of the tests begin: terms, and a first round."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.shell import Cli

FIRST_ROUND_S_MAX = 150.0


def set_terms(cli: Cli) -> None:
    """Agree on a fee and a penalty, and give the provider collateral."""
    words = "settlements set-terms --provider-fee-ppm 5000 --penalty-ppm 100000 --reason agreed"
    agreed = cli.json("operator", *words.split())
    assert agreed["terms"]["version"] == 1
    who = cli.json("provider", "participants", "me")["participant_id"]
    cli.run("operator", *f"participants deposit {who} --amount 9 --reference first".split())
    cli.run("provider", *["account", "collateral", "in", "--amount", "5"])


def first_round(cli: Cli) -> None:
    """Wait for what a round publishes last: its allocations, and the auditor's word on it."""
    end_s = time.monotonic() + FIRST_ROUND_S_MAX
    while not (cli.json("enterprise", "allocations") and cli.json("regulator", "findings")):
        assert time.monotonic() < end_s, "no round traded anything"
        time.sleep(1)
