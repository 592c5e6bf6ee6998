"""Submitting, reading, amending and cancelling over real Kafka and Postgres."""

from __future__ import annotations

import asyncio
import base64
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.events import HoldCaptured, HoldPlaced, OrderStatusChanged, Reason
from schemas.types import OrderState, Side
from tests.integration.gateway.conftest import Gateway, Json, Market, demand, offer

REASON = Reason(code="in_book", en="In the book.", zh="已入簿。")


def status_of(receipt: dict[str, str], **changes: object) -> OrderStatusChanged:
    fields: dict[str, object] = {
        "order_id": receipt["order_id"],
        "market_id": "jingjinji",
        "participant_id": receipt["participant_id"],
        "side": Side.OFFER if receipt["order_id"].startswith("off_") else Side.DEMAND,
        "version": 1,
        "state": OrderState.OPEN,
        "reason": REASON,
        "sequence": 1,
    }
    return OrderStatusChanged(**(fields | changes))  # type: ignore[arg-type]


async def test_an_offer_is_readable_right_after_its_receipt(market: Market) -> None:
    sent = await market.gateway.submit("offers", offer(), market.provider, "k1")
    assert sent.status_code == 202, sent.text
    receipt = sent.json()
    read = await market.gateway.call(
        "GET", f"/v1/offers/{receipt['order_id']}", key=market.provider
    )
    assert read.status_code == 200
    view = read.json()
    assert (view["state"], view["version"], view["offset"]) == ("accepted", 1, receipt["offset"])
    assert view["terms"]["ask"] == offer()["terms"]["ask"]


async def test_a_receipt_is_signed_over_its_canonical_json(market: Market) -> None:
    receipt = (await market.gateway.submit("offers", offer(), market.provider, "k1")).json()
    told = (await market.gateway.call("GET", "/v1/receipt-key")).json()
    assert told["key_id"] == receipt["key_id"]
    signature = base64.b64decode(receipt.pop("signature"))
    message = json.dumps(receipt, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(told["public_key"]))
    public.verify(signature, message.encode())


async def test_a_demand_shows_states_and_holds_that_others_publish(market: Market) -> None:
    gateway = market.gateway
    receipt = (await gateway.submit("demand", demand(), market.enterprise, "k1")).json()
    await gateway.publish(status_of(receipt), status_of(receipt, sequence=0, state="accepted"))
    path = f"/v1/demand/{receipt['order_id']}"

    async def look() -> dict[str, object]:
        return dict((await gateway.call("GET", path, key=market.enterprise)).json())

    view = await gateway.eventually(look, lambda found: found["state"] == "open")
    assert view["reason"]["zh"] == "已入簿。"

    async def kinds() -> list[str]:
        about = f"/v1/orders/{receipt['order_id']}/history"
        reply = await gateway.call("GET", about, key=market.enterprise)
        return [item["kind"] for item in reply.json()["items"]]

    found = await gateway.eventually(kinds, lambda seen: len(seen) == 3)
    assert found == ["submitted", "status", "status"]
    late = (await gateway.call("GET", path, key=market.enterprise)).json()
    assert late["state"] == "open", "an earlier status that comes later changes nothing"


async def test_a_status_read_before_its_submission_is_kept(gateway: Gateway) -> None:
    # The two are on different topics, so a rebuild may read them in this order.
    order_id = "off_" + "a" * 26
    await gateway.publish(
        status_of({"order_id": order_id, "participant_id": "p"}, state=OrderState.FILLED)
    )

    async def look() -> object:
        return await gateway.pool.fetchval("SELECT state FROM orders WHERE order_id = $1", order_id)

    assert await gateway.eventually(look, lambda found: found == "filled") == "filled"
    assert (await gateway.call("GET", f"/v1/offers/{order_id}")).status_code == 404


