"""The app on ports in memory: retries, deliveries, pages, health, the API's description."""

from __future__ import annotations

import base64
import copy
import itertools
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas.api import AllocationView
from schemas.codec import decode, encode
from schemas.events import AllocatedPeriod
from schemas.orders import OfferTerms
from schemas.types import Role
from services.gateway.adapters.http import examples
from services.gateway.adapters.http.context import Paging, page
from services.gateway.adapters.http.server import openapi
from services.gateway.app.keys import hash_key
from services.gateway.ports import Principal
from tests.unit.gateway.bad_inputs import demand, offer
from tests.unit.gateway.memory import KEYS, NOW, MemoryGateway

ROOT = Path(__file__).parents[3]
ALLOCATION_ID = "al_" + "a" * 26


def headers(role: Role, key: str = "k1") -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[role]}", "Idempotency-Key": key}


async def test_a_silent_log_is_503_and_the_same_key_succeeds_later() -> None:
    gateway = MemoryGateway()
    gateway.log.down = True
    async with gateway.http() as http:
        reply = await http.post("/v1/offers", json=offer(), headers=headers(Role.PROVIDER))
        assert (reply.status_code, reply.json()["code"]) == (503, "log_unavailable")
        assert reply.headers["retry-after"] == "1"
        gateway.log.down = False
        again = await http.post("/v1/offers", json=offer(), headers=headers(Role.PROVIDER))
    assert again.status_code == 202


async def test_two_participants_may_use_the_same_key() -> None:
    gateway = MemoryGateway()
    gateway.directory.principals[hash_key("sk_second")] = Principal("p2", Role.PROVIDER, "k")
    second = {"Authorization": "Bearer sk_second", "Idempotency-Key": "k1"}
    async with gateway.http() as http:
        one = await http.post("/v1/offers", json=offer(), headers=headers(Role.PROVIDER))
        two = await http.post("/v1/offers", json=offer(), headers=second)
    assert one.json()["order_id"] != two.json()["order_id"]


async def test_what_is_published_can_be_read_back_from_its_bytes() -> None:
    gateway = MemoryGateway()
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    async with gateway.http() as http:
        reply = await http.post(
            "/v1/demand",
            json=demand(),
            headers=headers(Role.ENTERPRISE) | {"traceparent": trace},
        )
    (envelope,) = gateway.log.sent
    _, value, found = encode(envelope)
    assert decode(value, found) == envelope
    assert envelope.occurred_at == NOW
    assert envelope.traceparent.split("-")[1] == "a" * 32
    assert envelope.correlation_id == reply.json()["order_id"]


async def test_a_body_that_fits_but_whose_event_does_not_is_refused() -> None:
    # The event also spells out the rules, which the body leaves to their defaults.
    market = copy.deepcopy(examples.MARKET) | {"latencies": []}
    zones = [f"zone-{number:02}" for number in range(64)]
    market["zones"] = [market["zones"][0] | {"id": zone} for zone in zones]
    for one, other in itertools.combinations(zones, 2):
        market["latencies"].append({"a": one, "b": other, "ms": 10})
        if len(compact(market)) > 64 * 1024:
            market["latencies"].pop()
            break
    body = compact(market)
    assert 64 * 1024 - 100 < len(body) <= 64 * 1024
    async with MemoryGateway().http() as http:
        auth = headers(Role.OPERATOR) | {"Content-Type": "application/json"}
        reply = await http.post("/v1/markets", content=body, headers=auth)
    assert (reply.status_code, reply.json()["code"]) == (413, "validation.too_large")
    assert "as an event" in reply.json()["errors"][0]["allowed"]


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def allocated() -> AllocationView:
    return AllocationView(
        allocation_id=ALLOCATION_ID,
        round_id="jingjinji:1",
        market_id="jingjinji",
        demand_id="dem_" + "a" * 26,
        enterprise_id="enterprise-1",
        offer_id="off_" + "a" * 26,
        provider_id="provider-1",
        pool="bj-1/h800",
        periods=(
            AllocatedPeriod(start="2026-11-24T05:00:00Z", chips=8, price=100),  # type: ignore[arg-type]
            AllocatedPeriod(start="2026-11-24T07:00:00Z", chips=8, price=100),  # type: ignore[arg-type]
        ),
        payment=1600,
        made_at=NOW,
    )


