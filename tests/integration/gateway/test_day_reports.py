"""Daily reports as the gateway cuts them from what it has read, and signs them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas import events
from schemas.capacity import CapacityHeld
from schemas.codec import derive_id
from schemas.examples import examples
from schemas.link_examples import LINKS
from schemas.links import RoundLinks
from schemas.share_examples import SHARES
from schemas.shares import RoundShares
from schemas.types import Side
from services.kit.kafka import OutRecord
from suanli.report_files import canonical, content, verify_file
from tests.integration.gateway.conftest import Gateway, Market, demand, offer
from tests.integration.gateway.test_reports import closed, prices, sealed
from tests.integration.gateway.test_surveillance import raised, shown

Json = dict[str, Any]
DAY = "market_id=jingjinji&day=2026-11-24"


async def report(gateway: Gateway, kind: str, key: str, day: str = DAY) -> Json:
    reply = await gateway.call("GET", f"/v1/reports/{kind}?{day}", key=key)
    assert reply.status_code == 200, reply.text
    found: Json = reply.json()
    return found


def rows(found: Json) -> list[Json]:
    names = [column["name"] for column in found["columns"]]
    return [dict(zip(names, row, strict=True)) for row in found["rows"]]


def figures(found: Json) -> Json:
    return {one["name"]: one["value"] for one in found["figures"]}


async def traded(market: Market) -> tuple[str, str]:
    """Let an offer of Beijing serve a demand whose users are in another zone; return both ids."""
    gateway = market.gateway
    made = await gateway.submit("offers", offer(), market.provider, "o1")
    assert made.status_code == 202, made.text
    offer_id = made.json()["order_id"]
    made = await gateway.submit("demand", demand(), market.enterprise, "d1")
    assert made.status_code == 202, made.text
    demand_id = made.json()["order_id"]
    allocation = events.AllocationMade.model_validate(
        {
            "allocation_id": "al_" + "a" * 26,
            "round_id": "jingjinji:1",
            "market_id": "jingjinji",
            "index": 0,
            "demand_id": demand_id,
            "enterprise_id": "enterprise-1",
            "demand_version": 1,
            "offer_id": offer_id,
            "provider_id": "provider-1",
            "offer_version": 1,
            "pool": "bj-1/h800",
            "alternative": 0,
            "periods": [
                {"start": "2026-11-24T09:00:00Z", "chips": 8, "price": 9_000_000},
                {"start": "2026-11-24T10:00:00Z", "chips": 4, "price": 8_000_000},
            ],
            "payment": 104_000_000,
        }
    )
    await gateway.publish(sealed(), allocation, closed())
    await gateway.eventually(
        lambda: report(gateway, "domestic-share", market.regulator),
        lambda found: found["rounds"] == 1 and found["rows"],
    )
    return demand_id, offer_id


async def test_a_day_is_reported_by_region_chip_and_owner(market: Market) -> None:
    gateway, key = market.gateway, market.regulator
    await traded(market)
    found = await report(gateway, "concentration", key)
    day = [row for row in rows(found) if row["hour"] == "all"]
    assert [(row["side"], row["chip_hours"], row["hhi"], row["top_1"]) for row in day] == [
        ("buyer", 12, 10_000, "enterprise-1"),
        ("seller", 12, 10_000, "provider-1"),
    ]
    assert len(found["rows"]) == 6
    found = await report(gateway, "domestic-share", market.provider)
    (row,) = rows(found)
    assert (row["origin"], row["chip_hours"], row["tflops_hours"]) == ("imported", 12, 12 * 989)
    nothing = {"rounds_asked": 0, "rounds_missed": 0, "shortfall": 0, "credits": 0}
    assert figures(found) == {"domestic_ppm": 0, "tflops_hours": 12 * 989, **nothing}
    found = await report(gateway, "regional-flows", market.enterprise)
    assert {row["flow"]: (*row.values(),)[1:] for row in rows(found)} == {
        "route": ("beijing", "unstated", 12, 104_000_000),
        "exported": ("beijing", "others", 0, 0),
        "imported": ("others", "beijing", 0, 0),
    }
    assert (found["is_final"], found["is_whole"]) == (False, True)
    empty = await report(gateway, "domestic-share", key, "market_id=jingjinji&day=2026-11-23")
    assert (empty["rounds"], empty["rows"], empty["is_final"]) == (0, [], True)


async def test_a_round_that_was_asked_a_domestic_share_is_reported_with_its_premium(
    market: Market,
) -> None:
    gateway, key = market.gateway, market.regulator
    await traded(market)
    (kept,) = SHARES[RoundShares]["shares"]
    missed = {"policy_id": "domestic", "region": None, "share_bp": 3_000, "shortfall": 7_000}
    body = {"round_id": "jingjinji:1", "market_id": "jingjinji", "seq": 1}
    told = SHARES[RoundShares] | body | {"shares": [kept, kept | missed]}
    # A round that was not closed is not of the day.
    later = told | {"round_id": "jingjinji:2", "seq": 2}
    await gateway.publish(RoundShares.model_validate(told), RoundShares.model_validate(later))
    found = await gateway.eventually(
        lambda: report(gateway, "domestic-share", key), lambda found: len(found["rows"]) == 3
    )
    chip, beijing, everywhere = rows(found)
    assert (chip["chip_hours"], chip["round_id"], chip["asked_ppm"]) == (12, None, None)
    assert (beijing["region"], beijing["round_id"]) == ("beijing", "jingjinji:1")
    assert (beijing["asked_ppm"], beijing["achieved_ppm"]) == (600_000, 625_000)
    assert (beijing["premium"], beijing["premium_max"], beijing["shortfall"]) == (2_500, 40_000, 0)
    assert (everywhere["region"], everywhere["asked_ppm"]) == ("all", 300_000)
    assert (everywhere["policy_id"], everywhere["shortfall"]) == ("domestic", 7_000)
    assert figures(found) == {
        "domestic_ppm": 0,
        "tflops_hours": 12 * 989,
        "rounds_asked": 1,
        "rounds_missed": 1,
        "shortfall": 7_000,
        "credits": 2 * kept["credits"],
    }
    for language, word in (("en", "share asked"), ("zh", "要求占比")):
        assert word.encode() in content(found, ".html", language)
    assert b"jingjinji:1" in content(found, ".csv")


async def test_spreads_between_regions_stand_beside_what_their_links_carried(
    market: Market,
) -> None:
    gateway = market.gateway
    here = prices("jingjinji:1", [9_000_000, 8_000_000], [4, 4])
    there = here.pools[0].model_copy(
        update={"pool": "zjk-1/h800", "prices": (9_000_000, 6_000_000)}
    )
    link = LINKS[RoundLinks]["links"][0] | {"source": "bj-1", "destination": "zjk-1"}
    body = {"round_id": "jingjinji:1", "market_id": "jingjinji", "links": [link]}
    carried = RoundLinks.model_validate(LINKS[RoundLinks] | body)
    await gateway.publish(here.model_copy(update={"pools": (*here.pools, there)}), carried)
    found = await gateway.eventually(
        lambda: report(gateway, "price-convergence", market.regulator),
        lambda found: len(found["rows"]) == 2,
    )
    whole, chip = rows(found)
    assert (whole["region_a"], whole["region_b"], whole["chip"]) == ("beijing", "hebei", "all")
    assert (whole["gb_there"], whole["gb_back"]) == (sum(link["used"]), 0)
    surcharges = [price - link["tariff"] for price in link["prices"]]
    rent = sum(gb * more for gb, more in zip(link["used"], surcharges, strict=True))
    assert whole["rent"] == figures(found)["rent"] == rent > 0
    assert whole["hours_congested"] == sum(more > 0 for more in surcharges)
    assert (chip["hours"], chip["hours_equal"]) == (2, 1)
    assert (chip["spread_mean"], chip["spread_max"]) == (1_000_000, 2_000_000)
    assert figures(found)["equal_ppm"] == 500_000


async def test_every_event_of_an_order_leads_to_it_and_a_stray_one_is_reported(
    market: Market,
) -> None:
    gateway = market.gateway
    demand_id, _ = await traded(market)
    found = await report(gateway, "linkage", market.regulator)
    assert figures(found)["events"] >= 2
    assert found["rows"] == []
    stray = events.HoldPlaced(
        hold_id="h",
        order_id="dem_" + "z" * 26,
        market_id="jingjinji",
        participant_id="enterprise-1",
        version=1,
        amount=1,
    )
    nothing = stray.model_copy(update={"order_id": demand_id, "hold_id": "h2"})
    await gateway.publish(stray, nothing, cause=derive_id("nowhere"))
    await gateway.eventually(
        lambda: report(gateway, "linkage", market.regulator),
        lambda found: figures(found)["errors"] == 2,
    )
    told = {
        (row["missing"], row["parent_id"], row["kind"])
        for row in rows(await report(gateway, "linkage", market.regulator))
    }
    assert told == {
        ("cause", derive_id("nowhere"), "hold_placed"),
        ("order", stray.order_id, "hold_placed"),
    }


async def test_money_that_a_round_holds_again_leads_back_to_the_round(market: Market) -> None:
    gateway = market.gateway
    demand_id, _ = await traded(market)
    again = events.HoldPlaced(
        hold_id="h2",
        order_id=demand_id,
        market_id="jingjinji",
        participant_id="enterprise-1",
        version=1,
        amount=1,
    )
    taken = next(one for one in examples() if isinstance(one, events.HoldCaptured))
    about = {"order_id": demand_id, "market_id": "jingjinji", "round_id": "jingjinji:1"}
    taken = taken.model_copy(update={**about, "participant_id": "enterprise-1"})
    # Both are told of the round's end, which is no event of the order.
    await gateway.publish(taken, again, cause=derive_id("the round's end"))

    async def kinds() -> list[str]:
        path = f"/v1/orders/{demand_id}/history"
        reply = await gateway.call("GET", path, key=market.enterprise)
        return [item["kind"] for item in reply.json()["items"]]

    await gateway.eventually(kinds, lambda found: "hold_placed" in found)
    assert (await report(gateway, "linkage", market.regulator))["rows"] == []


async def test_a_verdict_on_reserved_chips_leads_back_to_the_offer(market: Market) -> None:
    gateway = market.gateway
    made = await gateway.submit("offers", offer(), market.provider, "o1")
    order_id = made.json()["order_id"]
    about = {"order_id": order_id, "market_id": "jingjinji", "participant_id": "provider-1"}

    async def told(kind: str) -> str:
        """Return the id of the event of this kind in the offer's history."""
        path = f"/v1/orders/{order_id}/history"
        reply = await gateway.eventually(
            lambda: gateway.call("GET", path, key=market.provider),
            lambda reply: kind in {item["kind"] for item in reply.json()["items"]},
        )
        return str(next(one["event_id"] for one in reply.json()["items"] if one["kind"] == kind))

    held = next(one for one in examples() if isinstance(one, CapacityHeld))
    held = held.model_copy(update=about)
    await gateway.publish(held, cause=await told("submitted"))
    verdict = next(one for one in examples() if isinstance(one, events.OrderStatusChanged))
    verdict = verdict.model_copy(update={**about, "side": Side.OFFER, "round_id": None})
    await gateway.publish(verdict, cause=await told("capacity_held"))
    await told("status")
    found = await report(gateway, "linkage", market.regulator)
    assert (figures(found)["events"], found["rows"]) == (3, [])


