"""Webhooks on a real database, told by a real worker to a real server: all, in order, or again."""

from __future__ import annotations

import asyncio
import dataclasses
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr

from schemas.types import OrderState
from services.gateway.main import build
from services.gateway.webhooking import build_webhooks
from suanli.webhooks import WebhookError, verify
from tests.integration.gateway.conftest import OPERATOR_KEY, Gateway, Json, Market, demand
from tests.integration.gateway.receiving import Receiver, receiving
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_client_bulk import Shell
from tests.integration.gateway.test_orders import status_of

SETTINGS: dict[str, Any] = {
    "gateway_webhook_hosts": "127.0.0.1:*, *.lab.example",
    "gateway_webhook_keys": SecretStr(f"k1:{b64encode(bytes(32)).decode()}"),
    "gateway_webhook_networks": "127.0.0.0/8",
    "gateway_webhook_http": True,
    "gateway_webhook_timeout_s": 2.0,
    "gateway_webhook_retry_s": 0.05,
}


@asynccontextmanager
async def allowing(gateway: Gateway, **more: object) -> AsyncIterator[Gateway]:
    """The same gateway with webhooks allowed to this machine."""
    settings = gateway.settings.model_copy(update=SETTINGS | more)
    app = build(settings, gateway.clock, gateway.pool, gateway.reader, gateway.writer)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield dataclasses.replace(gateway, http=http, settings=settings)


@asynccontextmanager
async def working(gateway: Gateway) -> AsyncIterator[asyncio.Task[None]]:
    """A worker; leaving stops it as a signal would, unless it was killed before."""
    stop = asyncio.Event()
    task = asyncio.create_task(build_webhooks(gateway.settings, gateway.pool).run(stop))
    try:
        yield task
    finally:
        stop.set()
        if not task.cancelled():
            await task


async def added(gateway: Gateway, receiver: Receiver, key: str, **more: object) -> Json:
    body = {"url": receiver.url(), "events": ["orders.status"], **more}
    reply = await gateway.call("POST", "/v1/webhooks", body, key=key)
    assert reply.status_code == 201, reply.text
    made: Json = reply.json()
    return made


async def shown(gateway: Gateway, webhook_id: str, key: str) -> Json:
    reply = await gateway.call("GET", f"/v1/webhooks/{webhook_id}", key=key)
    assert reply.status_code == 200, reply.text
    view: Json = reply.json()
    return view


async def placed(market: Market, key: str) -> Json:
    sent = await market.gateway.submit("demand", demand(), market.enterprise, key)
    assert sent.status_code == 202, sent.text
    receipt: Json = sent.json()
    return receipt


async def tell(gateway: Gateway, order: Json, first: int, last: int) -> None:
    """Have statuses of an order told, numbered."""
    numbers = range(first, last + 1)
    await gateway.publish(*(status_of(order, sequence=at, state=OrderState.OPEN) for at in numbers))


def numbers_of(told: list[Json]) -> list[int]:
    return [one["data"]["sequence"] for one in told]