def delivery(*periods: tuple[str, int]) -> dict[str, Any]:
    told = [{"start": f"2026-11-24T{hour}:00:00Z", "chips": chips} for hour, chips in periods]
    return {"allocation_id": ALLOCATION_ID, "periods": told}


@pytest.mark.parametrize(
    ("periods", "status", "code"),
    [
        ([("05", 8)], 202, None),
        ([("05", 0)], 202, None),
        ([("05", 9)], 422, "validation.too_many_chips"),
        ([("06", 1)], 422, "validation.period_unknown"),
        ([("05", 1), ("05", 1)], 422, "validation.period_unknown"),
        ([("07", 1)], 422, "validation.period_not_over"),
    ],
)
async def test_a_delivery_tells_past_periods_of_ones_own_allocation_once(
    periods: list[tuple[str, int]], status: int, code: str | None
) -> None:
    gateway = MemoryGateway()
    gateway.reports.made[ALLOCATION_ID] = allocated()
    async with gateway.http() as http:
        reply = await http.post(
            "/v1/deliveries", json=delivery(*periods), headers=headers(Role.PROVIDER)
        )
    assert (reply.status_code, reply.json().get("code")) == (status, code)


async def test_a_policy_version_follows_the_one_before() -> None:
    body: dict[str, Any] = {
        "policy_id": "share",
        "market_id": "jingjinji",
        "version": 1,
        "rule": {"kind": "price_limits", "cap": 300_000},
        "reason": "Plan of the city.",
    }
    async with MemoryGateway().http() as http:
        auth = headers(Role.REGULATOR)
        assert (await http.post("/v1/policies", json=body, headers=auth)).status_code == 202
        again = await http.post("/v1/policies", json=body, headers=auth)
        assert (again.status_code, again.json()["errors"][0]["allowed"]) == (409, "2")
        later = await http.post("/v1/policies", json=body | {"version": 2}, headers=auth)
        assert later.status_code == 202


@pytest.mark.parametrize(
    "cursor", ["x", "W10", "WzFd=", "WyJhIl0", "WzEsMl0", "bnVsbA", "W3RydWVd"]
)
async def test_a_cursor_that_no_list_gave_out_is_refused(cursor: str) -> None:
    async with MemoryGateway().http() as http:
        reply = await http.get(f"/v1/offers?cursor={cursor}", headers=headers(Role.PROVIDER))
    if cursor == "WzFd=":
        # [1]: a well-formed place in this list, though nothing stands there.
        assert reply.status_code == 200
    else:
        assert (reply.status_code, reply.json()["code"]) == (422, "validation.cursor")


@pytest.mark.parametrize("limit", ["0", "501", "-1", "many"])
async def test_a_page_has_1_to_500_items(limit: str) -> None:
    async with MemoryGateway().http() as http:
        reply = await http.get(f"/v1/offers?limit={limit}", headers=headers(Role.PROVIDER))
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "limit")


def test_csv_disarms_what_a_spreadsheet_would_run() -> None:
    terms = OfferTerms.model_validate(examples.OFFER_TERMS)
    reply = page(
        Paging(10, None, as_csv=True), [terms.model_copy(update={"zone": "=1+1"})], None, "x"
    )
    assert "'=1+1" in bytes(reply.body).decode()


async def test_the_book_counts_a_demand_in_every_pool_that_it_may_use() -> None:
    gateway = MemoryGateway()
    async with gateway.http() as http:
        for number, ask in enumerate((9_500_000, 9_000_000)):
            auth = headers(Role.PROVIDER, f"k{number}")
            await http.post("/v1/offers", json=offer(ask=ask), headers=auth)
        await http.post("/v1/demand", json=demand(), headers=headers(Role.ENTERPRISE))
        book = (await http.get("/v1/book?market_id=jingjinji")).json()
        gateway.orders.views.clear()
        later = (await http.get("/v1/book?market_id=jingjinji")).json()
    pools = {pool["pool"]: pool for pool in book["pools"]}
    assert (book["offers"], book["demands"], book["demands_waiting"]) == (2, 1, 1)
    asks = [level["price"] for level in pools["bj-1/ascend-910b"]["asks"]]
    assert asks == [9_000_000, 9_500_000]
    assert {name: pools[name]["demands"] for name in pools} == {
        "bj-1/ascend-910b": 1,
        "bj-1/h800": 1,
        "zjk-1/ascend-910b": 0,
        "zjk-1/h800": 1,
    }
    assert (later["offers"], later["demands"]) == (0, 0)