async def test_what_nobody_could_take_is_in_the_register(market: Market) -> None:
    gateway = market.gateway
    told = {
        "dlq_reason": "not_json",
        "dlq_field": "value",
        "dlq_value": "=cmd\0",
        "dlq_allowed": "JSON",
        "dlq_topic": "demand",
        "dlq_partition": "2",
        "dlq_offset": "17",
        "dlq_bytes": "4000",
    }
    headers = tuple((name, text.encode()) for name, text in told.items())
    bare = OutRecord("dead-letters", b"jingjinji", b"\xff", (("dlq_offset", b"many"),))
    await gateway.writer.send_many(
        [OutRecord("dead-letters", b"jingjinji", b"\xff", headers), bare]
    )
    # Dead letters have a real instant alone, and this gateway's settings name no market clock.
    today = f"market_id=jingjinji&day={datetime.now(UTC).date().isoformat()}"
    found = await gateway.eventually(
        lambda: report(gateway, "dead-letters", market.regulator, today),
        lambda found: len(found["rows"]) == 2,
    )
    first, second = sorted(rows(found), key=lambda row: -row["offset"])
    assert (first["topic"], first["partition"], first["offset"]) == ("demand", 2, 17)
    assert (first["reason"], first["value"]) == ("not_json", "=cmd\\0")
    assert (second["topic"], second["offset"]) == ("", 0)
    assert b"'=cmd" in content(found, ".csv")


