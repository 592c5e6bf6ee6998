"""Links between zones as rounds told them: added up once, listed by hour, drawn on the page."""

from __future__ import annotations

from typing import Any

from schemas.link_examples import LINKS
from schemas.links import RoundLinks
from tests.integration.gateway.conftest import Gateway, Market

Json = dict[str, Any]


def told(seq: int, **changes: object) -> RoundLinks:
    link = LINKS[RoundLinks]["links"][0] | changes
    body = {"round_id": f"jingjinji:{seq}", "market_id": "jingjinji", "links": [link]}
    return RoundLinks.model_validate(LINKS[RoundLinks] | body)


async def listed(gateway: Gateway, query: str = "") -> list[Json]:
    reply = await gateway.http.get(f"/v1/links?market_id=jingjinji{query}")
    assert reply.status_code == 200, reply.text
    return list(reply.json()["items"])


async def test_rounds_are_added_up_once_and_the_latest_one_gives_the_price(market: Market) -> None:
    gateway = market.gateway
    later = told(8, prices=[30_000, 35_000], used=[0, 800], capacity=[0, 7_800])
    # The first is told twice, as after a restart; the second comes before it.
    await gateway.publish(later, told(7), told(7))
    found = await gateway.eventually(
        lambda: listed(gateway), lambda items: [one["gb_total"] for one in items] == [5_000, 2_000]
    )
    assert [(one["round_id"], one["price"], one["gb"], one["gb_left"]) for one in found] == [
        ("jingjinji:8", 30_000, 0, 0),
        ("jingjinji:8", 35_000, 800, 7_000),
    ]
    assert [one["rent_total"] for one in found] == [12_000 * 5_000, 5_000 * 800]
    assert [one["period"] for one in await listed(gateway, "&from=2026-11-24T09:00:00Z")] == [
        "2026-11-24T09:00:00Z"
    ]
    page = (await gateway.http.get("/v1/links?market_id=jingjinji&limit=1")).json()
    rest = await listed(gateway, f"&limit=1&cursor={page['next_cursor']}")
    assert [*page["items"], *rest] == found
    table = await gateway.http.get("/market/jingjinji/csv/links")
    row = table.text.splitlines()[1]
    # The first hour cost more than the tariff in the round before; its rent is counted, so is it.
    assert row.startswith("beijing-yizhuang,zhangjiakou,7000,7000,500000,2,0.012,")
    assert (await gateway.http.get("/v1/links?market_id=none")).status_code == 404
