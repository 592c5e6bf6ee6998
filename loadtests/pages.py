"""The market's page with 100,000 live orders, and 1,000 open pages on one gateway.

Orders and a round go the whole way: onto the log and through the gateway's reader. A page that is
open listens to the rounds and fetches its part anew when one is published, as the browser does. At
last the gateway is started again, and the page is loaded as soon as it answers.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psutil
from playwright.async_api import async_playwright
from pydantic import SecretStr

from infra.demo import world
from infra.local.exchange import Exchange
from schemas import events
from schemas.codec import Envelope, derive_id, encode
from schemas.events import Reason
from schemas.market import Market
from schemas.orders import DemandTerms, OfferTerms
from schemas.registry import BY_MODEL
from schemas.types import OrderState, Side, period_of, period_start
from services.kit.kafka import LogWriter, OutRecord
from services.kit.postgres import connect
from services.kit.settings import KitSettings
from suanli import operations as ops
from suanli.client import AsyncClient

if TYPE_CHECKING:
    from datetime import datetime

ORDERS = 100_000
PAGES = 1_000
PAINTS = 7
_BATCH = 2_000
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_LIMITS = {
    "SUANLI_GATEWAY_ANONYMOUS_PER_S": "0",
    "SUANLI_GATEWAY_READS_PER_S": "0",
    "SUANLI_GATEWAY_LISTENERS_MAX": "100000",
}
_ANSWER_S_MAX = 600.0
_REASON = Reason(code="in_the_book", en="In the book.", zh="已入簿。")
_COUNT = "SELECT count(*) FROM orders WHERE state = 'open' AND submitted_at IS NOT NULL"
_PAINT = """() => new Promise((done) => {
    const told = () => {
        const [paint] = performance.getEntriesByName("first-contentful-paint");
        if (paint) done(paint.startTime); else setTimeout(told, 20);
    };
    told();
})"""


class Filling:
    """Puts orders and rounds on the log.

    Args:
        market: The market.
        now: Its instant.
        writer: Started writer of the log.
    """

    def __init__(self, market: Market, now: datetime, writer: LogWriter) -> None:
        self._market = market
        self._now = now
        self._writer = writer
        self._first = period_of(now) + 1

    async def orders(self, count: int) -> None:
        """Publish so many orders, half of them offers, and that they are in the book."""
        for start in range(0, count, _BATCH):
            numbers = range(start, min(count, start + _BATCH))
            made = [self._order(number) for number in numbers]
            await self._send([data for data, _ in made])
            await self._send([status for _, status in made])

    async def round(self, seq: int) -> None:
        """Publish a round of the market with prices of all its pools."""
        market, horizon = self._market, self._market.rules.horizon_periods
        common = {"round_id": f"{market.id}:{seq}", "market_id": market.id, "seq": seq}
        pools = [f"{zone.id}/{chip.id}" for zone in market.zones for chip in market.chips]
        curves = tuple(
            events.PoolCurve(
                pool=pool,
                prices=tuple(9_000_000 + 10_000 * (hour % 24) + place for hour in range(horizon)),
                chips=(4,) * horizon,
                offered=(64,) * horizon,
            )
            for place, pool in enumerate(pools)
        )
        sealed = {
            **common,
            "epoch": 1,
            "market_time": self._now,
            "manifest": [],
            "book_digest": "0" * 64,
            "rules_digest": "0" * 64,
            "offers": ORDERS // 2,
            "demands": ORDERS // 2,
        }
        closed = {
            **common,
            "count": 0,
            "digest": "0" * 64,
            "market_time": self._now,
            "fee_ppm": 0,
            "offers_through": [],
        }
        prices = events.RoundPrices(
            round_id=f"{market.id}:{seq}",
            market_id=market.id,
            first_period=period_start(self._first),
            part=0,
            parts=1,
            pools=curves,
        )
        await self._send([events.RoundSealed.model_validate(sealed), prices])
        await self._send([events.RoundClosed.model_validate(closed)])

    def _order(self, number: int) -> tuple[events.Event, events.Event]:
        market = self._market
        zone = market.zones[number % len(market.zones)]
        chip = market.chips[number // 7 % len(market.chips)]
        start = period_start(self._first + number % 24)
        side = Side.OFFER if number % 2 else Side.DEMAND
        order_id = derive_order(side, number)
        participant_id = f"bench-{number % 200}"
        common: dict[str, Any] = {
            "order_id": order_id,
            "market_id": market.id,
            "participant_id": participant_id,
        }
        data: events.Event
        if side is Side.OFFER:
            terms: dict[str, object] = {
                "zone": zone.id,
                "chip": chip.id,
                "chips": 8 + number % 57,
                "start": start,
                "end": start + timedelta(hours=12),
                "ask": 9_000_000 + number % 5_000 * 100,
                "resource_code": "CN.11.0108.BJ01-A910B",
            }
            data = events.OfferSubmitted(**common, terms=OfferTerms.model_validate(terms))
        else:
            terms = {
                "shape": {"type": "block", "chips": 8, "duration": 4},
                "alternatives": [
                    {"chips_any_of": [chip.id], "limit": 8_900_000 + number % 5_000 * 100}
                ],
                "earliest": start,
                "deadline": start + timedelta(hours=12),
            }
            data = events.DemandSubmitted(**common, terms=DemandTerms.model_validate(terms))
        status = events.OrderStatusChanged(
            **common,
            side=side,
            version=1,
            state=OrderState.OPEN,
            reason=_REASON,
            sequence=1,
            chip_hours_left=32,
        )
        return data, status

    async def _send(self, found: list[events.Event]) -> None:
        await self._writer.send_many([self._record(data) for data in found])

    def _record(self, data: events.Event) -> OutRecord:
        envelope = Envelope(
            id=derive_id("bench", str(time.monotonic_ns())),
            source="/suanli/bench",
            occurred_at=self._now,
            recorded_at=self._now,
            participant_id="exchange",
            correlation_id="bench",
            causation_id="",
            traceparent="",
            data=data,
        )
        key, value, headers = encode(envelope)
        return OutRecord(BY_MODEL[type(data)].topic, key, value, headers)


def derive_order(side: Side, number: int) -> str:
    """Return an order's id by its number."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    text = "".join(letters[number // 32**place % 32] for place in range(26))
    return f"{'off' if side is Side.OFFER else 'dem'}_{text}"


