"""A headless Chromium for tests of pages, and what makes a page hard to use."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

# Nothing here takes that long, but on a machine that does much else at once it may.
expect.set_options(timeout=20_000)
ROOT = Path(__file__).parents[3]
PICTURES = ROOT / "build" / "pages"
AXE = ROOT / "tests" / "vendor" / "axe.min.js"
WIDTHS = (390, 1280)
# The headless shell alone is the quickest to start and to paint.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# As root it has no sandbox, and a closed network must not slow its start.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# A chart is as wide as its place, has something in it, and all names of its lines are in sight.
_FITTING = """() => [...document.querySelectorAll(".plot")].every((plot) => {
    const drawn = plot.querySelector(".uplot");
    if (!drawn || !plot.clientWidth) return true;
    const canvas = drawn.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return Math.abs(drawn.clientWidth - plot.clientWidth) < 3
        && plot.scrollHeight <= plot.clientHeight + 1 && data.some((part) => part);
})"""

# Lists of pages scroll sideways on a phone: the one that is open is seen nevertheless.
_IN_SIGHT = """() => [...document.querySelectorAll("nav [aria-current=page]")].every((entry) => {
    const { left, right } = entry.getBoundingClientRect();
    return left >= 0 && right <= innerWidth + 1;
})"""


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Open a browser; skip the test where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        named = ", ".join(_NAMES)
        pytest.skip(f"no browser: none of {named} is on the path; `make browser` installs one")
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=found, args=list(_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


async def opened(browser: Browser, base: str, language: str, **options: Any) -> Page:  # noqa: ANN401
    """Return a fresh visitor's page, whose errors fail the test that looks at them."""
    context = await browser.new_context(
        base_url=base, locale={"zh": "zh-CN", "en": "en-GB"}[language], **options
    )
    page = await context.new_page()
    page.set_default_timeout(30_000)
    return page


async def pictured(page: Page, name: str) -> None:
    """Keep pictures of a page at two widths; it must not be wider than the narrow one."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    await page.evaluate("scrollTo(0, 0)")
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900})
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name}: must fit {width} px, was {wide}: {await _wider(page)}"
        # Charts are drawn again a moment after the window has its new width.
        await page.wait_for_function(_FITTING)
        await page.wait_for_function(_IN_SIGHT)
        await page.screenshot(path=PICTURES / f"{name}-{width}.png", full_page=True)


async def _wider(page: Page) -> str:
    """Return the parts of a page that stick out of it."""
    return str(
        await page.evaluate(
            """() => [...document.querySelectorAll("main *")]
                .filter((part) => part.getBoundingClientRect().right > innerWidth
                    && !part.closest(".scroll, .heat-scroll"))
                .map((part) => part.outerHTML.slice(0, 90)).slice(0, 4)"""
        )
    )


async def obstacles(page: Page, *rules: str) -> list[str]:
    """Return what axe calls moderate or worse, by these rules or by all."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate(
        """rules => axe.run(document, {
            resultTypes: ["violations"], ...(rules.length ? {runOnly: rules} : {}),
        })""",
        list(rules),
    )
    return [
        f"{item['id']}: {item['nodes'][0]['html'][:200]}"
        for item in found["violations"]
        if item["impact"] in ("moderate", "serious", "critical")
    ]
