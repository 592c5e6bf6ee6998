"""A sandbox, started as people start it: a lone order of either side meets the robots'."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import suanli
from infra.local.exchange import Exchange
from infra.local.exchange_cli import up

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Rounds are ten seconds apart; a busy machine takes its time to start and to clear.
FILLED_S_MAX = 120.0
YUAN = 1_000_000
Json = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Exchange]:
    # A short path: the database's socket lies in it.
    with tempfile.TemporaryDirectory(prefix="suanli-box-") as folder:
        # The database runs under another account, which must be able to enter.
        Path(folder).chmod(0o711)
        exchange = Exchange(Path(folder) / "state", durable=False)
        try:
            up(exchange.state_dir, sandbox=True)
            yield exchange
        finally:
            exchange.wipe()


def client_of(sandbox: Exchange, participant: str) -> suanli.Client:
    facts = json.loads((sandbox.state_dir / "clients" / f"{participant}.json").read_text())
    return suanli.Client(facts["api_url"], facts["api_key"])


def person(sandbox: Exchange, variable_file: str) -> dict[str, str]:
    lines = (sandbox.state_dir / "clients" / variable_file).read_text().splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def until(look: Callable[[], Json], want: Callable[[Json], bool]) -> Json:
    end_s = time.monotonic() + FILLED_S_MAX
    while not want(found := look()):
        assert time.monotonic() < end_s, found
        time.sleep(0.5)
    return found


def hours_from_now(hours: int) -> str:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return (now + timedelta(hours=hours)).isoformat()


def test_a_lone_order_of_either_side_is_filled_and_play_money_is_there_for_the_asking(
    sandbox: Exchange,
) -> None:
    mine = person(sandbox, "enterprise.env")
    with suanli.Client(mine["SUANLI_API_URL"], mine["SUANLI_API_KEY"]) as enterprise:
        before = enterprise.get_account()["posted"]
        enterprise.take_play_money(5_000_000 * YUAN)
        until(
            lambda: dict(enterprise.get_account()),
            # Its seeded demand may be paid for meanwhile, which is little.
            lambda account: account["posted"] > before + 4_000_000 * YUAN,
        )
        assert enterprise.environment == "sandbox"
        wanted = enterprise.submit_demand(
            "jjj-spot",
            {
                "shape": {"type": "block", "chips": 8, "duration": 3},
                "alternatives": [{"chips_any_of": ["ascend-910b"], "limit": 100 * YUAN}],
                "earliest": hours_from_now(3),
                "deadline": hours_from_now(12),
            },
        )
        with client_of(sandbox, "bohai-cloud") as provider:
            offered = provider.submit_offer(
                "jjj-spot",
                {
                    "zone": "tj-wuqing",
                    "chip": "ascend-910b",
                    "chips": 8,
                    "start": hours_from_now(2),
                    "end": hours_from_now(8),
                    "ask": 100,
                    "resource_code": "CN.12.0114.WQ-A910B",
                },
            )
            ids = str(wanted["order_id"]), str(offered["order_id"])
            until(lambda: dict(enterprise.get_demand(ids[0])), lambda one: one["state"] == "filled")
            until(
                lambda: dict(provider.get_offer(ids[1])),
                lambda one: one["chip_hours_allocated"] > 0,
            )


def test_the_command_line_says_that_it_is_a_sandbox_and_gives_play_money(
    sandbox: Exchange,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "suanli", "account", "top-up", "--amount", "2.5", "-o", "json"],
        env={
            "PYTHONPATH": "services/sdk/src",
            "PATH": "",
            "SUANLI_CONFIG": str(sandbox.state_dir / "none.json"),
            **person(sandbox, "enterprise.env"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.startswith("SANDBOX")
    assert json.loads(done.stdout)["deposit_id"].startswith("dep_")
