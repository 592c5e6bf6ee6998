"""People who sign in by an issuer, in a real browser: asking to join, being let in, and out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page, expect

from tests.integration.gateway.browsing import obstacles, opened, pictured
from tests.integration.gateway.conftest import OPERATOR_KEY, Market
from tests.integration.gateway.serving import served
from tests.issuer import Issuer

pytestmark = pytest.mark.timeout(120)


async def by_key(browser: Browser, base: str, key: str, language: str = "en") -> Page:
    page = await opened(browser, base, language)
    await page.goto("/sign-in?to=/members")
    await page.locator("[name=key]").fill(key)
    await page.locator("form .main").click()
    await expect(page.locator(".who")).to_be_visible()
    return page


async def test_a_person_joins_by_a_link_acts_and_is_shut_out(
    market: Market, browser: Browser
) -> None:
    with Issuer() as issuer:
        settings = market.gateway.settings.model_copy(update={"gateway_oidc_issuers": issuer.url})
        async with served(replace(market.gateway, settings=settings)) as base:
            person = await opened(browser, base, "en")
            await person.goto("/desk")
            await person.get_by_role("link", name="Sign in with 127.0.0.1").click()
            await expect(person.locator("h1")).to_have_text("One step left")
            assert await obstacles(person) == []
            await pictured(person, "no-member-en")
            link = str(await person.locator("#join").text_content())
            assert link.startswith(f"{base}/members?")

            admin = await by_key(browser, base, market.provider)
            await joined(admin, link)
            await person.get_by_role("link", name="Sign in again").click()
            await person.get_by_role("link", name="Sign in with 127.0.0.1").click()
            await expect(person.locator(".who")).to_have_text("provider-1")
            # Whoever may only read sees who else is in, and changes nobody.
            await person.goto("/members")
            await expect(person.locator("main")).to_contain_text("lacks the scope admin")
            assert await person.locator("main form").count() == 0

            await ended(person, issuer)
            await changed(admin)
            await person.goto("/desk")
            assert "/sign-in" in person.url
            await others(browser, base, market)


async def joined(admin: Page, link: str) -> None:
    """Open the link of who wants to join, and add him."""
    await admin.goto(link)
    await expect(admin.locator(".notice.warn")).to_contain_text("add it only if you know whose")
    await admin.get_by_role("button", name="Add", exact=True).click()
    # What is wrong is said beside the field, and what was filled in stays.
    await expect(admin.locator("#w-name")).to_contain_text("Name")
    await expect(admin.locator("#f-subject")).to_have_value("li-hua")
    assert await obstacles(admin) == []
    await admin.locator("#f-name").fill("Li Hua")
    await admin.get_by_role("button", name="Add", exact=True).click()
    await expect(admin.locator("tbody")).to_contain_text("li-hua")
    await admin.goto(link)
    await admin.locator("#f-name").fill("Li Hua")
    await admin.get_by_role("button", name="Add", exact=True).click()
    await expect(admin.locator("#w-subject")).to_contain_text("no member yet")
    await admin.goto("/members")


async def ended(person: Page, issuer: Issuer) -> None:
    """Sign out: here and at the issuer, or here alone where the issuer cannot do it."""
    assert issuer.sessions == {"li-hua"}
    await person.get_by_role("button", name="Sign out").click()
    await expect(person.locator("main")).to_contain_text("signed out here and at the issuer")
    assert issuer.sessions == set()
    assert issuer.asked[-1] == "logout"
    assert await obstacles(person) == []
    await pictured(person, "signed-out-en")
    await person.goto("/desk")
    assert "/sign-in" in person.url
    # An address like that from elsewhere says nothing.
    await person.goto("/sign-out/done?state=made-up")
    await expect(person.locator("h1")).not_to_have_text("Signed out")
    await person.goto("/sign-in?to=/members")
    await person.get_by_role("link", name="Sign in with 127.0.0.1").click()
    await expect(person.locator(".who")).to_have_text("provider-1")


async def changed(admin: Page) -> None:
    """Give more rights, and take all of them away."""
    row = admin.locator("tbody")
    await row.locator("summary").click()
    await row.get_by_label("orders and deliveries").check()
    await pictured(admin, "members-en")
    await row.get_by_role("button", name="Save").click()
    await expect(row).to_contain_text("looktrade")
    await row.locator("summary").click()
    await row.get_by_role("button", name="Suspend").click()
    await expect(row).to_contain_text("suspended")
    table = await admin.request.get("/members/csv")
    assert "li-hua" in await table.text()
    await row.locator("summary").click()
    await row.get_by_role("button", name="Remove for good").click()
    await expect(row).to_contain_text("removed")
    assert await row.locator("form").count() == 0


async def others(browser: Browser, base: str, market: Market) -> None:
    """Look at it as the operator, as a regulator and as another participant."""
    operator = await by_key(browser, base, OPERATOR_KEY, "zh")
    await operator.goto("/office/participants/provider-1")
    await operator.locator("main").get_by_role("link", name="成员").click()
    await expect(operator.locator("tbody")).to_contain_text("已移除")
    await operator.locator("#f-subject").fill("wang-wei")
    await operator.locator("#f-name").fill("王伟")
    await operator.get_by_role("button", name="添加").click()
    await expect(operator.locator("tbody")).to_contain_text("wang-wei")
    assert await obstacles(operator) == []
    await pictured(operator, "members-zh")
    regulator = await by_key(browser, base, market.regulator)
    await expect(regulator.locator("h1")).to_have_text("Members")
    other = await by_key(browser, base, market.enterprise)
    refused = await other.goto("/members?of=provider-1")
    assert refused is not None
    assert refused.status == 404