# --- painting -------------------------------------------------------------------------------------


async def paint(base: str, market_id: str, pid: int) -> list[str]:
    """Load the market's page anew some times; return what it took, the gateway's time too."""
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        return ["no browser: first paint was not measured"]
    firsts, depths, replies, spent = [], [], [], []
    async with async_playwright() as play:
        browser = await play.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(PAINTS):
            # A fresh visitor, who has none of the files yet.
            context = await browser.new_context(base_url=base)
            page = await context.new_page()
            page.set_default_timeout(120_000)
            began, before_s = time.perf_counter(), _cpu_s(pid)
            await page.goto(f"/market/{market_id}", wait_until="commit")
            replies.append(time.perf_counter() - began)
            firsts.append(float(await page.evaluate(_PAINT)) / 1_000)
            await page.locator("#depth form").wait_for()
            depths.append(time.perf_counter() - began)
            spent.append(_cpu_s(pid) - before_s)
            await context.close()
        await browser.close()
    return [
        f"{name}: {values[0]:.2f} s the first time, then median {statistics.median(values[1:]):.2f}"
        f" s, most {max(values[1:]):.2f} s"
        for name, values in (
            ("first byte", replies),
            ("first contentful paint", firsts),
            ("depth by delivery window drawn", depths),
            ("the gateway's processor time for all of it", spent),
        )
    ]


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


# --- open pages -----------------------------------------------------------------------------------


class OpenPage:
    """A page that is open: it listens, and fetches its part when a round is published.

    Args:
        host: Where the gateway is.
        port: The same.
        market_id: The market.
    """

    def __init__(self, host: str, port: int, market_id: str) -> None:
        self._address = (host, port)
        self._market_id = market_id
        self.is_ready = asyncio.Event()
        self.fetched_at: float | None = None
        self.wrong = ""

    async def live(self) -> None:
        """Listen until cancelled."""
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            writer.write(_get(f"/v1/streams/rounds?market_id={self._market_id}"))
            while line := await reader.readline():
                if line == b"event: ready\n":
                    self.is_ready.set()
                elif line == b"event: closed\n":
                    await self._fetch()
        finally:
            writer.close()

    async def _fetch(self) -> None:
        reader, writer = await asyncio.open_connection(*self._address)
        writer.write(_get(f"/market/{self._market_id}/parts"))
        body = await reader.read()
        writer.close()
        if not body.startswith(b"HTTP/1.1 200"):
            self.wrong = body[:80].decode(errors="replace")
        self.fetched_at = time.time()


