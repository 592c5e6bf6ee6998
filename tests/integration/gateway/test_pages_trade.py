"""What traders do in a real browser: compose, quote, send, amend, and see it live."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, Route, expect

from schemas import events
from schemas.events import Reason
from tests.integration.gateway.browsing import obstacles, opened, pictured
from tests.integration.gateway.conftest import Gateway, Market
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_orders import status_of
from tests.integration.gateway.test_quotes import cleared
from tests.integration.gateway.test_reports import allocation, closed, entry, sealed

pytestmark = pytest.mark.timeout(300)
YUAN = 1_000_000
MONEY = 50_000 * YUAN


async def entered(browser: Browser, base: str, key: str, language: str) -> Page:
    page = await opened(browser, base, language)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
    page.wrong = wrong  # type: ignore[attr-defined]
    await page.goto("/desk")
    await page.locator("[name=key]").fill(key)
    await page.locator("main button").click()
    await expect(page.locator("[data-live-mark]")).to_have_attribute("data-state", "on")
    return page


async def seen(page: Page, name: str, *, judged: bool = True) -> None:
    """Keep pictures of a page that axe finds nothing wrong with; its other language is alike."""
    if judged:
        assert await obstacles(page) == []
    await pictured(page, name)
    await page.set_viewport_size({"width": 1280, "height": 900})


async def has_orders(gateway: Gateway, key: str, side: str) -> list[dict[str, object]]:
    return list((await gateway.call("GET", f"/v1/{side}", key=key)).json()["items"])


async def test_traders_compose_send_amend_upload_and_see_what_becomes_of_it(
    market: Market, browser: Browser, tmp_path: Path
) -> None:
    gateway = market.gateway
    await cleared(gateway, "jingjinji:1", chips=24)
    async with served(gateway) as base:
        page = await entered(browser, base, market.enterprise, "en")
        await expect(page.locator(".steps")).to_contain_text("Pay in")
        await seen(page, "desk-empty-en")
        await compose(page, gateway, market)
        order = page.url.rpartition("/")[2]
        await reason(page, gateway, market, order)
    # The gateway is gone and comes back: what happened meanwhile is seen, nobody reloads.
    await expect(page.locator("[data-live-mark]")).to_have_attribute("data-state", "lost")
    await fill(gateway, order)
    async with served(gateway, urlsplit(base).port or 0):
        await filled(page)
        await rest(page)
        page = await entered(browser, base, market.provider, "zh")
        await provide(page, market, tmp_path)


async def rest(page: Page) -> None:
    await page.get_by_role("link", name="中文").click()
    await expect(page.locator("#state")).to_have_text("部分成交")
    await seen(page, "order-zh")
    await page.goto("/orders?filter=price>=12yuan")
    await expect(page.locator("#orders tbody tr")).to_have_count(1)
    await page.goto("/orders?filter=prise=1")
    await expect(page.locator("#w-filter")).to_contain_text("筛选条件")
    await page.goto("/desk")
    await seen(page, "desk-enterprise-zh", judged=False)
    assert [text for text in page.wrong if "422" not in text and "net::" not in text] == []  # type: ignore[attr-defined]


async def late(route: Route) -> None:
    """Refuse a stream, as a gateway that is slow to answer would; the page asks again."""
    await route.abort()


async def compose(page: Page, gateway: Gateway, market: Market) -> None:
    await page.get_by_role("link", name="Compose a demand").first.click()
    preview = page.locator("#preview")
    await expect(preview).to_contain_text("Limit price: must be given")
    await page.get_by_label("Not before").fill("2026-11-25T08:00")
    await page.get_by_label("Done by").fill("2026-11-25T20:00")
    await page.locator("#f-block_chips").fill("32")
    await page.locator("#f-block_chips_min").fill("16")
    await page.locator("#f-a0_limit").fill("9.00005")
    await expect(preview).to_contain_text("a multiple of the tick 0.0001, such as 9 or 9.0001")
    await page.locator("#f-a0_limit").fill("9")
    await expect(preview.locator("#outlook")).to_have_text("Would wait in the book")
    await expect(preview.locator("#uncovered")).to_contain_text("¥1,152.00 more is needed")
    await expect(preview).to_contain_text("Beijing Haidian · Ascend 910B")
    postings = [("bank", "posted", MONEY), ("cny:enterprise-1", "posted", -MONEY)]
    await gateway.publish(entry(0, "single", postings))

    async def free() -> int:
        return int((await gateway.call("GET", "/v1/account", key=market.enterprise)).json()["free"])

    await gateway.eventually(free, lambda found: found == MONEY)
    # What would do is one click away, and the form is asked again.
    await preview.get_by_role("button", name="Raise the limit to ¥9.5").click()
    await expect(page.locator("#f-a0_limit")).to_have_value("9.5")
    await expect(preview.locator("#outlook")).to_have_text("Would be filled")
    await expect(preview.locator("#uncovered")).to_have_count(0)
    await page.get_by_role("button", name="Add an alternative").click()
    await page.locator("#f-a1_limit").fill("x")
    await seen(page, "demand-new-en")
    await page.emulate_media(color_scheme="dark")
    assert await obstacles(page, "color-contrast") == []
    await page.emulate_media(color_scheme="light")
    await page.locator("#send").click()
    await expect(page.get_by_role("alert")).to_contain_text("Limit price (2): must be yuan")
    await expect(page.locator("#f-a1_limit")).to_have_attribute("aria-invalid", "true")
    assert await has_orders(gateway, market.enterprise, "demand") == []
    await page.locator("#f-a1_limit").fill("12.5")
    await page.route("**/desk/stream*", late)
    await page.locator("#send").dblclick()
    await expect(page.locator("#state")).to_have_text("accepted")
    (order,) = await has_orders(gateway, market.enterprise, "demand")
    terms = dict(order["terms"])  # type: ignore[call-overload]
    assert terms["shape"] == {"type": "block", "chips": 32, "chips_min": 16, "duration": 4}
    limits = [item["limit"] for item in terms["alternatives"]]
    assert limits == [9_500_000, 12_500_000]
    assert terms["earliest"] == "2026-11-25T00:00:00Z"


async def reason(page: Page, gateway: Gateway, market: Market, order: str) -> None:
    receipt = {"order_id": order, "participant_id": "enterprise-1"}
    left_out = Reason(
        code="price_below_clearing",
        en="Its limit was below the clearing price from 2026-11-25T00:00Z.",
        zh="限价低于出清价，自 2026-11-25T00:00Z 起。",
        params={"limit_needed": 13_000_000, "chips_would": 8},
    )
    await gateway.publish(status_of(receipt, reason=left_out))

    async def state() -> object:
        path = f"/v1/demand/{order}"
        return (await gateway.call("GET", path, key=market.enterprise)).json()["state"]

    await gateway.eventually(state, lambda found: found == "open")
    # The page was made before, and listens only now: what it did not hear it is told.
    await page.unroute("**/desk/stream*", late)
    await expect(page.locator("#state")).to_have_text("open")
    await expect(page.locator(".why")).to_contain_text("from 11-25 08:00")
    await page.get_by_role("link", name="Raise the limit to ¥13").click()
    await expect(page.locator("#f-a0_limit")).to_have_value("13")
    await expect(page.locator("#preview #outlook")).to_have_text("Would be filled")
    await page.locator("#send").click()
    await expect(page.locator(".why")).to_contain_text("A change is on its way")
    view = (await gateway.call("GET", f"/v1/demand/{order}", key=market.enterprise)).json()
    assert view["amendment"]["terms"]["alternatives"][0]["limit"] == 13_000_000


async def fill(gateway: Gateway, order: str) -> None:
    """Give an order hours in a round."""
    receipt = {"order_id": order, "participant_id": "enterprise-1"}
    start = datetime(2026, 11, 24, 8, tzinfo=UTC)
    hours = [
        {"start": (start + timedelta(hours=n)).isoformat(), "chips": 4 + n // 3, "price": 9 * YUAN}
        for n in range(6)
    ]
    made = allocation().model_dump() | {"demand_id": order, "periods": hours, "payment": 243 * YUAN}
    told = status_of(receipt, sequence=2, state="part-filled", chip_hours_allocated=27)
    await gateway.publish(sealed(), events.AllocationMade.model_validate(made), closed(), told)


async def filled(page: Page) -> None:
    await expect(page.locator("#state")).to_have_text("part filled")
    await expect(page.locator(".timeline rect")).to_have_count(2)
    await page.locator("#table-timeline summary").click()
    await expect(page.locator("#table-timeline tbody tr")).to_have_count(6)
    href = await page.locator("a[download]").first.get_attribute("href")
    csv = await page.request.get(str(href))
    assert (await csv.text()).splitlines()[1].startswith("2026-11-24T08:00:00+00:00,bj-1/h800,4,9,")


ROWS = """zone,chip,chips,ask_yuan,start,end,resource_code
bj-1,ascend-910b,64,9.50,2026-11-25 08:00,2026-11-26 08:00,CN.11.0108.BJ01-A910B
bj-1,h900,16,x,2026-11-25 08:00,2026-11-26 08:00,CN.11.0108.BJ01-T4
zjk-1,h800,8,20,2026-11-25T00:00:00Z,2026-11-26T00:00:00Z,CN.11.0108.BJ01-T4
"""


async def provide(page: Page, market: Market, folder: Path) -> None:
    gateway = market.gateway
    await post(page, gateway, market)
    await upload(page, gateway, market, folder)
    await sales(page, gateway, market)
    await page.get_by_role("link", name="English").click()
    await keys(page, gateway, market)
    await page.goto("/demand/new")
    await expect(page.locator("main")).to_contain_text("role: must be enterprise")
    wrong = [text for text in page.wrong if "422" not in text]  # type: ignore[attr-defined]
    assert [text for text in wrong if "403" not in text] == []


async def post(page: Page, gateway: Gateway, market: Market) -> None:
    await page.get_by_role("link", name="新建报价").first.click()
    await expect(page.locator("#preview")).to_contain_text("报价：必填")
    await page.locator("#f-start").fill("2026-11-25T08:00")
    await page.locator("#f-end").fill("2026-11-26T08:00")
    await page.locator("#f-resource_code").fill("CN.11.0108.BJ01-A910B")
    await page.locator("#f-ask").fill("9.5")
    await expect(page.locator("#outlook")).to_have_text("24 / 24 个时段达到报价")
    assert await obstacles(page) == []
    await page.locator("#send").click()
    await expect(page.locator("#state")).to_have_text("已受理")
    (order,) = await has_orders(gateway, market.provider, "offers")
    receipt = {"order_id": str(order["order_id"]), "participant_id": "provider-1"}
    await gateway.publish(status_of(receipt))
    await expect(page.locator("#state")).to_have_text("开放")
    await page.get_by_role("link", name="修改").click()
    await page.locator("#f-ask").fill("9.4")
    await page.locator("#send").click()
    await expect(page.locator(".why")).to_contain_text("修改已提交")


async def upload(page: Page, gateway: Gateway, market: Market, folder: Path) -> None:
    file = folder / "offers.csv"
    file.write_text(ROWS, encoding="utf-8")
    await page.goto("/offers/upload")
    template = await page.request.get("/offers/template")
    assert (await template.text()).startswith("zone,chip,chips,ask_yuan,start,end,resource_code")
    await page.locator("#file").set_input_files(file)
    rows = page.locator(".rows tbody tr")
    await expect(rows).to_have_count(3)
    await expect(rows.nth(1)).to_contain_text("报价：须为金额（元），如 12.50，实为 x")
    await expect(page.get_by_role("button", name="提交全部")).to_have_count(0)
    await seen(page, "upload-zh")
    await page.locator("#rows").fill(ROWS.replace(",x,", ",12,"))
    await page.get_by_role("button", name="检查").click()
    # What the form allows the market may refuse: the chip class is not there.
    await expect(rows.nth(1)).to_contain_text("芯片型号 应为以下之一：ascend-910b, h800")
    await page.get_by_role("button", name="仅提交正确的 2 行").click()
    await expect(page.get_by_role("status").last).to_contain_text("已提交 2 / 3 行")
    await page.locator("#rows").fill(ROWS.replace("h900,16,x", "h800,16,12"))
    await page.get_by_role("button", name="检查").click()
    await page.get_by_role("button", name="提交全部 3 行").click()
    await expect(page.get_by_role("status").last).to_contain_text("已提交 3 / 3 行")
    # The two that were sent before are the same offers.
    assert len(await has_orders(gateway, market.provider, "offers")) == 4


async def sales(page: Page, gateway: Gateway, market: Market) -> None:
    order = (await has_orders(gateway, market.provider, "offers"))[-1]["order_id"]
    hours = [{"start": "2026-11-24T09:00:00Z", "chips": 4, "price": 10 * YUAN}]
    second = {"round_id": "jingjinji:2", "seq": 2}
    made = allocation().model_dump() | second | {"offer_id": order, "periods": hours}
    made |= {"allocation_id": "al_" + "b" * 26, "payment": 40 * YUAN}
    del made["seq"]
    await gateway.publish(
        events.RoundSealed(**sealed().model_dump() | second),
        events.AllocationMade.model_validate(made),
        events.RoundClosed(**closed().model_dump() | second),
    )

    async def given() -> int:
        reply = await gateway.call("GET", "/v1/allocations", key=market.provider)
        return len(reply.json()["items"])

    await gateway.eventually(given, lambda found: found == 2)
    # An hour later what was sold is reported as it was, whoever presses twice.
    gateway.clock.set(gateway.clock.now() + timedelta(hours=3))
    await page.goto(f"/orders/{order}")
    await page.locator("#due-hours summary").click()
    await page.locator("#partial input.short").fill("5")
    await seen(page, "deliveries-zh")
    await page.get_by_role("button", name="上报所填时段").click()
    await expect(page.get_by_role("alert")).to_contain_text("不得超过 4，实为 5")
    await page.locator("#partial input.short").fill("3")
    await page.get_by_role("button", name="上报所填时段").dblclick()
    await expect(page.locator("#due")).to_have_count(0)
    await expect(page.locator(".timeline .b-short")).to_have_count(1)
    await page.goto("/money")
    await expect(page.locator("figure[data-chart] canvas").first).to_be_visible()
    sites = page.locator("section", has=page.locator("#sites-title"))
    await expect(sites.locator("tbody tr")).to_have_count(3)
    await expect(sites).to_contain_text("¥283.00")
    # Three of the 384 chip-hours on offer there were delivered.
    await expect(sites).to_contain_text("0.781 %")
    for link in await page.locator("a[download]").all():
        csv = await page.request.get(str(await link.get_attribute("href")))
        assert csv.headers["content-type"].startswith("text/csv"), csv.url
    await seen(page, "money-provider-zh")
    await page.locator("#amount").fill("2000")
    await page.locator("form[action='/money/collateral'] button").click()
    await expect(page.get_by_role("status").last).to_contain_text("账本即将入账或拒绝")


async def keys(page: Page, gateway: Gateway, market: Market) -> None:
    await page.goto("/keys")
    await expect(page.locator("main")).to_contain_text("direct.provider-1")
    await page.get_by_label("Name").fill("robot")
    await page.get_by_label("trade: orders").check()
    await page.get_by_role("button", name="Make it").click()
    secret = (await page.locator("#made .secret").text_content() or "").strip()
    assert secret.startswith("sk_")
    await seen(page, "keys-en")
    mine = await gateway.call("GET", "/v1/participants/me", key=secret)
    assert mine.json()["participant_id"] == "provider-1"
    await page.goto("/keys")
    assert secret not in await page.content()
    await page.get_by_role("button", name=re.compile("Revoke robot")).click()
    await expect(page.locator("tr", has_text="robot")).to_contain_text("revoked")
    await page.get_by_text("Register one").click()
    await page.locator("#public_key").fill("short")
    await page.get_by_role("button", name="Register").click()
    await expect(page.get_by_role("alert")).to_contain_text("public_key")
