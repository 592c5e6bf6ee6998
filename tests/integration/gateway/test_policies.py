"""Policies over HTTP: set by the regulator, read by anybody with their history."""

from __future__ import annotations

from typing import Any

from schemas import events, examples
from schemas.policies import MarketPaused
from schemas.policy_examples import POLICIES
from schemas.share_examples import SHARES
from schemas.shares import RoundShares
from tests.integration.gateway.conftest import Gateway, Market

Json = dict[str, Any]


def limits(version: int = 1, **changes: object) -> Json:
    rule = {"kind": "price_limits", "chip": "h800", "floor": 0, "cap": 20_000_000}
    body = {
        "market_id": "jingjinji",
        "policy_id": "caps",
        "version": version,
        "rule": rule,
        "reason": "Prices ran away",
    }
    return body | changes


async def test_a_policy_is_set_once_each_version_and_anybody_reads_its_history(
    market: Market,
) -> None:
    gateway = market.gateway

    async def tried(**body: object) -> Json:
        reply = await gateway.call("POST", "/v1/policies", limits() | body, key=market.regulator)
        found: Json = {"status": reply.status_code} | reply.json()
        return found

    async def listed(query: str = "") -> list[Json]:
        reply = await gateway.http.get(f"/v1/policies?market_id=jingjinji{query}")
        found: list[Json] = reply.json()["items"]
        return found

    odd = await tried(rule={"kind": "price_limits", "chip": "tpu", "cap": 100})
    assert (odd["status"], odd["code"]) == (422, "validation.unknown")
    assert odd["errors"][0]["field"] == "rule.chip"
    assert "h800" in odd["errors"][0]["allowed"]
    wish = await tried(rule={"kind": "wishes"})
    assert (wish["status"], wish["errors"][0]["field"]) == (422, "rule")
    assert (await tried())["status"] == 202
    assert (await tried())["code"] == "stale_version"
    assert (await tried(version=2, in_force_from_round=3))["status"] == 202
    # Versions are counted by market and policy.
    halt = await tried(policy_id="halt", rule={"kind": "trading_halt"}, in_force_from_round=9)
    assert halt["status"] == 202
    assert [item["state"] for item in await listed()] == ["coming"] * 3

    sealed = next(one for one in examples.examples() if isinstance(one, events.RoundSealed))

    async def after(seq: int) -> list[tuple[str, int, str]]:
        changes = {"market_id": "jingjinji", "seq": seq, "round_id": f"jingjinji:{seq}"}
        await gateway.publish(sealed.model_copy(update=changes))
        query = "SELECT max(seq) FROM round"

        async def known() -> int | None:
            found: int | None = await gateway.pool.fetchval(query)
            return found

        await gateway.eventually(known, lambda found: found == seq)
        return [
            (item["policy"]["policy_id"], item["policy"]["version"], item["state"])
            for item in await listed()
        ]

    assert await after(1) == [
        ("caps", 1, "in_force"), ("caps", 2, "coming"), ("halt", 1, "coming"),
    ]  # fmt: skip
    late = await tried(version=3, in_force_from_round=1, rule=None)
    assert (late["status"], late["errors"][0]["allowed"]) == (422, "at least 3")
    assert (await tried(version=3, rule=None))["status"] == 202
    assert await after(3) == [
        ("caps", 1, "past"), ("caps", 2, "past"), ("caps", 3, "past"), ("halt", 1, "coming"),
    ]  # fmt: skip
    (coming,) = await listed("&state=coming")
    assert (coming["policy"]["policy_id"], coming["policy"]["set_by"]) == ("halt", "regulator-1")
    page = (await gateway.http.get("/v1/policies?limit=2")).json()
    rest = (await gateway.http.get(f"/v1/policies?cursor={page['next_cursor']}")).json()
    assert [item["policy"]["version"] for item in (*page["items"], *rest["items"])] == [1, 2, 3, 1]


async def test_what_a_breaker_paused_is_listed_latest_first_and_can_be_exported(
    gateway: Gateway,
) -> None:
    told = [
        MarketPaused.model_validate(
            POLICIES[MarketPaused] | {"seq": seq, "round_id": f"jjj-spot:{seq}"}
        )
        for seq in (9, 12, 30)
    ]
    await gateway.publish(*told)

    async def listed() -> list[Json]:
        reply = await gateway.http.get("/v1/pauses?market_id=jjj-spot&limit=2")
        return list(reply.json()["items"])

    found = await gateway.eventually(listed, lambda items: len(items) == 2)
    assert [item["seq"] for item in found] == [30, 12]
    page = (await gateway.http.get("/v1/pauses?limit=2")).json()
    rest = (await gateway.http.get(f"/v1/pauses?limit=2&cursor={page['next_cursor']}")).json()
    assert [item["seq"] for item in rest["items"]] == [9]
    table = await gateway.http.get("/v1/pauses", headers={"Accept": "text/csv"})
    assert table.text.splitlines()[0].startswith("market_id,round_id,seq")


async def test_what_domestic_shares_asked_of_rounds_is_listed_latest_first(
    gateway: Gateway,
) -> None:
    told = [
        RoundShares.model_validate(
            SHARES[RoundShares] | {"seq": seq, "round_id": f"jjj-spot:{seq}"}
        )
        for seq in (7, 9, 12)
    ]
    await gateway.publish(*told)

    async def listed() -> list[Json]:
        reply = await gateway.http.get("/v1/shares?market_id=jjj-spot&limit=2")
        return list(reply.json()["items"])

    found = await gateway.eventually(listed, lambda items: len(items) == 2)
    assert [item["seq"] for item in found] == [12, 9]
    (share,) = found[0]["shares"]
    assert (share["premium"], share["shortfall"], share["account"]) == (2_500, 0, 120_000)
    page = (await gateway.http.get("/v1/shares?limit=2")).json()
    rest = (await gateway.http.get(f"/v1/shares?limit=2&cursor={page['next_cursor']}")).json()
    assert [item["seq"] for item in rest["items"]] == [7]
