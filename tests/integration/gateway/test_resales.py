"""Selling on over the gateway: the form, the list, and the chain as its owner sees it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from schemas import events
from services.gateway.adapters.http import examples
from services.gateway.adapters.queries import SQL
from tests.integration.gateway.browsing import obstacles
from tests.integration.gateway.conftest import Gateway, Market, demand, offer
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_pages import signed_in
from tests.integration.gateway.test_reports import allocation, closed, sealed

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.timeout(300)
BOUGHT = "al_" + "a" * 26
SOLD = "al_" + "b" * 26
# Enough that looking at all orders of a participant for each of its allocations is dear.
MANY = (
    "INSERT INTO orders (order_id, side, market_id, participant_id, updated_at) "
    "SELECT 'off_' || n, 'offer', 'jingjinji', 'enterprise-1', now() "
    "FROM generate_series(1, 2000) AS n; "
    "INSERT INTO order_terms (event_id, order_id, version, terms, recorded_at, log_offset) "
    "SELECT order_id, order_id, 1, '{}', now(), 0 FROM orders; ANALYZE orders, order_terms;"
)
COMING = {"start": "2026-11-24T10:00:00Z", "chips": 4, "price": 100}


async def seen(gateway: Gateway, key: str, allocation_id: str) -> dict[str, Any]:
    """Return an allocation as somebody sees it, once it shows."""
    path = f"/v1/allocations?filter=allocation_id={allocation_id}"

    async def look() -> list[dict[str, Any]]:
        return list((await gateway.call("GET", path, key=key)).json()["items"])

    return dict((await gateway.eventually(look, bool))[0])


async def chain(gateway: Gateway, key: str, order_id: str) -> list[tuple[str | None, ...]]:
    """Return an order's allocations, and what was sold on of them, as somebody sees its life."""
    reply = await gateway.call("GET", f"/v1/orders/{order_id}/life", key=key)
    names = ("kind", "allocation_id", "resale_of", "resale_order_id")
    steps = reply.json()["items"]
    return [tuple(one[name] for name in names) for one in steps if one["allocation_id"]]


async def the_buyer_sees_no_more_than_its_seller(
    gateway: Gateway, key: str, sold: events.AllocationMade
) -> None:
    """Sell to a demand of whoever has the key, and look at its life."""
    bought = "al_" + "c" * 26
    need = (await gateway.submit("demand", demand(), key, "d2")).json()["order_id"]
    await gateway.publish(sold.model_copy(update={"allocation_id": bought, "demand_id": need}))
    await seen(gateway, key, bought)
    assert await chain(gateway, key, need) == [("allocated", bought, None, None)]


async def counted(gateway: Gateway, key: str) -> list[tuple[int, int]]:
    """Return chip-hours and those sold on besides, as the report of domestic shares has them."""
    path = "/v1/reports/domestic-share?market_id=jingjinji&day=2026-11-24"
    found = (await gateway.call("GET", path, key=key)).json()
    at = [one["name"] for one in found["columns"]]
    first, again = at.index("chip_hours"), at.index("resold_chip_hours")
    return [(row[first], row[again]) for row in found["rows"]]


