"""Withdrawing everything at once: one's own, once, and nobody else's."""

from __future__ import annotations

from tests.integration.gateway.conftest import Json, Market, demand, offer

PATH = "/v1/orders:cancel-all"


async def cancel_all(market: Market, intent: str, **params: str) -> Json:
    reply = await market.gateway.call(
        "POST", PATH, key=market.provider, headers={"Idempotency-Key": intent}, params=params
    )
    assert reply.status_code == 202, reply.text
    return dict(reply.json())


async def test_all_live_orders_of_the_caller_are_withdrawn_once(market: Market) -> None:
    gateway = market.gateway
    mine = [
        (await gateway.submit("offers", offer(), market.provider, f"k{at}")).json()["order_id"]
        for at in range(3)
    ]
    other = await gateway.admit("provider-2", "provider")
    theirs = (await gateway.submit("offers", offer(), other, "k")).json()["order_id"]
    need = (await gateway.submit("demand", demand(), market.enterprise, "k")).json()["order_id"]

    assert await cancel_all(market, "none", market_id="elsewhere") == {
        "cancelled": 0,
        "refused": 0,
        "results": [],
    }
    first = await cancel_all(market, "all")
    assert (first["cancelled"], first["refused"]) == (3, 0)
    assert [item["order_id"] for item in first["results"]] == mine[::-1]
    # The same key again: the same receipts, no further event on the log.
    assert await cancel_all(market, "all") == first
    for order_id in mine:
        events = await gateway.call("GET", f"/v1/orders/{order_id}/history", key=market.provider)
        kinds = [item["kind"] for item in events.json()["items"]]
        assert kinds == ["submitted", "cancel_requested"]
    for order_id in (theirs, need):
        events = await gateway.call("GET", f"/v1/orders/{order_id}/history")
        assert [item["kind"] for item in events.json()["items"]] == ["submitted"]


async def test_the_other_side_and_those_without_orders_are_refused(market: Market) -> None:
    headers = {"Idempotency-Key": "k"}
    wrong = await market.gateway.call(
        "POST", f"{PATH}?side=demand", key=market.provider, headers=headers
    )
    regulator = await market.gateway.call("POST", PATH, key=market.regulator, headers=headers)
    assert (wrong.status_code, regulator.status_code) == (403, 403)
    without = await market.gateway.call("POST", PATH, key=market.provider)
    assert without.status_code == 422
