"""The public pages in a real browser, over a gateway that listens."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from schemas import events
from tests.integration.gateway.browsing import browsing, obstacles, opened, pictured
from tests.integration.gateway.conftest import Gateway, Market
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_reports import closed, prices, sealed

pytestmark = pytest.mark.timeout(180)
MARKET = "jingjinji"
SECOND = f"{MARKET}:2"


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
    await gateway.publish(
        sealed(), cleared(f"{MARKET}:1", 1), prices(f"{MARKET}:1", [9_500_000, 9_750_000], [2, 3])
    )
    await gateway.publish(closed())

    async def state() -> object:
        return (await gateway.call("GET", f"/v1/rounds/{MARKET}:1")).json().get("state")

    await gateway.eventually(state, lambda found: found == "closed")


def second_round() -> tuple[events.Event, ...]:
    changed = {"round_id": SECOND, "seq": 2, "market_time": "2026-11-24T08:00:00Z"}
    return (
        events.RoundSealed(**sealed().model_dump() | changed),
        cleared(SECOND, 2),
        events.RoundClosed(**closed().model_dump() | changed),
    )


async def test_the_market_page_is_whole_in_both_languages_and_hears_of_rounds(
    market: Market,
) -> None:
    gateway = market.gateway
    await first_round(gateway)
    async with browsing() as browser:
        async with served(gateway) as base:
            await check_market(browser, base, "zh", "京津冀", "第 2 轮")
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
    assert await obstacles(page) == []
    await pictured(page, f"market-{language}")
    await page.emulate_media(color_scheme="dark")
    assert await obstacles(page) == []
    # Without a script the page still says everything.
    bare = await opened(browser, base, language, java_script_enabled=False)
    await bare.goto("/")
    await bare.locator("#table-prices summary").click()
    await expect(bare.locator("#table-prices")).to_contain_text("¥9.5000")
    await page.keyboard.press("Tab")
    await page.goto("/nothing-here")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert [text for text in wrong if "404" not in text] == []


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
    assert (cookie.get("httpOnly"), cookie.get("sameSite")) == (True, "Strict")
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
