"""Records that are no orders: kept with the reason, their producer told, the partition goes on."""

from __future__ import annotations

import json
import os

import pytest

from schemas.types import MESSAGE_BYTES_MAX, OrderState
from services.kit.clock import ManualClock
from services.kit.kafka import OutRecord
from services.kit.records import Record
from tests.integration.matching.desk import (
    START,
    Desk,
    demand,
    hold,
    offer,
    open_process,
    record,
    settled,
)

pytestmark = pytest.mark.integration

GOOD = record(offer("good"))


def bent(**changes: object) -> bytes:
    """Return the body of an offer with some fields replaced."""
    body = json.loads(record(offer("bent")).value)
    return json.dumps(body | changes).encode()


def deep() -> bytes:
    """Return JSON that is nested deeper than any parser should follow."""
    return b'{"order_id":' + b"[" * 20_000 + b"]" * 20_000 + b"}"


BAD: dict[str, tuple[bytes, str, str]] = {
    "random bytes": (os.urandom(200), "not_json", "value"),
    "bad UTF-8": (b'{"order_id":"\xff\xfe"}', "not_json", "value"),
    "deep JSON": (deep(), "not_json", "value"),
    "not a number": (bent(terms={"chips": float("nan")}), "invalid_body", "terms.zone"),
    "wrong type": (bent(participant_id=5), "invalid_body", "participant_id"),
    "unknown field": (bent(colour="red"), "invalid_body", "colour"),
    "one byte too many": (b" " * (MESSAGE_BYTES_MAX + 1), "too_large", "value"),
    "half a megabyte": (b"x" * 500_000, "too_large", "value"),
    "another market's": (bent(market_id="gba"), "wrong_market", "market_id"),
}


def header(letter: Record, name: str) -> str:
    """Return a header of a dead letter."""
    return dict(letter.headers)[name].decode()


async def test_every_bad_record_is_kept_with_its_reason_and_the_good_ones_go_on(
    desk: Desk,
) -> None:
    need = demand("a")
    bad = [OutRecord("offers", GOOD.key, value, GOOD.headers) for value, _, _ in BAD.values()]
    await desk.writer.send_many([*bad, GOOD])
    await desk.writer.send(OutRecord("offers", b"no market", b"?", GOOD.headers))
    await desk.writer.send(OutRecord("offers", GOOD.key, GOOD.value, ()))
    await desk.say(need, hold(need))
    async with open_process(desk.settings, ManualClock(START)) as matching:
        await settled(matching, least=len(BAD) + 5)
        await matching.run_round()
        await desk.hear()

    letters = [item for item in desk.records if item.topic == "dead-letters"]
    found = {
        letter.value: (header(letter, "dlq_reason"), header(letter, "dlq_field"))
        for letter in letters
    }
    for name, (value, reason, field) in BAD.items():
        assert found[value] == (reason, field), name
    assert found[b"?"] == ("not_json", "value")
    assert found[GOOD.value] == ("missing_attribute", "ce_specversion")
    assert len(letters) == len(BAD) + 2
    assert all(header(letter, "dlq_allowed") for letter in letters)
    assert {header(letter, "dlq_consumer") for letter in letters} == {"matching"}
    assert [status.state for status in desk.statuses(need)][-1] == OrderState.FILLED
    verdicts = await desk.rows("SELECT verdict, count(*) AS n FROM intake GROUP BY verdict")
    assert {row["verdict"]: row["n"] for row in verdicts}["dead-letter"] == len(BAD) + 2


async def test_the_producer_of_a_bad_order_is_told_field_value_and_what_is_allowed(
    desk: Desk,
) -> None:
    wrong = offer("wrong")
    body = json.loads(record(wrong).value)
    body["terms"]["chips"] = "eight"
    bad = OutRecord("offers", GOOD.key, json.dumps(body).encode(), GOOD.headers)
    await desk.writer.send(bad)
    async with open_process(desk.settings, ManualClock(START)) as matching:
        await settled(matching)
        await desk.say(wrong)
        await settled(matching)
        await matching.run_round()
        await desk.hear()

    refused, taken = desk.statuses(wrong)[:2]
    assert (refused.state, refused.sequence, refused.reason.code) == (
        OrderState.REJECTED,
        0,
        "invalid_record",
    )
    assert refused.reason.params["field"] == "terms.chips"
    assert "eight" in refused.reason.en
    assert (taken.state, taken.sequence) == (OrderState.OPEN, 1)
