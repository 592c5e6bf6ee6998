"""The life of an order as the API tells it, from what other services published."""

from __future__ import annotations

import json

from schemas import events
from schemas.transparency import JournalEntrySalted
from schemas.types import OrderState
from tests.integration.gateway.conftest import NOW, Gateway, Json, Market, demand, offer
from tests.integration.gateway.test_orders import REASON, status_of

HOUR = "2026-11-24T09:00:00Z"


async def filled(gateway: Gateway, need: dict[str, str], supply: dict[str, str]) -> None:
    """Publish what other services say of a demand that one round fills."""
    common = {"order_id": need["order_id"], "market_id": "jingjinji"}
    owner = {"participant_id": need["participant_id"]}
    held = events.HoldPlaced(hold_id="h", version=1, amount=900, **common, **owner)  # type: ignore[arg-type]
    await gateway.publish(held, journal(need, 900), cause=need["event_id"])
    await gateway.publish(status_of(need, chip_hours_left=2), cause=need["event_id"])
    part = {"round_id": "jingjinji:1", "market_id": "jingjinji"}
    made = events.AllocationMade.model_validate(
        part
        | {"allocation_id": "al_" + "a" * 26, "index": 0, "alternative": 0, "payment": 600}
        | {"demand_id": need["order_id"], "enterprise_id": "enterprise-1", "demand_version": 1}
        | {"offer_id": supply["order_id"], "provider_id": "provider-1", "offer_version": 1}
        | {"pool": "bj/a", "periods": [{"start": HOUR, "chips": 2, "price": 300}]}
    )
    closed = events.RoundClosed.model_validate(
        part
        | {"seq": 1, "count": 1, "digest": "0" * 64, "market_time": NOW, "fee_ppm": 0}
        | {"offers_through": []}
    )
    done = {"sequence": 2, "state": OrderState.FILLED, "round_id": "jingjinji:1"}
    await gateway.publish(
        made,
        closed,
        status_of(need, **done, chip_hours_allocated=2),
        status_of(supply, **done, chip_hours_allocated=2),
    )


def journal(need: dict[str, str], amount: int) -> JournalEntrySalted:
    account = f"cny:{need['participant_id']}"
    sides = [(account, amount), ("escrow:jingjinji", -amount)]
    postings = [
        {"account": name, "layer": "pending", "amount": value, "balance_after": value}
        for name, value in sides
    ]
    return JournalEntrySalted.model_validate(
        {"entry_id": "e-1", "kind": "hold", "purpose": "hold_placed", "unit": "CNY-micro"}
        | {"order_id": need["order_id"], "amount": amount, "postings": postings}
        | {"leaf_index": 0, "cause": need["event_id"], "salt": "ab" * 32}
    )


def captured(need: dict[str, str], held: int, taken: int) -> JournalEntrySalted:
    account = f"cny:{need['participant_id']}"
    lines = [(account, "pending", -held), ("escrow:jingjinji", "pending", held)]
    lines += [(account, "posted", taken), ("escrow:jingjinji", "posted", -taken)]
    postings = [
        {"account": name, "layer": layer, "amount": value, "balance_after": value}
        for name, layer, value in lines
    ]
    return JournalEntrySalted.model_validate(
        {"entry_id": "e-2", "kind": "post", "purpose": "hold_captured", "unit": "CNY-micro"}
        | {"order_id": need["order_id"], "amount": taken, "postings": postings}
        | {"round_id": "jingjinji:1", "leaf_index": 1, "cause": "c", "salt": "cd" * 32}
    )


async def life(gateway: Gateway, order_id: str, key: str, least: int) -> list[Json]:
    async def look() -> list[Json]:
        reply = await gateway.call("GET", f"/v1/orders/{order_id}/life", key=key)
        assert reply.status_code == 200, reply.text
        return list(reply.json()["items"])

    return list(await gateway.eventually(look, lambda found: len(found) >= least))


