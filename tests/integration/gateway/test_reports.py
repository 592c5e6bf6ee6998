"""What other services publish, as the gateway shows it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import asyncpg

from schemas import events
from schemas.capacity import CapacityHeld, CapacityRefused, CapacityWanted
from schemas.events import Reason
from schemas.examples import examples
from services.core.round_file import file_events
from services.gateway.adapters.projection import LEASE, TOPICS, Projection
from services.gateway.main import MIGRATIONS
from services.kit.kafka import LogReader, OutRecord
from services.kit.postgres import LeaseKeeper, create_pool, migrate
from tests.integration.gateway.conftest import Gateway, Market, demand, offer

MARKET = "jingjinji"
ROUND = "jingjinji:1"
AT = "2026-11-24T07:45:00Z"
DIGEST = "0" * 64
DEMAND, OFFER = "dem_" + "a" * 26, "off_" + "a" * 26
REASON = Reason(code="verified", en="Verified.", zh="已验证。")


def curve(prices: list[int], chips: list[int]) -> dict[str, Any]:
    return {"pool": "bj-1/h800", "prices": prices, "chips": chips, "offered": [9] * len(prices)}


def prices(round_id: str, values: list[int], chips: list[int]) -> events.RoundPrices:
    return events.RoundPrices.model_validate(
        {
            "round_id": round_id,
            "market_id": MARKET,
            "first_period": "2026-11-24T08:00:00Z",
            "part": 0,
            "parts": 1,
            "pools": [curve(values, chips)],
        }
    )


def sealed() -> events.RoundSealed:
    return events.RoundSealed.model_validate(
        {
            "round_id": ROUND,
            "market_id": MARKET,
            "seq": 1,
            "epoch": 1,
            "market_time": AT,
            "manifest": [],
            "book_digest": DIGEST,
            "rules_digest": DIGEST,
            "offers": 3,
            "demands": 2,
        }
    )


def closed() -> events.RoundClosed:
    return events.RoundClosed.model_validate(
        {
            "round_id": ROUND,
            "market_id": MARKET,
            "seq": 1,
            "count": 1,
            "digest": DIGEST,
            "market_time": AT,
            "fee_ppm": 0,
            "offers_through": [],
        }
    )


def allocation() -> events.AllocationMade:
    return events.AllocationMade.model_validate(
        {
            "allocation_id": "al_" + "a" * 26,
            "round_id": ROUND,
            "market_id": MARKET,
            "index": 0,
            "demand_id": DEMAND,
            "enterprise_id": "enterprise-1",
            "demand_version": 1,
            "offer_id": OFFER,
            "provider_id": "provider-1",
            "offer_version": 1,
            "pool": "bj-1/h800",
            "alternative": 0,
            "periods": [{"start": "2026-11-24T08:00:00Z", "chips": 4, "price": 100}],
            "payment": 400,
        }
    )


def entry(number: int, kind: str, postings: list[tuple[str, str, int]]) -> events.Event:
    return events.JournalEntryRecorded.model_validate(
        {
            "entry_id": f"entry-{number}",
            "kind": kind,
            "purpose": "test",
            "unit": "CNY-micro",
            "amount": abs(postings[0][2]),
            "postings": [
                {"account": account, "layer": layer, "amount": amount, "balance_after": amount}
                for account, layer, amount in postings
            ],
            "leaf_index": number,
        }
    )


async def items(gateway: Gateway, path: str, key: str | None = None) -> list[dict[str, Any]]:
    reply = await (gateway.call("GET", path, key=key) if key else gateway.call("GET", path))
    assert reply.status_code == 200, reply.text
    return list(reply.json()["items"])


async def test_a_rounds_allocations_show_once_the_round_is_whole(market: Market) -> None:
    gateway = market.gateway
    await gateway.publish(sealed(), allocation())

    async def rows() -> int:
        return int(await gateway.pool.fetchval("SELECT count(*) FROM allocation"))

    await gateway.eventually(rows, lambda count: count == 1)
    assert await items(gateway, "/v1/allocations", market.enterprise) == []
    await gateway.publish(closed())

    async def mine() -> list[dict[str, Any]]:
        return await items(gateway, "/v1/allocations", market.enterprise)

    (shown,) = await gateway.eventually(mine, lambda found: len(found) == 1)
    assert shown["payment"] == 400
    assert len(await items(gateway, f"/v1/allocations?order_id={OFFER}", market.provider)) == 1
    assert len(await items(gateway, f"/v1/allocations?round_id={ROUND}", market.regulator)) == 1
    assert await items(gateway, "/v1/allocations?round_id=jingjinji:2", market.regulator) == []
    other = await gateway.admit("enterprise-2", "enterprise")
    assert await items(gateway, "/v1/allocations", other) == []


async def test_a_delivery_shows_on_its_allocation_and_is_told_once(market: Market) -> None:
    gateway = market.gateway
    await gateway.publish(sealed(), allocation(), closed())
    body = {
        "allocation_id": "al_" + "a" * 26,
        "periods": [{"start": "2026-11-24T08:00:00Z", "chips": 4}],
    }

    async def mine() -> list[dict[str, Any]]:
        return await items(gateway, "/v1/allocations", market.provider)

    await gateway.eventually(mine, lambda found: len(found) == 1)
    early = await gateway.submit("deliveries", body, market.provider, "d1")
    assert (early.status_code, early.json()["code"]) == (422, "validation.period_not_over")
    gateway.clock.set(gateway.clock.now().replace(hour=9))
    foreign = await gateway.admit("provider-2", "provider")
    assert (await gateway.submit("deliveries", body, foreign, "d1")).status_code == 404
    told = await gateway.submit("deliveries", body, market.provider, "d1")
    assert told.status_code == 202, told.text
    (shown,) = await gateway.eventually(mine, lambda found: found[0]["delivered"] != [])
    assert shown["delivered"] == body["periods"]
    again = await gateway.submit("deliveries", body, market.provider, "d2")
    assert (again.status_code, again.json()["code"]) == (409, "period_reported")
    # The gateway dies between the log and the reply, and the provider asks again with its key.
    await gateway.pool.execute("UPDATE idempotency SET reply = NULL, claimed_at = 'epoch'")
    retried = await gateway.submit("deliveries", body, market.provider, "d1")
    assert retried.status_code == 202, retried.text
    assert retried.json()["delivery_id"] == told.json()["delivery_id"]


async def test_prices_are_the_latest_with_low_high_and_average_and_count_once(
    market: Market,
) -> None:
    gateway = market.gateway
    first = prices(ROUND, [200, 300], [2, 0])
    await gateway.publish(first, first, prices("jingjinji:2", [100], [6]))

    async def look() -> list[dict[str, Any]]:
        return await items(gateway, f"/v1/prices?market_id={MARKET}")

    found = await gateway.eventually(look, lambda rows: rows and rows[0]["round_id"][-1] == "2")
    latest, untraded = found
    assert (latest["price"], latest["low"], latest["high"]) == (100, 100, 200)
    assert (latest["average"], latest["chips_total"]) == (125, 8)
    assert (untraded["price"], untraded["average"], untraded["offered"]) == (300, None, 9)
    assert (latest["last"], latest["last_round_id"]) == (100, "jingjinji:2")
    assert (untraded["low"], untraded["high"], untraded["last"]) == (None, None, None)
    later = await items(gateway, f"/v1/prices?market_id={MARKET}&from=2026-11-24T09:00:00Z")
    assert [row["price"] for row in later] == [300]
    assert await items(gateway, f"/v1/prices?market_id={MARKET}&pool=bj-1/ascend-910b") == []
    paged = await gateway.call("GET", f"/v1/prices?market_id={MARKET}&limit=1")
    cursor = paged.json()["next_cursor"]
    rest = await items(gateway, f"/v1/prices?market_id={MARKET}&limit=1&cursor={cursor}")
    assert [row["price"] for row in rest] == [300]


async def test_no_price_is_null_and_never_zero(market: Market) -> None:
    gateway = market.gateway
    await gateway.publish(
        prices(ROUND, [200, 0, 0], [2, 0, 4]), prices("jingjinji:2", [0, 0, 300], [0, 0, 1])
    )

    async def look() -> list[dict[str, Any]]:
        return await items(gateway, f"/v1/prices?market_id={MARKET}")

    found = await gateway.eventually(look, lambda rows: rows and rows[0]["round_id"][-1] == "2")
    traded_before, never, given_away = found
    assert (traded_before["price"], traded_before["last"]) == (None, 200)
    assert traded_before["last_round_id"] == ROUND
    assert (traded_before["low"], traded_before["high"]) == (200, 200)
    assert [never[name] for name in ("price", "last", "low", "high", "average")] == [None] * 5
    # Zero is a price where somebody traded at it.
    assert (given_away["price"], given_away["low"], given_away["average"]) == (300, 0, 60)


async def test_a_round_file_streams_once_all_its_parts_agree_with_the_hash(
    market: Market,
) -> None:
    gateway = market.gateway
    # Digests do not compress, so this becomes several parts.
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(4000)]
    text = json.dumps({"format": "suanli.round.v1", "book": hashes}).encode()
    parts = file_events(ROUND, MARKET, text)
    assert len(parts) > 2
    await gateway.publish(sealed(), *parts[1:])

    async def state() -> object:
        reply = await gateway.call("GET", f"/v1/rounds/{ROUND}")
        return reply.json().get("file", {}).get("state")

    await gateway.eventually(state, lambda found: found == "partial")
    assert (await gateway.call("GET", f"/v1/rounds/{ROUND}/file")).status_code == 404
    await gateway.publish(parts[0])
    await gateway.eventually(state, lambda found: found == "ok")
    reply = await gateway.call("GET", f"/v1/rounds/{ROUND}/file")
    assert reply.content == text
    assert reply.headers["etag"].strip('"') == hashlib.sha256(text).hexdigest()
    again = await gateway.call(
        "GET", f"/v1/rounds/{ROUND}/file", headers={"If-None-Match": reply.headers["etag"]}
    )
    assert again.status_code == 304
    wrong = file_events("jingjinji:2", MARKET, text)
    spoilt = [part.model_copy(update={"sha256": DIGEST}) for part in wrong]
    await gateway.publish(*spoilt)

    async def second() -> object:
        reply = await gateway.call("GET", "/v1/rounds/jingjinji:2")
        return reply.json().get("file", {}).get("state")

    assert await gateway.eventually(second, lambda found: found == "corrupt") == "corrupt"


async def test_an_account_is_the_sum_of_its_postings_and_repeats_change_nothing(
    market: Market,
) -> None:
    gateway = market.gateway
    mine = "cny:enterprise-1"
    deposit = entry(0, "single", [("cny:bank", "posted", 1000), (mine, "posted", -1000)])
    hold = entry(1, "hold", [(mine, "pending", 300), ("escrow:jingjinji", "pending", -300)])
    await gateway.publish(deposit, deposit, hold)

    async def look() -> dict[str, Any]:
        reply = await gateway.call("GET", "/v1/account", key=market.enterprise)
        return dict(reply.json())

    told = await gateway.eventually(look, lambda found: found["entries"] == 2)
    assert (told["posted"], told["held"], told["free"]) == (1000, 300, 700)
    found = await items(gateway, "/v1/account/entries", market.enterprise)
    assert [(one["layer"], one["amount"]) for one in found] == [("pending", 300), ("posted", 1000)]
    seen = await gateway.call("GET", "/v1/account?participant_id=enterprise-1")
    assert seen.json()["free"] == 700
    hidden = await gateway.call(
        "GET", "/v1/account?participant_id=enterprise-1", key=market.provider
    )
    assert hidden.status_code == 404


async def test_the_verdict_of_the_auditor_marks_a_round_and_an_alarm_of_matching_does_not(
    market: Market,
) -> None:
    gateway = market.gateway
    finding = events.FindingRaised(
        finding_id=f"{ROUND}/auditor/0123456789abcdef",
        market_id=MARKET,
        round_id=ROUND,
        kind="round_verified",
        ok=True,
        summary=REASON,
    )
    alarm = finding.model_copy(
        update={"finding_id": f"{ROUND}/solver", "kind": "round_refuted", "ok": False}
    )
    await gateway.publish(sealed(), alarm, finding)

    async def verified() -> object:
        return (await gateway.call("GET", f"/v1/rounds/{ROUND}")).json().get("verified")

    await gateway.eventually(verified, lambda found: found is True)
    shown = await items(gateway, f"/v1/findings?round_id={ROUND}")
    assert {item["finding_id"]: item["ok"] for item in shown} == {
        alarm.finding_id: False,
        finding.finding_id: True,
    }
    assert shown[0]["summary"]["zh"] == "已验证。"


async def test_holds_show_on_their_demand_and_a_refused_amendment_keeps_the_old_one(
    market: Market,
) -> None:
    gateway = market.gateway
    receipt = (await gateway.submit("demand", demand(), market.enterprise, "k1")).json()
    path = f"/v1/demand/{receipt['order_id']}"
    common = {
        "order_id": receipt["order_id"],
        "market_id": MARKET,
        "participant_id": "enterprise-1",
    }
    body = {"expected_version": 1, "terms": demand(budget=10**13)["terms"]}
    amended = await gateway.call("PUT", path, body, key=market.enterprise)
    await gateway.publish(events.HoldPlaced(hold_id="h1", version=1, amount=500, **common))
    await gateway.publish(
        events.HoldRefused(version=2, needed=900, free=100, reason=REASON, **common),
        cause=amended.json()["event_id"],
    )

    async def look() -> dict[str, Any]:
        return dict((await gateway.call("GET", path, key=market.enterprise)).json())

    view = await gateway.eventually(
        look, lambda found: found["hold"] and found["hold"]["state"] == "refused"
    )
    assert view["hold"] == {
        "state": "refused",
        "version": 2,
        "amount": 500,
        "needed": 900,
        "free": 100,
    }
    assert (view["version"], view["amendment"]) == (1, None)


async def test_of_two_amendments_of_a_version_the_one_shows_that_the_hold_was_placed_for(
    market: Market,
) -> None:
    gateway = market.gateway
    receipt = (await gateway.submit("demand", demand(), market.enterprise, "k1")).json()
    path = f"/v1/demand/{receipt['order_id']}"
    common: dict[str, Any] = {
        "order_id": receipt["order_id"],
        "market_id": MARKET,
        "participant_id": "enterprise-1",
        "version": 2,
    }
    causes = []
    for budget in (3_000_000_000, 4_000_000_000):
        body = {"expected_version": 1, "terms": demand(budget=budget)["terms"]}
        reply = await gateway.call("PUT", path, body, key=market.enterprise)
        causes.append(reply.json()["event_id"])
    waiting = Reason(code="amend_waiting_for_hold", en="Waits.", zh="等待。")
    fields = common | {"side": "demand", "state": "accepted", "reason": REASON, "sequence": 1}
    status = events.OrderStatusChanged.model_validate(fields)
    noted = status.model_copy(update={"version": 1, "reason": waiting})
    await gateway.publish(noted, cause=causes[0])

    async def look() -> dict[str, Any]:
        return dict((await gateway.call("GET", path, key=market.enterprise)).json())

    view = await gateway.eventually(
        look, lambda found: found["reason"]["code"] == "amend_waiting_for_hold"
    )
    assert view["amendment"]["terms"]["budget"] == 4_000_000_000
    await gateway.publish(events.HoldPlaced(hold_id="h1", amount=1, **common), cause=causes[0])
    await gateway.publish(
        events.HoldRefused(needed=2, free=1, reason=REASON, **common), cause=causes[1]
    )
    await gateway.publish(status.model_copy(update={"sequence": 2}), cause="the-hold")
    view = await gateway.eventually(
        look, lambda found: found["version"] == 2 and found["hold"]["state"] == "refused"
    )
    assert (view["terms"]["budget"], view["amendment"]) == (3_000_000_000, None)


async def test_an_amended_offer_shows_waiting_until_its_chips_are_held_or_refused(
    market: Market,
) -> None:
    gateway = market.gateway
    terms = offer()["terms"] | {"capacity_chips": 4_000}
    made = await gateway.submit("offers", offer() | {"terms": terms}, market.provider, "k1")
    path = f"/v1/offers/{made.json()['order_id']}"
    about: dict[str, Any] = {
        "order_id": made.json()["order_id"],
        "market_id": MARKET,
        "participant_id": "provider-1",
        "version": 2,
    }
    waiting = Reason(code="amend_waiting_for_capacity", en="Waits.", zh="等待。")

    async def look() -> dict[str, Any]:
        return dict((await gateway.call("GET", path, key=market.provider)).json())

    async def amend(chips: int, sequence: int) -> str:
        """Ask for more, as matching passes it on; return the id of the event that asks."""
        body = {"expected_version": 1, "terms": terms | {"chips": chips}}
        reply = await gateway.call("PUT", path, body, key=market.provider)
        fields = about | {"side": "offer", "state": "open", "reason": waiting}
        status = events.OrderStatusChanged.model_validate(fields | {"sequence": sequence})
        cause = reply.json()["event_id"]
        await gateway.publish(status.model_copy(update={"version": 1}), cause=cause)
        asked = next(one for one in examples() if isinstance(one, CapacityWanted))
        asked = asked.model_copy(update={**about, "chips": chips, "asked": sequence})
        await gateway.publish(asked, cause=cause)
        shown = await gateway.eventually(look, lambda now: now["reason"]["code"] == waiting.code)
        assert (shown["version"], shown["amendment"]["terms"]["chips"]) == (1, chips)
        found = await gateway.eventually(
            lambda: gateway.call("GET", f"/v1/orders/{about['order_id']}/history"),
            lambda reply: (
                [one["kind"] for one in reply.json()["items"]].count("capacity_wanted") == sequence
            ),
        )
        return str([one["event_id"] for one in found.json()["items"]
                    if one["kind"] == "capacity_wanted"][-1])  # fmt: skip

    refused = CapacityRefused(**about, reason=REASON)
    await gateway.publish(refused, cause=await amend(3_000, 1))
    shown = await gateway.eventually(look, lambda now: now["amendment"] is None)
    assert (shown["version"], shown["terms"]["chips"]) == (1, terms["chips"])
    cause = await amend(2_000, 2)
    hours = {"start": terms["start"], "end": terms["end"]}
    held = CapacityHeld.model_validate({**about, **hours, "chips": 2_000})
    await gateway.publish(held, cause=cause)
    fields = about | {"side": "offer", "state": "open", "reason": REASON, "sequence": 3}
    await gateway.publish(events.OrderStatusChanged.model_validate(fields), cause="the-answer")
    shown = await gateway.eventually(look, lambda now: now["version"] == 2)
    assert (shown["terms"]["chips"], shown["amendment"]) == (2_000, None)


async def test_poison_on_any_topic_is_passed_over(market: Market) -> None:
    gateway = market.gateway
    poison = [b"\x00\xff" * 50, b"{}", b"[" * 1000, b"x" * (64 * 1024 + 1), b""]
    headers = (("ce_type", b"suanli.offer.submitted.v1"), ("ce_id", b"\xff"))
    for value in poison:
        await gateway.writer.send(OutRecord("offers", MARKET.encode(), value))
        await gateway.writer.send(OutRecord("order-status", MARKET.encode(), value, headers))
    finding = events.FindingRaised(
        finding_id="f1", market_id=MARKET, kind="journal_verified", ok=True, summary=REASON
    )
    await gateway.publish(finding)
    await gateway.submit("offers", offer(), market.provider, "k1")

    async def positions() -> dict[str, int]:
        rows = await gateway.pool.fetch(
            "SELECT topic, sum(next_offset) AS passed FROM consumer_offset GROUP BY topic"
        )
        return {row["topic"]: int(row["passed"]) for row in rows}

    passed = await gateway.eventually(
        positions, lambda found: found.get("offers") == 6 and found.get("order-status") == 5
    )
    assert passed["offers"] == 6


async def test_an_empty_schema_is_rebuilt_from_the_log_alone(market: Market) -> None:
    gateway = market.gateway
    receipt = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    path = f"/v1/offers/{receipt['order_id']}"
    before = (await gateway.call("GET", path)).json()
    schema = f"{gateway.settings.schema_prefix}rebuilt"
    await migrate(gateway.settings.postgres_dsn, schema, MIGRATIONS)
    pool = await create_pool(gateway.settings.postgres_dsn, schema, max_size=2)
    stop = asyncio.Event()
    keeper = LeaseKeeper(pool, LEASE, "rebuilder")
    reading = asyncio.create_task(
        Projection(pool, LogReader(gateway.settings, TOPICS), keeper).run(stop)
    )

    async def look() -> asyncpg.Record | None:
        return await pool.fetchrow("SELECT * FROM orders WHERE order_id = $1", before["order_id"])

    row = await gateway.eventually(look, lambda found: found is not None)
    assert (row["log_offset"], row["state"]) == (before["offset"], "accepted")
    assert await pool.fetchval("SELECT count(*) FROM participant") == 3
    stop.set()
    await reading
    await pool.close()