async def test_all_is_told_in_order_though_the_receiver_fails_and_is_slow(market: Market) -> None:
    order = await placed(market, "k1")
    async with allowing(market.gateway) as gateway, receiving() as receiver:
        mine, path = market.enterprise, "/v1/webhooks"
        await tell(market.gateway, order, 1, 2)
        feed = "SELECT count(*) FROM stream_event"
        await gateway.eventually(lambda: gateway.pool.fetchval(feed), lambda n: n == 2)
        made = await added(gateway, receiver, mine, description="scheduler")
        secret, name = made["secret"], made["webhook"]["webhook_id"]
        receiver.answers.extend([500, 302, "hang", 503])
        async with working(gateway):
            await tell(market.gateway, order, 3, 9)
            await gateway.eventually(receiver.count, lambda n: n == 7)
            # What came before it was there is not told, and nothing twice but what failed.
            told = receiver.told(secret)
            assert numbers_of(told) == list(range(3, 10))
            assert {one["type"] for one in told} == {"orders.status"}
            first = receiver.got[0]
            assert [got[1] for got in receiver.got[:5]] == [first[1]] * 5
            assert len({got[0]["webhook-id"] for got in receiver.got[:5]}) == 1
            view = await gateway.eventually(
                lambda: shown(gateway, name, mine), lambda one: one["position"].endswith("-9")
            )
            assert (view["failures"], view["state"]) == (0, "active")

        sent = (await gateway.call("GET", f"{path}/{name}/deliveries", key=mine)).json()["items"]
        assert [(one["attempts"], one["is_taken"]) for one in sent] == [(1, True)] * 6 + [(5, True)]
        assert sent[0]["message_id"] == told[-1]["id"]

        again = f"{path}/{name}/deliveries/{told[2]['id']}/redeliver"
        reply = await gateway.call("POST", again, key=mine)
        assert reply.json()["is_taken"], reply.text
        assert receiver.told(secret)[-1] == told[2]
        rotated = (await gateway.call("POST", f"{path}/{name}/secret", key=mine)).json()
        pinged = await gateway.call("POST", f"{path}/{name}/ping", key=mine)
        assert pinged.json()["status"] == 204, pinged.text
        headers, body = receiver.taken[-1]
        # For a day both secrets sign.
        for one in (secret, rotated["secret"]):
            assert verify(one, headers, body)["type"] == "webhook.ping"
        try:
            verify(market.enterprise, headers, body)
        except (WebhookError, ValueError):
            pass
        else:
            raise AssertionError
        await check_whose_it_is(gateway, market, name, told[2]["id"])


async def check_whose_it_is(gateway: Gateway, market: Market, name: str, message: str) -> None:
    path = f"/v1/webhooks/{name}"
    body = {"url": "https://a.lab.example/", "events": ["orders.fill"], "state": "disabled"}
    acts: list[tuple[str, str, object]] = [
        ("PUT", path, body),
        ("POST", f"{path}/secret", None),
        ("POST", f"{path}/ping", None),
        ("POST", f"{path}/deliveries/{message}/redeliver", None),
        ("DELETE", path, None),
    ]
    for method, where, sent in acts:
        for key in (market.provider, market.regulator):
            reply = await gateway.call(method, where, sent, key=key)
            assert reply.status_code == 404, (method, where, reply.text)
    for where in (path, f"{path}/deliveries"):
        assert (await gateway.call("GET", where, key=market.provider)).status_code == 404
        assert (await gateway.call("GET", where, key=market.regulator)).status_code == 200
    assert (await gateway.call("GET", "/v1/webhooks", key=market.provider)).json() == []
    disabled = await gateway.call("PUT", path, body, key=OPERATOR_KEY)
    assert disabled.json()["disabled_because"] == "owner"
    gone = await gateway.call("DELETE", path, key=market.enterprise)
    assert gone.status_code == 200
    assert await gateway.pool.fetchval("SELECT count(*) FROM webhook_secret") == 0


