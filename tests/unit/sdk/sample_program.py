"""A user's program, whose types `mypy --strict` must know without help; a test runs it, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import suanli
from suanli.models import OfferTerms, PriceView, Receipt
from suanli.rows import AsyncRows, Rows

if TYPE_CHECKING:
    import polars as pl


def offer(exchange: suanli.Client, market_id: str, terms: OfferTerms) -> str:
    """Offer capacity, twice by the same key; return the one order's id."""
    receipt = exchange.submit_offer(market_id, terms, key="sample-1")
    assert_type(receipt, Receipt)
    again = exchange.submit_offer(market_id, terms, key="sample-1")
    assert again["order_id"] == receipt["order_id"]
    assert receipt["order_id"] is not None
    seen = exchange.get_offer(receipt["order_id"])
    assert_type(seen["terms"], OfferTerms)
    return seen["order_id"]


def dearest(exchange: suanli.Client, market_id: str) -> int:
    """Return the highest price of a market, micro-yuan per chip-hour; 0 before any trade."""
    prices = exchange.list_prices(market_id=market_id)
    assert_type(prices, Rows[PriceView])
    return max(row["price"] or 0 for row in prices)


def table(exchange: suanli.Client, market_id: str) -> pl.DataFrame:
    """Return the prices as a frame; amounts are whole micro-yuan."""
    return exchange.list_prices(market_id=market_id).to_polars()


async def dearest_awaited(exchange: suanli.AsyncClient, market_id: str) -> int:
    """Return the same, awaited."""
    prices = exchange.list_prices(market_id=market_id)
    assert_type(prices, AsyncRows[PriceView])
    return max([row["price"] or 0 async for row in prices])
