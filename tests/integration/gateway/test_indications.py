"""Indications from open orders to the API, cleared by the real child process."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from schemas.market import Market as MarketTerms
from services.gateway.adapters.http import examples
from services.gateway.adapters.indications import ChildProjector
from services.gateway.indicating import build_indicator
from tests.integration.gateway.conftest import NOW, Json, Market, demand, offer
from tests.integration.gateway.test_orders import status_of
from tests.integration.gateway.test_reports import sealed

pytestmark = pytest.mark.integration
TERMS = MarketTerms.model_validate(examples.MARKET)


async def test_anybody_reads_indicative_prices_and_owners_how_likely_their_orders_fill(
    market: Market,
) -> None:
    gateway = market.gateway
    supply = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    need = (await gateway.submit("demand", demand(), market.enterprise, "k2")).json()
    left = {"chip_hours_left": 8}
    await gateway.publish(status_of(supply, **left), cause=supply["event_id"])
    await gateway.publish(status_of(need, **left), cause=need["event_id"])
    count = "SELECT count(*) FROM orders WHERE state = 'open'"
    await gateway.eventually(lambda: gateway.pool.fetchval(count), lambda n: n == 2)

    async def prices() -> list[Json]:
        reply = await gateway.http.get("/v1/indicative-prices?market_id=jingjinji")
        assert reply.status_code == 200, reply.text
        return list(reply.json()["items"])

    async def likelihood(order_id: str, key: str) -> Json:
        reply = await gateway.call("GET", f"/v1/orders/{order_id}/likelihood", key=key)
        found: Json = reply.json() | {"status": reply.status_code}
        return found

    assert await prices() == []
    assert (await likelihood(need["order_id"], market.enterprise))["status"] == 404
    settings = gateway.settings.model_copy(update={"gateway_indicative_s": 0.001})
    dying = ChildProjector(512, command=(sys.executable, "-c", "raise SystemExit(3)"))
    broken = build_indicator(settings, gateway.pool, dying, gateway.clock, 1.0)
    assert await broken.make(TERMS) is None
    projector = ChildProjector(settings.gateway_indicative_memory_mib)
    try:
        indicator = build_indicator(settings, gateway.pool, projector, gateway.clock, 1.0)
        made = await indicator.make(TERMS)
        assert made is not None
        assert made.cpu_ms > 0
        # The book is as it was, so it is not cleared again; nor right before the cut.
        assert await indicator.make(TERMS) is None
        gateway.clock.advance(timedelta(seconds=896))
        assert await indicator.make(TERMS) is None
    finally:
        await projector.close()
        await dying.close()
    shown = await prices()
    assert len(shown) == len(made.found.prices) > 0
    assert shown[0]["seq"] == 1
    assert shown[0]["low"] <= shown[0]["price"] <= shown[0]["high"]
    assert shown[0]["as_of"] == NOW.isoformat().replace("+00:00", "Z")
    own = await likelihood(need["order_id"], market.enterprise)
    assert own["filled_ppm"] > 500_000
    assert await likelihood(need["order_id"], market.regulator) == own
    assert (await likelihood(need["order_id"], market.provider))["status"] == 404
    assert (await likelihood(supply["order_id"], market.provider))["share_ppm"] > 0
    changes = {"market_id": "jingjinji", "round_id": "jingjinji:1"}
    await gateway.publish(sealed().model_copy(update=changes))
    await gateway.eventually(prices, lambda found: found == [])
    assert (await likelihood(need["order_id"], market.enterprise))["status"] == 404
