"""The public pages in a real browser, over a gateway that listens."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from schemas import events
from schemas.link_examples import LINKS
from schemas.links import RoundLinks
from schemas.share_examples import SHARES
from schemas.shares import RoundShares
from services.core.round_file import file_events
from suanli.check_formats import canonical_sha256
from suanli.checker import verify_round_file
from tests.integration.gateway.browsing import obstacles, opened, pictured
from tests.integration.gateway.conftest import Gateway, Market, demand
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_orders import status_of
from tests.integration.gateway.test_reports import closed, prices, sealed
from tests.unit.sdk import allowances, linked, rounds, shares
from tests.unit.sdk.test_checker_tamper import perturbed

pytestmark = pytest.mark.timeout(180)
MARKET = "jingjinji"
FIRST, SECOND = f"{MARKET}:1", f"{MARKET}:2"
# Of some 14,000 ways to spoil a round, so many are tried in the browser as well.
SPOILT = 400


def cleared(round_id: str, seq: int) -> events.RoundCleared:
    return events.RoundCleared.model_validate(
        {
            "round_id": round_id,
            "market_id": MARKET,
            "seq": seq,
            "market_time": "2026-11-24T07:45:00Z",
            "status": "optimal",
            "welfare": 25_000_000,
            "bound": 27_000_000,
            "gap_ppm": 74_074,
            "total_regret": 2_700,
            "payment": 35_200_000,
            "chip_hours": 17,
            "chip_hours_domestic": 17,
            "tflops_hours": 5_100,
            "tflops_hours_domestic": 5_100,
            "offers": 4,
            "demands": 6,
            "demands_filled": 2,
            "demands_part_filled": 1,
            "paradoxically_rejected": 1,
            "allocations": 3,
            "result_digest": "0" * 64,
            "solve_ms": 12,
        }
    )


async def first_round(gateway: Gateway) -> None:
    """Publish a round with prices of one pool."""
    there = {"source": "bj-1", "destination": "zjk-1"}
    back = {"source": "zjk-1", "destination": "bj-1", "used": [900, 0], "prices": [30_000] * 2}
    link = LINKS[RoundLinks]["links"][0]
    flows = RoundLinks.model_validate(
        LINKS[RoundLinks]
        | {"round_id": FIRST, "market_id": MARKET, "links": [link | there, link | back]}
    )
    asked = RoundShares.model_validate(
        SHARES[RoundShares] | {"round_id": FIRST, "market_id": MARKET, "seq": 1}
    )
    await gateway.publish(
        sealed(), cleared(FIRST, 1), prices(FIRST, [9_500_000, 9_750_000], [2, 3]), flows, asked
    )
    await gateway.publish(*file_events(FIRST, MARKET, json.dumps(round_file()).encode()), closed())

    async def state() -> object:
        return (await gateway.call("GET", f"/v1/rounds/{FIRST}")).json().get("state")

    await gateway.eventually(state, lambda found: found == "closed")


def round_file() -> dict[str, object]:
    book, rules, result = rounds.hand_made()
    return {"format": "suanli.round.v1", "book": book, "rules": rules, "result": result}


def second_round() -> tuple[events.Event, ...]:
    changed = {"round_id": SECOND, "seq": 2, "market_time": "2026-11-24T08:00:00Z"}
    return (
        events.RoundSealed(**sealed().model_dump() | changed),
        cleared(SECOND, 2),
        events.RoundClosed(**closed().model_dump() | changed),
    )


async def test_the_market_page_is_whole_in_both_languages_and_hears_of_rounds(
    market: Market, browser: Browser, tmp_path: Path
) -> None:
    gateway = market.gateway
    await first_round(gateway)
    async with served(gateway) as base:
        await check_market(browser, base, "zh", "京津冀", "第 2 轮")
        await check_verifying(browser, base, tmp_path)
        page = await opened(browser, base, "en")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto("/")
        await expect(page.get_by_role("heading", name="Round 2", exact=True)).to_be_visible()
        await expect(page.locator("[data-live-mark]")).to_have_attribute("data-state", "on")
        assert {urlsplit(url).netloc for url in asked} == {urlsplit(base).netloc}
    # The gateway is gone and comes back; what happened meanwhile is heard once it is there.
    await expect(page.locator("[data-live-mark]")).to_have_attribute("data-state", "lost")
    await gateway.publish(*second_round())
    async with served(gateway, urlsplit(base).port or 0):
        await expect(page.get_by_role("heading", name="Round 3", exact=True)).to_be_visible()
        await expect(page.locator("#voice")).to_contain_text("Round 2 published")
        await expect(page.locator("[data-live-mark]")).to_have_attribute("data-state", "on")
        resumed = [url for url in asked if "/v1/streams/rounds" in url and "after=" in url]
        assert resumed, asked
        await check_signing_in(browser, base, market.enterprise)
        await check_desk(browser, base, market)


async def check_market(browser: Browser, base: str, language: str, name: str, live: str) -> None:
    page = await opened(browser, base, language)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    reply = await page.goto("/")
    assert reply is not None
    policy = reply.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)
    await expect(page.get_by_role("heading", name=live, exact=True)).to_be_visible()
    # Each chart is drawn, and has its table and its CSV.
    charts = page.locator("figure[data-chart]:has(table tbody tr)")
    await expect(page.locator("#depth form")).to_be_visible()
    assert await charts.count() >= 3
    for chart in await charts.all():
        await expect(chart.locator("canvas")).to_be_visible()
    for link in await page.locator("a[download]").all():
        href = await link.get_attribute("href")
        csv = await page.request.get(f"{base}{href}")
        assert csv.headers["content-type"].startswith("text/csv"), href
        assert "," in (await csv.text()).splitlines()[0]
    await page.locator("#table-prices summary").click()
    await expect(page.locator("#table-prices")).to_contain_text("¥9.5000")
    await page.locator("#table-shares-beijing summary").click()
    await expect(page.locator("#table-shares-beijing")).to_contain_text("62.500 %")
    # Both ways over the one pair of regions, the full one marked.
    await expect(page.locator(".map .flow")).to_have_count(2)
    await expect(page.locator(".map .flow.is-full")).to_have_count(1)
    assert await obstacles(page) == []
    await pictured(page, f"market-{language}")
    await page.emulate_media(color_scheme="dark")
    assert await obstacles(page, "color-contrast") == []
    # Without a script the page still says everything.
    bare = await opened(browser, base, language, java_script_enabled=False)
    await bare.goto("/")
    await bare.locator("#table-prices summary").click()
    await expect(bare.locator("#table-prices")).to_contain_text("¥9.5000")
    await page.keyboard.press("Tab")
    await page.goto("/nothing-here")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert [text for text in wrong if "404" not in text] == []


async def check_verifying(browser: Browser, base: str, folder: Path) -> None:
    page = await opened(browser, base, "en")
    await page.goto("/rounds")
    assert await obstacles(page) == []
    await page.get_by_role("link", name=FIRST).click()
    await page.get_by_role("button", name="Verify this round").click()
    await expect(page.locator("#verdict")).to_contain_text("Verified in this browser")
    assert await page.locator("#verdict li.ok").count() == 13
    assert await obstacles(page) == []
    await pictured(page, "round-en")
    # A file that claims a bit more welfare does not pass.
    file = round_file()
    spoilt = folder / "round.json"
    spoilt.write_text(json.dumps(rounds.changed(file, ("result", "welfare"), 25_100)))
    await page.locator("#verify-own").set_input_files(spoilt)
    await expect(page.locator("#verdict")).to_contain_text("This file does not verify")
    await expect(page.locator("#verdict")).to_contain_text("result.welfare: must be 25000")
    # Both checkers say the same of every spoilt round.
    files = file, shares.round_file(), linked.round_file(), allowances.round_file()
    cases = [
        json.dumps(spoilt_at(one, path, other))
        for one in files
        for path, value in rounds.paths(one)
        for other in perturbed(path, value)
        if not (isinstance(other, int) and other > 2**64)
    ]
    cases = [*map(json.dumps, files), *cases[:: len(cases) // SPOILT]]
    said = await page.evaluate(
        """async (cases) => {
            const { verify } = await import("/static/checker.js");
            const found = [];
            for (const text of cases) {
                const report = await verify(text);
                const right = report.checks.filter((check) => check.ok);
                found.push([report.ok, right.map((check) => check.name).sort()]);
            }
            return found;
        }""",
        cases,
    )
    for text, found in zip(cases, said, strict=True):
        report = verify_round_file(text.encode())
        right = sorted(check.name for check in report.checks if check.ok)
        assert found == [report.ok, right], text[:200]


def spoilt_at(file: rounds.Json, path: tuple[Any, ...], other: object) -> rounds.Json:
    """Return a file with another value, and the digest of its book if it is there."""
    spoilt = rounds.changed(file, path, other)
    if path[0] == "book" and isinstance(spoilt["book"], dict):
        # What UTF-8 cannot write has no digest.
        with contextlib.suppress(UnicodeEncodeError):
            spoilt["result"]["book_digest"] = canonical_sha256(spoilt["book"])
    return spoilt


async def check_signing_in(browser: Browser, base: str, key: str) -> None:
    page = await opened(browser, base, "en")
    await page.goto("/sign-in?to=//evil.example/")
    assert await obstacles(page) == []
    await page.get_by_label("API key").fill("sk_wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("unknown, revoked or expired")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    # A link from elsewhere leads nowhere else.
    await expect(page.locator(".who")).to_have_text("enterprise-1")
    assert page.url.startswith(f"{base}/market/")
    (cookie,) = [c for c in await page.context.cookies() if c.get("name") == "suanli_session"]
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Lax")
    # A form without its proof, or from another site, does nothing.
    forged = await page.request.post(f"{base}/sign-out", form={"proof": "0" * 64})
    assert forged.status == 403
    foreign = await page.request.post(
        f"{base}/sign-out", form={}, headers={"Origin": "https://evil.example"}
    )
    assert foreign.status == 403
    await page.get_by_role("link", name="中文").click()
    await expect(page.get_by_role("button", name="退出")).to_be_visible()
    await page.get_by_role("button", name="退出").click()
    await expect(page.get_by_role("link", name="登录")).to_be_visible()


async def signed_in(browser: Browser, base: str, key: str, language: str) -> Page:
    page = await opened(browser, base, language)
    await page.goto("/desk")
    assert "/sign-in" in page.url
    await page.locator("[name=key]").fill(key)
    await page.locator("main button").click()
    await expect(page.locator("[data-live-mark]")).to_have_attribute("data-state", "on")
    assert page.url == f"{base}/desk"
    return page


async def check_desk(browser: Browser, base: str, market: Market) -> None:
    sent = await market.gateway.submit("demand", demand(), market.enterprise, "desk-1")
    assert sent.status_code == 202, sent.text
    order = sent.json()["order_id"]
    mine = await signed_in(browser, base, market.enterprise, "zh")
    others = await signed_in(browser, base, market.provider, "en")
    watcher = await signed_in(browser, base, market.regulator, "en")
    row = mine.locator("tr", has_text=order[:12])
    await expect(row).to_contain_text("已受理")
    await expect(watcher.locator("tr", has_text=order[:12])).to_contain_text("enterprise-1")
    await expect(others.locator("#desk")).to_contain_text("No orders yet")
    # Nobody reloads: what matching says of the order is heard.
    await market.gateway.publish(status_of(sent.json()))
    await expect(row).to_contain_text("开放")
    await expect(watcher.locator("tr", has_text=order[:12])).to_contain_text("open")
    assert await obstacles(mine) == []
    await pictured(mine, "desk-zh")
    await row.get_by_role("button", name="撤单").click()
    await expect(row).to_contain_text("撤销中")
    # Another one's order does not exist for the provider, whatever form it sends.
    proof = await others.locator("[name=proof]").first.get_attribute("value")
    foreign = await others.request.post(
        f"{base}/desk/orders/{order}/cancel",
        form={"proof": str(proof), "key": "k"},
        headers={"Origin": base},
    )
    assert foreign.status == 403
    history = await market.gateway.call("GET", f"/v1/orders/{order}/history", key=market.enterprise)
    kinds = [item["kind"] for item in history.json()["items"]]
    assert kinds.count("cancel_requested") == 1
