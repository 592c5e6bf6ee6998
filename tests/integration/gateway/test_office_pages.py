"""The pages of regulators and of the operator, in a real browser: each does its day's work."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from schemas.events import FindingRaised, Reason
from schemas.policy_costs import PolicySimulationNew
from services.core.codec import round_from_dict
from services.core.merkle import Frontier
from services.core.policy_study.simulation import Simulation
from services.core.round_file import file_events
from services.gateway.adapters.policy_studies import LEASE, PostgresStudyQueue
from services.kit.health import Health
from services.kit.postgres import LeaseKeeper
from tests.integration.gateway.browsing import obstacles, opened, pictured
from tests.integration.gateway.conftest import LOG_SIGNER, NOW, OPERATOR_KEY, Gateway, Market
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_day_reports import traded
from tests.integration.gateway.test_dead_letters import buried
from tests.integration.gateway.test_erasures import deposit
from tests.integration.gateway.test_log import contents, hashes, signed
from tests.integration.gateway.test_policy_studies import CAPS, round_of
from tests.integration.gateway.test_reports import MARKET
from tests.integration.gateway.test_surveillance import CASE, raised, shown
from tests.unit.gateway.test_log_checker import SPOILT_PROOFS

pytestmark = pytest.mark.timeout(240)
ENTRIES = 12
DAY = "2026-11-24"


@dataclass(frozen=True, slots=True)
class Day:
    """What happened before anybody looks."""

    market: Market
    demand_id: str
    offer_id: str


async def day_of(market: Market) -> Day:
    """Let a round trade, money be booked and signed, and a case be raised."""
    gateway = market.gateway
    demand_id, offer_id = await traded(market)
    evidence = (demand_id, offer_id, "jingjinji:1")
    finding = FindingRaised(
        finding_id="f1",
        market_id="jingjinji",
        round_id="jingjinji:1",
        kind="round_verified",
        ok=True,
        summary=Reason(code="round.ok", en="The round is right.", zh="本轮正确。"),
    )
    entries = [deposit(n, 5 * (n + 1)) for n in range(ENTRIES)]
    await gateway.publish(raised(1, evidence), finding, *entries)
    leaves = hashes(await contents(market, ENTRIES))
    roots = {size: Frontier().extend(leaves[:size]).root() for size in (5, ENTRIES)}
    await gateway.publish(*(signed(root, size) for size, root in roots.items()))
    await shown(gateway, market.regulator, 1)

    async def size() -> int:
        reply = await gateway.call("GET", "/v1/log/checkpoint", key="")
        return int(reply.text.split("\n")[1]) if reply.status_code == 200 else 0

    await gateway.eventually(size, lambda found: found == ENTRIES)
    return Day(market, demand_id, offer_id)


@asynccontextmanager
async def watched(gateway: Gateway) -> AsyncIterator[Gateway]:
    """Let the gateway know a service that is well and one that does not answer."""
    health = Health()
    health.set_check("market", ready=True)
    health.set_fact("round_seq", 17)
    port = await health.start("127.0.0.1", 0)
    where = f"matching=http://127.0.0.1:{port},ledger=http://127.0.0.1:9"
    settings = gateway.settings.model_copy(update={"gateway_watched": where})
    try:
        yield replace(gateway, settings=settings)
    finally:
        await health.stop()


async def signed_in(browser: Browser, base: str, key: str, language: str) -> Page:
    page = await opened(browser, base, language)
    await page.goto("/office")
    await page.locator("[name=key]").fill(key)
    await page.locator("main button").click()
    await expect(page.locator("[data-live-mark]")).to_have_attribute("data-state", "on")
    return page


async def walked(page: Page, name: str, *paths: str) -> None:
    """Look at pages as they are: usable by everybody, no wider than a phone, kept as pictures."""
    for path in paths:
        reply = await page.goto(path)
        assert reply is not None
        assert reply.status == 200, path
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert await obstacles(page) == [], path
        part = path.removeprefix("/office").partition("?")[0].strip("/").replace("/", "-")
        await pictured(page, f"{name}-{part[:24] or 'overview'}")
        await page.set_viewport_size({"width": 1280, "height": 900})


async def judged(page: Page, *paths: str) -> None:
    """Look at further pages for what keeps people from using them."""
    for path in paths:
        reply = await page.goto(path)
        assert reply is not None
        assert (reply.status, await obstacles(page)) == (200, []), path


async def test_a_regulator_proves_decides_and_looks_back(market: Market, browser: Browser) -> None:
    day = await day_of(market)
    async with watched(market.gateway) as gateway, served(gateway) as base:
        page = await signed_in(browser, base, market.regulator, "en")
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        await expect(page.locator("#overview")).to_contain_text("matching")
        await expect(page.locator("#overview")).to_contain_text("no answer")
        await check_case(page, market)
        await check_proof(page)
        await check_past(page, day)
        await check_reports(page)
        need = await check_policies_and_need(page, market.gateway)
        assert wrong == []
        chinese = await signed_in(browser, base, market.regulator, "zh")
        await expect(chinese.get_by_role("heading", level=1)).to_have_text("总览")
        await walked(
            chinese,
            "regulator-zh",
            "/office",
            "/office/journal",
            "/office/journal/3",
            f"/office/cases/{CASE}",
            f"/office/orders/{day.demand_id}",
            f"/office/reports/concentration?market_id=jingjinji&day={DAY}",
            "/office/policies",
            "/office/mobilisations",
        )
        await judged(
            chinese,
            "/office/cases",
            "/office/findings",
            "/office/reports",
            "/office/exports",
            "/office/orders",
            "/office/book?market_id=jingjinji",
        )
        await check_problems(chinese, market)
        # Who proposed a need does not confirm it; the operator does, and may halt, no more.
        operator = await signed_in(browser, base, OPERATOR_KEY, "en")
        await operator.goto(need)
        await operator.get_by_role("button", name="Confirm").click()
        await expect(operator.locator("h1")).to_contain_text("declared")
        await operator.goto("/office/policies")
        assert await operator.locator("details[id^='kind-']").count() == 1
        await operator.locator("#kind-trading_halt [name=policy_id]").fill("power-cut")
        await operator.locator("#kind-trading_halt [name=reason]").fill("Power cut at two sites")
        await operator.get_by_role("button", name="Set it").click()
        await expect(operator.locator("tbody")).to_contain_text("no round is run")
        await walked(operator, "operator-en", need)
        # Whoever trades has no business here.
        trader = await signed_in_as_trader(browser, base, market.enterprise)
        for path in ("/office", "/office/journal", "/office/cases", "/office/participants"):
            refused = await trader.goto(path)
            assert refused is not None
            assert refused.status == 403, path


async def signed_in_as_trader(browser: Browser, base: str, key: str) -> Page:
    page = await opened(browser, base, "en")
    await page.goto("/desk")
    await page.locator("[name=key]").fill(key)
    await page.locator("main button").click()
    await expect(page.locator(".who")).to_be_visible()
    assert await page.get_by_role("link", name="Supervision").count() == 0
    return page


async def check_case(page: Page, market: Market) -> None:
    await page.get_by_role("link", name="wash").click()
    await page.get_by_label("Why; it stays on record").fill("asked both for their contracts")
    await page.get_by_label("New state").select_option("under-review")
    await page.get_by_role("button", name="Put on record").click()
    await expect(page.locator(".trail")).to_contain_text("asked both for their contracts")
    await expect(page.locator("h1")).to_contain_text("under review")
    reply = await market.gateway.call("GET", f"/v1/surveillance/cases/{CASE}", key=market.regulator)
    assert reply.json()["changes"][0]["changed_by"] == "regulator-1"
    await page.goto("/office/cases?state=closed")
    await expect(page.locator("main")).to_contain_text("No case is like that")


async def check_proof(page: Page) -> None:
    await page.goto("/office/journal")
    assert await page.locator("tbody a[href^='/office/journal/']").count() == ENTRIES
    await page.get_by_role("button", name="Verify the heads").click()
    await expect(page.locator("#log-verdict")).to_contain_text("Verified in this browser")
    await expect(page.locator("[data-mark].good")).to_have_count(2)
    await page.get_by_label("Order, participant").fill("enterprise-1")
    await page.get_by_role("button", name="Search").click()
    await page.locator("tbody a[href='/office/journal/3']").click()
    await page.get_by_role("button", name="Verify this entry").click()
    await expect(page.locator("#log-verdict")).to_contain_text("Verified in this browser")
    await expect(page.locator("#log-verdict li.ok")).to_have_count(7)
    await pictured(page, "regulator-en-proof")
    await page.set_viewport_size({"width": 1280, "height": 900})
    # With another log's key nothing is taken for proved.
    other = str(LOG_SIGNER.verifier).replace("/test+", "/other+")
    await page.locator("#log-key").fill(other)
    await page.get_by_role("button", name="Verify this entry").click()
    await expect(page.locator("#log-verdict")).to_contain_text("does not verify")
    # What is spoilt in whatever way is refused, as the client's checker refuses it.
    proof = await page.request.get("/office/journal/3/proof")
    assert proof.headers["content-type"].startswith("text/plain")
    text = await proof.text()
    said = await page.evaluate(
        """async ([key, texts]) => {
            const { verifyProof } = await import("/static/log-checker.js");
            return Promise.all(texts.map(async (text) => (await verifyProof(text, key)).ok));
        }""",
        [str(LOG_SIGNER.verifier), [text, *(spoil(text) for spoil in SPOILT_PROOFS.values())]],
    )
    assert said == [True] + [False] * len(SPOILT_PROOFS), list(SPOILT_PROOFS)


async def check_past(page: Page, day: Day) -> None:
    await page.goto("/office/orders")
    await page.get_by_label("Order", exact=True).fill(day.demand_id)
    await page.get_by_role("button", name="Follow it").click()
    await expect(page.locator(".trail")).to_contain_text("submitted")
    await expect(page.locator(".trail")).to_contain_text("allocated")
    csv = await page.request.get(f"/office/orders/{day.demand_id}/csv")
    assert "submitted" in await csv.text()
    await page.goto("/office/book?market_id=jingjinji&at=2026-11-24T15:31")
    await expect(page.locator("main")).to_contain_text("Rebuilt")
    # No matching runs here, so no order is in a book yet, and the log agrees with that.
    await expect(page.locator("main")).to_contain_text("Every status follows from the log")
    missing = await page.goto("/office/book?market_id=jingjinji&round=x")
    assert missing is not None
    assert missing.status == 422
    await expect(page.locator("main")).to_contain_text("must be the number of a round")


async def file_is_there(gateway: Gateway) -> None:
    """Publish the file of the day's first round."""
    file = json.dumps(round_of(1, CAPS)).encode()
    await gateway.publish(*file_events("jingjinji:1", MARKET, file))

    async def state() -> object:
        return (await gateway.call("GET", "/v1/rounds/jingjinji:1")).json()["file"]["state"]

    await gateway.eventually(state, lambda found: found == "ok")


