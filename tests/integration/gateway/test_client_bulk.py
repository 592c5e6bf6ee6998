"""The client and the command line with many orders: sent, told, tried, watched, withdrawn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner, Result

import suanli
from schemas.types import OrderState
from suanli.cli import build_app
from tests.integration.gateway.conftest import OPERATOR_KEY, Json, Market, demand
from tests.integration.gateway.serving import served
from tests.integration.gateway.test_client_streams import pump
from tests.integration.gateway.test_orders import status_of

COUNT, AT_ONCE = 120, 50
ROW = "block,4,{hours},ascend-910b,15000000,2026-11-24T10:00:00Z,2026-11-25T10:00:00Z,{budget}\n"
HEAD = (
    "shape.type,shape.chips,shape.duration,alternatives.0.chips_any_of,alternatives.0.limit,"
    "earliest,deadline,budget\n"
)


@asynccontextmanager
async def cutting(url: str, after_bytes: int) -> AsyncIterator[tuple[list[int], str]]:
    """A line that breaks within the first answer, and bears from then on."""
    parts = urlsplit(url)
    cuts: list[int] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(parts.hostname, parts.port)
        sending = asyncio.create_task(pump(reader, far_writer))
        if not cuts:
            cuts.append(after_bytes)
            writer.write(await far_reader.readexactly(after_bytes))
            await writer.drain()
            writer.close()
            far_writer.transport.abort()
        else:
            await pump(far_reader, writer)
        await sending

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield cuts, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def items() -> list[Any]:
    return [demand(budget=2_000_000_000 + at) for at in range(COUNT)]


async def test_orders_go_in_parts_and_each_verdict_is_told_once_though_the_line_breaks(
    market: Market,
) -> None:
    gateway = market.gateway

    def send(url: str) -> list[Any]:
        with suanli.Client(url, market.enterprise) as exchange:
            return list(exchange.submit_many("demand", items(), key="all", at_once=AT_ONCE))

    async with served(gateway) as real, cutting(real, 12_000) as (cuts, url):
        found = await asyncio.to_thread(send, url)
        assert [item["index"] for item in found] == list(range(COUNT))
        orders = {item["receipt"]["order_id"] for item in found}
        assert (len(orders), cuts) == (COUNT, [12_000])
        async with suanli.AsyncClient(real, market.enterprise) as exchange:
            again = [
                item
                async for item in exchange.submit_many(
                    "demand", items(), key="all", at_once=AT_ONCE
                )
            ]
            tried: list[Any] = [
                item async for item in exchange.submit_many("demand", items(), dry_run=True)
            ]
        assert again == found
        assert [item["index"] for item in tried if item["preview"]["fits"]] == list(range(COUNT))
        with suanli.Client(real, market.provider) as wrong:
            told = wrong.submit_many("demand", items())
            with pytest.raises(suanli.ApiError) as refused:
                await asyncio.to_thread(list, told)
        assert refused.value.status == 403
    assert await gateway.pool.fetchval("SELECT count(*) FROM orders") == COUNT


class Shell:
    """Runs commands in a thread, against a served gateway."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._runner = CliRunner(env={"LANG": "C.UTF-8", "SUANLI_MARKET": None})

    async def run(self, key: str, words: str, expect: int = 0) -> Result:
        args = [*words.split(), "--api-url", self._url, "--api-key", key]
        # The noun alone, as a shell has it.
        app = build_app(args[:1])
        done = await asyncio.to_thread(self._runner.invoke, app, args)
        assert done.exit_code == expect, (words, done.output, done.exception)
        return done

    async def json(self, key: str, words: str, expect: int = 0) -> Any:  # noqa: ANN401 - JSON
        return json.loads((await self.run(key, f"{words} -o json", expect)).stdout)


async def test_a_file_is_tried_submitted_watched_and_withdrawn_by_the_command_line(
    market: Market, tmp_path: Path
) -> None:
    gateway, mine = market.gateway, market.enterprise
    file = tmp_path / "orders.csv"
    rows = [ROW.format(hours=2, budget=2_000_000_000 + at) for at in range(3)]
    # Its budget does not buy a chip for an hour.
    file.write_text(HEAD + "".join(rows) + ROW.format(hours=3, budget=1), encoding="utf-8")
    bad = tmp_path / "bad.csv"
    bad.write_text(HEAD + rows[0] + rows[1].replace("block", "blob"), encoding="utf-8")
    orders = "SELECT count(*) FROM orders"
    async with served(gateway) as url:
        shell = Shell(url)
        wrong = await shell.run(mine, f"demand submit {bad}", 2)
        assert "items.1.shape" in wrong.stderr
        tried = await shell.run(mine, f"demand submit {file} --dry-run", 1)
        assert "nothing was sent" in tried.stderr
        assert "validation.budget_too_small" in tried.stdout
        one = await shell.json(
            mine,
            "demand create --chip ascend-910b --chips 4 --hours 2 --limit 15 --dry-run "
            "--earliest 2026-11-24T10:00:00Z --deadline 2026-11-25T10:00:00Z",
            1,
        )
        # It fits, and there is no money yet.
        assert (bool(one["fits"][0]["pools"]), one["hold"]["is_covered"]) == (True, False)
        assert await gateway.pool.fetchval(orders) == 0
        sent = await shell.json(mine, f"demand submit {file} --key once", 1)
        assert [bool(item.get("receipt")) for item in sent] == [True, True, True, False]
        assert await shell.json(mine, f"demand submit {file} --key once", 1) == sent
        assert await gateway.pool.fetchval(orders) == 3
        first, second, _ = (item["receipt"]["order_id"] for item in sent[:3])

        # It hears of the end live, or finds it there if it comes late.
        watched = asyncio.create_task(shell.run(mine, f"orders watch {first} --timeout 60", 1))
        await gateway.publish(status_of(sent[0]["receipt"], sequence=1, state=OrderState.CANCELLED))
        assert "cancelled" in (await watched).stdout
        heard = await shell.run(mine, "orders watch --after oldest --timeout 3 -o json")
        line = json.loads(heard.stdout)
        assert (line["order_id"], line["state"]) == (first, "cancelled")
        late = await shell.run(mine, f"orders watch --after {line['id']} --timeout 1 -o csv")
        assert late.stdout == "order_id,occurred_at,kind,state,amount_yuan,round_id,reason\n"

        asked = await shell.run(mine, "orders cancel --all", 2)
        assert "--yes" in asked.stderr
        gone = await shell.json(mine, f"orders cancel {second}")
        assert gone[0]["receipt"]["order_id"] == second
        rest = await shell.json(mine, "orders cancel --all --yes --market jingjinji")
        assert len(rest) == 2
        await check_suspension(shell, market)


async def check_suspension(shell: Shell, market: Market) -> None:
    words = "participants suspend enterprise-1 --reason late-payment"
    await shell.run(OPERATOR_KEY, words)
    me: Json = await shell.json(market.enterprise, "participants me")
    assert me["status"] == "suspended"
    refused = await shell.run(market.enterprise, "orders cancel --all --yes", 1)
    assert "suspended" in refused.stderr
    await shell.run(OPERATOR_KEY, "participants resume enterprise-1 --reason paid")
    me = await shell.json(market.enterprise, "participants me")
    assert me["status"] == "active"
