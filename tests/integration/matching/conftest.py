"""A desk for each test: its own topics, its own schema."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from schemas.events import MarketDefined
from tests.conftest import Stack
from tests.integration.matching.desk import MARKET, Desk, open_desk, settings_for


@pytest_asyncio.fixture
async def desk(stack: Stack, topics: str, schema_prefix: str) -> AsyncIterator[Desk]:
    async with open_desk(settings_for(stack, topics, schema_prefix)) as opened:
        await opened.say(MarketDefined(market=MARKET))
        yield opened
