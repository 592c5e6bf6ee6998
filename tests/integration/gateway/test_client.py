"""The client's generated calls against a served gateway."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pandas as pd
import polars as pl
import pytest

import suanli
from schemas.examples import examples
from schemas.registry import BY_MODEL, PER_PARTICIPANT
from services.gateway.adapters.http import examples as bodies
from suanli import rows
from suanli.models import OfferTerms
from tests.integration.gateway.conftest import OPERATOR_KEY, Market
from tests.integration.gateway.serving import served
from tests.unit.sdk import sample_program as program

TERMS = cast("OfferTerms", bodies.OFFER_TERMS)


def use(url: str, key: str) -> dict[str, Any]:
    """Do what a user's program does, from a thread of its own."""
    with suanli.Client(url, key) as exchange:
        order_id = program.offer(exchange, "jingjinji", TERMS)
        found = [row["order_id"] for row in exchange.list_offers(state=["accepted", "open"])]
        assert found == [order_id]
        prices = exchange.list_prices(market_id="jjj-spot")
        return {
            "dearest": program.dearest(exchange, "jjj-spot"),
            "polars": program.table(exchange, "jjj-spot"),
            "pandas": prices.to_pandas(),
            "rows": list(prices),
            "nested": exchange.list_offers().to_polars(),
        }


async def test_a_typed_program_offers_reads_and_makes_frames(market: Market) -> None:
    gateway = market.gateway
    known = [one for one in examples() if BY_MODEL[type(one)].topic not in PER_PARTICIPANT]
    await gateway.publish(*known)
    await gateway.eventually(
        lambda: gateway.call("GET", "/v1/prices?market_id=jjj-spot"),
        lambda reply: reply.status_code == 200 and reply.json()["items"],
    )
    async with served(gateway) as url:
        seen = await asyncio.to_thread(use, url, market.provider)
        async with suanli.AsyncClient(url, market.provider) as exchange:
            assert await program.dearest_awaited(exchange, "jjj-spot") == seen["dearest"]
            me = await exchange.get_me()
            assert me["participant_id"] == "provider-1"
            frame = await exchange.list_prices(market_id="jjj-spot").to_polars()
            assert frame.equals(seen["polars"])
    assert frame["price_micro_yuan"].dtype == pl.Int64
    assert frame["period"].dtype == pl.Datetime("us", "UTC")
    assert frame["price_micro_yuan"].to_list() == [row["price"] for row in seen["rows"]]
    assert seen["pandas"]["price_micro_yuan"].dtype == pd.Int64Dtype()
    # Fields inside others keep their path, and their unit.
    assert seen["nested"]["terms.ask_micro_yuan"].to_list() == [9_500_000]


async def test_a_list_is_read_to_its_end_page_by_page(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_PAGE", 2)
    async with (
        served(market.gateway) as url,
        suanli.AsyncClient(url, OPERATOR_KEY) as exchange,
    ):
        for number in range(4):
            await exchange.register(
                {"participant_id": f"more-{number}", "role": "provider", "name": "More"}
            )
        found = [row["participant_id"] async for row in exchange.list_participants()]
    assert len(found) == len(set(found)) == 7


async def test_a_refusal_is_an_error_with_field_value_and_what_is_allowed(market: Market) -> None:
    async with (
        served(market.gateway) as url,
        suanli.AsyncClient(url, market.provider, language="zh") as exchange,
    ):
        wrong: OfferTerms = {**TERMS, "ask": 9_500_001}
        with pytest.raises(suanli.ApiError) as refused:
            await exchange.submit_offer("jingjinji", wrong)
    (fault,) = refused.value.errors
    assert (refused.value.status, fault["field"], fault["value"]) == (422, "terms.ask", "9500001")
    assert fault["allowed"]


async def test_an_exchange_that_is_no_sandbox_gives_no_play_money(market: Market) -> None:
    async with (
        served(market.gateway) as url,
        suanli.AsyncClient(url, market.provider) as exchange,
    ):
        with pytest.raises(suanli.ApiError) as refused:
            await exchange.take_play_money(1)
        assert (refused.value.status, exchange.environment) == (404, "")
