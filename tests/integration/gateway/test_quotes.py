"""What a demand would get, by the file of a round that was published."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from schemas import events
from schemas.market import Market as MarketModel
from schemas.types import period_of, period_start
from services.core.book import Book, BookOffer, BookPolicy, Rules
from services.core.clearing.clear import clear_greedy
from services.core.codec import book_to_dict, canonical_json, result_to_dict, rules_to_dict
from services.core.eligibility import pools_of
from services.core.holding_rows import BookHolding
from services.core.round_file import file_events, round_file
from services.gateway.adapters.http import examples
from services.gateway.adapters.indications import PostgresIndications
from tests.integration.gateway.conftest import Gateway, Market, demand
from tests.integration.gateway.test_orders import status_of
from tests.integration.gateway.test_reports import MARKET, allocation, closed, sealed

FIRST = period_of(datetime.fromisoformat("2026-11-25T00:00:00Z"))
ASK = 9_500_000


HALF = BookPolicy(
    "half", 1, "largest_share",
    (("chip", ""), ("chips_free", 0), ("region", ""), ("share_bp", 5_000)),
)  # fmt: skip


def cleared_file(round_id: str, chips: int, given: int = 0) -> bytes:
    """Return the file of a round in which one offer stood alone.

    Args:
        round_id: The round.
        chips: Chips of the offer.
        given: Chips that rounds before gave; if any, a largest share of half is in force.
    """
    market = MarketModel.model_validate(examples.MARKET)
    offer = BookOffer("off_a", "p1", 1, "bj-1/ascend-910b", ASK, FIRST, (chips,) * 24)
    book = Book(market.id, round_id, FIRST, 24, pools_of(market), (offer,), ())
    if given:
        held = BookHolding("", offer.pool, FIRST, (given,) * 24)
        book = replace(book, policies=(HALF,), held=(held,))
    rules = Rules()
    parts = (book_to_dict(book), rules_to_dict(rules), result_to_dict(clear_greedy(book, rules)))
    return round_file(*(canonical_json(part) for part in parts))


async def cleared(
    gateway: Gateway, round_id: str, chips: int, given: int = 0, *more: events.Event
) -> None:
    """Publish such a round, with events of rounds before, and wait until its file is there."""
    seq = int(round_id.partition(":")[2])
    event = sealed().model_copy(update={"round_id": round_id, "seq": seq})
    file = cleared_file(round_id, chips, given)
    await gateway.publish(event, *more, *file_events(round_id, MARKET, file))

    async def state() -> object:
        reply = await gateway.call("GET", f"/v1/rounds/{round_id}")
        return reply.json().get("file", {}).get("state")

    await gateway.eventually(state, lambda found: found == "ok")


async def waiting(gateway: Gateway, key: str, chips: int) -> str:
    """Place demand and let it be in the book; return its id."""
    wanted = demand(shape={"type": "flow", "chips": chips})
    receipt = (await gateway.submit("demand", wanted, key, f"waits-{chips}")).json()
    await gateway.publish(status_of(receipt))

    async def state() -> object:
        path = f"/v1/demand/{receipt['order_id']}"
        return (await gateway.call("GET", path, key=key)).json()["state"]

    await gateway.eventually(state, lambda found: found == "open")
    return str(receipt["order_id"])


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


async def test_quotes_and_dry_runs_know_what_a_largest_share_leaves_the_account_that_asks(
    market: Market,
) -> None:
    gateway = market.gateway
    hours = [{"start": period_start(FIRST + n), "chips": 8, "price": ASK} for n in range(24)]
    bought = {
        "round_id": "jingjinji:1",
        "market_id": MARKET,
        "enterprise_id": "enterprise-1",
        "pool": "bj-1/ascend-910b",
        "periods": hours,
        "payment": 24 * 8 * ASK,
    }
    made = events.AllocationMade.model_validate(allocation().model_dump() | bought)
    ends = closed().model_copy(update={"round_id": "jingjinji:1"})
    await cleared(gateway, "jingjinji:1", 32, 0, made, ends)
    # Of 40 chips that are there in all, half are 20, of which it has eight: 12, and it needs 16.
    await cleared(gateway, "jingjinji:2", 32, 8)
    ask = {"key": market.enterprise}
    found = (await gateway.call("POST", "/v1/demand:quote", demand(), **ask)).json()
    assert (found["state"], found["reason"]["code"]) == ("open", "largest_share")
    params = found["reason"]["params"]
    assert (params["largest"], params["held"], params["policy"]) == (12, 8, "half")
    assert "leaves it 12 chips" in found["reason"]["en"]
    assert "还可得 12 张" in found["reason"]["zh"]
    flow = demand(shape={"type": "flow", "chips": 32})
    reply = await gateway.call(
        "POST", "/v1/demand?dry_run=true", flow, headers={"Idempotency-Key": "dry"}, **ask
    )
    quote = reply.json()["quote"]
    assert {row["chips"] for row in quote["periods"]} == {12}
    assert (quote["state"], quote["reason"]["code"]) == ("part-filled", "quote_part_filled")
    assert "leaves it 12 chips" in quote["reason"]["en"]
    # Where least is left: 20 chips at most, 8 bought, no open order yet, and 32 asked for.
    least = {"policy": "half", "chip": "ascend-910b", "share": 20, "held": 8}
    told = quote["largest_share"]
    assert {name: told[name] for name in least} == least
    assert (told["wanted"], told["asked"], told["left"]) == (0, 32, -20)
    # An open order counts, and in a bulk the lines before; an amendment does not count twice.
    order_id = await waiting(gateway, market.enterprise, chips=5)
    tried = [demand(shape={"type": "flow", "chips": chips}) for chips in (2, 3)]
    bulk = await gateway.call("POST", "/v1/demand:bulk?dry_run=true", tried, **ask)
    previews = [item["preview"] for item in bulk.json()["results"]]
    body = {"expected_version": 1, "terms": demand(shape={"type": "flow", "chips": 6})["terms"]}
    amended = await gateway.call(
        "PUT", f"/v1/demand/{order_id}?dry_run=true", body,
        headers={"Idempotency-Key": "dry"}, **ask,
    )  # fmt: skip
    assert amended.status_code == 200, amended.text
    lines = [item["quote"]["largest_share"] for item in (*previews, amended.json())]
    numbers = [(row["wanted"], row["asked"], row["left"]) for row in lines]
    assert numbers == [(5, 2, 5), (7, 3, 2), (0, 6, 6)]
    alone = (await gateway.call("POST", "/v1/demand:quote", tried[0], **ask)).json()
    assert (alone["largest_share"]["left"], alone["free"]) == (5, 0)
    # Indications are of all accounts.
    store = PostgresIndications(gateway.pool, gateway.reader)
    given = await store.held(MARKET, gateway.clock.now())
    assert given == {("enterprise-1", "bj-1/ascend-910b"): (FIRST, (8,) * 24)}
    # Who has nothing yet may have all that the share is.
    other = (await gateway.call("POST", "/v1/demand:quote", flow, key=market.regulator)).json()
    told = other["largest_share"]
    assert (told["held"], told["wanted"], other["free"]) == (0, 0, None)
    assert max(row["chips"] for row in other["periods"]) == 20


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
