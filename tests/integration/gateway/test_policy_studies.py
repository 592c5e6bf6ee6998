"""What policies cost and would cost, worked out by the child process from files of rounds."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.market import Market as MarketModel
from schemas.policies import MarketPolicySet, PriceLimits
from schemas.policy_costs import PolicyCost, SimulatedRound
from schemas.types import Shape, period_of
from services.core.book import (
    Alternative,
    Book,
    BookDemand,
    BookOffer,
    BookPolicy,
    Result,
    Rules,
)
from services.core.book_policies import under
from services.core.clearing.clear import clear
from services.core.codec import canonical_json, round_from_dict, round_to_dict
from services.core.eligibility import pools_of
from services.core.policy_study.cost import policy_costs
from services.core.policy_study.simulation import Simulation
from services.core.round_file import file_events
from services.gateway.adapters.http import examples
from services.gateway.adapters.policy_studies import LEASE, PostgresStudyQueue
from services.gateway.app.policy_studies import OPEN_MAX
from services.gateway.main import build_studies
from services.kit.errors import StaleWriterError
from services.kit.postgres import LeaseKeeper
from suanli.cli import build_app
from tests.integration.gateway.conftest import Gateway, Market
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_reports import MARKET, closed, sealed
from tests.unit.sdk import allowances

Json = dict[str, Any]
Parts = tuple[Book, Rules, Result]
YUAN = 1_000_000
FIRST = period_of(datetime.fromisoformat("2026-11-25T00:00:00Z"))
POOL, CHIP = "bj-1/ascend-910b", "ascend-910b"
RULE = {"kind": "price_limits", "chip": CHIP, "floor": 0, "cap": 10 * YUAN}
# Keeps the demand out that would pay most.
CAPS = BookPolicy(
    "caps", 1, "price_limits", (("cap", 10 * YUAN), ("chip", CHIP), ("floor", 0))
)  # fmt: skip
DAY = sealed().market_time.date().isoformat()


def demand(name: str, limit: int) -> BookDemand:
    one = Alternative(0, (POOL,), limit, FIRST, FIRST + 2, 8, 8, 2)
    return BookDemand(f"dem_{name}", f"e_{name}", 1, Shape.BLOCK, (one,))


def round_of(seq: int, *policies: BookPolicy) -> Json:
    """Return the file of a round of two that want the same chips, one of which pays most."""
    market = MarketModel.model_validate(examples.MARKET)
    offer = BookOffer("off_a", "p_a", 1, POOL, 5 * YUAN, FIRST, (8, 8))
    demands = (demand("eager", 30 * YUAN), demand("plain", (5 + seq) * YUAN))
    whole = Book(market.id, f"{MARKET}:{seq}", FIRST, 2, pools_of(market), (offer,), demands)
    book = under(whole, policies)
    return round_to_dict(book, Rules(), clear(book, Rules()))


async def publish(gateway: Gateway, seq: int, file: Json) -> None:
    # The fourth round is the next day's.
    at = sealed().market_time + timedelta(days=seq // 4)
    about = {"round_id": f"{MARKET}:{seq}", "seq": seq, "market_time": at}
    packed = file_events(f"{MARKET}:{seq}", MARKET, canonical_json(file))
    await gateway.publish(
        sealed().model_copy(update=about), *packed, closed().model_copy(update=about)
    )


@asynccontextmanager
async def studying(gateway: Gateway) -> AsyncIterator[None]:
    """Run the worker with its children."""
    stop = asyncio.Event()
    working = asyncio.create_task(build_studies(gateway.settings, gateway.service).run(stop))
    try:
        yield
    finally:
        stop.set()
        await working


async def ready(gateway: Gateway, path: str, key: str, *states: str) -> Json:
    async def look() -> Json:
        found: Json = (await gateway.call("GET", path, key=key)).json()
        return found

    found: Json = await gateway.eventually(look, lambda one: one.get("state") in states, 90)
    return found


async def test_the_costs_of_policies_and_simulations_are_worked_out_beside_the_exchange(
    market: Market,
) -> None:
    gateway = market.gateway
    told = {"market_id": MARKET, "policy_id": "caps", "version": 1, "rule": RULE, "reason": "Spike"}
    assert (await gateway.call("POST", "/v1/policies", told, key=market.regulator)).is_success
    files = {seq: round_of(seq, CAPS) for seq in (1, 2, 3)}
    for seq, file in files.items():
        await publish(gateway, seq, file)
    await ready(gateway, f"/v1/rounds/{MARKET}:3/policy-costs", "", "pending")
    assert (await gateway.http.get(f"/v1/rounds/{MARKET}:9/policy-costs")).status_code == 404

    asked = {"market_id": MARKET, "rule": RULE | {"cap": 7 * YUAN}, "day": DAY}
    path = "/v1/policy-simulations"
    refused = await gateway.call("POST", path, asked, key=market.enterprise)
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.wrong_role")
    made = (await gateway.call("POST", path, asked, key=market.regulator)).json()
    assert (made["state"], made["rounds"], made["rounds_done"]) == ("waiting", 3, 0)
    again = (await gateway.call("POST", path, asked, key=market.regulator)).json()
    assert again["simulation_id"] == made["simulation_id"]
    # A file that is none ends the child; what was asked for next goes on.
    await publish(gateway, 4, {"format": "nonsense"})
    bad = {"market_id": MARKET, "rule": None, "replaces": "caps", "from_round": 4, "to_round": 4}

    async def asked_bad() -> Json:
        found: Json = (await gateway.call("POST", path, bad, key=market.regulator)).json()
        return found

    broken = await gateway.eventually(asked_bad, lambda one: "simulation_id" in one)
    breaker = {"kind": "circuit_breaker", "move_bp": 1_000, "pause_s": 60}
    calm = {"market_id": MARKET, "rule": breaker, "from_round": 1, "to_round": 3}
    watched = (await gateway.call("POST", path, calm, key=market.regulator)).json()

    mine = market.regulator
    async with studying(gateway):
        done = await ready(gateway, f"{path}/{made['simulation_id']}", mine, "ready", "failed")
        failed = await ready(gateway, f"{path}/{broken['simulation_id']}", mine, "ready", "failed")
        await ready(gateway, f"{path}/{watched['simulation_id']}", mine, "ready")
        for seq in files:
            await ready(gateway, f"/v1/rounds/{MARKET}:{seq}/policy-costs", "", "ready")
        async with served(gateway) as url:
            await command_line_shows(url, mine)

    rounds = {seq: round_from_dict(file) for seq, file in files.items()}
    assert failed["state"] == "failed"
    assert failed["cause"].startswith(f"{MARKET}:4: died")
    await costs_are(gateway, rounds)
    await report_adds_up(gateway)
    await simulated_rounds_are(market, f"{path}/{made['simulation_id']}/rounds", rounds, done)


async def test_a_round_shows_where_a_largest_share_bound_and_names_nobody(market: Market) -> None:
    gateway = market.gateway
    round_id = f"{MARKET}:1"
    rule = {"kind": "largest_share", "share_bp": 8_000}
    told = {
        "market_id": MARKET,
        "policy_id": "most",
        "version": 1,
        "rule": rule,
        "reason": "Scarce",
    }
    # The gateway hears of the rule after the round that it was in, as while a view is built anew.
    await publish(gateway, 2, round_of(2))
    await ready(gateway, f"/v1/rounds/{MARKET}:2/policy-costs", "", "ready")
    await publish(gateway, 1, allowances.as_round(round_id, 490_000))

    async def file() -> object:
        return (await gateway.http.get(f"/v1/rounds/{round_id}")).json().get("file")

    await gateway.eventually(file, lambda found: bool(found) and found["state"] == "ok")
    path = f"/v1/rounds/{round_id}/policy-costs"
    assert (await gateway.http.get(path)).json()["state"] == "pending"
    listed = (await gateway.http.get(f"/v1/policy-costs?market_id={MARKET}")).json()["items"]
    assert [row["round_id"] for row in listed] == [round_id]
    since = {"in_force_from_round": 1, "set_by": "regulator"}
    await gateway.publish(MarketPolicySet.model_validate(told | since))
    async with studying(gateway):
        (cost,) = (await ready(gateway, path, "", "ready"))["costs"]
        (row,) = cost["bound"]
        figures = [row[name] for name in ("allowed", "taken", "price", "demands_kept_out")]
        assert figures == [5, 4, 200, 1]
        page = await gateway.http.get(f"/rounds/{round_id}", headers={"Accept-Language": "en"})
        assert "Where a largest share bound" in page.text
        table = await gateway.http.get(f"/rounds/{round_id}/largest-shares/csv")
        assert table.headers["content-type"].startswith("text/csv")
        assert "p1" not in table.text
        (line,) = csv.DictReader(io.StringIO(table.text.lstrip("\ufeff")))
        assert (line["chip"], line["allowed"]) == ("910b", "5")
        async with served(gateway) as url:
            env = {"SUANLI_API_URL": url, "SUANLI_API_KEY": market.regulator, "LANG": "C.UTF-8"}
            app, words = build_app(["rounds"]), ["rounds", "show", round_id]
            shown = await asyncio.to_thread(CliRunner().invoke, app, words, env=env)
        assert shown.exit_code == 0, shown.output
        assert "Where a largest share bound" in shown.stdout


async def command_line_shows(url: str, key: str) -> None:
    async def run(*words: str, code: int = 0) -> Any:  # noqa: ANN401 - what it prints
        env = {"SUANLI_API_URL": url, "SUANLI_API_KEY": key, "LANG": "C.UTF-8"}
        app = build_app(["policy"])
        done = await asyncio.to_thread(CliRunner().invoke, app, ["policy", *words], env=env)
        assert done.exit_code == code, (words, done.output, done.exception)
        return json.loads(done.stdout) if "json" in words else done.stdout

    as_json = ("-o", "json")
    costs = [row for row in await run("cost", *as_json) if row["state"] == "ready"]
    assert [row["round_id"] for row in costs] == [f"{MARKET}:{seq}" for seq in (3, 2, 1)]
    assert [row["cost"] for row in costs] == [16 * n * YUAN for n in (22, 23, 24)]
    regions = await run("cost", "--regions", *as_json)
    assert {row["region"] for row in regions} == {"beijing", "hebei"}
    # The same as was asked for over HTTP, so that it is there at once.
    words = ("--day", DAY, "--cap", "7", "--chip", CHIP)
    await run("simulate", *words, "--rounds", "1-2", code=1)
    rows = await run("simulate", *words, *as_json)
    assert sum(row["cost"] for row in rows) == 16 * 3 * YUAN
    assert "simulation" in await run("simulate", "--rounds", "1-1", "--cap", "6", "--no-wait")
    found = await run("simulations", *as_json)
    assert {row["state"] for row in found} >= {"ready", "failed"}
    shown = next(row for row in found if row["asked"]["day"] == DAY)
    assert await run("simulation", shown["simulation_id"], *as_json) == rows
    await run("simulate", "--rounds", "1:2", "--cap", "6", code=2)
    await run("simulate", "--rounds", "1-2", code=2)
    await run("simulate", "--rounds", "1-2", "--rule", "[]", code=2)


async def costs_are(gateway: Gateway, rounds: Mapping[int, Parts]) -> None:
    listed = (await gateway.http.get(f"/v1/policy-costs?market_id={MARKET}")).json()["items"]
    shown = {one["seq"]: one["costs"] for one in listed if one["state"] == "ready"}
    assert list(shown) == [3, 2, 1]
    for seq, found in shown.items():
        costs = tuple(map(PolicyCost.model_validate, found))
        assert costs == policy_costs(*rounds[seq])
        assert (costs[0].cost, costs[0].demands_kept_out) == (16 * (30 - 5 - seq) * YUAN, 1)


async def report_adds_up(gateway: Gateway) -> None:
    query = f"market_id={MARKET}&day={DAY}"
    report = (await gateway.call("GET", f"/v1/reports/policy-costs?{query}")).json()
    figures = {one["name"]: one["value"] for one in report["figures"]}
    assert figures == {"rounds": 3, "cost": 16 * (22 + 23 + 24) * YUAN, "certain": 3}
    names = [column["name"] for column in report["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in report["rows"]]
    assert [row["region"] for row in rows] == ["all", "beijing"] * 3
    for whole, part in zip(rows[::2], rows[1::2], strict=True):
        assert whole["buyers_change"] == part["buyers_change"]
        assert whole["cost"] == -whole["buyers_change"] - whole["sellers_change"]


async def simulated_rounds_are(
    market: Market, path: str, rounds: Mapping[int, Parts], done: Json
) -> None:
    gateway, mine = market.gateway, market.regulator
    rule = PriceLimits.model_validate(RULE | {"cap": 7 * YUAN})
    simulation = Simulation(MARKET, rule)
    expected = [simulation.take(*parts, sealed().market_time) for parts in rounds.values()]
    first = (await gateway.call("GET", f"{path}?limit=2", key=mine)).json()
    rest = (await gateway.call("GET", f"{path}?cursor={first['next_cursor']}", key=mine)).json()
    items = [*first["items"], *rest["items"]]
    assert [SimulatedRound.model_validate(one) for one in items] == expected
    assert done["totals"]["cost"] == sum(one.cost.cost for one in expected) == 16 * 3 * YUAN
    sheet = await gateway.call("GET", path, key=mine, headers={"Accept": "text/csv"})
    assert [row["cost.cost"] for row in csv.DictReader(io.StringIO(sheet.text))] == [
        str(one.cost.cost) for one in expected
    ]


async def test_a_simulation_that_makes_no_sense_is_refused_by_name(market: Market) -> None:
    breaker = {"kind": "circuit_breaker", "move_bp": 1, "pause_s": 1}
    wrong: list[tuple[Json, str]] = [
        ({"day": "2020-01-01"}, "day"),
        ({"day": "2026-02-30"}, "day"),
        ({"day": None, "from_round": 7, "to_round": 9}, "from_round"),
        ({"rule": RULE | {"chip": "tpu"}}, "rule.chip"),
        ({"rule": breaker, "every": 2}, "every"),
        ({"rule": None}, "body.rule"),
        ({"from_round": 1}, "body.day"),
        ({"market_id": "nowhere"}, "market_id"),
    ]
    for change, field in wrong:
        asked = {"market_id": MARKET, "rule": RULE, "day": DAY} | change
        body = {name: asked[name] for name in asked if name == "rule" or asked[name] is not None}
        reply = await market.gateway.call(
            "POST", "/v1/policy-simulations", body, key=market.regulator
        )
        assert reply.status_code in {404, 422}, reply.text
        assert [one["field"] for one in reply.json()["errors"]] == [field]


async def test_studies_are_bounded_and_a_writer_that_lost_its_place_keeps_nothing(
    market: Market,
) -> None:
    gateway, path = market.gateway, "/v1/policy-simulations"
    await publish(gateway, 1, round_of(1, CAPS))
    breaker = {"kind": "circuit_breaker", "move_bp": 1_000, "pause_s": 60}

    async def ask(rule: Json) -> Any:  # noqa: ANN401 - a reply
        asked = {"market_id": MARKET, "rule": rule, "from_round": 1, "to_round": 1}
        return await gateway.call("POST", path, asked, key=market.regulator)

    reply = await gateway.eventually(lambda: ask(breaker), lambda one: one.is_success)
    watched = reply.json()["simulation_id"]
    for more in range(OPEN_MAX - 1):
        assert (await ask(RULE | {"cap": (more + 1) * YUAN})).status_code == 202
    busy = await ask(RULE | {"cap": 99 * YUAN})
    assert (busy.status_code, busy.json()["code"]) == (409, "busy.simulations")
    assert (await ask(breaker)).status_code == 202

    keeper = LeaseKeeper(gateway.pool, LEASE, "first")
    epoch = await keeper.acquire()
    assert epoch is not None
    queue = PostgresStudyQueue(gateway.pool, epoch)
    step = await queue.next_step()
    assert step is not None
    assert (step.simulation_id, step.seq) == (watched, 1)
    await queue.simulated(watched, 1, b"{}")
    step = await queue.next_step()
    assert step is not None
    assert step.seq is None
    # Whoever takes over has not seen what a breaker looks back on.
    await queue.begin()
    assert (await queue.next_step()) is not None
    step = await queue.next_step()
    assert step is not None
    assert step.seq == 1
    # Three failures end it: a round that kills its child would be tried for ever.
    for _ in range(3):
        await queue.cost_failed(f"{MARKET}:1", "no answer")
    cost = (await gateway.http.get(f"/v1/rounds/{MARKET}:1/policy-costs")).json()
    assert cost["state"] == "failed"
    await keeper.release()
    assert await LeaseKeeper(gateway.pool, LEASE, "second").acquire() is not None
    with pytest.raises(StaleWriterError):
        await queue.ended(watched, "")
