"""Cases of surveillance as the gateway shows and changes them."""

from __future__ import annotations

import asyncpg
import pytest

from schemas.events import Reason
from schemas.surveillance import SurveillanceCaseRaised
from tests.integration.gateway.conftest import Gateway, Market

CASE = "sc_" + "a" * 26
PATH = f"/v1/surveillance/cases/{CASE}"


def raised(revision: int = 1, evidence: tuple[str, ...] = ("al_1",)) -> SurveillanceCaseRaised:
    return SurveillanceCaseRaised(
        case_id=CASE,
        market_id="jingjinji",
        day="2026-11-24",
        revision=revision,
        is_final=revision > 1,
        kind="wash",
        severity="high",
        participants=("enterprise-1", "provider-1"),
        participants_total=2,
        evidence=evidence,
        evidence_total=len(evidence),
        figures={"chip_hours": 640},
        summary=Reason(code="wash", en="Traded with itself.", zh="自成交。"),
    )


async def shown(gateway: Gateway, key: str, revision: int) -> None:
    await gateway.eventually(
        lambda: gateway.call("GET", PATH, key=key),
        lambda reply: reply.status_code == 200 and reply.json()["revision"] == revision,
    )


async def test_a_regulator_lists_reads_and_closes_a_case_and_the_record_says_who(
    market: Market,
) -> None:
    gateway, key = market.gateway, market.regulator
    await gateway.publish(raised())
    await shown(gateway, key, 1)
    await gateway.publish(raised(2, ("al_1", "al_2")), raised())
    await shown(gateway, key, 2)

    async def change(state: str, version: int, intent: str = "", who: str = key) -> int:
        reply = await gateway.call(
            "POST",
            f"{PATH}/state",
            {"state": state, "reason": f"now {state}", "expected_version": version},
            key=who,
            headers={"Idempotency-Key": intent or f"k-{state}"},
        )
        return reply.status_code

    assert await change("under-review", 0) == 202
    await gateway.eventually(
        lambda: gateway.call("GET", PATH, key=key), lambda reply: reply.json()["version"] == 1
    )
    # The same again is the same change; another one from the old state is not taken.
    assert await change("under-review", 0) == 202
    assert await change("closed", 0, "late") == 409
    assert await change("under-review", 1, "same") == 409
    assert await change("closed", 1) == 202
    view = (
        await gateway.eventually(
            lambda: gateway.call("GET", PATH, key=key), lambda reply: reply.json()["version"] == 2
        )
    ).json()
    assert (view["state"], view["evidence"]) == ("closed", ["al_1", "al_2"])
    told = [(one["state"], one["changed_by"], one["reason"]) for one in view["changes"]]
    assert told == [
        ("under-review", "regulator-1", "now under-review"),
        ("closed", "regulator-1", "now closed"),
    ]
    for query, count in (
        ("state=closed&kind=wash&day=2026-11-24&market_id=jingjinji", 1),
        ("state=open", 0),
        ("day=2026-11-25", 0),
    ):
        reply = await gateway.call("GET", f"/v1/surveillance/cases?{query}", key=key)
        assert len(reply.json()["items"]) == count
    with pytest.raises(asyncpg.RaiseError, match="must stay as it is"):
        await gateway.pool.execute("UPDATE surveillance_case_change SET reason = 'other'")


async def test_nobody_but_a_regulator_sees_or_changes_a_case(market: Market) -> None:
    gateway = market.gateway
    await gateway.publish(raised())
    await shown(gateway, market.regulator, 1)
    body = {"state": "closed", "reason": "mine", "expected_version": 0}
    for key in (market.provider, market.enterprise):
        replies = [
            await gateway.call("GET", "/v1/surveillance/cases", key=key),
            await gateway.call("GET", PATH, key=key),
            await gateway.call(
                "POST", f"{PATH}/state", body, key=key, headers={"Idempotency-Key": "k"}
            ),
        ]
        assert [reply.status_code for reply in replies] == [403] * 3
        assert "enterprise-1" not in "".join(reply.text for reply in replies)
        assert replies[0].json()["code"] == "auth.wrong_role"


async def test_bad_input_about_a_case_is_told_with_field_value_and_what_is_allowed(
    market: Market,
) -> None:
    gateway, key = market.gateway, market.regulator
    replies = [
        await gateway.call("GET", "/v1/surveillance/cases?day=yesterday", key=key),
        await gateway.call("GET", "/v1/surveillance/cases?day=2026-02-30", key=key),
        await gateway.call("GET", "/v1/surveillance/cases?state=done", key=key),
        await gateway.call("GET", "/v1/surveillance/cases/nothing", key=key),
        await gateway.call(
            "POST",
            f"{PATH}/state",
            {"state": "closed", "reason": " ", "expected_version": 0},
            key=key,
            headers={"Idempotency-Key": "k"},
        ),
    ]
    assert [reply.status_code for reply in replies] == [422] * 5
    for reply in replies:
        (error, *_) = reply.json()["errors"]
        assert error["field"]
        assert error["allowed"]
    missing = await gateway.call("GET", PATH, key=key)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert CASE in missing.text


async def test_an_owner_is_told_at_admission_and_shown(market: Market) -> None:
    gateway = market.gateway
    body = {"participant_id": "arm-1", "role": "provider", "name": "Arm", "beneficial_owner": "g"}
    made = await gateway.call("POST", "/v1/participants", body)
    assert made.status_code == 201, made.text
    found = await gateway.call("GET", "/v1/participants", key=market.regulator)
    owners = {one["participant_id"]: one["beneficial_owner"] for one in found.json()["items"]}
    assert owners["arm-1"] == "g"
    assert owners["provider-1"] is None
    clash = await gateway.call("POST", "/v1/participants", body | {"beneficial_owner": "other"})
    assert clash.status_code == 409
