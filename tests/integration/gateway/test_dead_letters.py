"""Dead letters on the real log: looked into, sent again once, put aside, and by whom."""

from __future__ import annotations

import asyncio
from typing import Any

from services.gateway.adapters.dead_letters import KafkaSourceTopics
from services.gateway.adapters.kafka import sent
from services.kit.kafka import LogReader, OutRecord
from tests.integration.gateway.conftest import OPERATOR_KEY, Gateway, Market

Json = dict[str, Any]
BAD = b'{"order_id": "\xff'


async def buried(gateway: Gateway, value: bytes = BAD) -> str:
    """Put a record on a topic and its letter among the dead, as a consumer would."""
    headers = (("ce_type", b"suanli.offer.submitted"), ("ce_id", b"x-1"))
    (where,) = await sent(gateway.writer, [OutRecord("offers", b"jingjinji", value, headers)])
    told = {
        "dlq_consumer": "matching",
        "dlq_reason": "bad_json",
        "dlq_field": "body",
        "dlq_value": "broken",
        "dlq_allowed": "JSON",
        "dlq_topic": where.topic,
        "dlq_partition": str(where.partition),
        "dlq_offset": str(where.offset),
        "dlq_bytes": str(len(value)),
    }
    letter = OutRecord(
        "dead-letters", b"k", value, tuple((name, text.encode()) for name, text in told.items())
    )
    (place,) = await sent(gateway.writer, [letter])
    letter_id = f"{place.partition}-{place.offset}"

    async def shown() -> int:
        return (await gateway.call("GET", f"/v1/dead-letters/{letter_id}")).status_code

    await gateway.eventually(shown, lambda status: status == 200)
    return letter_id


async def copies(gateway: Gateway, letter_id: str) -> list[bytes | None]:
    """Return the bodies that were sent again because of a letter."""
    reader = LogReader(gateway.settings, ["offers"])
    await reader.start({})
    found = []
    while await reader.lag():
        found += await reader.read(100, 200)
    await reader.stop()
    mark = ("redriven_from", letter_id.encode())
    return [record.value for record in found if mark in record.headers]


async def test_a_letter_is_looked_into_and_its_record_goes_out_once_whoever_presses(
    market: Market,
) -> None:
    gateway = market.gateway
    letter_id = await buried(gateway)
    path = f"/v1/dead-letters/{letter_id}"
    shown = (await gateway.call("GET", path, key=market.regulator)).json()
    assert shown["letter"]["state"] == "open"
    assert shown["letter"]["consumer"] == "matching"
    assert (shown["key"], shown["text"]) == ("jingjinji", '{"order_id": "\ufffd')
    assert {"name": "ce_id", "value": "x-1"} in shown["headers"]

    replies = await asyncio.gather(*(gateway.call("POST", f"{path}/redrive") for _ in range(3)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["sent_to"] for reply in replies}) == 1
    assert await copies(gateway, letter_id) == [BAD]
    again = (await gateway.call("POST", f"{path}/redrive")).json()
    assert again["state"] == "redriven"
    assert again["sent_to"].startswith("offers/")
    assert await copies(gateway, letter_id) == [BAD]
    refused = await gateway.call("POST", f"{path}/discard", {"reason": "late"})
    assert (refused.status_code, refused.json()["code"]) == (409, "dead_letter.decided")


async def test_a_gateway_that_died_before_the_copy_went_out_sends_it_at_the_next_press(
    gateway: Gateway,
) -> None:
    letter_id = await buried(gateway)
    # What such a gateway leaves behind: the decision, and no note of where the copy went.
    await gateway.pool.execute(
        "INSERT INTO dead_letter_decision SELECT log_partition, log_offset, 'redriven', '', "
        "'operator', now(), NULL FROM dead_letter"
    )
    made = (await gateway.call("POST", f"/v1/dead-letters/{letter_id}/redrive")).json()
    assert made["sent_to"] is not None
    assert await copies(gateway, letter_id) == [BAD]


async def test_a_letter_is_put_aside_with_the_reason_and_is_listed_by_its_state(
    market: Market,
) -> None:
    gateway = market.gateway
    first, second = await buried(gateway), await buried(gateway)
    path = f"/v1/dead-letters/{first}/discard"
    for _ in range(2):
        made = await gateway.call("POST", path, {"reason": "A test of ours"})
        assert made.json()["decided_reason"] == "A test of ours"
    refused = await gateway.call("POST", f"/v1/dead-letters/{first}/redrive")
    assert refused.json()["code"] == "dead_letter.decided"

    async def listed(query: str, key: str = OPERATOR_KEY) -> list[str]:
        reply = await gateway.call("GET", f"/v1/dead-letters?{query}", key=key)
        return [item["letter_id"] for item in reply.json()["items"]]

    assert await listed("") == [second, first]
    assert await listed("state=open") == [second]
    assert await listed("state=discarded&topic=offers", market.regulator) == [first]
    assert await listed("topic=holds") == []
    page = (await gateway.call("GET", "/v1/dead-letters?limit=1")).json()
    rest = await listed(f"limit=1&cursor={page['next_cursor']}")
    assert rest == [first]
    table = await gateway.call("GET", "/v1/dead-letters", headers={"Accept": "text/csv"})
    assert "A test of ours" in table.text


async def test_a_record_that_its_topic_no_longer_holds_is_told_so_and_stays_open(
    gateway: Gateway,
) -> None:
    letter_id = await buried(gateway)
    await gateway.pool.execute("UPDATE dead_letter SET source_offset = 999999")
    shown = (await gateway.call("GET", f"/v1/dead-letters/{letter_id}")).json()
    assert (shown["is_there"], shown["text"]) == (False, "")
    refused = await gateway.call("POST", f"/v1/dead-letters/{letter_id}/redrive")
    assert (refused.status_code, refused.json()["code"]) == (409, "dead_letter.gone")
    # No topic but the exchange's own is read or written, whatever a stranger's letter says.
    topics = KafkaSourceTopics(gateway.settings, gateway.writer, ["offers"])
    assert await topics.record("__consumer_offsets", 0, 0) is None
