"""An operator leaves an order out between its receipt and the seal: what it gave out proves it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from services.kit.clock import ManualClock
from suanli.check_receipt import Finding, is_manifest_signed_by, is_signed_by, judged, taken_in
from tests.conftest import Stack
from tests.integration.gateway.conftest import NOW, Gateway, Market, offer
from tests.integration.matching.desk import open_process, settings_for, settled

Json = dict[str, Any]


async def found_by_its_owner(gateway: Gateway, receipt: Json, key: str) -> Finding:
    """Return what an owner finds with its receipt and what is published."""
    listed = (await gateway.call("GET", "/v1/rounds?market_id=jingjinji", key=key)).json()["items"]
    found = taken_in(receipt, listed)
    if found.state != "taken":
        return found
    files = [
        await gateway.call("GET", f"/v1/rounds/{item['round_id']}/file") for item in listed[::-1]
    ]
    steps = (await gateway.call("GET", f"/v1/orders/{receipt['order_id']}/life", key=key)).json()
    caused = [step for step in steps["items"] if step["causation_id"] == receipt["event_id"]]
    books = [json.loads(file.text)["book"] for file in files]
    return judged(receipt, found, books, caused[0] if caused else {})


async def whole(gateway: Gateway, count: int) -> None:
    """Wait until the gateway shows so many rounds with their files."""

    async def look() -> int:
        listed = (await gateway.call("GET", "/v1/rounds?market_id=jingjinji")).json()["items"]
        return sum(item["file"]["state"] == "ok" for item in listed)

    await gateway.eventually(look, lambda found: found == count, within_s=30)


async def test_an_order_that_is_skipped_or_deleted_before_the_seal_is_found_missing(
    market: Market, stack: Stack, topics: str, schema_prefix: str
) -> None:
    gateway = market.gateway
    settings = settings_for(stack, topics, schema_prefix, matching_market="jingjinji")
    honest, deleted, skipped = [
        (await gateway.submit("offers", offer(), market.provider, name)).json()
        for name in ("honest", "deleted", "skipped")
    ]
    public = (await gateway.call("GET", "/v1/receipt-key")).json()["public_key"]
    assert all(is_signed_by(receipt, public) for receipt in (honest, deleted, skipped))
    clock = ManualClock(NOW)
    schema = settings.schema_of("matching")
    async with open_process(settings, clock) as matching:
        matching._batch_records = 1
        # It reads two of the three offers.
        await settled(matching, least=2)
    await gateway.pool.execute(
        f"DELETE FROM {schema}.orders WHERE order_id = $1",  # noqa: S608
        deleted["order_id"],
    )
    moved = await gateway.pool.execute(
        f"UPDATE {schema}.consumer_offset SET next_offset = 3 "  # noqa: S608
        "WHERE topic = 'offers' AND next_offset = 2"
    )
    assert moved == "UPDATE 1"
    async with open_process(settings, clock) as matching:
        clock.advance(timedelta(minutes=15))
        await matching.run_round()
        await whole(gateway, 1)
    states = {
        receipt["order_id"]: await found_by_its_owner(gateway, receipt, market.provider)
        for receipt in (honest, deleted, skipped)
    }
    assert [found.state for found in states.values()] == ["taken", "taken", "omitted"]
    assert {found.round_id for found in states.values()} == {"jingjinji:1"}
    # Nobody has to believe the manifest that says so.
    (item,) = (await gateway.call("GET", "/v1/rounds?market_id=jingjinji")).json()["items"]
    assert is_manifest_signed_by(item, public)
    assert not is_manifest_signed_by(item | {"manifest": item["manifest"][1:]}, public)
    assert (await gateway.call("GET", "/v1/rounds/jingjinji:1")).json() == item
    # The deleted one had a verdict; the log alone says that the book should have had it.
    then = await gateway.call(
        "GET", "/v1/book/at?market_id=jingjinji&round=1", key=market.regulator
    )
    view = then.json()
    assert view["book_digest"] != view["sealed_digest"]
    assert {item["order_id"] for item in view["orders"] if item["in_book"]} >= {
        deleted["order_id"],
        skipped["order_id"],
    }
