"""Selling on over the API: who may offer what, before anything is written to the log."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events import AllocatedPeriod, OfferSubmitted
from schemas.types import Role
from tests.unit.gateway.bad_inputs import offer
from tests.unit.gateway.memory import MemoryGateway
from tests.unit.gateway.test_app import ALLOCATION_ID, allocated, headers

WINDOW = {"start": "2026-11-24T08:00:00Z", "end": "2026-11-24T09:00:00Z"}
BOUGHT = AllocatedPeriod(start="2026-11-24T08:00:00Z", chips=8, price=100)  # type: ignore[arg-type]


def resale(**changes: object) -> dict[str, Any]:
    """Return an offer of the allocation's hour to come."""
    body = offer()
    pool = {"zone": "bj-1", "chip": "h800", "chips": 8}
    own = {"resale_of": ALLOCATION_ID, "mobilisable": False, "mobilisation_price": None}
    body["terms"] = body["terms"] | pool | WINDOW | own | changes
    return body


def gateway_with_purchase() -> MemoryGateway:
    gateway = MemoryGateway()
    gateway.reports.made[ALLOCATION_ID] = allocated().model_copy(update={"periods": (BOUGHT,)})
    return gateway


async def test_an_offer_says_how_many_chips_there_are_where_another_market_trades_too() -> None:
    gateway = gateway_with_purchase()
    view = gateway.markets.views["jingjinji"]
    other = view.market.model_copy(update={"id": "jjj-ahead"})
    gateway.markets.views["jjj-ahead"] = view.model_copy(update={"market": other})
    mine = headers(Role.PROVIDER)
    stated = offer() | {"terms": offer()["terms"] | {"capacity_chips": 2_000}}
    async with gateway.http() as http:
        refused = await http.post("/v1/offers", json=offer(), headers=mine)
        dry = await http.post("/v1/offers?dry_run=true", json=offer(), headers=mine)
        taken = await http.post("/v1/offers", json=stated, headers=mine)
        resold = await http.post("/v1/offers", json=resale(), headers=headers(Role.ENTERPRISE))
    for reply in (refused, dry):
        assert (reply.status_code, reply.json()["code"]) == (422, "validation.capacity_chips")
        fault = reply.json()["errors"][0]
        assert (fault["field"], fault["value"]) == ("terms.capacity_chips", "null")
        assert "jjj-ahead trades there, too" in str(reply.json())
        assert "jjj-ahead 也交易" in str(reply.json())
    assert [taken.status_code, resold.status_code] == [202, 202]


async def test_an_enterprise_offers_what_it_bought_and_may_withdraw_it() -> None:
    gateway, mine = gateway_with_purchase(), headers(Role.ENTERPRISE)
    async with gateway.http() as http:
        reply = await http.post("/v1/offers", json=resale(), headers=mine)
        assert reply.status_code == 202, reply.text
        order_id = reply.json()["order_id"]
        gone = await http.delete(f"/v1/offers/{order_id}", headers=headers(Role.ENTERPRISE, "k2"))
        dry = await http.post("/v1/offers?dry_run=true", json=resale(), headers=mine)
    assert gone.status_code == 202, gone.text
    assert dry.status_code == 200, dry.text
    sent = gateway.log.sent[0].data
    assert isinstance(sent, OfferSubmitted)
    assert (sent.participant_id, sent.terms.resale_of) == ("enterprise-1", ALLOCATION_ID)


@pytest.mark.parametrize(
    ("role", "changes", "status", "field"),
    [
        (Role.ENTERPRISE, {"resale_of": None}, 403, "role"),
        (Role.PROVIDER, {}, 422, "terms.resale_of"),
        (Role.ENTERPRISE, {"resale_of": "al_" + "b" * 26}, 422, "terms.resale_of"),
        (Role.ENTERPRISE, {"chips": 9}, 422, "terms.chips"),
        (Role.ENTERPRISE, {"end": "2026-11-24T10:00:00Z"}, 422, "terms.start, end"),
        (Role.ENTERPRISE, {"capacity_chips": 8}, 422, "terms.capacity_chips"),
    ],
)
async def test_nobody_offers_what_is_not_his(
    role: Role, changes: dict[str, Any], status: int, field: str
) -> None:
    gateway = gateway_with_purchase()
    async with gateway.http() as http:
        reply = await http.post("/v1/offers", json=resale(**changes), headers=headers(role))
    assert reply.status_code == status, reply.text
    assert reply.json()["errors"][0]["field"] == field, reply.text
    assert gateway.log.sent == []


async def test_of_many_offers_of_an_enterprise_those_that_resell_are_taken() -> None:
    gateway = gateway_with_purchase()
    rows = [resale() | {"idempotency_key": "a"}, resale(resale_of=None) | {"idempotency_key": "b"}]
    async with gateway.http() as http:
        reply = await http.post("/v1/offers:bulk", json=rows, headers=headers(Role.ENTERPRISE))
    found = reply.json()["results"]
    assert [("receipt" in one and one["receipt"] is not None) for one in found] == [True, False]


async def test_another_ones_allocation_is_not_sold_on() -> None:
    gateway = gateway_with_purchase()
    made = gateway.reports.made[ALLOCATION_ID]
    gateway.reports.made[ALLOCATION_ID] = made.model_copy(update={"enterprise_id": "other"})
    async with gateway.http() as http:
        reply = await http.post("/v1/offers", json=resale(), headers=headers(Role.ENTERPRISE))
    assert (reply.status_code, reply.json()["code"]) == (422, "validation.resale")