async def test_a_life_is_told_whole_in_sequence_and_linked(market: Market) -> None:
    gateway = market.gateway
    supply = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    need = (await gateway.submit("demand", demand(), market.enterprise, "k2")).json()
    await filled(gateway, need, supply)
    steps = await life(gateway, need["order_id"], market.enterprise, 6)
    assert [step["step"] for step in steps] == [1, 2, 3, 4, 5, 6]
    assert sorted(step["kind"] for step in steps) == sorted(
        ("submitted", "hold_placed", "booked", "status", "allocated", "status")
    )
    first, last = steps[0], steps[-1]
    assert (first["kind"], first["code"], first["event_id"]) == (
        "submitted",
        "NEWO",
        need["event_id"],
    )
    assert first["place"] == {
        "topic": "demand",
        "partition": need["partition"],
        "offset": need["offset"],
    }
    by_kind = {step["kind"]: step for step in steps}
    assert by_kind["hold_placed"]["causation_id"] == need["event_id"]
    assert (by_kind["booked"]["leaf_index"], by_kind["booked"]["causation_id"]) == (
        0,
        need["event_id"],
    )
    assert by_kind["allocated"]["counter_order_id"] == supply["order_id"]
    assert (by_kind["allocated"]["chip_hours"], by_kind["allocated"]["chip_hours_left"]) == (2, 0)
    assert (last["code"], last["state"], last["held"]) == ("FILL", "filled", 900)
    # What a round takes of a hold is what it books, not the hold that it gives back for it.
    await gateway.publish(captured(need, 900, 600))
    steps = await life(gateway, need["order_id"], market.enterprise, 7)
    booked = [step for step in steps if step["kind"] == "booked"]
    assert [(step["purpose"], step["amount"]) for step in booked] == [
        ("hold_placed", 900),
        ("hold_captured", 600),
    ]


async def test_a_life_is_shown_to_its_owner_and_to_those_who_see_all(market: Market) -> None:
    gateway = market.gateway
    order_id = (await gateway.submit("offers", offer(), market.provider, "k1")).json()["order_id"]
    path = f"/v1/orders/{order_id}/life"
    seen = {
        key: (await gateway.call("GET", path, key=key)).status_code
        for key in (market.provider, market.regulator, market.enterprise)
    }
    assert [*seen.values()] == [200, 200, 404]
    unknown = await gateway.call("GET", "/v1/orders/off_" + "b" * 26 + "/life")
    assert unknown.status_code == 404


async def test_a_life_that_matching_refused_is_told_too(market: Market) -> None:
    gateway = market.gateway
    sent = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    refused = status_of(sent, state=OrderState.REJECTED, reason=REASON)
    await gateway.publish(refused, cause=sent["event_id"])
    steps = await life(gateway, sent["order_id"], market.regulator, 2)
    assert [step["code"] for step in steps] == ["NEWO", "REMO"]
    assert steps[1]["causation_id"] == sent["event_id"]


async def test_a_life_is_exported_as_lines_and_as_csv_page_by_page(market: Market) -> None:
    gateway = market.gateway
    supply = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    need = (await gateway.submit("demand", demand(), market.enterprise, "k2")).json()
    await filled(gateway, need, supply)
    whole = await life(gateway, need["order_id"], market.regulator, 6)
    path = f"/v1/orders/{need['order_id']}/life"
    lines = await gateway.call("GET", path, headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line) for line in lines.text.splitlines()] == whole
    table = await gateway.call("GET", f"{path}?limit=4", headers={"Accept": "text/csv"})
    assert len(table.text.splitlines()) == 5
    assert 'rel="next"' in table.headers["Link"]
    page = (await gateway.call("GET", f"{path}?limit=4")).json()
    rest = (await gateway.call("GET", f"{path}?limit=4&cursor={page['next_cursor']}")).json()
    assert [*page["items"], *rest["items"]] == whole


async def test_the_book_of_a_moment_is_rebuilt_for_those_who_check(market: Market) -> None:
    gateway = market.gateway
    sent = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    await gateway.publish(status_of(sent), cause=sent["event_id"])
    path = "/v1/book/at?market_id=jingjinji"
    now = NOW.isoformat().replace("+00:00", "Z")

    async def look() -> Json:
        reply = await gateway.call("GET", f"{path}&time={now}", key=market.regulator)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    view = await gateway.eventually(look, lambda found: bool(found["orders"]))
    (order,) = view["orders"]
    assert (order["order_id"], order["state"], order["in_book"]) == (sent["order_id"], "open", True)
    assert order["terms"]["ask"] == offer()["terms"]["ask"]
    assert (view["sealed_digest"], view["differing"]) == (None, [])
    table = await gateway.call("GET", f"{path}&time={now}", headers={"Accept": "text/csv"})
    assert [line.split(",")[0] for line in table.text.splitlines()][1:] == [sent["order_id"]]
    refused = {
        "": (422, "validation.time_or_round"),
        f"&time={now}&round=1": (422, "validation.time_or_round"),
        "&round=7": (404, "not_found"),
        "&round=0": (422, "validation.out_of_range"),
    }
    for query, (status, code) in refused.items():
        reply = await gateway.call("GET", path + query)
        assert reply.status_code == status, reply.text
        assert code in reply.text or status == 422
    own = await gateway.call("GET", f"{path}&time={now}", key=market.provider)
    assert (own.status_code, own.json()["code"]) == (403, "auth.wrong_role")
