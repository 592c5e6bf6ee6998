"""What those who check the exchange get: the journal byte for byte, heads, terms of old."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas import events
from schemas.transparency import AuditProgressed
from tests.integration.gateway.conftest import Market, demand
from tests.integration.gateway.test_reports import DIGEST, entry, items

MINE = "cny:enterprise-1"


async def test_the_journal_comes_in_the_order_of_the_log_and_to_those_who_see_all(
    market: Market,
) -> None:
    gateway = market.gateway
    made = [
        entry(n, "single", [("cny:bank", "posted", n + 1), (MINE, "posted", -n - 1)])
        for n in range(3)
    ]
    head = events.CheckpointPublished(origin="test", size=3, root=DIGEST)
    await gateway.publish(made[1], made[0], made[0], head, made[2])

    async def journal() -> object:
        return len(await items(gateway, "/v1/journal"))

    await gateway.eventually(journal, lambda found: found == 3)
    first = (await gateway.call("GET", "/v1/journal?limit=2")).json()
    rest = await items(gateway, f"/v1/journal?cursor={first['next_cursor']}")
    found = [*first["items"], *rest]
    assert [item["leaf_index"] for item in found] == [0, 1, 2]
    for item, event in zip(found, made, strict=True):
        assert type(event).model_validate_json(item["entry"]) == event
    assert [item["size"] for item in await items(gateway, "/v1/log/heads")] == [3]
    for key in (market.enterprise, market.provider):
        assert (await gateway.call("GET", "/v1/journal", key=key)).status_code == 403


async def test_all_terms_of_an_order_are_told_to_its_owner(market: Market) -> None:
    gateway = market.gateway
    reply = await gateway.submit("demand", demand(), market.enterprise, "versions-1")
    order_id = reply.json()["order_id"]
    body = {"expected_version": 1, "terms": demand(budget=10**9)["terms"]}
    await gateway.call("PUT", f"/v1/demand/{order_id}", body, key=market.enterprise)
    path = f"/v1/orders/{order_id}/versions"
    found = (await gateway.call("GET", path, key=market.enterprise)).json()
    assert [(row["version"], row["terms"]["budget"]) for row in found] == [
        (1, 2_000_000_000),
        (2, 10**9),
    ]
    assert (await gateway.call("GET", path, key=market.provider)).status_code == 404


async def test_how_far_the_auditor_is_is_told_to_anybody(market: Market) -> None:
    gateway = market.gateway
    path = "/v1/audit"
    assert (await gateway.http.get(path)).status_code == 404
    told = AuditProgressed(
        market_id="exchange",
        rounds_verified=7,
        rounds_refuted=0,
        rounds_booked=6,
        entries_checked=20,
        entries_published=22,
        head_size=13,
        head_root=DIGEST,
        head_told_at=datetime(2026, 11, 24, 7, tzinfo=UTC),
        cosignatures=1,
        findings=0,
    )
    await gateway.publish(told, told.model_copy(update={"entries_checked": 22}))

    async def seen() -> int:
        reply = await gateway.http.get(path)
        return int(reply.json().get("entries_checked", 0))

    await gateway.eventually(seen, lambda checked: checked == 22)
    found = (await gateway.http.get(path)).json()
    assert (found["rounds_booked"], found["head_root"], found["cosignatures"]) == (6, DIGEST, 1)


async def test_whose_money_a_finding_is_about_is_shown_to_those_who_see_all(
    market: Market,
) -> None:
    gateway = market.gateway
    finding = events.FindingRaised(
        finding_id="journal.entry/1",
        market_id="exchange",
        kind="journal_refuted",
        ok=False,
        summary=events.Reason(
            code="journal.entry",
            en="Entry 4 of the journal breaks a rule.",
            zh="日记账第 4 条违反规则。",
            params={"leaf_index": 4, "severity": "critical", "account": MINE},
        ),
        problems=(f"entry 4: {MINE} posted is -7 by its postings, said -9",),
    )
    summary = finding.summary.model_copy(
        update={"code": "settle.payment", "en": f"{MINE} must pay 7", "zh": f"{MINE} 应付 7"}
    )
    other = finding.model_copy(update={"finding_id": "settle/1", "summary": summary})
    await gateway.publish(finding, other)

    async def count() -> int:
        return len(await items(gateway, "/v1/findings"))

    await gateway.eventually(count, lambda found: found == 2)
    for headers in ({}, {"Authorization": f"Bearer {market.provider}"}):
        reply = await gateway.http.get("/v1/findings", headers=headers)
        assert MINE not in reply.text
        assert {item["summary"]["params"]["leaf_index"] for item in reply.json()["items"]} == {4}
    for item in (await gateway.call("GET", "/v1/findings", key=market.regulator)).json()["items"]:
        assert item["summary"]["params"]["account"] == MINE
        assert item["problems"]
    refused = await gateway.http.get("/v1/findings", headers={"Authorization": "Bearer sk_none"})
    assert refused.status_code == 401
