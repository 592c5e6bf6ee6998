"""What a market was defined as stays to be read, each definition with its time."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.adapters.http import examples
from services.gateway.main import MIGRATIONS
from tests.conftest import Stack
from tests.integration.gateway.conftest import Market
from tests.integration.migrating import schema_before

pytestmark = pytest.mark.integration

OLD = """
INSERT INTO market (market_id, body, defined_at, log_offset)
VALUES ('jjj', '{"id": "jjj"}', '2026-11-24T08:00:00Z', 7)
"""


async def test_a_link_that_is_cut_leaves_the_definition_before_it_to_be_read(
    market: Market,
) -> None:
    gateway, first = market.gateway, examples.MARKET
    source, destination = (zone["id"] for zone in first["zones"][:2])
    link = {"source": source, "destination": destination, "tariff": 1_000}
    for room in (500, 0):
        links = [link | {"capacity_gb_per_period": room}]
        sent = await gateway.call("POST", "/v1/markets", first | {"links": links})
        assert sent.status_code == 202, sent.text

    async def listed() -> list[dict[str, Any]]:
        path = f"/v1/markets/{first['id']}/definitions"
        return list((await gateway.call("GET", path)).json()["items"])

    found = await gateway.eventually(listed, lambda items: len(items) == 3)
    rooms = [
        [one["capacity_gb_per_period"] for one in item["market"].get("links", ())] for item in found
    ]
    assert rooms == [[0], [500], []]
    assert found[0]["defined_at"] >= found[1]["defined_at"]
    path = f"/v1/markets/{first['id']}/definitions?limit=2"
    page = (await gateway.call("GET", path)).json()
    rest = (await gateway.call("GET", f"{path}&cursor={page['next_cursor']}")).json()
    assert [*page["items"], *rest["items"]] == found
    assert (await gateway.call("GET", "/v1/markets/nowhere/definitions")).status_code == 404


async def test_the_definition_in_force_is_the_first_that_is_known_after_the_upgrade(
    stack: Stack,
) -> None:
    async with schema_before(stack, "gateway", MIGRATIONS, "0037_market_definitions") as before:
        await before.conn.execute(OLD)
        await before.upgrade()
        rows = await before.conn.fetch("SELECT market_id, log_offset FROM market_definition")
        assert [tuple(row) for row in rows] == [("jjj", 7)]