async def test_who_bought_sells_on_and_sees_the_chain_both_ways(
    market: Market, browser: Browser
) -> None:
    gateway = market.gateway
    other = await gateway.admit("enterprise-2", "enterprise")
    need = (await gateway.submit("demand", demand(), market.enterprise, "d1")).json()
    made = allocation().model_copy(
        update={
            "demand_id": need["order_id"],
            "periods": (events.AllocatedPeriod.model_validate(COMING),),
        }
    )
    await gateway.publish(sealed(), made, closed())
    assert (await seen(gateway, market.enterprise, BOUGHT))["resold"] == []
    async with served(gateway) as base:
        page = await signed_in(browser, base, market.enterprise, "en")
        await page.goto(f"/orders/{need['order_id']}")
        await page.locator(f"a[href='/offers/new?resale={BOUGHT}']").click()
        assert await page.locator("[name=resale_of]").input_value() == BOUGHT
        assert await page.locator("[name=chips]").input_value() == "4"
        assert await obstacles(page) == []
        await page.locator("[name=ask]").fill("0.0002")
        await page.locator("[name=resource_code]").fill("CN.11.0108.LAB-H800")
        await page.locator("#send").click()
        await page.wait_for_url("**/orders/off_*")
        assert BOUGHT in await page.content()
        order_id = page.url.rsplit("/", 1)[-1]
        await page.goto("/orders?side=offer")
        assert order_id[:12] in await page.content()
        again = await gateway.call("GET", f"/v1/offers/{order_id}", key=market.enterprise)
        assert again.json()["terms"]["resale_of"] == BOUGHT
        sold = made.model_copy(
            update={
                "allocation_id": SOLD,
                "offer_id": order_id,
                "provider_id": "enterprise-1",
                "enterprise_id": "enterprise-2",
                "demand_id": "dem_" + "b" * 26,
            }
        )
        await gateway.publish(sold)
        mine = await seen(gateway, market.enterprise, SOLD)
        assert (mine["resale_of"], mine["resold"]) == (BOUGHT, [])
        assert (await seen(gateway, market.enterprise, BOUGHT))["resold"] == [SOLD]
        assert await counted(gateway, market.regulator) == [(4, 4)]
        # Of whom a seller had it is his own affair.
        theirs = await seen(gateway, other, SOLD)
        assert (theirs["provider_id"], theirs["resale_of"]) == ("enterprise-1", None)
        first = await seen(gateway, market.provider, BOUGHT)
        assert first["resold"] == []
        await page.goto(f"/orders/{need['order_id']}")
        assert SOLD[:12] in await page.content()
        await page.locator(f"a[href='/orders/{order_id}']").click()
        assert await page.locator(f"a[href='/orders/{need['order_id']}']").count() == 1
        assert await obstacles(page) == []
    for key in (market.enterprise, market.regulator):
        assert await chain(gateway, key, need["order_id"]) == [
            ("allocated", BOUGHT, None, None),
            ("resold", SOLD, BOUGHT, order_id),
        ]
        (sale,) = await chain(gateway, key, order_id)
        assert sale == ("allocated", SOLD, BOUGHT, need["order_id"])
    await the_buyer_sees_no_more_than_its_seller(gateway, other, sold)
    refused = await gateway.submit("offers", offer(), market.enterprise, "o1")
    assert refused.status_code == 403


async def test_an_offer_states_its_chips_where_a_second_market_trades(market: Market) -> None:
    gateway = market.gateway
    assert (await gateway.submit("offers", offer(), market.provider, "o1")).status_code == 202
    second = await gateway.call("POST", "/v1/markets", examples.MARKET | {"id": "jjj-ahead"})
    assert second.status_code == 202, second.text
    keys = count(2)
    refused = await gateway.eventually(
        lambda: gateway.submit("offers", offer(), market.provider, f"o{next(keys)}"),
        lambda reply: reply.status_code == 422,
    )
    assert refused.json()["code"] == "validation.capacity_chips"
    terms = offer()["terms"] | {"capacity_chips": 5_000}
    stated = await gateway.submit("offers", offer() | {"terms": terms}, market.provider, "stated")
    assert stated.status_code == 202, stated.text


async def test_what_was_sold_on_is_found_by_an_index_under_a_participants_own_eyes(
    gateway: Gateway,
) -> None:
    async with gateway.pool.acquire() as conn, conn.transaction():
        await conn.execute(MANY)
        reader = f"{await conn.fetchval('SELECT current_schema()')}_reader"
        await conn.execute(f'SET LOCAL ROLE "{reader}"')
        asked = ("enterprise-1", None, None, None, None, 50, None)
        for query in (SQL.allocations, SQL.life_resales):
            given = asked if query == SQL.allocations else ("dem_1", 50)
            plan = await conn.fetch(f"EXPLAIN {query}", *given)
            assert "order_terms_resale" in "\n".join(row[0] for row in plan)