async def simulated(gateway: Gateway) -> None:
    """Do what the worker does with the first round of the simulation that waits."""
    keeper = LeaseKeeper(gateway.pool, LEASE, "test")
    epoch = await keeper.acquire()
    assert epoch is not None
    queue = PostgresStudyQueue(gateway.pool, epoch)
    step = await queue.next_step()
    assert step is not None
    assert step.seq is not None
    asked = PolicySimulationNew.model_validate_json(step.asked)
    found = Simulation(MARKET, asked.rule, asked.replaces or "").take(
        *round_from_dict(round_of(1, CAPS)), NOW
    )
    await queue.simulated(step.simulation_id, step.seq, found.model_dump_json().encode())
    await keeper.release()


async def check_policies_and_need(page: Page, gateway: Gateway) -> str:
    """Set and withdraw a policy, propose an urgent need; return its address."""
    await page.goto("/office/policies")
    await page.locator("#kind-price_limits summary").click()
    form = page.locator("#kind-price_limits")
    await form.locator("[name=policy_id]").fill("caps")
    await form.locator("[name=cap]").fill("20.00001")
    await form.locator("[name=reason]").fill("Prices ran away")
    await form.get_by_role("button", name="Set it").click()
    # What is wrong is said beside the field, in yuan, and nothing that was filled in is lost.
    form = page.locator("#kind-price_limits")
    await expect(form.locator(".wrong")).to_contain_text("Cap must be a multiple of the tick")
    assert await form.locator("[name=reason]").input_value() == "Prices ran away"
    await form.locator("[name=cap]").fill("20")
    await form.get_by_role("button", name="Set it").click()
    await expect(page.locator("tbody").first).to_contain_text("every chip class: 0 to 20 yuan")
    # Before it is set again, it is tried on a day's rounds: the worker's, which is not up here.
    await page.locator("#kind-price_limits summary").click()
    form = page.locator("#kind-price_limits")
    await form.locator("[name=cap]").fill("15")
    assert await form.locator("[name=day]").input_value() == "2026-11-23"
    await form.get_by_role("button", name="Simulate").click()
    form = page.locator("#kind-price_limits")
    await expect(form.locator(".wrong")).to_contain_text("must be one with rounds")
    await form.locator("[name=day]").fill(DAY)
    await file_is_there(gateway)
    await form.get_by_role("button", name="Simulate").click()
    await expect(page.locator("h1")).to_contain_text("every chip class: 0 to 15 yuan waiting")
    await expect(page.locator("main")).to_contain_text("No round is done yet")
    await simulated(gateway)
    # It looks again by itself until all is done.
    await expect(page.locator("tbody")).to_contain_text("certain")
    await expect(page.locator("tbody th")).to_have_text("1")
    sheet = await (await page.request.get(f"{page.url}/csv")).text()
    assert sheet.startswith("round_id,policy_id,")
    assert "jingjinji:1,simulated," in sheet
    await page.goto("/office/policies")
    await expect(page.locator("main")).to_contain_text("Simulations")
    await page.locator("summary", has_text="Withdraw caps").click()
    await page.locator("tbody [name=reason]").fill("They came back")
    await page.get_by_role("button", name="Withdraw it").click()
    await expect(page.locator("tbody").first).to_contain_text("withdrawn")
    table = await page.request.get("/office/policies/csv?market_id=jingjinji")
    assert "They came back" in await table.text()

    await page.goto("/office/mobilisations")
    await page.get_by_label("Enterprises that may").fill("enterprise-1")
    await page.get_by_label("Price cap").fill("15")
    await page.get_by_label("Why; everybody").fill("Flood forecast")
    await page.get_by_role("button", name="Propose").click()
    await expect(page.locator("h1")).to_contain_text("to be confirmed")
    await expect(page.locator("main")).to_contain_text("another regulator or operator confirms it")
    return urlsplit(page.url).path


