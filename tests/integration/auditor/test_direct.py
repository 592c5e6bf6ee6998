"""Orders by signed records on a real log, against the records and the lives of their keys."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer

from schemas.codec import encode
from services.core.direct_audit import GRACE_MS, SignedRecord, cause_of
from tests.integration.auditor.wire import Wire
from tests.integration.matching.desk import offer
from tests.unit.core.test_direct_audit import key_set, record
from tests.unit.ledger.world import envelope_of

pytestmark = pytest.mark.integration


class Hand:
    """Writes records, keys and orders as a gateway and its participants would."""

    def __init__(self, producer: AIOKafkaProducer, prefix: str) -> None:
        self._producer = producer
        self._prefix = prefix

    async def sign(self, signed: SignedRecord) -> str:
        """Write a signed record; return how an order names it."""
        sent = await self._producer.send_and_wait(
            f"{self._prefix}offers.direct", signed.value, b"jjj", 0, headers=list(signed.headers)
        )
        return cause_of("offers.direct", 0, sent.offset)

    async def order(self, name: str, cause: str) -> str:
        """Write an order with its cause; return its id."""
        body = offer(name)
        key, value, headers = encode(replace(envelope_of(body), causation_id=cause))
        topic = f"{self._prefix}offers"
        await self._producer.send_and_wait(topic, value, key, headers=list(headers))
        return body.order_id

    async def set_key(self, who: str, state: str, at_ms: int) -> None:
        """Tell of a participant's key."""
        key, value, headers = encode(envelope_of(key_set(state, who)))
        await self._producer.send_and_wait(
            f"{self._prefix}participants", value, key, timestamp_ms=at_ms, headers=list(headers)
        )


async def test_orders_that_no_signature_carries_are_found_once_and_good_ones_are_not(
    wire: Wire,
) -> None:
    now_ms = int(time.time() * 1000)
    expected: dict[str, str] = {}
    query = "SELECT count(*) FROM finding WHERE code LIKE 'direct.%'"
    producer = AIOKafkaProducer(bootstrap_servers=wire.settings.kafka_bootstrap)
    async with producer:
        hand = Hand(producer, wire.settings.topic_prefix)
        for name in ("good", "forged", "gone", "revoked", "terms"):
            await hand.set_key(f"p-{name}", "active", now_ms - 9 * GRACE_MS)
        await hand.set_key("p-revoked", "revoked", now_ms - 2 * GRACE_MS)
        async with wire.auditing():
            good = await hand.sign(record(offer("good")))
            forged = record(offer("forged"))
            bad = await hand.sign(replace(forged, value=forged.value + b" "))
            await hand.order("good", good)
            expected[await hand.order("forged", bad)] = "direct.signature"
            nowhere = cause_of("offers.direct", 0, 999)
            expected[await hand.order("gone", nowhere)] = "direct.record"
            await wire.until(query, lambda n: n == 2)
            # Now records are named in another order than they have on the log.
            revoked = await hand.sign(record(offer("revoked")))
            dearer = await hand.sign(record(offer("terms", ask=2_000_000)))
            unknown = await hand.sign(record(offer("unknown")))
            expected[await hand.order("unknown", unknown)] = "direct.untold"
            expected[await hand.order("terms", dearer)] = "direct.terms"
            await wire.until(query, lambda n: n == 4)
            expected[await hand.order("revoked", revoked)] = "direct.revoked"
            await wire.until(query, lambda n: n == 5)
        # A restart reads it all again and tells nothing twice; a record may be named long after.
        expected[await hand.order("late", good)] = "direct.untold"
        async with wire.auditing():
            await wire.until(query, lambda n: n == 6)
            found = await wire.findings()
    told = {str(one.summary.params["order_id"]): one.summary.code for one in found}
    assert (told, len(found)) == (expected, len(expected))