async def test_readyz_is_503_while_a_part_is_not_ready() -> None:
    gateway = MemoryGateway(parts={"kafka": True, "projection": False})
    async with gateway.http() as http:
        reply = await http.get("/readyz")
    assert (reply.status_code, reply.json()["checks"]["projection"]) == (503, False)


async def test_an_unforeseen_error_gives_an_incident_and_no_traceback() -> None:
    gateway = MemoryGateway()
    gateway.reports.made = None  # type: ignore[assignment] # breaks the reply
    async with gateway.http() as http:
        reply = await http.get("/v1/allocations", headers=headers(Role.PROVIDER))
    problem = reply.json()
    assert (reply.status_code, problem["code"]) == (500, "internal")
    assert problem["incident"].startswith("inc_")
    assert "NoneType" not in reply.text


async def test_an_unknown_path_and_method_are_problems_too() -> None:
    async with MemoryGateway().http() as http:
        lost = await http.get("/v1/nothing")
        wrong = await http.patch("/v1/offers", json={})
    assert (lost.status_code, lost.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    # All that the path has, each by an operation of its own.
    assert wrong.headers["allow"] == wrong.json()["errors"][0]["allowed"] == "GET, POST"
    assert "仅支持" in wrong.json()["detail_zh"]


async def test_the_page_of_the_api_loads_nothing_from_elsewhere() -> None:
    async with MemoryGateway().http() as http:
        reply = await http.get("/docs")
    assert "http://" not in reply.text
    assert "https://" not in reply.text
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_every_operation_is_described_with_its_refusals() -> None:
    described = openapi()
    assert described["openapi"].startswith("3.1")
    names = set()
    for path, item in described["paths"].items():
        for operation in item.values():
            names.add(operation["operationId"])
            assert operation["description"], path
            assert "application/problem+json" in operation["responses"]["4XX"]["content"]
    assert {"submit_offer", "submit_demands", "get_round_file", "list_prices"} <= names
    text = json.dumps(described)
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in described["components"]["schemas"], reference


def test_every_body_has_an_example() -> None:
    for item in openapi()["paths"].values():
        for operation in item.values():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                assert content["application/json"]["schema"]["examples"], operation["operationId"]


def test_every_reply_has_an_example_that_its_schema_takes() -> None:
    described = openapi()
    # Files, which pages of their own describe.
    bytes_alone = {"get_round_file", "get_export", "get_bundle", "get_tile"}
    bytes_alone |= {"get_checkpoint", "get_proof"}
    for operation in (item for path in described["paths"].values() for item in path.values()):
        name = operation["operationId"]
        told = {
            media: content
            for status, reply in operation["responses"].items()
            if status.startswith("2")
            for media, content in reply.get("content", {}).items()
        }
        for media, content in told.items():
            assert ("example" in content) != (name in bytes_alone), (name, media)
            if "example" in content and "json" in media:
                schema = {**content["schema"], "components": described["components"]}
                jsonschema.Draft202012Validator(schema).validate(content["example"])


def test_the_reference_page_tells_of_every_path() -> None:
    page_text = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    missing = [path for path in openapi()["paths"] if f"{path}`" not in page_text]
    assert missing == []


def test_the_reference_page_tells_of_every_code_of_the_gateway() -> None:
    page_text = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    raised = re.compile(r'Error\(\s*"([a-z_.]+)"')
    found = {
        code
        for path in (ROOT / "services" / "gateway").rglob("*.py")
        for code in raised.findall(path.read_text(encoding="utf-8"))
    }
    # The page names the validation codes as a family.
    named = {code for code in found if not code.startswith("validation.")}
    assert len(named) > 10
    assert [code for code in sorted(named) if f"`{code}`" not in page_text] == []


async def test_a_cursor_that_postgres_could_not_look_for_is_refused() -> None:
    for text in (rb'["\ud800"]', rb'["\u0000"]'):
        cursor = base64.urlsafe_b64encode(text).decode().rstrip("=")
        async with MemoryGateway().http() as http:
            reply = await http.get(f"/v1/markets?cursor={cursor}")
        assert (reply.status_code, reply.json()["code"]) == (422, "validation.cursor")