async def check_reports(page: Page) -> None:
    await page.goto("/office/reports")
    await page.get_by_role("link", name="Market concentration").click()
    await page.get_by_label("Day (UTC)").fill(DAY)
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator(".bars")).to_be_visible()
    await expect(page.locator("main")).to_contain_text("10,000")
    for link in await page.locator(".files a").all():
        reply = await page.request.get(str(await link.get_attribute("href")))
        assert reply.status == 200
        if "json" in reply.headers["content-type"]:
            assert json.loads(await reply.text())["signature"]["value"]
    await page.goto("/office/exports")
    await page.locator("a[href$='rounds.csv']").first.wait_for()
    table = await page.request.get(f"/office/exports/{DAY}/jingjinji/rounds.csv")
    assert "jingjinji:1" in await table.text()
    await page.goto("/office/findings?only=problems")
    await expect(page.locator("main")).to_contain_text("No problem was found")


async def check_problems(page: Page, market: Market) -> None:
    told = FindingRaised(
        finding_id="journal.entry/7",
        market_id="exchange",
        kind="journal_refuted",
        ok=False,
        summary=Reason(code="journal.entry", en="Entry 7 breaks a rule.", zh="第 7 条违反规则。"),
        problems=("entry 7: posted sums to -9", "told by a later release"),
    )
    await market.gateway.publish(told)

    async def count() -> int:
        found = await market.gateway.call("GET", "/v1/findings", key=market.regulator)
        return sum(not item["ok"] for item in found.json()["items"])

    await market.gateway.eventually(count, lambda found: found == 1)
    await page.goto("/office/findings?only=problems")
    shown = page.locator(".problems li")
    await expect(shown).to_have_text(
        ["第 7 条：posted 层合计为 -9，应为零", "told by a later release"]
    )


