"""Dry runs: judged as the real thing, told what they would come to, and leaving no trace."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from schemas.types import Role
from services.gateway.main import openapi
from tests.integration.gateway.conftest import OPERATOR_KEY, Json, Market, demand, offer
from tests.integration.gateway.test_quotes import ASK, cleared
from tests.unit.gateway.bad_inputs import BAD_INPUTS

DRY = {"dry_run": "true"}


async def tried(market: Market, path: str, body: object, who: str, **more: Any) -> Json:  # noqa: ANN401
    method = more.pop("method", "POST")
    headers = {"Idempotency-Key": "dry"} | more.pop("headers", {})
    reply = await market.gateway.call(
        method, path, body, key=who, params=DRY, headers=headers, **more
    )
    assert reply.status_code == 200, reply.text
    found: Json = reply.json()
    fits(found)
    return found


def fits(preview: Json) -> None:
    """Hold a preview against the contract as a program that knows nothing else would."""
    components = openapi()["components"]
    schema = {"$ref": "#/components/schemas/OrderPreview", "components": components}
    jsonschema.Draft202012Validator(schema).validate(preview)


async def test_a_dry_run_tells_what_fits_what_is_held_and_what_the_last_round_would_give(
    market: Market,
) -> None:
    gateway = market.gateway
    near = demand(user_zone="bj-1", latency_ms_max=5)
    before = await tried(market, "/v1/demand", near, market.enterprise)
    assert before["quote"] is None
    first, second = before["fits"]
    assert first["pools"] == ["bj-1/ascend-910b"]
    assert {item["name"]: item["reason"]["en"] for item in first["unfit"]} == {
        "zjk-1": "zjk-1 is in hebei, wanted are beijing",
        "h800": "h800 is not among the chips wanted: ascend-910b",
    }
    assert {item["name"]: item["reason"]["code"] for item in second["unfit"]} == {
        "zjk-1": "latency_too_high",
        "ascend-910b": "memory_too_small",
    }
    # 23 chips (70 % of 32) for 4 hours at 15 yuan, or 32 at 12: the dearer one, within the budget.
    assert before["hold"] == {
        "amount": 32 * 4 * 12_000_000,
        "held": 0,
        "free": 0,
        "is_covered": False,
    }

    await cleared(gateway, "jingjinji:1", chips=24)
    found = await tried(market, "/v1/demand", demand(), market.enterprise)
    asked = await gateway.call("POST", "/v1/demand:quote", demand(), key=market.enterprise)
    # What money is free stands beside what the order would hold.
    assert found["quote"] == asked.json() | {"free": None}
    sold = (await tried(market, "/v1/offers", offer(ask=ASK), market.provider))["offer_quote"]
    assert (sold["round_id"], len(sold["periods"])) == ("jingjinji:1", 24)
    paid = [row["price"] for row in sold["periods"] if row["is_in_the_money"]]
    assert (sold["chip_hours"], sold["revenue"]) == (64 * len(paid), 64 * sum(paid))
    # Nothing is stored, written or claimed: the same key does something else.
    assert await gateway.pool.fetchval("SELECT count(*) FROM orders") == 0
    assert await gateway.pool.fetchval("SELECT count(*) FROM idempotency") == 0
    real = await gateway.submit("offers", offer(chips=8), market.provider, "dry")
    assert (real.status_code, real.json()["offset"]) == (202, 0)

    order = f"/v1/offers/{real.json()['order_id']}"
    change = {"expected_version": 1, "terms": offer(chips=16)["terms"]}
    amended = await tried(market, order, change, market.provider, method="PUT")
    assert amended["order_id"] == real.json()["order_id"]
    stale = await gateway.call(
        "PUT", order, change | {"expected_version": 2}, key=market.provider, params=DRY
    )
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_version")
    other = await gateway.call("PUT", order, change, key=market.enterprise, params=DRY)
    assert other.status_code == 404
    view = (await gateway.call("GET", order, key=market.provider)).json()
    assert (view["version"], view["terms"]["chips"], view.get("amendment")) == (1, 8, None)


async def test_a_dry_run_is_refused_as_the_real_thing_would_be(market: Market) -> None:
    gateway = market.gateway
    keys = {
        Role.PROVIDER: market.provider,
        Role.ENTERPRISE: market.enterprise,
        Role.OPERATOR: OPERATOR_KEY,
    }
    for bad in BAD_INPUTS:
        if bad.path not in ("/v1/offers", "/v1/demand"):
            continue
        headers = {"Content-Type": "application/json", "Idempotency-Key": "bad"} | bad.headers
        content = bad.body if isinstance(bad.body, bytes) else json.dumps(bad.body).encode()
        reply = await gateway.call(
            "POST", bad.path, key=keys[bad.role], headers=headers, content=content, params=DRY
        )
        assert (reply.status_code, reply.json()["code"]) == (bad.status, bad.code), bad.name
    bulks: tuple[list[Json], ...] = ([{}], [demand()])
    for lines in bulks:
        for more in (DRY, {}):
            reply = await gateway.call(
                "POST", "/v1/demand:bulk", lines, key=market.provider, params=more
            )
            assert reply.status_code == 403, reply.text


async def test_a_bulk_that_is_tried_counts_what_the_lines_before_would_hold(
    market: Market,
) -> None:
    gateway = market.gateway
    one = demand()
    amount, who = 32 * 4 * 12_000_000, market.enterprise
    bulk = [one, demand(budget=1_000), one]
    listed = (await gateway.call("POST", "/v1/demand:bulk", bulk, key=who, params=DRY)).json()[
        "results"
    ]
    lines = await gateway.call(
        "POST",
        "/v1/demand:bulk",
        content="\n".join(map(json.dumps, bulk)),
        headers={"Content-Type": "application/x-ndjson"},
        key=who,
        params=DRY,
    )
    read = [json.loads(line) for line in lines.text.splitlines()]
    for results in (listed, read):
        assert [item["index"] for item in results] == [0, 1, 2]
        assert [item["preview"]["hold"]["free"] for item in results[::2]] == [0, -amount]
        for item in results[::2]:
            assert set(item) <= {"index", "idempotency_key", "preview"}
            fits(item["preview"])
        assert results[1]["problem"]["code"] == "validation.budget_too_small"
    assert await gateway.pool.fetchval("SELECT count(*) FROM idempotency") == 0
