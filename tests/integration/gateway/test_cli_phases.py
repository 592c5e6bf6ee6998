"""The command line on phases, indications and the record of acts, against a served gateway."""

from __future__ import annotations

import asyncio
import os
import re
import sys

from schemas.events import Reason
from schemas.market import Market as MarketTerms
from services.gateway.adapters.http import examples
from services.gateway.adapters.indications import ChildProjector
from services.gateway.indicating import build_indicator
from tests.integration.gateway.conftest import Market, demand, offer
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_orders import status_of
from tests.integration.gateway.test_phases import FREEZING, freezing

_PROGRAM = "from suanli.cli import main; main()"


async def shell(url: str, key: str, *words: str) -> tuple[int | None, str]:
    """Run the command line; return its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PROGRAM,
        *words,
        env=os.environ | {"SUANLI_API_URL": url, "SUANLI_API_KEY": key, "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_the_command_line_tells_phase_indication_and_a_withdrawal_that_has_to_wait(
    market: Market,
) -> None:
    await freezing(market)
    gateway = market.gateway
    supply = (await gateway.submit("offers", offer(), market.provider, "k1")).json()
    need = (await gateway.submit("demand", demand(), market.enterprise, "k2")).json()
    for told in (supply, need):
        await gateway.publish(status_of(told, chip_hours_left=8), cause=told["event_id"])
    count = "SELECT count(*) FROM orders WHERE state = 'open'"
    await gateway.eventually(lambda: gateway.pool.fetchval(count), lambda n: n == 2)
    projector = ChildProjector(gateway.settings.gateway_indicative_memory_mib)
    try:
        making = build_indicator(gateway.settings, gateway.pool, projector, gateway.clock, 1.0)
        assert await making.make(MarketTerms.model_validate(examples.MARKET | FREEZING))
    finally:
        await projector.close()
    order = supply["order_id"]

    async def refuse() -> None:
        asked = "SELECT event_id FROM order_event WHERE order_id = $1 AND kind = 'cancel_requested'"
        cause = await gateway.eventually(
            lambda: gateway.pool.fetchval(asked, order), lambda found: found is not None
        )
        reason = Reason(code="frozen_cancel", en="It has to wait.", zh="冻结")
        await gateway.publish(status_of(supply, sequence=2, reason=reason), cause=cause)

    async with served(gateway) as url:
        shown, prices, likely, withdrawn, _ = await asyncio.gather(
            shell(url, market.enterprise, "markets", "jingjinji"),
            shell(url, market.enterprise, "prices", "--market", "jingjinji", "--indicative"),
            shell(url, market.enterprise, "orders", "likelihood", need["order_id"]),
            shell(url, market.provider, "offers", "cancel", order),
            refuse(),
        )
    assert shown[0] == prices[0] == likely[0] == 0
    assert "freeze before it (s)" in shown[1]
    assert "600" in shown[1]
    assert "bj-1/" in prices[1]
    assert "filled whole (%)" in likely[1]
    assert withdrawn[0] == 1
    assert "It has to wait." in withdrawn[1]


async def test_the_command_line_tells_who_asked_for_what_and_what_became_of_it(
    market: Market,
) -> None:
    gateway = market.gateway
    await gateway.call(
        "POST", "/v1/participants/provider-1/keys", {"label": "bot"}, key=market.provider
    )
    async with served(gateway) as url:
        shown, theirs, codes = await asyncio.gather(
            shell(url, market.regulator, "acts", "--limit", "1", "--lang", "zh"),
            shell(url, market.enterprise, "acts"),
            shell(url, market.regulator, "acts", "--participant", "provider-1", "-o", "csv"),
        )
    assert shown[0] == theirs[0] == codes[0] == 0
    assert re.search(r"provider-1 +key_\w+ +管理 +新建密钥 +/v1/\S+/keys +完成 +201", shown[1])
    assert theirs[1] == "Nothing was asked for.\n"
    assert ",admin,add_key,/v1/participants/provider-1/keys,done,201," in codes[1]