async def test_what_is_told_of_one_order_at_once_counts_in_its_order(gateway: Gateway) -> None:
    order_id = "dem_" + "a" * 26
    whose = {"order_id": order_id, "market_id": "m", "participant_id": "p", "hold_id": "h"}
    taken = {"round_id": "m:1", "captured": 60, "refunded": 0}
    told = {"order_id": order_id, "participant_id": "p"}
    await gateway.publish(
        HoldPlaced(version=1, amount=100, **whose),  # type: ignore[arg-type]
        HoldPlaced(version=2, amount=90, **whose),  # type: ignore[arg-type]
        HoldCaptured(kept=30, **taken, **whose),  # type: ignore[arg-type]
        *(
            status_of(told, version=version, sequence=at + 1, state=OrderState(state))
            for at, (version, state) in enumerate([(1, "accepted"), (2, "open"), (2, "filled")])
        ),
    )

    async def look() -> tuple[object, ...]:
        row = await gateway.pool.fetchrow(
            "SELECT hold_state, hold_version, hold_amount, state, version, status_sequence"
            " FROM orders WHERE order_id = $1",
            order_id,
        )
        return () if row is None else tuple(row)

    wanted = ("placed", 2, 30, "filled", 2, 3)
    assert await gateway.eventually(look, lambda found: found == wanted) == wanted


async def test_what_a_request_showed_is_not_shown_again_by_the_reader(market: Market) -> None:
    gateway = market.gateway
    ends: dict[tuple[str, int], int] = {}
    for number in range(10):
        reply = await gateway.submit("demand", demand(), market.enterprise, f"k{number}")
        receipt = reply.json()
        ends[receipt["topic"], receipt["partition"]] = receipt["offset"] + 1
        # Whoever shows the order once more puts them back.
        await gateway.pool.execute(
            "DELETE FROM order_terms WHERE order_id = $1", receipt["order_id"]
        )

    async def passed() -> bool:
        rows = await gateway.pool.fetch("SELECT topic, partition, next_offset FROM consumer_offset")
        known = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        return all(known.get(place, 0) >= end for place, end in ends.items())

    await gateway.eventually(passed, bool)
    back = await gateway.pool.fetchval("SELECT count(*) FROM order_terms")
    # One that is read back before its commit was answered is shown twice, which changes nothing.
    assert back <= 5


async def test_amending_shows_the_wish_until_its_version_is_in_force(market: Market) -> None:
    gateway = market.gateway
    receipt = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    path = f"/v1/offers/{receipt['order_id']}"
    body = {"expected_version": 1, "terms": offer(ask=9_000_000)["terms"]}
    amended = await gateway.call("PUT", path, body, key=market.provider)
    assert amended.status_code == 202, amended.text
    view = (await gateway.call("GET", path, key=market.provider)).json()
    assert (view["version"], view["amendment"]["terms"]["ask"]) == (1, 9_000_000)
    await gateway.publish(status_of(receipt, version=2), cause=amended.json()["event_id"])

    async def look() -> dict[str, object]:
        return dict((await gateway.call("GET", path, key=market.provider)).json())

    view = await gateway.eventually(look, lambda found: found["version"] == 2)
    assert (view["terms"]["ask"], view["amendment"]) == (9_000_000, None)
    stale = await gateway.call("PUT", path, body, key=market.provider)
    assert stale.status_code == 409
    assert stale.json()["errors"][0]["allowed"] == "2"


async def test_a_cancelled_order_can_no_longer_be_changed(market: Market) -> None:
    gateway = market.gateway
    receipt = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    path = f"/v1/offers/{receipt['order_id']}"
    assert (await gateway.call("DELETE", path, key=market.provider)).status_code == 202
    view = (await gateway.call("GET", path, key=market.provider)).json()
    assert view["cancel_requested_at"] is not None
    await gateway.publish(status_of(receipt, state=OrderState.CANCELLED))

    async def look() -> dict[str, object]:
        return dict((await gateway.call("GET", path, key=market.provider)).json())

    await gateway.eventually(look, lambda found: found["state"] == "cancelled")
    again = await gateway.call("DELETE", path, key=market.provider)
    assert (again.status_code, again.json()["code"]) == (409, "order_final")