async def test_the_clock_is_measured_by_source_and_stamps_beyond_the_bound_are_counted(
    market: Market,
) -> None:
    await traded(market)
    # The clock of this test stands still in the market's past, so every stamp is beyond the bound.
    found = await report(market.gateway, "clock", market.regulator)
    (row,) = rows(found)
    assert row["source"] == "gateway"
    assert row["events"] == row["beyond"] == 2
    assert row["earliest_us"] <= row["p50_us"] <= row["p99_us"] <= row["latest_us"]
    assert row["bound_us"] == 1_000


async def test_a_report_is_signed_and_its_files_are_checked(market: Market, tmp_path: Path) -> None:
    gateway = market.gateway
    await gateway.publish(raised())
    await shown(gateway, market.regulator, 1)
    found = await report(gateway, "surveillance", market.regulator)
    assert rows(found)[0]["summary_zh"] == "自成交。"
    assert figures(found) == {"cases": 1, "open": 1, "high": 1}
    key = (await gateway.call("GET", "/v1/receipt-key")).json()["public_key"]
    assert len(base64.b64decode(key)) == 32
    assert b"signature" not in canonical(found)
    for suffix in (".json", ".html", ".parquet"):
        path = tmp_path / f"report{suffix}"
        path.write_bytes(content(found, suffix, "zh"))
        assert verify_file(path, key)["rows"] == found["rows"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (f"nothing?{DAY}", 422),
        ("clock?market_id=jingjinji", 422),
        ("clock?market_id=jingjinji&day=2026-02-30", 422),
        ("clock?market_id=nowhere&day=2026-11-24", 404),
    ],
)
async def test_a_report_that_cannot_be_made_says_why(
    market: Market, query: str, status: int
) -> None:
    reply = await market.gateway.call("GET", f"/v1/reports/{query}", key=market.regulator)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"].startswith("application/problem+json")