async def test_a_killed_worker_loses_nothing_and_a_dead_endpoint_is_disabled(
    market: Market,
) -> None:
    order = await placed(market, "k1")
    async with (
        allowing(market.gateway) as gateway,
        receiving() as receiver,
        receiving() as other,
    ):
        mine = market.enterprise
        made = await added(gateway, receiver, mine)
        name = made["webhook"]["webhook_id"]
        seen = await added(gateway, other, market.regulator, events=["orders.status"])
        receiver.answers.extend([204, 204, "hang"])
        async with working(gateway) as worker:
            await tell(market.gateway, order, 1, 5)
            await gateway.eventually(receiver.arrived, lambda n: n == 3)
            worker.cancel()
            await asyncio.wait({worker})
        async with working(gateway):
            await gateway.eventually(receiver.count, lambda n: n == 5)
            assert numbers_of(receiver.told(made["secret"])) == [1, 2, 3, 4, 5]
            assert receiver.got[2][1] == receiver.got[3][1]
            # One that hangs holds up nobody else, and the regulator hears everybody's.
            await gateway.eventually(other.count, lambda n: n >= 5)
            assert set(numbers_of(other.told(seen["secret"]))) == {1, 2, 3, 4, 5}

            receiver.answers.extend([500] * 1_000)
            await tell(market.gateway, order, 6, 6)
            long_ago = (
                "UPDATE webhook SET failing_since = now() - interval '6 days'"
                " WHERE webhook_id = $1 AND failing_since IS NOT NULL"
            )
            await gateway.eventually(
                lambda: gateway.pool.execute(long_ago, name), lambda done: done == "UPDATE 1"
            )
            view = await gateway.eventually(
                lambda: shown(gateway, name, mine), lambda one: one["state"] == "disabled"
            )
            assert view["disabled_because"] == "failing", view

            # Meanwhile what it missed is deleted; it is told so, and then what is left.
            await tell(market.gateway, order, 7, 9)
            await gateway.eventually(other.count, lambda n: n >= 9)
            await gateway.pool.execute("UPDATE stream_head SET kept_from = 9")
            await gateway.pool.execute("DELETE FROM stream_event WHERE seq < 9")
            receiver.answers.clear()
            change = {"url": receiver.url(), "events": ["orders.status"]}
            back = await gateway.call("PUT", f"/v1/webhooks/{name}", change, key=mine)
            assert back.json()["state"] == "active", back.text
            await gateway.eventually(receiver.count, lambda n: n >= 7)
            gap, *rest = receiver.told(made["secret"])[5:]
            assert gap["type"] == "webhook.gap"
            assert [gap["data"][edge].split("-")[1] for edge in ("after", "until")] == ["5", "8"]
            assert numbers_of(rest) == [9]

            receiver.answers.append(410)
            await tell(market.gateway, order, 10, 10)
            view = await gateway.eventually(
                lambda: shown(gateway, name, mine), lambda one: one["state"] == "disabled"
            )
            assert view["disabled_because"] == "gone"


async def test_only_allowed_addresses_are_registered_and_only_ten(market: Market) -> None:
    gateway = market.gateway
    body: Json = {"url": "https://a.lab.example/x", "events": ["rounds.closed"]}
    refused = await gateway.call("POST", "/v1/webhooks", body, key=market.provider)
    assert "none is" in refused.json()["errors"][0]["allowed"]
    async with allowing(gateway) as open_:
        for url in (
            "https://lab.example/",
            "https://a.lab.example:8443/",
            "https://a.lab.example.evil.example/",
            "ftp://a.lab.example/",
            "https://me@a.lab.example/",
            "http://169.254.169.254/latest/meta-data",
        ):
            reply = await open_.call(
                "POST", "/v1/webhooks", body | {"url": url}, key=market.provider
            )
            assert reply.status_code == 422, (url, reply.text)
            (fault,) = reply.json()["errors"]
            assert (fault["field"], fault["value"]) == ("url", url)
        for _ in range(10):
            reply = await open_.call("POST", "/v1/webhooks", body, key=market.provider)
            assert reply.status_code == 201, reply.text
        full = await open_.call("POST", "/v1/webhooks", body, key=market.provider)
        assert (full.status_code, full.json()["code"]) == (409, "webhook.full")
        listed = await open_.call("GET", "/v1/webhooks", key=market.provider)
        assert len(listed.json()) == 10
        assert "secret" not in listed.text
        async with served(open_) as url, receiving() as receiver:
            await check_the_command_line(Shell(url), receiver, market.enterprise)


async def check_the_command_line(shell: Shell, receiver: Receiver, key: str) -> None:
    made = await shell.json(key, f"webhooks add {receiver.url()} --event orders.fill")
    name = made["webhook"]["webhook_id"]
    receiver.answers.append(500)
    assert (await shell.json(key, f"webhooks ping {name}", 1))["status"] == 500
    assert "status" in (await shell.run(key, f"webhooks deliveries {name} --failed")).stdout
    assert (await shell.json(key, f"webhooks disable {name}"))[0]["state"] == "disabled"
    assert (await shell.json(key, f"webhooks enable {name}"))[0]["state"] == "active"
    rotated = await shell.json(key, f"webhooks rotate {name}")
    assert (await shell.json(key, f"webhooks ping {name}"))["is_taken"]
    assert receiver.told(rotated["secret"])[0]["type"] == "webhook.ping"
    await shell.run(key, f"webhooks redeliver {name} msg_00000000-1", 1)
    assert "wh_" in (await shell.run(key, f"webhooks delete {name} -o csv")).stdout
    assert await shell.json(key, "webhooks list") == []
