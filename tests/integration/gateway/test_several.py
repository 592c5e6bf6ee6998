"""Several gateways on one database, log and port: whichever is asked, it is one exchange."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx

from infra.local.ports import choose
from services.gateway.adapters.projection import LEASE, TOPICS, Projection
from services.kit.kafka import LogReader, Record
from services.kit.postgres import LeaseKeeper
from tests.integration.gateway.conftest import Market, demand
from tests.integration.gateway.serving import served

CONNECTIONS = 24


async def test_gateways_that_share_a_port_give_one_receipt_for_one_key_until_the_last_stops(
    market: Market,
) -> None:
    port = choose()
    first: list[str] = []
    second: list[str] = []

    async def submit(number: int) -> httpx.Response:
        # A connection each: the system gives each to one of the gateways.
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            key = {"Authorization": f"Bearer {market.enterprise}", "Idempotency-Key": f"k{number}"}
            return await http.post("/v1/demand", json=demand(), headers=key)

    async with served(market.gateway, port, shares_port=True, asked=first):
        async with served(market.gateway, port, shares_port=True, asked=second):
            found = await asyncio.gather(*(submit(number % 2) for number in range(CONNECTIONS)))
        assert first
        assert second
        before = len(second)
        found += await asyncio.gather(*(submit(number % 2) for number in range(CONNECTIONS)))
        assert len(second) == before
    assert {reply.status_code for reply in found} == {202}
    assert len({reply.text for reply in found}) == 2


async def test_a_reader_leaves_alone_what_another_gateway_has_shown_and_takes_a_copy_of_it(
    market: Market,
) -> None:
    gateway = market.gateway
    reply = await gateway.submit("demand", demand(), market.enterprise, "k")
    order_id = reply.json()["order_id"]
    reader = LogReader(gateway.settings, ["demand"])
    await reader.start({})
    found: list[Record] = []
    while not found:
        found = list(await reader.read(10, 200))
    await reader.stop()
    epoch = await gateway.pool.fetchval("SELECT epoch FROM lease WHERE name = $1", LEASE)
    keeper = LeaseKeeper(gateway.service, LEASE, "another")
    another = Projection(gateway.service, LogReader(gateway.settings, TOPICS), keeper)
    # A stranger's header is no id, and no query either.
    odd = replace(found[0], offset=7, headers=(("ce_id", b"\x00\xff"),), value=b"{")

    async def left_after(record: Record) -> bool:
        await gateway.pool.execute("DELETE FROM orders WHERE order_id = $1", order_id)
        await another.apply([record, odd], {}, {}, epoch)
        rows = await gateway.pool.fetch("SELECT 1 FROM orders WHERE order_id = $1", order_id)
        return bool(rows)

    assert not await left_after(found[0])
    assert await left_after(replace(found[0], offset=found[0].offset + 1))