async def test_100_parallel_equal_posts_have_one_effect_and_equal_replies(market: Market) -> None:
    gateway = market.gateway
    replies = await asyncio.gather(
        *(gateway.submit("offers", offer(), market.provider, "same") for _ in range(100))
    )
    assert {reply.status_code for reply in replies} == {202}
    assert len({reply.text for reply in replies}) == 1
    rows = await gateway.pool.fetch("SELECT order_id FROM orders")
    assert len(rows) == 1


async def test_the_same_key_with_another_body_names_the_differing_fields(market: Market) -> None:
    gateway = market.gateway
    await gateway.submit("offers", offer(), market.provider, "k1")
    reply = await gateway.submit("offers", offer(ask=9_000_000), market.provider, "k1")
    assert (reply.status_code, reply.json()["code"]) == (422, "idempotency_key_reused")
    (fault,) = reply.json()["errors"]
    assert (fault["field"], fault["value"], fault["allowed"]) == ("terms.ask", "9000000", "9500000")


async def test_a_key_is_free_again_after_a_refusal(market: Market) -> None:
    gateway = market.gateway
    refused = await gateway.submit("offers", offer(ask=9_500_001), market.provider, "k1")
    assert (refused.status_code, refused.json()["code"]) == (422, "validation.off_tick")
    assert (await gateway.submit("offers", offer(), market.provider, "k1")).status_code == 202


async def test_a_reply_is_repeated_even_after_the_window_has_passed(market: Market) -> None:
    gateway = market.gateway
    first = await gateway.submit("offers", offer(), market.provider, "k1")
    gateway.clock.set(gateway.clock.now().replace(year=2027))
    again = await gateway.submit("offers", offer(), market.provider, "k1")
    assert again.text == first.text
    late = await gateway.submit("offers", offer(), market.provider, "k2")
    assert (late.status_code, late.json()["code"]) == (422, "validation.window_past")


async def test_abandoned_claims_are_taken_over_by_the_next_try_of_each(market: Market) -> None:
    """Orders of one moment go together; a gateway that dies leaves each as if it had been alone."""
    gateway = market.gateway

    async def eight() -> list[Json]:
        wanted = [(offer(), f"k{number}") for number in range(8)]
        replies = await asyncio.gather(
            *(gateway.submit("offers", body, market.provider, key) for body, key in wanted)
        )
        assert {reply.status_code for reply in replies} == {202}
        return [reply.json() for reply in replies]

    first = await eight()
    # What a gateway leaves that dies between the acknowledgement and the stored replies.
    await gateway.pool.execute(
        "UPDATE idempotency SET reply = NULL, claimed_at = now() - interval '19.5 seconds'"
    )
    again = await eight()
    for name in ("order_id", "event_id", "sha256"):
        assert [one[name] for one in again] == [one[name] for one in first]
    places = {one["offset"] for one in (*first, *again)}
    assert len(places) == 16
    assert min(one["offset"] for one in again) > max(one["offset"] for one in first)
    assert await gateway.pool.fetchval("SELECT count(*) FROM orders") == 8


async def abandon(gateway: Gateway) -> None:
    """Leave what a gateway leaves that dies before it stores its replies."""
    await gateway.pool.execute("UPDATE idempotency SET reply = NULL, claimed_at = 'epoch'")


async def test_an_order_on_the_log_is_not_refused_when_its_reply_was_lost(market: Market) -> None:
    gateway = market.gateway
    first = await gateway.submit("offers", offer(), market.provider, "k1")
    await abandon(gateway)
    gateway.clock.set(gateway.clock.now().replace(year=2027))
    again = await gateway.submit("offers", offer(), market.provider, "k1")
    assert again.status_code == 202, again.text
    assert again.json()["event_id"] == first.json()["event_id"]


