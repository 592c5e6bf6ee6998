"""A sandbox, started as people start it: a lone order of either side meets the robots'."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import suanli
from infra.local.exchange import Exchange
from infra.local.exchange_cli import up
from suanli.models import DemandTerms, OfferTerms
from tests.e2e import guides, snippets

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

# Rounds are ten seconds apart; a busy machine takes its time to start and to clear.
FILLED_S_MAX = 120.0
YUAN = 1_000_000
ROLES = ("enterprise", "provider", "regulator", "operator")
# Pages whose commands run, and whose programs do.
PAGES = ("services/sdk/README.md", "docs/start.md")
PROGRAMS = ("services/sdk/README.md", "docs/guides/enterprise.md", "docs/guides/provider.md")
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


def test_an_exchange_that_has_a_market_is_started_and_not_seeded(
    sandbox: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    # The robots, too, take their keys from where these are, as they start.
    _robots_trade_with_each_other(sandbox)
    # As a demo leaves its folder: a market, participants, and no keys of theirs.
    clients = sandbox.state_dir / "clients"
    kept = clients.rename(sandbox.state_dir / "clients-kept")
    try:
        up(sandbox.state_dir)
        said = capsys.readouterr().out
        assert "has a market already" in said
        assert "本交易所已有市场" in said
        assert sorted(file.name for file in clients.iterdir()) == ["operator.env", "operator.json"]
        assert f". '{clients}/operator.env'" in said
        with client_of(sandbox, "operator") as operator:
            assert list(operator.pages("/v1/markets"))
    finally:
        shutil.rmtree(clients, ignore_errors=True)
        kept.rename(clients)


def demand_terms() -> DemandTerms:
    return {
        "shape": {"type": "block", "chips": 8, "duration": 3},
        "alternatives": [{"chips_any_of": ["ascend-910b"], "limit": 100 * YUAN}],
        "earliest": hours_from_now(3),
        "deadline": hours_from_now(12),
    }


def offer_terms() -> OfferTerms:
    return {
        "zone": "tj-wuqing",
        "chip": "ascend-910b",
        "chips": 8,
        "start": hours_from_now(2),
        "end": hours_from_now(8),
        "ask": 100,
        "resource_code": "CN.12.0114.WQ-A910B",
    }


TERMS: dict[str, Callable[[], Any]] = {"enterprise": demand_terms, "provider": offer_terms}


def test_people_trade_with_robots_and_every_page_runs_as_it_stands(
    sandbox: Exchange, tmp_path: Path
) -> None:
    # One test, since an exchange takes longer to start than all of this.
    _robots_trade_with_each_other(sandbox)
    demand_id, offer_id = _lone_orders_of_either_side_are_filled(sandbox)
    _the_command_line_says_what_it_is(sandbox)
    _the_pages_run(sandbox, tmp_path, demand_id, offer_id)


# A hundred and twenty commands, each a process; on a busy machine they take their time.
@pytest.mark.timeout(500)
def test_every_command_of_the_guides_runs_as_it_stands(sandbox: Exchange, tmp_path: Path) -> None:
    _robots_trade_with_each_other(sandbox)
    keys = {role: person(sandbox, f"{role}.env") for role in ROLES}
    with ExitStack() as stack:
        clients = {
            role: stack.enter_context(suanli.Client(key["SUANLI_API_URL"], key["SUANLI_API_KEY"]))
            for role, key in keys.items()
        }
        filled: Json = dict(clients["enterprise"].submit_demand("jjj-spot", demand_terms()))
        until(
            lambda: dict(clients["enterprise"].get_demand(filled["order_id"])),
            lambda one: one["state"] == "filled",
        )
        with_clients(sandbox, tmp_path)
        wrong = guides.run(guides.People(clients, filled, sandbox.state_dir), tmp_path)
    assert not wrong, "\n".join(wrong)


def with_clients(sandbox: Exchange, home: Path) -> None:
    """Put the keys of the sandbox where the pages look for them."""
    for folder in ("local", "sandbox"):
        (home / "var" / folder).mkdir(parents=True)
        (home / "var" / folder / "clients").symlink_to(sandbox.state_dir / "clients")


def _robots_trade_with_each_other(sandbox: Exchange) -> None:
    with client_of(sandbox, "bohai-cloud") as client:
        # What was seeded trades in the first round; what comes later is theirs.
        until(
            lambda: {
                item["round_id"]: item["chip_hours"]
                for item in islice(client.list_rounds(), 50)
                if item["seq"] > 1
            },
            lambda sold: any(sold.values()),
        )


def _lone_orders_of_either_side_are_filled(sandbox: Exchange) -> tuple[str, str]:
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
            demand_terms(),
        )
        with client_of(sandbox, "bohai-cloud") as provider:
            offered = provider.submit_offer(
                "jjj-spot",
                offer_terms(),
            )
            ids = str(wanted["order_id"]), str(offered["order_id"])
            until(lambda: dict(enterprise.get_demand(ids[0])), lambda one: one["state"] == "filled")
            until(
                lambda: dict(provider.get_offer(ids[1])),
                lambda one: one["chip_hours_allocated"] > 0,
            )
    return ids


def _the_command_line_says_what_it_is(sandbox: Exchange) -> None:
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


def _the_pages_run(sandbox: Exchange, home: Path, demand_id: str, offer_id: str) -> None:
    with_clients(sandbox, home)
    key = person(sandbox, "enterprise.env")["SUANLI_API_KEY"]
    with suanli.Client(sandbox.api_url, key) as enterprise:
        (allocation, *_) = enterprise.list_allocations(order_id=demand_id)
    stands_for = {
        r"http://127\.0\.0\.1:8000": sandbox.api_url,
        r"sk_\.\.\.": key,
        r"dem_[a-z2-7]{26}": demand_id,
        r"off_[a-z2-7]{26}": offer_id,
        r"jjj-spot:\d+": allocation["round_id"],
    }
    wrong = [
        text
        for page in PAGES
        for text in snippets.run_shell(snippets.blocks(page), home, stands_for)
    ]
    assert not wrong, "\n".join(wrong)
    for page in PROGRAMS:
        for block in snippets.blocks(page):
            if block.kind == "python":
                role = "provider" if "provider" in page else "enterprise"
                theirs = person(sandbox, f"{role}.env")["SUANLI_API_KEY"]
                snippets.run_python(block, sandbox.api_url, theirs, {"terms": TERMS[role]()})


def test_every_block_that_is_not_run_says_why() -> None:
    for page in {*PAGES, *PROGRAMS, *guides.PAGES}:
        for block in snippets.blocks(page):
            assert block.reason is None or len(block.reason.split()) >= 3, block


def test_the_check_of_the_pages_can_fail(tmp_path: Path) -> None:
    shown = "$ false\nrefused [why]\n$ true \\\n    and more\nfine\n$ false\n"
    console = snippets.Block("page", "console", shown)
    shell = snippets.Block("page", "sh", "true\nfalse  # no\ntrue\n")
    spared = snippets.Block("page", "sh", "false\n", "it would fail")
    wrong = snippets.run_shell([console, shell, spared], tmp_path, {})
    assert wrong[:-1] == ["@@ page: false", "@@ page: false  # no"]
    refusal = snippets.Block("page", "console", "$ true\nrefused [why]\n")
    assert snippets.run_shell([refusal], tmp_path, {})[0] == "@@ page: true"
