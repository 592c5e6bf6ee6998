"""Streams over a real socket: from the log to whoever listens, over breaks and restarts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx

from schemas.codec import Envelope
from schemas.events import Event, OrderStatusChanged
from schemas.streams import OrderFillTold, OrderStatusTold, PoolPricesTold, RoundTold
from schemas.types import OrderState
from services.gateway.adapters.streams import put_told
from services.gateway.ports import Position, Sent
from tests.integration.gateway.conftest import Gateway, Json, Market, demand, offer
from tests.integration.gateway.listening import listening, take
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_life import filled
from tests.integration.gateway.test_orders import status_of
from tests.integration.gateway.test_reports import closed, prices, sealed

ORDERS, ROUNDS, PRICES = "/v1/streams/orders", "/v1/streams/rounds", "/v1/streams/prices"


async def both_sides(market: Market) -> tuple[Json, Json]:
    gateway = market.gateway
    supply = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    need = (await gateway.submit("demand", demand(), market.enterprise, "k2")).json()
    return supply, need


def sent_at(data: Event, topic: str, partition: int, offset: int) -> Sent:
    now = datetime.now(UTC)
    envelope = Envelope(
        id="another",
        source="/suanli/test",
        occurred_at=now,
        recorded_at=now,
        participant_id="exchange",
        correlation_id="test",
        causation_id="",
        traceparent="",
        data=data,
    )
    return Sent(envelope, Position(topic, partition, offset, sha256=""))


async def fed(gateway: Gateway, count: int) -> None:
    """Wait until the feed has told so many events."""
    await gateway.eventually(
        lambda: gateway.pool.fetchval("SELECT count(*) FROM stream_event"), lambda n: n >= count
    )


async def test_a_participant_hears_states_and_fills_of_its_orders_and_of_no_others(
    market: Market,
) -> None:
    gateway = market.gateway
    supply, need = await both_sides(market)
    async with (
        served(gateway) as url,
        listening(url, ORDERS, market.enterprise) as mine,
        listening(url, ORDERS, market.provider) as theirs,
        listening(url, ORDERS, market.regulator) as everybody,
        listening(url, ORDERS, market.regulator, order_id=supply["order_id"]) as one,
    ):
        (ready,) = await take(mine, 1)
        assert (ready.kind, ready.data) == ("ready", {"stream": "orders"})
        for stream in (theirs, everybody, one):
            await take(stream, 1)
        await filled(gateway, need, supply)
        found = await take(mine, 3)
        assert sorted(item.kind for item in found) == ["fill", "status", "status"]
        assert {item.data["order_id"] for item in found} == {need["order_id"]}
        states = [item.data["state"] for item in found if item.kind == "status"]
        assert states == ["open", "filled"]
        for item in found:
            model = OrderStatusTold if item.kind == "status" else OrderFillTold
            model.model_validate(item.data)
        (fill,) = [item.data for item in found if item.kind == "fill"]
        assert (fill["chip_hours"], fill["payment"]) == (2, 600)
        assert fill["counter_order_id"] == supply["order_id"]
        other = await take(theirs, 2)
        assert {item.data["participant_id"] for item in other} == {"provider-1"}
        whole = await take(everybody, 5)
        assert [item.id for item in await take(one, 2)] == [item.id for item in other]
        numbers = [int(item.id.rpartition("-")[2]) for item in whole]
        assert numbers == sorted(set(numbers))


async def test_whoever_comes_back_over_a_restart_misses_nothing_and_hears_nothing_twice(
    market: Market,
) -> None:
    gateway = market.gateway
    _, need = await both_sides(market)
    heard = []

    async def tell(first: int, last: int) -> None:
        await gateway.publish(
            *(status_of(need, sequence=at, state=OrderState.OPEN) for at in range(first, last))
        )

    async with served(gateway) as url:
        async with listening(url, ORDERS, market.enterprise) as stream:
            (ready,) = await take(stream, 1)
        # Cut before it heard anything: the id of `ready` is enough.
        await tell(1, 20)
        async with listening(url, ORDERS, market.enterprise, last=ready.id) as stream:
            heard += (await take(stream, 11))[1:]
        async with listening(url, ORDERS, market.enterprise, after=heard[-1].id) as stream:
            heard += (await take(stream, 6))[1:]
            await tell(20, 40)
    await fed(gateway, 39)
    async with served(gateway) as url:
        async with listening(url, ORDERS, market.enterprise, last=heard[-1].id) as stream:
            first = (await take(stream, 1 + 24))[1:]
            heard += first
            await tell(40, 45)
            heard += await take(stream, 5)
        async with listening(url, ORDERS, market.enterprise, after="oldest") as stream:
            again = (await take(stream, 1 + 44))[1:]
    assert [item.data["sequence"] for item in heard] == list(range(1, 45))
    assert again == heard


async def test_a_listener_is_told_that_the_gateway_stops(market: Market) -> None:
    async with served(market.gateway) as url:
        entered = listening(url, ROUNDS, None)
        stream = await entered.__aenter__()
        await take(stream, 1)
    (cut,) = await take(stream, 1)
    assert (cut.kind, cut.data["reason"], cut.id) == ("cut", "stopping", "")
    assert cut.data["zh"]
    assert [item async for item in stream] == []
    await entered.__aexit__(None, None, None)


async def test_rounds_and_prices_are_told_to_anybody(market: Market) -> None:
    gateway = market.gateway
    async with (
        served(gateway) as url,
        listening(url, ROUNDS, None) as rounds,
        listening(url, PRICES, None, market_id="jingjinji", pool="bj-1/h800") as curves,
        listening(url, PRICES, None, pool="bj-1/other") as others,
    ):
        for stream in (rounds, curves, others):
            await take(stream, 1)
        await gateway.publish(sealed(), prices("jingjinji:1", [300, 400], [1, 2]), closed())
        told = await take(rounds, 2)
        assert {item.kind for item in told} == {"sealed", "closed"}
        for item in told:
            assert RoundTold.model_validate(item.data).stage == item.kind
        (curve,) = await take(curves, 1)
        assert PoolPricesTold.model_validate(curve.data).prices == (300, 400)
        other = asyncio.ensure_future(anext(others))
        await gateway.publish(prices("jingjinji:2", [500], [1]))
        assert (await take(curves, 1))[0].data["round_id"] == "jingjinji:2"
        assert not other.done()
        other.cancel()
        await asyncio.wait([other])


async def test_a_topic_that_is_read_again_is_not_told_again(market: Market) -> None:
    gateway = market.gateway
    supply, need = await both_sides(market)
    await filled(gateway, need, supply)
    await fed(gateway, 6)
    before = await gateway.pool.fetch("SELECT seq, source FROM stream_event ORDER BY seq")
    sources = await gateway.pool.fetch("SELECT * FROM stream_source")
    assert {row["topic"] for row in sources} == {"order-status", "allocations"}
    # A copy on the log counts once, and so does a round that is closed twice.
    copies = [status_of(need, chip_hours_left=2), closed()]
    await gateway.publish(*copies)
    await fed(gateway, 8)
    after = await gateway.pool.fetch("SELECT seq, source FROM stream_event ORDER BY seq")
    assert after[: len(before)] == before
    assert len([row for row in after if "/" in row["source"]]) == 2
    # Nor is a record below the mark, under whatever id.
    (mark,) = [row for row in sources if row["topic"] == "order-status"]
    sent = sent_at(status_of(need, sequence=9), "order-status", mark["partition"], 0)
    async with gateway.pool.acquire() as conn, conn.transaction():
        await put_told(conn, {OrderStatusChanged: [sent]})
    assert await gateway.pool.fetch("SELECT seq, source FROM stream_event ORDER BY seq") == after


async def test_an_id_that_nobody_gave_out_is_refused_before_the_stream(market: Market) -> None:
    key = {"Authorization": f"Bearer {market.enterprise}"}
    async with (
        served(market.gateway) as url,
        httpx.AsyncClient(base_url=url, headers=key) as http,
    ):
        wrong = await http.get(ORDERS, params={"after": "yesterday"})
        gone = await http.get(ORDERS, headers={"Last-Event-ID": "00000000-7"})
        nobody = await http.get(ORDERS, headers={"Authorization": "Bearer sk_unknown"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "after")
    assert (gone.status_code, gone.json()["code"]) == (410, "stream.gone")
    assert gone.json()["detail_zh"]
    assert nobody.status_code == 401
