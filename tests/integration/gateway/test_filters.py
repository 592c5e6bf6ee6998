"""Filters as the database evaluates them are filters as memory evaluates them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from schemas.filter_fields import FIELDS, ListName
from schemas.filters import Field, Filter, Term, parse
from tests.integration.gateway.conftest import Gateway, Market, demand, offer
from tests.integration.gateway.test_reports import MARKET, allocation, closed, prices, sealed

Json = dict[str, Any]
CASES = 800
PARTS = (
    Field("name", "text", "name"),
    Field("chips", "number", "chips"),
    Field("start", "instant", "start"),
    Field("block", "flag", "block"),
    Field("tags", "text", "inner.*.tags.*"),
    Field("sizes", "number", "sizes.*"),
)
TIMES = [f"2026-11-24T0{hour}:00:00Z" for hour in range(4)]
LISTS: dict[ListName, str] = {
    "offers": "/v1/offers",
    "demand": "/v1/demand",
    "rounds": "/v1/rounds",
    "prices": f"/v1/prices?market_id={MARKET}",
    "allocations": "/v1/allocations",
    "participants": "/v1/participants",
    "markets": "/v1/markets",
}


def drawn(rng: random.Random, field: Field) -> object:
    match field.kind:
        case "text":
            return rng.choice(["", "a", "b", 'q"\\', "数"])
        case "flag":
            return rng.random() < 0.5
        case "instant":
            return rng.choice(TIMES)
        case _:
            return rng.choice([-5, 0, 1, 10, 9, 2**62])


def item_of(rng: random.Random) -> tuple[Json, Json]:
    """Return an item as the API shows it and as a query names it."""
    shown: Json = {}
    named: Json = {}
    for field in PARTS[:4]:
        value = None if rng.random() < 0.2 else drawn(rng, field)
        shown[field.name] = named[field.name] = value
        if field.kind == "instant" and value is not None:
            named[field.name] = parse(f"start={value}", PARTS).terms[0].values[0]
    shown["inner"] = [
        {"tags": [drawn(rng, PARTS[4]) for _ in range(rng.randrange(3))]}
        for _ in range(rng.randrange(3))
    ]
    named["tags"] = [tag for one in shown["inner"] for tag in one["tags"]]
    shown["sizes"] = named["sizes"] = [drawn(rng, PARTS[5]) for _ in range(rng.randrange(3))]
    return shown, named


def filter_over(rng: random.Random) -> Filter:
    terms = []
    for _ in range(rng.randrange(4)):
        field = rng.choice(PARTS)
        ordered = () if field.kind in ("text", "flag") else ("<", "<=", ">", ">=")
        op = rng.choice(("=", "!=", "in", *ordered))
        values: list[Any] = [drawn(rng, field) for _ in range(rng.randint(1, 3))]
        if field.kind == "instant":
            values = [parse(f"start={value}", PARTS).terms[0].values[0] for value in values]
        terms.append(Term(field.name, op, tuple(values if op == "in" else values[:1])))
    return Filter(tuple(terms), {field.name: field for field in PARTS})


async def test_the_database_and_memory_agree_on_any_filter_and_item(gateway: Gateway) -> None:
    rng = random.Random(20261126)
    cases = [(filter_over(rng), *item_of(rng)) for _ in range(CASES)]
    rows = await gateway.pool.fetch(
        "SELECT filter_holds(t::jsonb, i::jsonb) AS holds FROM unnest($1::text[], $2::text[])"
        " WITH ORDINALITY AS c (t, i, n) ORDER BY n",
        [one.to_json() or "[]" for one, _, _ in cases],
        [json.dumps(named) for _, _, named in cases],
    )
    wanted = [one.matches(shown) for one, shown, _ in cases]
    assert [row["holds"] for row in rows] == wanted
    assert 0.2 < sum(wanted) / CASES < 0.8


def values_in(item: object, path: Sequence[str]) -> Iterator[Any]:
    if not path:
        yield item
    elif path[0] == "*":
        for one in item if isinstance(item, list) else ():
            yield from values_in(one, path[1:])
    elif isinstance(item, dict) and item.get(path[0]) is not None:
        yield from values_in(item[path[0]], path[1:])


def texts_about(field: Field, items: Sequence[Json]) -> Iterator[str]:
    found = {value for item in items for value in values_in(item, field.path.split("."))}
    if field.part is not None:
        found = {str(value).split("/")[field.part] for value in found}
    for value in sorted(found, key=str)[:2]:
        word = json.dumps(value, ensure_ascii=False)
        yield f"{field.name}={word}"
        yield f"{field.name}!={word}"
        yield f"{field.name} in ({word})"
        if field.kind not in ("text", "flag"):
            yield f"{field.name}>{word}"
            yield f"{field.name}<={word}"


async def filled(market: Market) -> None:
    gateway = market.gateway
    await gateway.submit("offers", offer(), market.provider, "o1")
    await gateway.submit("offers", offer(chip="h800", chips=8, block=True), market.provider, "o2")
    await gateway.submit("demand", demand(), market.enterprise, "d1")
    alternatives = [{"chips_any_of": ["h800"], "zones": ["bj-1"], "limit": 15_000_000}]
    flow = demand(
        shape={"type": "flow", "chips": 4},
        priority="interruptible",
        budget=None,
        alternatives=alternatives,
    )
    await gateway.submit("demand", flow, market.enterprise, "d2")
    await gateway.publish(
        sealed(), allocation(), prices("jingjinji:1", [200, 300], [2, 0]), closed()
    )

    async def made() -> int:
        return int(
            await gateway.pool.fetchval(
                "SELECT count(*) FROM round r, price p WHERE r.closed_at IS NOT NULL"
            )
        )

    await gateway.eventually(made, lambda count: count == 2)


async def test_every_field_of_a_list_filters_it_as_memory_does(market: Market) -> None:
    gateway = market.gateway
    await filled(market)
    for name, path in LISTS.items():
        reply = await gateway.call("GET", path)
        items = reply.json()["items"]
        assert items, name
        asked = [text for field in FIELDS[name] for text in texts_about(field, items)]
        assert len(asked) > len(FIELDS[name])
        for text in asked:
            joint = "&" if "?" in path else "?"
            found = await gateway.call("GET", f"{path}{joint}filter={quote(text)}")
            assert found.status_code == 200, (name, text, found.text)
            one = parse(text, FIELDS[name])
            wanted = [item for item in items if one.matches(item)]
            assert found.json()["items"] == wanted, (name, text)


async def test_a_filter_that_cannot_be_read_is_refused_with_its_column(market: Market) -> None:
    gateway = market.gateway
    for path in ("/v1/offers", "/v1/account/entries", "/v1/policies", "/v1/settlements"):
        reply = await gateway.call(
            "GET", f"{path}?filter={quote('colour=red')}", headers={"Accept-Language": "zh"}
        )
        problem = reply.json()
        assert (reply.status_code, problem["code"]) == (422, "validation.filter")
        assert problem["errors"][0]["field"] == "filter"
        assert "第 1 列" in problem["detail"]
        assert problem["errors"][0]["value"] == "colour (column 1)"


async def test_pages_of_a_filtered_list_go_on_where_they_ended_while_it_grows(
    market: Market,
) -> None:
    gateway = market.gateway
    for number in range(6):
        chips = 8 if number % 2 else 16
        await gateway.submit("offers", offer(chips=chips), market.provider, f"n{number}")
    path = f"/v1/offers?limit=1&filter={quote('chips=8')}"
    first = (await gateway.call("GET", path, key=market.provider)).json()
    await gateway.submit("offers", offer(chips=8), market.provider, "late")
    second = (
        await gateway.call("GET", f"{path}&cursor={first['next_cursor']}", key=market.provider)
    ).json()
    third = (
        await gateway.call("GET", f"{path}&cursor={second['next_cursor']}", key=market.provider)
    ).json()
    seen = [page["items"][0]["order_id"] for page in (first, second, third)]
    assert len(set(seen)) == 3
    assert third["next_cursor"] is None
