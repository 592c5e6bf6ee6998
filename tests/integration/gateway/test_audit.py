"""What those who check the exchange get: the journal byte for byte, heads, terms of old."""

from __future__ import annotations

from schemas import events
from tests.integration.gateway.conftest import Market, demand
from tests.integration.gateway.test_reports import DIGEST, entry, items

MINE = "cny:enterprise-1"


async def test_the_journal_comes_in_the_order_of_the_log_and_to_those_who_see_all(
    market: Market,
) -> None:
    gateway = market.gateway
    made = [
        entry(n, "single", [("cny:bank", "posted", n + 1), (MINE, "posted", -n - 1)])
        for n in range(3)
    ]
    head = events.CheckpointPublished(origin="test", size=3, root=DIGEST)
    await gateway.publish(made[1], made[0], made[0], head, made[2])

    async def journal() -> object:
        return len(await items(gateway, "/v1/journal"))

    await gateway.eventually(journal, lambda found: found == 3)
    first = (await gateway.call("GET", "/v1/journal?limit=2")).json()
    rest = await items(gateway, f"/v1/journal?cursor={first['next_cursor']}")
    found = [*first["items"], *rest]
    assert [item["leaf_index"] for item in found] == [0, 1, 2]
    for item, event in zip(found, made, strict=True):
        assert type(event).model_validate_json(item["entry"]) == event
    assert [item["size"] for item in await items(gateway, "/v1/log/heads")] == [3]
    for key in (market.enterprise, market.provider):
        assert (await gateway.call("GET", "/v1/journal", key=key)).status_code == 403


async def test_all_terms_of_an_order_are_told_to_its_owner(market: Market) -> None:
    gateway = market.gateway
    reply = await gateway.submit("demand", demand(), market.enterprise, "versions-1")
    order_id = reply.json()["order_id"]
    body = {"expected_version": 1, "terms": demand(budget=10**9)["terms"]}
    await gateway.call("PUT", f"/v1/demand/{order_id}", body, key=market.enterprise)
    path = f"/v1/orders/{order_id}/versions"
    found = (await gateway.call("GET", path, key=market.enterprise)).json()
    assert [(row["version"], row["terms"]["budget"]) for row in found] == [
        (1, 2_000_000_000),
        (2, 10**9),
    ]
    assert (await gateway.call("GET", path, key=market.provider)).status_code == 404
