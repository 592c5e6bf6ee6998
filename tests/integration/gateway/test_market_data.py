"""Statistics and indices are the same numbers as those of the round files."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from schemas.market import Market as MarketTerms
from schemas.types import Shape, period_of, period_start
from services.core.book import Alternative, Book, BookDemand, BookOffer, Rules
from services.core.clearing.clear import clear
from services.core.codec import canonical_json, result_digest, round_to_dict
from services.core.eligibility import pools_of
from services.core.round_events import RoundFacts, prices_events
from services.core.round_file import file_events
from services.gateway.adapters.http import examples
from tests.integration.gateway.conftest import Gateway, Market
from tests.integration.gateway.test_reports import MARKET, prices

Json = dict[str, Any]
TERMS = MarketTerms.model_validate(examples.MARKET)
REGIONS = {zone.id: zone.region for zone in TERMS.zones}
TFLOPS = {chip.id: chip.tflops for chip in TERMS.chips}
FIRST = period_of(datetime(2026, 11, 24, 20, tzinfo=UTC))
PERIODS = 30
ROUNDS = 3


def book(seq: int) -> Book:
    rng = random.Random(seq)
    pools = pools_of(TERMS)
    # One pool stays without any offer: it has no price.
    offered = [pool.key for pool in pools[:-1]]
    offers = [
        BookOffer(
            id=f"off_{'a' * 25}{letter}",
            participant="p",
            version=1,
            pool=rng.choice(offered),
            ask=rng.randrange(10, 90) * 100_000,
            start=FIRST + rng.randrange(0, 10),
            chips=(8 * rng.randint(1, 4),) * 8,
        )
        for letter in "abcdef"
    ]
    demands = [
        BookDemand(
            id=f"dem_{'a' * 25}{letter}",
            participant="p",
            version=1,
            shape=Shape.FLOW,
            alternatives=(
                Alternative(
                    index=0,
                    pools=tuple(sorted(rng.sample(offered, 2))),
                    limit=rng.randrange(20, 120) * 100_000,
                    earliest=FIRST,
                    deadline=FIRST + PERIODS,
                    chips_by_period=(rng.randint(1, 20),) * PERIODS,
                    chip_hours=400,
                ),
            ),
        )
        for letter in "abcd"
    ]
    return Book(MARKET, f"{MARKET}:{seq}", FIRST, PERIODS, pools, tuple(offers), tuple(demands))


async def cleared(gateway: Gateway) -> None:
    """Clear three books, and publish their prices and files."""
    for seq in range(1, ROUNDS + 1):
        found, rules = book(seq), Rules()
        result = clear(found, rules)
        facts = RoundFacts(
            market=TERMS,
            seq=seq,
            round_id=found.round_id,
            market_time=gateway.clock.now(),
            book=found,
            result=result,
            status="optimal",
            result_digest=result_digest(result),
            solve_ms=1,
        )
        file = canonical_json(round_to_dict(found, rules, result))
        await gateway.publish(*prices_events(facts), *file_events(found.round_id, MARKET, file))

    async def state() -> str:
        reply = await gateway.call("GET", f"/v1/rounds/{MARKET}:{ROUNDS}")
        return str(reply.json().get("file", {}).get("state"))

    await gateway.eventually(state, lambda found: found == "ok")


Trade = tuple[int, str, int, int, int]
"""Round, pool, period, price, chips."""


async def trades_of_files(gateway: Gateway) -> list[Trade]:
    trades = []
    for seq in range(1, ROUNDS + 1):
        file = (await gateway.call("GET", f"/v1/rounds/{MARKET}:{seq}/file")).json()
        first, curves = file["book"]["first_period"], file["result"]["prices"]
        chips: dict[tuple[str, int], int] = defaultdict(int)
        for row in file["result"]["allocations"]:
            for at, count in enumerate(row["chips"], start=row["start"]):
                chips[row["pool"], at] += count
        trades += [
            (seq, pool, at, curves[pool][at - first], count)
            for (pool, at), count in chips.items()
            if count
        ]
    assert len({seq for seq, *_ in trades}) == ROUNDS
    return trades


def added_up(trades: list[Trade]) -> Json:
    volume = sum(chips for *_, chips in trades)
    value = sum(price * chips for *_, price, chips in trades)
    newest = max((seq for seq, *_ in trades), default=None)
    latest = [trade for trade in trades if trade[0] == newest]
    weight = sum(chips for *_, chips in latest)
    paid = [price for *_, price, _ in trades]
    return {
        "last": sum(price * chips for *_, price, chips in latest) // weight if weight else None,
        "last_round_id": f"{MARKET}:{newest}" if weight else None,
        "min": min(paid, default=None),
        "max": max(paid, default=None),
        "average": value // volume if volume else None,
        "volume": volume,
        "value": value,
        "tflops_hours": sum(TFLOPS[pool.split("/")[1]] * chips for _, pool, *_, chips in trades),
    }


GROUPS: dict[str, Callable[[str], Json]] = {
    "market": lambda _: {"pool": None, "chip": None, "region": None},
    "pool": lambda pool: {
        "pool": pool, "chip": pool.split("/")[1], "region": REGIONS[pool.split("/")[0]]
    },
    "chip": lambda pool: {"pool": None, "chip": pool.split("/")[1], "region": None},
    "region": lambda pool: {"pool": None, "chip": None, "region": REGIONS[pool.split("/")[0]]},
    "chip-region": lambda pool: {
        "pool": None, "chip": pool.split("/")[1], "region": REGIONS[pool.split("/")[0]]
    },
}  # fmt: skip


async def listed(gateway: Gateway, path: str, limit: int = 7) -> list[Json]:
    found: list[Json] = []
    cursor = ""
    while True:
        page = (await gateway.call("GET", f"{path}&limit={limit}{cursor}")).json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_statistics_are_those_of_the_round_files(market: Market) -> None:
    gateway = market.gateway
    await cleared(gateway)
    trades = await trades_of_files(gateway)
    for group, key_of in GROUPS.items():
        for window, size in (("hour", 1), ("day", 24)):
            path = f"/v1/statistics?market_id={MARKET}&group={group}&window={window}"
            rows = await listed(gateway, path, limit=100)
            keys = [(row["pool"], row["chip"], row["region"], row["start"]) for row in rows]
            assert len(set(keys)) == len(keys)
            assert sum(row["volume"] for row in rows) == sum(chips for *_, chips in trades)
            for row in rows:
                start = period_of(datetime.fromisoformat(row["start"]))
                own = [
                    trade
                    for trade in trades
                    if trade[2] // size * size == start and key_of(trade[1]).items() <= row.items()
                ]
                assert {name: row[name] for name in added_up(own)} == added_up(own), row


async def test_an_index_is_the_average_of_its_trades_or_carried_from_one(market: Market) -> None:
    gateway = market.gateway
    await cleared(gateway)
    trades = await trades_of_files(gateway)
    rows = await listed(gateway, f"/v1/indices?market_id={MARKET}&window=hour", limit=50)
    pairs = {(row["chip"], row["region"]) for row in rows}
    # One hour for each pair and hour of the latest 168, whether it traded or not.
    assert len(rows) == 168 * len(pairs)
    by_pair: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for row in rows:
        by_pair[row["chip"], row["region"]].append(row)
    for (chip, region), series in by_pair.items():
        index: int | None = None
        since: str | None = None
        for row in series:
            own = [
                trade
                for trade in trades
                if period_start(trade[2]) == datetime.fromisoformat(row["start"])
                and trade[1].endswith(f"/{chip}")
                and REGIONS[trade[1].split("/")[0]] == region
            ]
            before: int | None = index
            if own:
                index, since = added_up(own)["average"], row["start"]
            assert row["index"] == index
            assert row["volume"] == sum(chips for *_, chips in own)
            assert row["carried_from"] == (None if own else since)
            change = None
            if before and index is not None:
                change = (index - before) * 1_000_000 // before
            assert row["change_ppm"] == change
            per = None if index is None else index * 1000 // TFLOPS[chip]
            assert row["per_pflops_hour"] == per
        assert index is not None


async def test_an_index_is_null_once_what_it_would_carry_is_a_week_old(market: Market) -> None:
    gateway = market.gateway
    await gateway.publish(prices(f"{MARKET}:1", [200], [2]))

    async def look() -> list[Json]:
        path = f"/v1/indices?market_id={MARKET}&window=day"
        return await listed(gateway, f"{path}&from=2026-11-23T00:00:00Z&to=2026-12-04T00:00:00Z")

    rows = await gateway.eventually(look, bool)
    assert [row["index"] for row in rows] == [None, *[200] * 8, None, None]
    assert rows[2]["carried_from"] == "2026-11-24T00:00:00Z"
    filtered = await listed(gateway, f"/v1/indices?market_id={MARKET}&window=day&filter=volume>0")
    assert [row["volume"] for row in filtered] == [2]


async def test_a_span_that_is_empty_or_too_long_is_refused(market: Market) -> None:
    for path in ("/v1/statistics", "/v1/indices"):
        for span in (
            "from=2026-11-24T00:00:00Z&to=2026-11-24T00:00:00Z",
            "from=2026-11-24T00:00:00Z&to=2026-11-23T00:00:00Z",
            "from=2024-11-24T00:00:00Z&to=2026-11-24T00:00:00Z",
        ):
            reply = await market.gateway.call("GET", f"{path}?market_id={MARKET}&{span}")
            assert (reply.status_code, reply.json()["code"]) == (422, "validation.span")
        unknown = await market.gateway.call("GET", f"{path}?market_id=nowhere")
        assert unknown.status_code == 404
        empty = await market.gateway.call("GET", f"{path}?market_id={MARKET}")
        assert empty.json()["items"] == []
