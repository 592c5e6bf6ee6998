"""A mobilisation from its proposal to its end, over HTTP, on the real log and database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas import examples as _events
from schemas.mobilisation import MobilisationDeclared, MobilisationDisplaced, MobilisationServed
from tests.integration.gateway.conftest import Gateway, Market, demand
from tests.integration.gateway.test_day_reports import figures, report, rows

Json = dict[str, Any]
MOBILISATIONS = "/v1/mobilisations"


def flood(**changes: Any) -> Json:  # noqa: ANN401 - any JSON
    terms = {
        "regions": ["beijing"],
        "participants": ["enterprise-1"],
        "price_cap": 12_000_000,
        "start": "2026-11-24T09:00:00Z",
        "end": "2026-11-25T09:00:00Z",
        "reason": "Flood forecast",
    }
    return {"market_id": "jingjinji", "terms": terms | changes}


async def proposed(gateway: Gateway, body: Json, key: str, intent: str = "m1") -> Json:
    reply = await gateway.call(
        "POST", MOBILISATIONS, body, key=key, headers={"Idempotency-Key": intent}
    )
    found: Json = {"status": reply.status_code} | reply.json()
    return found


async def test_one_proposes_another_confirms_and_only_those_in_scope_are_urgent(
    market: Market,
) -> None:
    gateway = market.gateway
    urgent = demand(priority="urgent")

    async def tried(intent: str, **changes: Any) -> Json:  # noqa: ANN401 - any JSON
        body = demand(priority="urgent", **changes)
        reply = await gateway.submit("demand", body, market.enterprise, intent)
        found: Json = {"status": reply.status_code} | reply.json()
        return found

    refused = await tried("u0")
    assert (refused["status"], refused["code"]) == (422, "validation.mobilisation")
    assert refused["errors"][0]["field"] == "terms.priority"
    assert "no mobilisation" in refused["errors"][0]["allowed"]

    await unfit(market)
    made = await proposed(gateway, flood(), market.regulator)
    assert (made["status"], made["state"]) == (201, "proposed")
    assert (await proposed(gateway, flood(), market.regulator))["state"] == "proposed"
    path = f"{MOBILISATIONS}/{made['mobilisation_id']}"
    # Proposed is not declared.
    assert (await tried("u0"))["status"] == 422

    same = await gateway.call("POST", f"{path}/confirm", key=market.regulator)
    assert (same.status_code, same.json()["code"]) == (409, "mobilisation.second_person")
    for _ in range(2):
        reply = await gateway.call("POST", f"{path}/confirm")
        assert (reply.status_code, reply.json()["state"]) == (200, "declared")
    dear = [{"chips_any_of": ["h800"], "regions": ["beijing"], "limit": 12_000_100}]
    found = await tried("u1", alternatives=dear)
    assert found["errors"][0]["field"] == "terms.alternatives.0.limit"
    assert "12000000" in found["errors"][0]["allowed"]
    taken = [{"chips_any_of": ["h800"], "regions": ["beijing"], "limit": 12_000_000}]
    assert (await tried("u2", alternatives=taken))["status"] == 202
    stranger = await gateway.admit("enterprise-2", "enterprise")
    other = await gateway.submit("demand", urgent, stranger, "u3")
    assert "does not name" in other.json()["errors"][0]["allowed"]

    served = next(one for one in _events.examples() if isinstance(one, MobilisationServed))
    own = {
        "mobilisation_id": made["mobilisation_id"],
        "market_id": "jingjinji",
        "round_id": "jingjinji:1",
    }
    cost = next(one for one in _events.examples() if isinstance(one, MobilisationDisplaced))
    after = {"market_id": "jingjinji", "round_id": "jingjinji:2"}
    await gateway.publish(served.model_copy(update=own), cost.model_copy(update=after))

    async def shown() -> Json:
        found: Json = (await gateway.call("GET", path, key=stranger)).json()
        return found

    view = await gateway.eventually(shown, lambda found: found["rounds"] == 1)
    # Who is named is nobody else's business.
    assert view["terms"]["participants"] == []
    named = (await gateway.call("GET", path, key=market.enterprise)).json()
    assert named["terms"]["participants"] == ["enterprise-1"]
    assert (view["chip_hours"], view["reserve_chip_hours"]) == (768, 256)
    await register(market)
    await ended_early(market, path)
    assert (await tried("u4", alternatives=taken))["status"] == 422
    await over_by_itself(market)


async def unfit(market: Market) -> None:
    gateway = market.gateway
    unknown = await proposed(gateway, flood(chips=["gpu-9"]), market.regulator)
    assert (unknown["status"], unknown["errors"][0]["field"]) == (422, "terms.chips")
    for name in ("nobody-1", "provider-1"):
        stranger = await proposed(gateway, flood(participants=[name]), market.regulator)
        (error,) = stranger["errors"]
        assert (stranger["status"], error["field"]) == (422, "terms.participants")
        assert error["value"] == name
    past = await proposed(
        gateway,
        flood(start="2026-11-23T09:00:00Z", end="2026-11-23T10:00:00Z"),
        market.regulator,
    )
    assert (past["status"], past["errors"][0]["field"]) == (422, "terms.end")
    assert (await proposed(gateway, flood(), market.enterprise))["status"] == 403


async def register(market: Market) -> None:
    gateway = market.gateway
    told = await gateway.eventually(
        lambda: report(gateway, "emergency-use", market.regulator),
        lambda found: len(found["rows"]) == 2,
    )
    found = figures(told)
    assert (found["chip_hours"], found["displaced"], found["welfare_cost"]) == (768, 1, 784_000_000)
    row, lost = rows(told)
    assert (row["reason"], row["proposed_by"], row["declared_by"]) == (
        "Flood forecast",
        "regulator-1",
        "operator",
    )
    assert (lost["kind"], lost["chip_hours"], lost["value"], lost["proof"]) == (
        "displaced",
        192,
        1_920_000_000,
        "optimal",
    )


async def ended_early(market: Market, path: str) -> None:
    gateway = market.gateway
    for _ in range(2):
        reply = await gateway.call("POST", f"{path}/end", {"reason": "The river has fallen"})
        assert (reply.status_code, reply.json()["state"]) == (200, "cancelled")
    again = await gateway.call("POST", f"{path}/confirm")
    assert (again.status_code, again.json()["code"]) == (409, "mobilisation.over")


async def over_by_itself(market: Market) -> None:
    """What others wrote to the log is shown as well, and ends by itself."""
    gateway = market.gateway
    declared = MobilisationDeclared.model_validate(
        {
            "mobilisation_id": "mob_" + "z" * 26,
            "market_id": "jingjinji",
            "terms": flood()["terms"],
            "proposed_by": "operator",
            "declared_by": "regulator-1",
        }
    )
    later = await proposed(gateway, flood(rank=1), market.regulator, "m2")
    await gateway.publish(declared.model_copy(update={"mobilisation_id": later["mobilisation_id"]}))

    async def states() -> list[str]:
        found = await gateway.call(
            "GET", f"{MOBILISATIONS}?market_id=jingjinji", key=market.enterprise
        )
        return [one["state"] for one in found.json()["items"]]

    await gateway.eventually(states, lambda found: found == ["declared", "cancelled"])
    gateway.clock.advance(timedelta(days=2))
    assert await states() == ["ended", "cancelled"]