async def test_a_change_on_the_log_is_not_refused_when_its_reply_was_lost(market: Market) -> None:
    gateway = market.gateway
    receipt = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    path = f"/v1/offers/{receipt['order_id']}"
    body = {"expected_version": 1, "terms": offer(ask=9_000_000)["terms"]}
    headers = {"Idempotency-Key": "k2"}
    first = await gateway.call("PUT", path, body, key=market.provider, headers=headers)
    cause = first.json()["event_id"]
    await gateway.publish(status_of(receipt, version=2), cause=cause)

    async def version() -> int:
        return int((await gateway.call("GET", path, key=market.provider)).json()["version"])

    await gateway.eventually(version, lambda found: found == 2)
    await abandon(gateway)
    again = await gateway.call("PUT", path, body, key=market.provider, headers=headers)
    assert again.status_code == 202, again.text
    assert again.json()["event_id"] == cause
    other = await gateway.call("PUT", path, body, key=market.provider)
    assert (other.status_code, other.json()["code"]) == (409, "stale_version")


async def test_a_deadlock_with_a_request_costs_the_reader_one_try(market: Market) -> None:
    gateway = market.gateway
    sent = [(await gateway.submit("offers", offer(), market.provider, k)).json() for k in "ab"]
    ids = [receipt["order_id"] for receipt in sent]
    lock = "SELECT 1 FROM orders WHERE order_id = $1 FOR UPDATE"
    blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with gateway.pool.acquire() as request:
        transaction = request.transaction()
        await transaction.start()
        await request.execute(lock, ids[1])
        await gateway.publish(*map(status_of, sent))
        await gateway.eventually(lambda: gateway.pool.fetchval(blocked), lambda found: found > 0)
        # The reader, which holds the first order by now, waited first and is the one to give up.
        await request.execute(lock, ids[0])
        await transaction.rollback()

    async def states() -> set[str]:
        found = await gateway.pool.fetch("SELECT state FROM orders")
        return {row["state"] for row in found}

    assert await gateway.eventually(states, lambda found: found == {"open"}) == {"open"}


async def test_bulk_gives_each_item_its_verdict(market: Market) -> None:
    gateway = market.gateway
    items = [offer() | {"idempotency_key": f"b{number}"} for number in range(4)]
    items[1]["terms"]["chip"] = "abacus"
    items[2]["terms"]["chips"] = "many"
    items.append(items[0])
    reply = await gateway.call("POST", "/v1/offers:bulk", items, key=market.provider)
    assert reply.status_code == 202, reply.text
    told = reply.json()
    assert (told["accepted"], told["refused"]) == (3, 2)
    results = told["results"]
    assert results[0]["receipt"] == results[4]["receipt"]
    assert results[1]["problem"]["errors"][0]["field"] == "terms.chip"
    assert results[2]["problem"]["errors"][0]["field"] == "items.2.terms.chips"
    assert results[3]["receipt"]["offset"] == results[0]["receipt"]["offset"] + 1


async def test_lists_are_paged_without_gap_or_repeat_and_filtered(market: Market) -> None:
    gateway = market.gateway
    items = [offer() | {"idempotency_key": f"b{number}"} for number in range(7)]
    await gateway.call("POST", "/v1/offers:bulk", items, key=market.provider)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        told = (await gateway.call("GET", "/v1/offers", key=market.provider, params=params)).json()
        seen += [item["order_id"] for item in told["items"]]
        cursor = told["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7
    filled = await gateway.call("GET", "/v1/offers?state=filled", key=market.provider)
    assert filled.json()["items"] == []
    as_csv = await gateway.call(
        "GET", "/v1/offers", key=market.provider, headers={"Accept": "text/csv"}
    )
    assert as_csv.headers["content-type"].startswith("text/csv")
    assert len(as_csv.text.strip().split("\r\n")) == 8
    assert "terms.ask" in as_csv.text.split("\r\n", maxsplit=1)[0]