def _get(path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\n"
        "HX-Request: true\r\nConnection: close\r\n\r\n"
    ).encode()


async def crowd(base: str, filling: Filling, market_id: str, count: int) -> list[str]:
    """Open so many pages, publish a round, and return how long until all show it."""
    address = urlsplit(base)
    assert address.hostname is not None
    assert address.port is not None
    pages = [OpenPage(address.hostname, address.port, market_id) for _ in range(count)]
    began = time.time()
    tasks = []
    for start in range(0, count, 100):
        tasks += [asyncio.create_task(page.live()) for page in pages[start : start + 100]]
        await asyncio.gather(*(page.is_ready.wait() for page in pages[start : start + 100]))
    opened_s = time.time() - began
    began = time.time()
    await filling.round(9_000)
    async with asyncio.timeout(120):
        while any(page.fetched_at is None for page in pages):  # noqa: ASYNC110 - sockets are many
            await asyncio.sleep(0.05)
    took = sorted((page.fetched_at or 0) - began for page in pages)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    wrong = [page.wrong for page in pages if page.wrong]
    shown = f"half show it after {took[count // 2]:.2f} s, all after {took[-1]:.2f} s"
    failed = f"{len(wrong)} failed {wrong[:1]}"
    return [f"{count} open pages after {opened_s:.1f} s; a round published: {shown}; {failed}"]


async def _until_read(exchange: Exchange, count: int) -> float:
    """Wait until the gateway has read so many open orders; return how long that took."""
    began = time.perf_counter()
    conn = await connect(SecretStr(exchange.stack.postgres_dsn), "gateway")
    try:
        async with asyncio.timeout(_ANSWER_S_MAX):
            # The test's own question, and no part of the exchange.
            while await conn.fetchval(_COUNT) < count:  # noqa: ASYNC110 - a table cannot be awaited
                await asyncio.sleep(0.5)
    finally:
        await conn.close()
    return time.perf_counter() - began


async def run(exchange: Exchange, orders: int, pages: int) -> list[str]:
    """Measure everything and return the lines of the report."""
    base = exchange.api_url
    market = Market.model_validate(world.market(round_every_s=86_400, effort=1))
    async with AsyncClient(base, exchange.config.operator_key) as operator:
        body = market.model_dump(mode="json")
        await operator.send(ops.Operation("POST", "/v1/markets", body=body))
    writer = LogWriter(KitSettings(kafka_bootstrap=exchange.stack.kafka_bootstrap))
    await writer.start()
    try:
        filling = Filling(market, exchange.clock.now(), writer)
        for seq in range(1, 61):
            await filling.round(seq)
        await filling.orders(orders)
        read_s = await _until_read(exchange, orders)
        lines = [f"{orders} live orders, {read_s:.0f} s after the last was on the log"]
        lines += await paint(base, market.id, _pid(exchange))
        lines += await crowd(base, filling, market.id, pages)
        exchange.kill("gateway")
        while exchange.stack.supervisor.is_running("gateway"):  # noqa: ASYNC110 - it is a process
            await asyncio.sleep(0.05)
        await asyncio.to_thread(exchange.start_service, "gateway")
        lines.append("after the gateway was killed and started again:")
        lines += await paint(exchange.api_url, market.id, _pid(exchange))
    finally:
        await writer.stop()
    return lines


def _pid(exchange: Exchange) -> int:
    pid = exchange.stack.supervisor.status("gateway").pid
    assert pid is not None, "the gateway must run"
    return pid


def main() -> list[str]:
    """Run the measurement on an exchange of its own and return the report."""
    folder = Path(tempfile.mkdtemp(prefix="suanli-bench-"))
    exchange = Exchange(folder)
    os.environ.update(_LIMITS)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    load_before = os.getloadavg()[0]
    try:
        exchange.configure()
        exchange.start_stack(quiet=True)
        exchange.start_service("gateway")
        lines = asyncio.run(run(exchange, ORDERS, PAGES))
    finally:
        exchange.wipe()
        shutil.rmtree(folder, ignore_errors=True)
    return [*lines, f"load {load_before:.1f} before, {os.getloadavg()[0]:.1f} after"]