async def test_an_operator_admits_funds_and_suspends(market: Market, browser: Browser) -> None:
    async with watched(market.gateway) as gateway, served(gateway) as base:
        page = await signed_in(browser, base, OPERATOR_KEY, "en")
        await page.get_by_role("link", name="Participants").click()
        await page.get_by_role("textbox", name="Id").last.fill("acme-ai")
        await page.get_by_label("Name", exact=True).fill("Acme AI")
        await page.locator("select[name=role]").last.select_option("enterprise")
        await page.get_by_role("button", name="Admit").click()
        key = str(await page.locator(".secret").text_content())
        assert (await gateway.call("GET", "/v1/participants/me", key=key)).status_code == 200
        await page.goto("/office/participants/acme-ai")
        assert await page.locator(".secret").count() == 0
        await page.get_by_label("Yuan").fill("1,250.50")
        await page.get_by_label("Reference").fill("bank 17")
        await page.get_by_role("button", name="Record").click()
        await page.get_by_label("Why").fill("Under investigation.")
        await page.get_by_role("button", name="Suspend").click()
        await expect(page.locator("h1")).to_contain_text("suspended")
        refused = await gateway.submit("demand", {}, key, "x")
        assert refused.status_code in (403, 422)
        await page.get_by_role("button", name="Revoke").click()
        await expect(page.locator("main")).to_contain_text("revoked")
        # A gateway remembers a key for a moment.
        await gateway.eventually(
            lambda: gateway.call("GET", "/v1/participants/me", key=key),
            lambda reply: reply.status_code == 401,
        )
        # What is wrong with a form is said, in the language of the page.
        await page.get_by_label("Yuan").fill("much")
        await page.get_by_role("button", name="Record").click()
        await expect(page.locator("main")).to_contain_text("amount")
        letter_id = await buried(gateway)
        await page.goto("/office/letters")
        await page.locator("tbody a").click()
        await expect(page.locator("pre")).to_contain_text("order_id")
        await page.get_by_role("button", name="Send it again").click()
        await expect(page.locator("h1")).to_contain_text("sent again")
        await expect(page.locator(".trail")).to_contain_text("offers/")
        chinese = await signed_in(browser, base, OPERATOR_KEY, "zh")
        await walked(
            chinese,
            "operator-zh",
            "/office/letters",
            f"/office/letters/{letter_id}",
            "/office",
            "/office/participants",
            "/office/participants/acme-ai",
            "/office/acts",
            "/office/erasures",
        )
        await chinese.goto("/office/acts")
        await expect(chinese.locator("main")).to_contain_text("暂停或恢复")
        refused_page = await chinese.goto("/office/cases")
        assert refused_page is not None
        assert refused_page.status == 403
