"""What a demand would get, by the file of a round that was published."""

from __future__ import annotations

from datetime import datetime

from schemas.market import Market as MarketModel
from schemas.types import period_of
from services.core.book import Book, BookOffer, Rules
from services.core.clearing.clear import clear_greedy
from services.core.codec import book_to_dict, canonical_json, result_to_dict, rules_to_dict
from services.core.eligibility import pools_of
from services.core.round_file import file_events, round_file
from services.gateway.adapters.http import examples
from tests.integration.gateway.conftest import Gateway, Market, demand
from tests.integration.gateway.test_reports import MARKET, sealed

FIRST = period_of(datetime.fromisoformat("2026-11-25T00:00:00Z"))
ASK = 9_500_000


def cleared_file(round_id: str, chips: int) -> bytes:
    """Return the file of a round in which one offer stood alone."""
    market = MarketModel.model_validate(examples.MARKET)
    offer = BookOffer("off_a", "p1", 1, "bj-1/ascend-910b", ASK, FIRST, (chips,) * 24)
    book = Book(market.id, round_id, FIRST, 24, pools_of(market), (offer,), ())
    rules = Rules()
    parts = (book_to_dict(book), rules_to_dict(rules), result_to_dict(clear_greedy(book, rules)))
    return round_file(*(canonical_json(part) for part in parts))


async def cleared(gateway: Gateway, round_id: str, chips: int) -> None:
    """Publish such a round and wait until its file is there."""
    seq = int(round_id.partition(":")[2])
    event = sealed().model_copy(update={"round_id": round_id, "seq": seq})
    await gateway.publish(event, *file_events(round_id, MARKET, cleared_file(round_id, chips)))

    async def state() -> object:
        reply = await gateway.call("GET", f"/v1/rounds/{round_id}")
        return reply.json().get("file", {}).get("state")

    await gateway.eventually(state, lambda found: found == "ok")


async def test_a_quote_says_what_a_demand_would_get_and_places_nothing(market: Market) -> None:
    gateway = market.gateway
    ask = {"key": market.enterprise}
    before = await gateway.call("POST", "/v1/demand:quote", demand(), **ask)
    assert before.status_code == 404
    assert "cleared no round yet" in before.json()["errors"][0]["value"]

    await cleared(gateway, "jingjinji:1", chips=24)
    found = (await gateway.call("POST", "/v1/demand:quote", demand(), **ask)).json()
    # 32 chips are wanted, 16 would do, 24 are there: 4 hours at the ask, as nothing else bids.
    assert found["state"] == "filled"
    assert [(row["pool"], row["chips"]) for row in found["periods"]] == [
        ("bj-1/ascend-910b", 24)
    ] * 4
    assert found["chip_hours"] == 24 * 4
    assert found["cost"] == sum(row["price"] for row in found["periods"]) * 24
    assert found["cost"] <= found["value"] == 24 * 4 * 12_000_000
    assert (await gateway.call("GET", "/v1/demand", **ask)).json()["items"] == []

    await cleared(gateway, "jingjinji:2", chips=8)
    found = (await gateway.call("POST", "/v1/demand:quote", demand(), **ask)).json()
    assert (found["round_id"], found["state"], found["cost"]) == ("jingjinji:2", "open", 0)
    assert found["reason"]["params"]["chips_would"] == 8
    assert "8 chips at once" in found["reason"]["en"]
    assert "同时使用 8 张" in found["reason"]["zh"]


async def test_a_quote_of_a_demand_with_data_elsewhere_shows_route_and_tariff(
    market: Market,
) -> None:
    gateway = market.gateway
    there = {"source": "zjk-1", "destination": "bj-1", "tariff": 7_000}
    linked = {**examples.MARKET, "links": [{**there, "capacity_gb_per_period": 500}]}
    assert (await gateway.call("POST", "/v1/markets", linked)).status_code == 202

    async def links() -> object:
        reply = await gateway.http.get("/v1/markets/jingjinji")
        return reply.json()["market"]["links"]

    await gateway.eventually(links, bool)
    await cleared(gateway, "jingjinji:1", chips=24)
    block = {"type": "block", "chips": 16, "duration": 4}
    wanted = demand(shape=block, data_zone="zjk-1", data_gb=100)
    found = await gateway.call("POST", "/v1/demand:quote", wanted, key=market.enterprise)
    assert found.status_code == 200, found.text
    quote = found.json()
    assert sum(row["gb"] for row in quote["links"]) == 100
    assert {(row["source"], row["destination"], row["price"]) for row in quote["links"]} == {
        ("zjk-1", "bj-1", 7_000)
    }
    chips = sum(row["chips"] * row["price"] for row in quote["periods"])
    assert quote["cost"] == chips + 100 * 7_000


async def test_a_quote_of_what_the_market_does_not_take_is_refused_by_name(
    market: Market,
) -> None:
    gateway = market.gateway
    wrong = demand(budget=1000)
    reply = await gateway.call("POST", "/v1/demand:quote", wrong, key=market.enterprise)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] == "terms.budget"
    nobody = await gateway.http.post("/v1/demand:quote", json=demand())
    assert nobody.status_code == 401
